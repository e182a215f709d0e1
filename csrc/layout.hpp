// Shapes, strides and nests of loops. Strides are in elements and may be negative or 0.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "dtypes.hpp"

namespace accel {

inline constexpr int kMaxRank = 64;

/// A short list of int64: a shape, or strides.
struct Extents {
  int rank = 0;
  std::array<int64_t, kMaxRank> data;  // the first `rank` hold

  Extents() = default;
  Extents(const Extents& other) { *this = other; }
  Extents& operator=(const Extents& other) {
    rank = other.rank;
    std::copy_n(other.data.begin(), rank, data.begin());
    return *this;
  }

  int64_t operator[](int d) const { return data[d]; }
  int64_t& operator[](int d) { return data[d]; }
  void append(int64_t x) { data[rank++] = x; }
  int64_t product() const {
    int64_t p = 1;
    for (int d = 0; d < rank; ++d) p *= data[d];
    return p;
  }
};

/// An array in memory: the address of its first element (all indices 0), and its strides.
struct Operand {
  char* data;
  Extents strides;
};

/// A nest of loops over `shape`, row-major, that moves several operands.
struct Nest {
  Extents shape;
  std::vector<Extents> strides;  // one per operand

  int rank() const { return shape.rank; }
  int64_t inner() const { return shape.rank ? shape[shape.rank - 1] : 1; }
  int64_t inner_stride(size_t operand) const { return shape.rank ? strides[operand][shape.rank - 1] : 0; }

  /// Drops dimensions of one element and merges neighbours that every operand crosses with one stride. Keeps the order.
  void collapse();

  /// Reorders dimensions so that the leading operands' strides descend, then collapses. For work free of order.
  void sort_and_collapse();

  /// Makes two dimensions of the innermost, n = (n / step, step); step divides n.
  void split_inner(int64_t step);

  /// Moves a dimension inwards, from `from` to `to`.
  void move(int from, int to);
};

/// The offsets of every operand at one position of a nest's outer dimensions (all but the innermost), moved row by row.
class RowCursor {
 public:
  RowCursor(const Nest& nest, int64_t row);

  int64_t offset(size_t operand) const { return offsets_[operand]; }

  /// Rows from here on that follow one another with the strides of the last outer dimension.
  int64_t run() const { return nest_.rank() < 2 ? 1 : nest_.shape[nest_.rank() - 2] - index_[nest_.rank() - 2]; }

  /// Moves by 0 < rows <= run().
  void advance(int64_t rows);
  void next() { advance(1); }

 private:
  const Nest& nest_;
  std::array<int64_t, kMaxRank> index_;
  std::vector<int64_t> offsets_;
};

/// dst[r * pitch + i] = src[r * row_stride + i * stride] for elements of `size` bytes.
void gather(int size, int64_t rows, int64_t n, void* dst, int64_t pitch, const void* src, int64_t row_stride,
            int64_t stride);
/// dst[r * row_stride + i * stride] = src[r * pitch + i].
void scatter(int size, int64_t rows, int64_t n, void* dst, int64_t row_stride, int64_t stride, const void* src,
             int64_t pitch);

/// The same with a pitch of n.
inline void gather(int size, int64_t rows, int64_t n, void* dst, const void* src, int64_t row_stride, int64_t stride) {
  gather(size, rows, n, dst, n, src, row_stride, stride);
}
inline void scatter(int size, int64_t rows, int64_t n, void* dst, int64_t row_stride, int64_t stride, const void* src) {
  scatter(size, rows, n, dst, row_stride, stride, src, n);
}

/// The same for one row.
inline void gather(int size, int64_t n, void* dst, const void* src, int64_t stride) {
  gather(size, 1, n, dst, src, 0, stride);
}
inline void scatter(int size, int64_t n, void* dst, int64_t stride, const void* src) {
  scatter(size, 1, n, dst, 0, stride, src);
}

}  // namespace accel
