// argmax and argmin: where the extreme value of a row is, and the running winners of columns.
#pragma once

#include "reduce.hpp"

namespace accel::ACCEL_ISA {

struct ArgMax {
  static constexpr const char* kKind = "argmax";
  template <class V>
  static auto beyond(V a, V b) {
    return a > b;
  }
};

struct ArgMin {
  static constexpr const char* kKind = "argmin";
  template <class V>
  static auto beyond(V a, V b) {
    return a < b;
  }
};

/// Elements stored as S, compared as A. A NaN beats every number; the first of equals wins.
template <class Op, class S, class A>
struct Arg {
  using From = Source<S, A>;
  using In = typename From::Storage;
  using Index = SignedOf<A>;  // vectors of both have as many elements
  static constexpr int kE = kElements<A>;
  static constexpr int64_t kRows = int64_t{1} << (sizeof(A) >= 4 ? 30 : 8 * sizeof(A) - 1);  // that an Index numbers
  static constexpr int64_t kStrip = 256;  // columns whose winners are kept in L1

  static bool beats(A a, A b) { return Op::beyond(a, b) | ((a != a) & (b == b)); }

  static bool beats_at(const void* a, const void* b) {
    return beats(*static_cast<const A*>(a), *static_cast<const A*>(b));
  }

  /// The first i in [0, n) whose x[i] equals value, or is NaN where value is.
  static int64_t find(int64_t n, const In* x, A value) {
    int64_t i = 0;
    if (value != value) {
      while (i < n && From::one(x + i) == From::one(x + i)) ++i;
      return i;
    }
    const Vector<A> wanted = splat(value);
    for (; i + 64 <= n; i += 64) {              // no branch on which vector it is in
      if constexpr (ACCEL_VECTOR_BYTES < 64) {  // where a comparison gives no bits, they are made of the last 64 only
        auto found = From::vector(x + i) == wanted;
#pragma GCC unroll 16
        for (int j = kE; j < 64; j += kE) found |= From::vector(x + i + j) == wanted;
        if (!any_true(found)) continue;
      }
      uint64_t hits = 0;
#pragma GCC unroll 8
      for (int j = 0; j < 64; j += kE) hits |= bits_of<A>(From::vector(x + i + j) == wanted) << j;
      if (hits) return i + __builtin_ctzll(hits);
    }
    for (; i + kE <= n; i += kE) {
      const uint64_t hits = bits_of<A>(From::vector(x + i) == wanted);
      if (hits) return i + __builtin_ctzll(hits);
    }
    if constexpr (sizeof(A) >= 4) {  // beyond the end too there may be the value, but not before it
      return i < n ? i + __builtin_ctzll(bits_of<A>(vector_of_some<S, A>(x + i, n - i, value) == wanted)) : n;
    } else {
      while (i < n && From::one(x + i) != value) ++i;
      return i;
    }
  }

  static void find_rows(int64_t count, int64_t n, const void* data, int64_t row_stride, const void* values,
                        int64_t* index) {
    const In* x = static_cast<const In*>(data);
    const A* const value = static_cast<const A*>(values);
    for (int64_t r = 0; r < count; ++r, x += row_stride) index[r] = find(n, x, value[r]);
  }

  /// Takes K rows, the first of them number `at`, into the winners of `width` columns, a whole number of vectors.
  template <int K>
  static void take(int64_t at, int64_t width, const In* x, int64_t row_stride, A* best, Index* index) {
    for (int64_t c = 0; c < width; c += kE) {
      Vector<A> b = load(best + c);
      Vector<Index> i = load(index + c);
#pragma GCC unroll 4
      for (int k = 0; k < K; ++k) {
        const Vector<A> a = From::vector(x + k * row_stride + c);
        auto better = Op::beyond(a, b);
        if constexpr (kIsFloat<A>) better |= (a != a) & (b == b);
        b = better ? a : b;
        i = better ? splat(static_cast<Index>(at + k)) : i;
      }
      store(best + c, b);
      store(index + c, i);
    }
  }

  static void take_one(int64_t at, A a, A& best, Index& index) {
    if (!beats(a, best)) return;
    best = a;
    index = static_cast<Index>(at);
  }

  static void take_rows(int64_t rows, int64_t width, const In* x, int64_t row_stride, A* best, Index* index) {
    for (int64_t c = 0; c < width; ++c) {
      best[c] = From::one(x + c);
      index[c] = 0;
    }
    const int64_t whole = width / kE * kE;
    int64_t r = 1;
    for (; r + 4 <= rows; r += 4) take<4>(r, whole, x + r * row_stride, row_stride, best, index);
    for (; r < rows; ++r) take<1>(r, whole, x + r * row_stride, row_stride, best, index);
    for (int64_t c = whole; c < width; ++c) {
      for (r = 1; r < rows; ++r) take_one(r, From::one(x + r * row_stride + c), best[c], index[c]);
    }
  }

  /// Adjacent rows: some of them make one long row, whose elements each have a winner.
  static void narrow_columns(int64_t rows, int64_t width, const In* x, A* best, Index* index) {
    const int64_t fold = rows < kStrip / width ? rows : kStrip / width;
    const int64_t length = fold * width, whole = rows / fold;
    take_rows(whole, length, x, length, best, index);
    for (int64_t i = 0; i < length; ++i) index[i] = static_cast<Index>(index[i] * fold + i / width);
    for (int64_t i = width, c = 0; i < length; ++i, c = c + 1 < width ? c + 1 : 0) {
      if (beats(best[i], best[c]) || (!beats(best[c], best[i]) && index[i] < index[c])) {
        best[c] = best[i];
        index[c] = index[i];
      }
    }
    for (int64_t r = whole * fold; r < rows; ++r) {
      for (int64_t c = 0; c < width; ++c) take_one(r, From::one(x + r * width + c), best[c], index[c]);
    }
  }

  static void columns(int64_t rows, int64_t width, const void* data, int64_t row_stride, int64_t first_index,
                      bool fresh, void* winners, int64_t* indices) {
    const In* x = static_cast<const In*>(data);
    A* const best = static_cast<A*>(winners);
    A strip[kStrip];
    Index index[kStrip];
    for (int64_t done = 0, here; done < rows; done += here, x += here * row_stride, fresh = false) {
      here = rows - done < kRows ? rows - done : kRows;
      for (int64_t first = 0; first < width; first += kStrip) {
        const int64_t count = width - first < kStrip ? width - first : kStrip;
        if (row_stride == width && width < 2 * kE && width <= kNarrow) {
          narrow_columns(here, width, x, strip, index);
        } else {
          take_rows(here, count, x + first, row_stride, strip, index);
        }
        for (int64_t c = 0; c < count; ++c) {
          const bool better = fresh || beats(strip[c], best[first + c]);
          best[first + c] = better ? strip[c] : best[first + c];
          indices[first + c] = better ? first_index + done + index[c] : indices[first + c];
        }
      }
    }
  }

  static constexpr ArgRow row(DType from) { return {Op::kKind, from, beats_at, find_rows, columns}; }
};

template <class Op>
static constexpr ArgRow kArgs[] = {
    Arg<Op, int8_t, int8_t>::row(DType::kInt8),          Arg<Op, int16_t, int16_t>::row(DType::kInt16),
    Arg<Op, int32_t, int32_t>::row(DType::kInt32),       Arg<Op, int64_t, int64_t>::row(DType::kInt64),
    Arg<Op, uint8_t, uint8_t>::row(DType::kUint8),       Arg<Op, uint8_t, uint8_t>::row(DType::kBool),
    Arg<Op, uint16_t, uint16_t>::row(DType::kUint16),    Arg<Op, uint32_t, uint32_t>::row(DType::kUint32),
    Arg<Op, uint64_t, uint64_t>::row(DType::kUint64),    Arg<Op, Float16Bits, float>::row(DType::kFloat16),
    Arg<Op, Bfloat16Bits, float>::row(DType::kBfloat16), Arg<Op, float, float>::row(DType::kFloat32),
    Arg<Op, double, double>::row(DType::kFloat64),
};

}  // namespace accel::ACCEL_ISA
