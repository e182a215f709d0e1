// Scans along one axis in the canonical order: groups of 16 elements, whose totals are scanned by the same rule.
#pragma once

#include <string>

#include "kernels.hpp"
#include "layout.hpp"
#include "threads.hpp"

namespace accel {

/// A scan of rows of `length` elements. Strides of `kept` are of the input and of the output; steps are along a row.
struct ScanProblem {
  Extents kept;
  Extents in_kept, out_kept;
  int64_t length;
  int64_t in_step, out_step;
};

class Scan {
 public:
  /// kind: sum prod max min logaddexp. initial: a row of the output begins with one element more, the identity, which
  /// sum and prod have. Throws std::invalid_argument for what a kind does not take or give.
  Scan(const KernelTable& table, const std::string& kind, DType dtype, DType output, bool initial);

  DType dtype() const { return dtype_; }
  DType output() const { return output_; }
  bool initial() const { return initial_; }

  void run(const ScanProblem& problem, const char* in, char* out, int threads, Interrupt& interrupt) const;

 private:
  struct Row;
  struct Call;

  const char* elements(const Row& row, int64_t at, int64_t n) const;
  void segment(const Row& row, int64_t begin, int64_t end, void* state, Worker& worker) const;
  void run_rows(const Call& call, int threads, Interrupt& interrupt) const;
  void run_split(const Call& call, int threads, Interrupt& interrupt) const;
  void run_columns(const Call& call, int threads, Interrupt& interrupt) const;
  void begin(const Row& row) const;

  const DType dtype_, output_;
  const bool initial_;
  DType accumulator_;
  const ScanRow* row_ = nullptr;
  ArrayKernel widen_ = nullptr;       // to the accumulator; null where it is the same
  ArrayKernel narrow_ = nullptr;      // from it
  alignas(8) char identity_[8] = {};  // as the output stores it
};

}  // namespace accel
