// Products with quantised weights in the canonical order (docs/numerics.md): the weights as float32, then as matmul.
#pragma once

#include <string>

#include "kernels.hpp"
#include "quantized_kernels.hpp"
#include "threads.hpp"

namespace accel {

/// (m, k) times (k, n). Strides of A and of the output are those of rows and columns; the weights lie in whole panels.
struct QuantizedProblem {
  int64_t m, n, k, group;
  int64_t a_row, a_col, out_row, out_col;
};

class Quantized {
 public:
  /// bits: of a weight, 8 or 4. Throws std::invalid_argument for others, or dtypes that are not float32 or 16-bit
  /// floats.
  Quantized(const KernelTable& table, int bits, DType dtype, DType output);

  DType dtype() const { return dtype_; }
  DType output() const { return output_; }
  Codes codes() const { return codes_; }

  /// inputs: A, codes, scales, zeros.
  void run(const QuantizedProblem& problem, char* const* inputs, char* out, int threads, Interrupt& interrupt) const;

 private:
  void prepare(const QuantizedProblem& problem, const char* a, int64_t rows, float* factors) const;

  const DType dtype_, output_;
  Codes codes_;
  const QuantizedKernels* kernels_;
  const PackRow* widen_ = nullptr;
  ArrayKernel narrow_ = nullptr;  // null where the output is float32
};

}  // namespace accel
