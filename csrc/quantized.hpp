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

/// A way to store weights, as docs/quantization.md names it.
struct WeightFormat {
  const char* name;
  Codes codes;
  Scales scales;
  float zero = 0;         // of codes whose zeros are not stored
  int64_t group = 0;      // inputs that share a scale; 0: as the call says
  int64_t per_super = 0;  // groups of a super-block

  int64_t steps() const {  // codes of a byte
    return codes == Codes::kInt4 || codes == Codes::kUint4 || codes == Codes::kE2m1 ? 2 : 1;
  }
};

class Quantized {
 public:
  /// Throws std::invalid_argument for unknown formats, or dtypes that are not float32 or 16-bit floats.
  Quantized(const KernelTable& table, const std::string& format, DType dtype, DType output);

  DType dtype() const { return dtype_; }
  DType output() const { return output_; }
  const WeightFormat& format() const { return *format_; }

  /// inputs: A, codes, scales, and minors where the format has them.
  void run(const QuantizedProblem& problem, char* const* inputs, char* out, int threads, Interrupt& interrupt) const;

 private:
  void scale(const QuantizedProblem& problem, char* const* inputs, int64_t panel, QuantizedChunk& chunk) const;
  void prepare(const QuantizedProblem& problem, const char* a, int64_t rows, float* factors) const;

  const DType dtype_, output_;
  const WeightFormat* format_ = nullptr;
  const QuantizedKernels* kernels_;
  const PackRow* widen_ = nullptr;
  ArrayKernel narrow_ = nullptr;  // null where the output is float32
};

}  // namespace accel
