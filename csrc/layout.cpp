#include "layout.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <type_traits>

namespace accel {

void Nest::collapse() {
  int kept = 0;
  for (int d = 0; d < shape.rank; ++d) {
    if (shape[d] == 1) continue;
    const bool merges = kept > 0 && std::all_of(strides.begin(), strides.end(),
                                                [&](const Extents& s) { return s[kept - 1] == s[d] * shape[d]; });
    const int to = merges ? kept - 1 : kept++;
    shape[to] = merges ? shape[to] * shape[d] : shape[d];
    for (Extents& s : strides) s[to] = s[d];
  }
  shape.rank = kept;
  for (Extents& s : strides) s.rank = kept;
}

void Nest::sort_and_collapse() {
  const auto outer = [this](int a, int b) {
    for (const Extents& s : strides) {
      const int64_t x = std::abs(s[a]), y = std::abs(s[b]);
      if (x != y && x != 0 && y != 0) return x > y;
    }
    return false;
  };
  // An insertion sort: ranks are small, the order is usually right, and `outer` is no strict weak order where strides
  // of 0 leave two dimensions uncompared.
  for (int d = 1; d < shape.rank; ++d) {
    for (int e = d; e > 0 && outer(e, e - 1); --e) {
      std::swap(shape[e], shape[e - 1]);
      for (Extents& s : strides) std::swap(s[e], s[e - 1]);
    }
  }
  collapse();
}

void Nest::split_inner(int64_t step) {
  const int last = shape.rank - 1;
  shape.append(step);
  shape[last] /= step;
  for (Extents& s : strides) {
    s.append(s[last]);
    s[last] *= step;
  }
}

void Nest::move(int from, int to) {
  const auto rotate = [&](Extents& extents) {
    const auto begin = extents.data.begin();
    std::rotate(begin + from, begin + from + 1, begin + to + 1);
  };
  rotate(shape);
  for (Extents& s : strides) rotate(s);
}

RowCursor::RowCursor(const Nest& nest, int64_t row) : nest_(nest), offsets_(nest.strides.size(), 0) {
  for (int d = nest.rank() - 2; d >= 0; --d) {
    index_[d] = row % nest.shape[d];
    row /= nest.shape[d];
    for (size_t k = 0; k < offsets_.size(); ++k) offsets_[k] += index_[d] * nest.strides[k][d];
  }
}

void RowCursor::advance(int64_t rows) {
  for (int d = nest_.rank() - 2; d >= 0; --d, rows = 1) {
    index_[d] += rows;
    const int64_t back = index_[d] < nest_.shape[d] ? 0 : nest_.shape[d];
    for (size_t k = 0; k < offsets_.size(); ++k) offsets_[k] += (rows - back) * nest_.strides[k][d];
    if (!back) return;
    index_[d] = 0;
  }
}

namespace {

/// Calls body(T{}) for the unsigned type of `size` bytes.
template <class Body>
void with_size(int size, Body&& body) {
  switch (size) {
    case 1:
      return body(uint8_t{});
    case 2:
      return body(uint16_t{});
    case 4:
      return body(uint32_t{});
    default:
      return body(uint64_t{});
  }
}

}  // namespace

void gather(int size, int64_t rows, int64_t n, void* dst, const void* src, int64_t row_stride, int64_t stride) {
  if (stride == 1 && rows == 1) {
    std::memmove(dst, src, static_cast<size_t>(n) * size);
    return;
  }
  with_size(size, [&](auto zero) {
    using T = decltype(zero);
    T* out = static_cast<T*>(dst);
    const T* x = static_cast<const T*>(src);
    for (int64_t r = 0; r < rows; ++r, out += n, x += row_stride) {
      if (stride == 1) {
        std::copy_n(x, n, out);
      } else if (stride == 0) {
        std::fill_n(out, n, *x);
      } else {
        for (int64_t i = 0; i < n; ++i) out[i] = x[i * stride];
      }
    }
  });
}

void scatter(int size, int64_t rows, int64_t n, void* dst, int64_t row_stride, int64_t stride, const void* src) {
  if (stride == 1 && rows == 1) {
    std::memmove(dst, src, static_cast<size_t>(n) * size);
    return;
  }
  with_size(size, [&](auto zero) {
    using T = decltype(zero);
    T* out = static_cast<T*>(dst);
    const T* x = static_cast<const T*>(src);
    for (int64_t r = 0; r < rows; ++r, out += row_stride, x += n) {
      for (int64_t i = 0; i < n; ++i) out[i * stride] = x[i];
    }
  });
}

}  // namespace accel
