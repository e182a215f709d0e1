// The contract of the kernels for windows of few terms, which csrc/families/taps.cpp compiles once per instruction set.
#pragma once

#include "kernels.hpp"

namespace accel {

/// Rows of some planes and their windows of 3 x 3 elements at every place. Strides are in elements; along rows they
/// are 1.
struct Planes {
  int64_t count, x_plane, out_plane, factors_plane, bias_plane;
  int64_t places[2], lengths[2], low[2];  // place o and kernel position k meet element o + k - low where there is one
  int64_t x_row, out_row;
};

struct TapRow {
  CType type;
  int vector;  // elements of a vector
  /// out[j] = the fma chain from +0 over t of factors[t] * in[offsets[t] + j], for the j of so many vectors.
  void (*chain)(int64_t vectors, int64_t terms, const void* factors, const int64_t* offsets, const void* in, void* out);
  /// out[y][x] = the fma chain from +0 over the elements that a place meets, times factors[9], + 0 (+ *bias, where
  /// there is one). Columns without an element count as 0. Null where no instruction loads under a mask.
  void (*nine)(const Planes& planes, const void* factors, const void* x, const void* bias, void* out);
  /// Whether there is no infinity and no NaN.
  bool (*finite)(int64_t n, const void* data);
  /// dst[i * dst_row + j] = src[i * src_row + j * step] for i < rows, j < n.
  void (*bring)(int64_t rows, int64_t n, const void* src, int64_t src_row, int64_t step, void* dst, int64_t dst_row);
  /// dst[i * dst_row + j * step] = src[i * src_row + j] + 0 (+ *bias, where there is one).
  void (*finish)(int64_t rows, int64_t n, const void* src, int64_t src_row, const void* bias, void* dst,
                 int64_t dst_row, int64_t step);
};

/// Those of float32 and float64 of a table's instruction set.
const TapRow& find_taps(const KernelTable& table, CType type);

}  // namespace accel
