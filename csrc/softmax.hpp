// Softmax, log-softmax and log-sum-exp over contiguous elements, a few rows at a time that stay in cache. The same bits
// as the operations they are composed of: max, exp(x - max), sum, and a quotient or a logarithm.
#pragma once

#include <string>

#include "kernels.hpp"
#include "layout.hpp"
#include "threads.hpp"

namespace accel {

class Softmax {
 public:
  /// kind: softmax, log_softmax or logsumexp. dtype: floating; output: it, or float32 for 16-bit floats. Throws
  /// std::invalid_argument for anything else.
  Softmax(const KernelTable& table, const std::string& kind, DType dtype, DType output);

  DType dtype() const { return dtype_; }
  DType output() const { return output_; }
  bool reduces() const { return kind_ == Kind::kLogSumExp; }

  /// Rows of `length` > 0 contiguous elements at in[kept...]; results as many, contiguous, at out[kept...], or one.
  void run(const Extents& kept, const Operand& out, const Operand& in, int64_t length, int threads,
           Interrupt& interrupt) const;

 private:
  enum class Kind { kSoftmax, kLogSoftmax, kLogSumExp };
  struct Rows;

  void run_rows(const Rows& rows) const;
  void fold(const FoldRow& first, const FoldRow& next, int64_t count, int64_t n, const char* x, int64_t row_stride,
            bool far, int64_t size, char* result) const;
  void finite_shifts(int64_t count, char* shifts) const;

  Kind kind_;
  const DType dtype_, output_;
  DType accumulator_;
  const SoftmaxRow* row_ = nullptr;
  const FoldRow *peak_, *next_peak_, *sum_;
  ArrayKernel narrow_;     // accumulator to output; null where they are the same
  ArrayKernel log_, add_;  // in the accumulator's dtype
};

}  // namespace accel
