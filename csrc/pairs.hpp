// Pairs whose elements are neighbours in memory, as real and imaginary parts are: taken apart, and put together.
#pragma once

#include <cstdint>

namespace accel {

/// first[r * n + i] = src[r * row_stride + 2 * i], and second the elements after these, of `size` bytes.
void gather_pairs(int size, int64_t rows, int64_t n, void* first, void* second, const void* src, int64_t row_stride);

/// dst[r * row_stride + 2 * i] = first[r * n + i], and the elements after these second.
void scatter_pairs(int size, int64_t rows, int64_t n, void* dst, int64_t row_stride, const void* first,
                   const void* second);

}  // namespace accel
