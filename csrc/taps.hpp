// The contract of the kernels for windows of few terms, which csrc/families/taps.cpp compiles once per instruction set.
#pragma once

#include "kernels.hpp"

namespace accel {

struct TapRow {
  CType type;
  int vector;  // elements of a vector
  /// out[j] = the fma chain from +0 over t of factors[t] * in[offsets[t] + j], for the j of so many vectors.
  void (*chain)(int64_t vectors, int64_t terms, const void* factors, const int64_t* offsets, const void* in, void* out);
  /// dst[i * dst_row + j] = src[i * src_row + j * step] for i < rows, j < n.
  void (*bring)(int64_t rows, int64_t n, const void* src, int64_t src_row, int64_t step, void* dst, int64_t dst_row);
  /// dst[i * dst_row + j * step] = src[i * src_row + j] + 0 (+ *bias, where there is one).
  void (*finish)(int64_t rows, int64_t n, const void* src, int64_t src_row, const void* bias, void* dst,
                 int64_t dst_row, int64_t step);
};

/// Those of float32 and float64 of a table's instruction set.
const TapRow& find_taps(const KernelTable& table, CType type);

}  // namespace accel
