#include "layout.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <type_traits>
#include <utility>

#include "pairs.hpp"

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

constexpr int kVectorBytes = 16;  // what every CPU has

template <class T>
struct Vectors {
  typedef T Type __attribute__((vector_size(kVectorBytes)));
  static constexpr int kCount = kVectorBytes / sizeof(T);

  static Type load(const T* p) {
    Type v;
    std::memcpy(&v, p, sizeof v);
    return v;
  }
  static void store(T* p, Type v) { std::memcpy(p, &v, sizeof v); }

  /// Element i of the result is element first + step * i of a followed by b.
  template <int kFirst, int kStep, size_t... I>
  static Type pick(Type a, Type b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b, (kFirst + kStep * static_cast<int>(I))...);
  }
  /// The elements of the lower or upper halves in turn.
  template <int kFirst, size_t... I>
  static Type zip(Type a, Type b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b, (kFirst + static_cast<int>(I) / 2 + static_cast<int>(I % 2) * kCount)...);
  }
};

/// dst[r * dst_row + i] = src[i * src_row + r] for one square of as many elements as a vector has.
template <class T>
void transpose_square(T* dst, int64_t dst_row, const T* src, int64_t src_row) {
  using V = Vectors<T>;
  constexpr int n = V::kCount;
  constexpr auto all = std::make_index_sequence<n>{};
  typename V::Type v[n], w[n];
  for (int i = 0; i < n; ++i) v[i] = V::load(src + i * src_row);
  for (int width = 1; width < n; width *= 2) {
    for (int i = 0; i < n / 2; ++i) {
      w[2 * i] = V::template zip<0>(v[i], v[i + n / 2], all);
      w[2 * i + 1] = V::template zip<n / 2>(v[i], v[i + n / 2], all);
    }
    for (int i = 0; i < n; ++i) v[i] = w[i];
  }
  for (int r = 0; r < n; ++r) V::store(dst + r * dst_row, v[r]);
}

/// dst[r * dst_row + i] = src[i * src_row + r], r < rows, i < n: a few whole lines of the source at a time, since lines
/// one power of two apart share a set of the cache.
template <class T>
void transpose(int64_t rows, int64_t n, T* dst, int64_t dst_row, const T* src, int64_t src_row) {
  constexpr int square = Vectors<T>::kCount;
  int64_t i = 0;
  for (; i + square <= n; i += square) {
    int64_t r = 0;
    for (; r + square <= rows; r += square) {
      transpose_square(dst + r * dst_row + i, dst_row, src + i * src_row + r, src_row);
    }
    for (; r < rows; ++r) {
      for (int64_t k = i; k < i + square; ++k) dst[r * dst_row + k] = src[k * src_row + r];
    }
  }
  for (; i < n; ++i) {
    for (int64_t r = 0; r < rows; ++r) dst[r * dst_row + i] = src[i * src_row + r];
  }
}

/// dst[i * stride] = src[i]
template <class T>
void scatter_row(int64_t n, T* dst, int64_t stride, const T* src) {
  if (stride == 1) {
    std::memmove(dst, src, static_cast<size_t>(n) * sizeof(T));
    return;
  }
  int64_t i = 0;
  if (stride == 2) {  // what is between may be another's, so each element is stored by itself
    for (; i + 8 <= n; i += 8) {
      T x[8];
      std::memcpy(x, src + i, sizeof x);
      for (int64_t k = 0; k < 8; ++k) dst[2 * (i + k)] = x[k];
    }
  }
  for (; i < n; ++i) dst[i * stride] = src[i];
}

/// dst[i] = src[i * stride]
template <class T>
void gather_row(int64_t n, T* dst, const T* src, int64_t stride) {
  using V = Vectors<T>;
  constexpr int count = V::kCount;
  constexpr auto all = std::make_index_sequence<count>{};
  if (stride == 1) {
    std::memmove(dst, src, static_cast<size_t>(n) * sizeof(T));
  } else if (stride == 0) {
    std::fill_n(dst, n, *src);
  } else {
    int64_t i = 0;
    if (stride == -1) {
#pragma GCC unroll 4
      for (; i + count <= n; i += count) {
        const auto v = V::load(src - i - (count - 1));
        V::store(dst + i, V::template pick<count - 1, -1>(v, v, all));
      }
    } else if (stride == 2) {
#pragma GCC unroll 4
      for (; i + count < n; i += count) {  // the element after the last is not there
        V::store(dst + i, V::template pick<0, 2>(V::load(src + 2 * i), V::load(src + 2 * i + count), all));
      }
    }
    for (; i < n; ++i) dst[i] = src[i * stride];
  }
}

/// One row, so many times: each copy has as much as there is already.
template <class T>
void repeat_row(int64_t rows, int64_t n, T* dst, const T* src, int64_t stride) {
  gather_row(n, dst, src, stride);
  const int64_t whole = rows * n;
  for (int64_t made = n; made < whole; made *= 2) {
    std::memcpy(dst + made, dst, static_cast<size_t>(std::min(made, whole - made)) * sizeof(T));
  }
}

template <class T>
void gather_pair_row(int64_t n, T* first, T* second, const T* src) {
  using V = Vectors<T>;
  constexpr auto all = std::make_index_sequence<V::kCount>{};
  int64_t i = 0;
#pragma GCC unroll 4
  for (; i + V::kCount <= n; i += V::kCount) {
    const auto a = V::load(src + 2 * i), b = V::load(src + 2 * i + V::kCount);
    V::store(first + i, V::template pick<0, 2>(a, b, all));
    V::store(second + i, V::template pick<1, 2>(a, b, all));
  }
  for (; i < n; ++i) {
    first[i] = src[2 * i];
    second[i] = src[2 * i + 1];
  }
}

template <class T>
void scatter_pair_row(int64_t n, T* dst, const T* first, const T* second) {
  using V = Vectors<T>;
  constexpr auto all = std::make_index_sequence<V::kCount>{};
  int64_t i = 0;
#pragma GCC unroll 4
  for (; i + V::kCount <= n; i += V::kCount) {
    const auto a = V::load(first + i), b = V::load(second + i);
    V::store(dst + 2 * i, V::template zip<0>(a, b, all));
    V::store(dst + 2 * i + V::kCount, V::template zip<V::kCount / 2>(a, b, all));
  }
  for (; i < n; ++i) {
    dst[2 * i] = first[i];
    dst[2 * i + 1] = second[i];
  }
}

/// Rows that follow one another are one.
void join_pair_rows(int64_t& rows, int64_t& n, int64_t row_stride) {
  if (row_stride != 2 * n) return;
  n *= rows;
  rows = 1;
}

/// dst[2 * r] and dst[2 * r + 1] = src[r], as a number meets both parts of a complex one.
template <class T>
void repeat_twice(int64_t rows, T* dst, const T* src) {
  using V = Vectors<T>;
  constexpr int count = V::kCount;
  constexpr auto all = std::make_index_sequence<count>{};
  int64_t r = 0;
  for (; r + count <= rows; r += count) {
    const auto v = V::load(src + r);
    V::store(dst + 2 * r, V::template zip<0>(v, v, all));
    V::store(dst + 2 * r + count, V::template zip<count / 2>(v, v, all));
  }
  for (; r < rows; ++r) dst[2 * r] = dst[2 * r + 1] = src[r];
}

}  // namespace

void gather_pairs(int size, int64_t rows, int64_t n, void* first, void* second, const void* src, int64_t row_stride) {
  join_pair_rows(rows, n, row_stride);
  with_size(size, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t r = 0; r < rows; ++r) {
      gather_pair_row(n, static_cast<T*>(first) + r * n, static_cast<T*>(second) + r * n,
                      static_cast<const T*>(src) + r * row_stride);
    }
  });
}

void scatter_pairs(int size, int64_t rows, int64_t n, void* dst, int64_t row_stride, const void* first,
                   const void* second) {
  join_pair_rows(rows, n, row_stride);
  with_size(size, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t r = 0; r < rows; ++r) {
      scatter_pair_row(n, static_cast<T*>(dst) + r * row_stride, static_cast<const T*>(first) + r * n,
                       static_cast<const T*>(second) + r * n);
    }
  });
}

void gather(int size, int64_t rows, int64_t n, void* dst, int64_t pitch, const void* src, int64_t row_stride,
            int64_t stride) {
  with_size(size, [&](auto zero) {
    using T = decltype(zero);
    T* const out = static_cast<T*>(dst);
    const T* const x = static_cast<const T*>(src);
    const bool dense = pitch == n;
    if (dense && row_stride == 1 && stride == 0 && n == 2) return repeat_twice(rows, out, x);
    if (row_stride == 1 && stride != 1 && rows > 1 && n > 1) return transpose(rows, n, out, pitch, x, stride);
    if (dense && row_stride == n * stride) return gather_row(rows * n, out, x, stride);
    if (dense && row_stride == 0 && rows > 1 && n > 0) return repeat_row(rows, n, out, x, stride);
    for (int64_t r = 0; r < rows; ++r) gather_row(n, out + r * pitch, x + r * row_stride, stride);
  });
}

void scatter(int size, int64_t rows, int64_t n, void* dst, int64_t row_stride, int64_t stride, const void* src,
             int64_t pitch) {
  with_size(size, [&](auto zero) {
    using T = decltype(zero);
    T* const out = static_cast<T*>(dst);
    const T* const x = static_cast<const T*>(src);
    if (row_stride == 1 && rows > 1 && n > 1) return transpose(n, rows, out, stride, x, pitch);
    if (pitch == n && row_stride == n * stride) return scatter_row(rows * n, out, stride, x);
    for (int64_t r = 0; r < rows; ++r) scatter_row(n, out + r * row_stride, stride, x + r * pitch);
  });
}

}  // namespace accel
