// Shapes, strides and nests of loops. Strides are in elements and may be negative or 0.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "dtypes.hpp"

namespace accel {

inline constexpr int kMaxRank = 64;

/// A short list of int64: a shape, or strides.
struct Extents {
  int rank = 0;
  std::array<int64_t, kMaxRank> data;  // the first `rank` hold

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
  int64_t inner_stride(int operand) const { return shape.rank ? strides[operand][shape.rank - 1] : 0; }

  /// Drops dimensions of one element and merges neighbours that every operand crosses with one stride. Keeps the order.
  void collapse();

  /// Reorders dimensions so that the leading operands' strides descend, then collapses. For work free of order.
  void sort_and_collapse();
};

/// The offsets of every operand at one position of a nest's outer dimensions (all but the innermost), moved row by row.
class RowCursor {
 public:
  RowCursor(const Nest& nest, int64_t row);
  void next();
  int64_t offset(int operand) const { return offsets_[operand]; }

 private:
  const Nest& nest_;
  std::array<int64_t, kMaxRank> index_;
  std::vector<int64_t> offsets_;
};

/// dst[i] = src[i * stride] for n elements of `size` bytes.
void gather(int size, int64_t n, void* dst, const void* src, int64_t stride);
/// dst[i * stride] = src[i].
void scatter(int size, int64_t n, void* dst, int64_t stride, const void* src);

}  // namespace accel
