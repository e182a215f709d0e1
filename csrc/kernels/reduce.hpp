// Folds of blocks in the canonical order: 64 lanes, then halves; and, where no order matters, in whatever order is
// quickest. Along rows (the reduced elements are neighbours) and along columns (the results are).
#pragma once

#include <type_traits>

#include "../kernels.hpp"
#include "contract.hpp"
#include "folds.hpp"
#include "source.hpp"

namespace accel::ACCEL_ISA {

inline constexpr int64_t kShortRow = 8;  // elements of a row of which several are in a vector
inline constexpr int64_t kNarrow = 64;   // so few adjacent columns are taken as parts of longer rows
inline constexpr int kAhead = 2048;      // bytes between what is read from memory and what is asked for
inline constexpr int64_t kChain = 8;     // rows that go to an accumulator while it is in a register

/// Elements stored as S, accumulated as A by Op. A block is at most BLOCK elements (of a row) or rows (of columns).
template <class Op, class S, class A>
struct Fold {
  using From = Source<S, A>;
  using In = typename From::Storage;
  using V = Vector<A>;
  static constexpr int kE = kElements<A>;
  static constexpr bool kQuick = !Op::kOrdered && kIsFloat<A>;
  static constexpr bool kAsks = 2 * kE * sizeof(In) >= 64;  // whether two vectors are a cache line or more
  static_assert(kLanes % kE == 0);

  static A identity() { return Op::template identity<A>(); }

  // Rows.

  /// Asks for the cache lines of n elements, kAhead bytes beyond them, but not for a place in the first level. They may
  /// be past the end: nothing is read.
  static void prefetch(const In* x, int n) {
    const uintptr_t at = reinterpret_cast<uintptr_t>(x) + kAhead;
    for (int byte = 0; byte < n * static_cast<int>(sizeof(In)); byte += 64) {
      __builtin_prefetch(reinterpret_cast<const void*>(at + byte), 0, 1);
    }
  }

  /// The lanes of a block, folded to one vector.
  template <bool kFar>
  static V lanes(int64_t n, const In* x) {
    if constexpr (kQuick) {
      using Fast = Quick<Op, A>;
      typename Fast::Flags flags{};
      const V v = lanes_by<Fast::apply, kFar>(n, x, [&](V a, V b) { Fast::note(flags, a, b); });
      return __builtin_expect(Fast::doubtful(flags, v), 0) ? slow_lanes(n, x) : v;
    }
    return lanes_by<Op::template apply<V>, false>(n, x, [](V, V) {});
  }

  /// Where the quick way is in doubt: not copied to wherever rows are folded.
  __attribute__((noinline)) static V slow_lanes(int64_t n, const In* x) {
    return lanes_by<Op::template apply<V>, false>(n, x, [](V, V) {});
  }

  /// Elements before the first that lies at a vector's boundary, where loads from there on, which cross no cache line,
  /// are worth it. These elements take the last lanes, and all others lanes that are so many lower: lanes that fold in
  /// halves meet the same others wherever the count of them starts.
  static int64_t before_boundary(int64_t n, const In* x) {
    if constexpr (std::is_same_v<S, A> && sizeof(A) >= 4 && sizeof(V) >= 32) {
      if (n >= 4 * kLanes) return static_cast<int64_t>(-reinterpret_cast<uintptr_t>(x) % sizeof(V) / sizeof(A));
    }
    return 0;
  }

  /// The first n elements of v to the end, the others before them.
  static V to_last_lanes(V v, int64_t n) {
#ifdef __clang__  // whose shuffles have constant positions only
    A twice[2 * kE];
    store(twice, v);
    store(twice + kE, v);
    return load(twice + n);
#else
    using I = SignedOf<A>;
    return __builtin_shuffle(v, (iota<I>() + static_cast<I>(n)) & static_cast<I>(kE - 1));
#endif
  }

  /// Calls note(a, b) for pairs of loaded vectors.
  template <V (*apply)(V, V), bool kFar, class Note>
  static V lanes_by(int64_t n, const In* x, Note&& note) {
    constexpr int kVectors = kLanes / kE;
    constexpr int kGroup = kVectors < 8 ? kVectors : 8;  // accumulators that stay in registers
    V lane[kVectors];
    const int64_t head = before_boundary(n, x);
    V start = splat(identity());
    if (head > 0) {
      start = to_last_lanes(vector_of_some<S, A>(x, head, identity()), head);
      note(start, start);
      x += head, n -= head;
    }
    const int64_t whole = n / kLanes * kLanes, rest = n - whole;
    for (int first = 0; first < kVectors; first += kGroup) {
      V v[kGroup];
      for (int j = 0; j < kGroup; ++j) v[j] = first + j + 1 < kVectors ? splat(identity()) : start;
      for (const In* at = x + first * kE; at < x + whole; at += kLanes) {
#pragma GCC unroll 8
        for (int j = 0; j < kGroup; j += 2) {
          if constexpr (kFar) prefetch(at + j * kE, 2 * kE);
          const V a = From::vector(at + j * kE);
          v[j] = apply(a, v[j]);
          if constexpr (kGroup > 1) {
            const V b = From::vector(at + (j + 1) * kE);
            v[j + 1] = apply(b, v[j + 1]);
            note(a, b);
          } else {
            note(a, a);
          }
        }
      }
#pragma GCC unroll 8
      for (int j = 0; j < kGroup; ++j) {
        const int64_t left = rest - (first + j) * kE;
        if (left > 0) {
          const In* const at = x + whole + (first + j) * kE;
          const V a = left >= kE ? From::vector(at) : vector_of_some<S, A>(at, left, identity());
          v[j] = apply(a, v[j]);
          note(a, a);
        }
        lane[first + j] = v[j];
      }
    }
#pragma GCC unroll 8
    for (int half = kVectors / 2; half > 0; half /= 2) {
#pragma GCC unroll 16
      for (int j = 0; j < half; ++j) lane[j] = apply(lane[j], lane[j + half]);
    }
    return lane[0];
  }

  /// out[r] = row r folded, of n elements. `far`: they are in memory, not in a cache.
  static void rows(int64_t count, int64_t n, const void* data, int64_t row_stride, bool far, void* results) {
    const In* x = static_cast<const In*>(data);
    A* const out = static_cast<A*>(results);
    int64_t r = 0;
    if (n == 1) {
      for (; r < count; ++r) out[r] = From::one(x + r * row_stride);
      return;
    }
    if (row_stride == n && n <= kE && n <= kShortRow) r = short_rows(count, n, x, out);
    x += r * row_stride;
    if (kAsks && far) {
      long_rows<true>(count - r, n, x, row_stride, out + r);
    } else {
      long_rows<false>(count - r, n, x, row_stride, out + r);
    }
  }

  template <bool kFar>
  static void long_rows(int64_t count, int64_t n, const In* x, int64_t row_stride, A* out) {
    if constexpr (sizeof(A) >= 4) {
      for (int64_t r = 0; r < count; r += kE) {
        V t[kE];
        const int64_t here = count - r < kE ? count - r : kE;
        for (int64_t j = 0; j < here; ++j, x += row_stride) t[j] = lanes<kFar>(n, x);
        if (here == kE) {
          Halves<Op, A, kE>::fold_rows(t, kE);
          store(out + r, t[0]);
        } else {
          for (int64_t j = 0; j < here; ++j) out[r + j] = Halves<Op, A, kE>::fold_one(t[j]);
        }
      }
    } else {  // shuffles of smaller elements are slow
      for (int64_t r = 0; r < count; ++r, x += row_stride) out[r] = Halves<Op, A, kE>::fold_one(lanes<kFar>(n, x));
    }
  }

  /// Adjacent rows of 2, 4 or 8 elements, several to a vector. Returns how many rows are done.
  static int64_t short_rows(int64_t count, int64_t n, const In* x, A* out) {
    if (n == 2) return rows_in_vectors<2>(count, x, out);
    if constexpr (kE >= 4) {
      if (n == 4) return rows_in_vectors<4>(count, x, out);
    }
    if constexpr (kE >= 8) {
      if (n == 8) return rows_in_vectors<8>(count, x, out);
    }
    return 0;
  }

  template <int N>
  static int64_t rows_in_vectors(int64_t count, const In* x, A* out) {
    int64_t r = 0;
    for (; r + kE <= count; r += kE) {
      if constexpr (sizeof(A) >= 4) {
        V t[N];
#pragma GCC unroll 8
        for (int j = 0; j < N; ++j) t[j] = From::vector(x + r * N + j * kE);
        Halves<Op, A, N>::fold_rows(t, N);
        store(out + r, t[0]);
      } else {
        for (int i = 0; i < kE; ++i) {
          A v = From::one(x + (r + i) * N);
          for (int j = 1; j < N; ++j) v = Op::apply(v, From::one(x + (r + i) * N + j));
          out[r + i] = v;
        }
      }
    }
    return r;
  }

  // Columns.

  /// The fold of a vector of accumulators (where there is one already) and of K rows, in this order.
  template <int K>
  static V chain(bool fresh, const A* acc, const In* x, int64_t row_stride) {
    V row[K];
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) row[k] = From::vector(x + k * row_stride);
    const V before = fresh ? row[0] : load(acc);
    if constexpr (kQuick) {
      using Fast = Quick<Op, A>;
      typename Fast::Flags flags{};
      V v = before;
      Fast::note(flags, before, row[0]);
#pragma GCC unroll 8
      for (int k = 0; k < K; ++k) v = Fast::apply(row[k], v);
#pragma GCC unroll 8
      for (int k = 1; k < K; k += 2) Fast::note(flags, row[k], row[k + 1 < K ? k + 1 : k]);
      if (!__builtin_expect(Fast::doubtful(flags, v), 0)) return v;
    }
    V v = fresh ? row[0] : Op::apply(before, row[0]);
#pragma GCC unroll 8
    for (int k = 1; k < K; ++k) v = Op::apply(v, row[k]);
    return v;
  }

  /// Columns [0, width) of K rows to accumulators, vector by vector; width >= kE, and the last vector may overlap the
  /// one before it in the columns, never in the accumulators.
  template <int K>
  static void chain_rows(bool fresh, int64_t width, const In* x, int64_t row_stride, A* acc) {
    const int64_t last = (width - 1) / kE;
    for (int64_t v = 0; v < last; ++v) {
      store(acc + v * kE, chain<K>(fresh, acc + v * kE, x + v * kE, row_stride));
    }
    store(acc + last * kE, chain<K>(fresh, acc + last * kE, x + width - kE, row_stride));
  }

  /// The same for any number of rows, at least one.
  static void chain_rows(bool fresh, int64_t rows, int64_t width, const In* x, int64_t row_stride, A* acc) {
    for (; rows >= kChain; rows -= kChain, x += kChain * row_stride, fresh = false) {
      chain_rows<kChain>(fresh, width, x, row_stride, acc);
    }
    if (rows & 4) {
      chain_rows<4>(fresh, width, x, row_stride, acc);
      x += 4 * row_stride, fresh = false;
    }
    if (rows & 2) {
      chain_rows<2>(fresh, width, x, row_stride, acc);
      x += 2 * row_stride, fresh = false;
    }
    if (rows & 1) chain_rows<1>(fresh, width, x, row_stride, acc);
  }

  /// The fold in halves of K rows, of which row k is lane k of 8.
  template <int K>
  static V tree(const In* x, int64_t row_stride) {
    V row[K];
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) row[k] = From::vector(x + k * row_stride);
    int lanes = K;
#pragma GCC unroll 3
    for (int half = 4; half > 0; half /= 2) {
#pragma GCC unroll 4
      for (int k = half; k < lanes; ++k) row[k - half] = Op::apply(row[k - half], row[k]);
      lanes = lanes < half ? lanes : half;
    }
    return row[0];
  }

  /// The same for columns [0, width) to out, vector by vector, as in chain_rows. `packed`: the last vector overlaps in
  /// out as well.
  template <int K>
  static void tree_rows(int64_t width, const In* x, int64_t row_stride, A* out, bool packed) {
    const int64_t last = (width - 1) / kE;
    for (int64_t v = 0; v < last; ++v) store(out + v * kE, tree<K>(x + v * kE, row_stride));
    store(out + (packed ? width - kE : last * kE), tree<K>(x + width - kE, row_stride));
  }

  static void tree_rows(int64_t rows, int64_t width, const In* x, int64_t row_stride, A* out, bool packed) {
    constexpr decltype(&tree_rows<1>) kTrees[] = {tree_rows<1>, tree_rows<2>, tree_rows<3>, tree_rows<4>,
                                                  tree_rows<5>, tree_rows<6>, tree_rows<7>, tree_rows<8>};
    kTrees[rows - 1](width, x, row_stride, out, packed);
  }

  /// At most 64 rows, each a lane, to out. Lanes l, l + 8, l + 16, ... fold in halves to lane l of 8, in `eight`.
  static void fold_columns(int64_t rows, int64_t width, const In* x, int64_t row_stride, A* eight, A* out,
                           bool packed) {
    if (rows <= 8) return tree_rows(rows, width, x, row_stride, out, packed);
    const int64_t padded = (width + kE - 1) / kE * kE;
    for (int64_t l = 0; l < 8; ++l) {
      tree_rows((rows - l + 7) / 8, width, x + l * row_stride, 8 * row_stride, eight + l * padded, false);
    }
    Fold<Op, A, A>::unpack(8, width, eight, padded, out, packed);
  }

  /// The fold of rows whose last vectors do not overlap, packed or not.
  static void unpack(int64_t rows, int64_t width, const A* x, int64_t padded, A* out, bool packed) {
    if (!packed) return tree_rows(rows, padded, x, padded, out, false);
    const int64_t last = padded - kE;
    if (last > 0) tree_rows(rows, last, x, padded, out, false);
    tree_rows(rows, kE, x + last, padded, out + width - kE, false);
  }

  /// Lanes of `width` accumulators each, in halves, into lane 0.
  static void fold_lanes(int64_t lanes, int64_t width, A* lane) {
    for (int64_t half = kLanes / 2; half > 0; half /= 2) {
      if (lanes <= half) continue;
      const int64_t count = (lanes - half) * width;
      const A* const upper = lane + half * width;
      ACCEL_IVDEP
      for (int64_t i = 0; i < count; ++i) lane[i] = Op::apply(lane[i], upper[i]);
      lanes = half;
    }
  }

  static bool is_narrow(int64_t width, int64_t row_stride) {
    return row_stride == width && width < 2 * kE && width <= kNarrow;
  }

  /// out[c] = column c folded, of `rows` elements. scratch: for columns_scratch(rows, width) accumulators.
  static void columns(int64_t rows, int64_t width, const void* data, int64_t row_stride, void* scratch, void* results) {
    const In* const x = static_cast<const In*>(data);
    A* const acc = static_cast<A*>(scratch);
    A* const out = static_cast<A*>(results);
    const int64_t padded = (width + kE - 1) / kE * kE;
    if (is_narrow(width, row_stride)) {
      narrow_columns(rows, width, x, acc);
      memcpy(out, acc, width * sizeof(A));
    } else if (width < kE) {
      few_columns(rows, width, x, row_stride, acc);
      memcpy(out, acc, width * sizeof(A));
    } else if (!Op::kOrdered) {
      chain_parts(rows, width, x, row_stride, acc);
      Fold<Op, A, A>::unpack(1, width, acc, padded, out, true);
    } else if (rows <= kLanes) {
      fold_columns(rows, width, x, row_stride, acc, out, true);
    } else {
      A* const eight = acc + kLanes * padded;
      chain_lanes(rows, width, padded, x, row_stride, acc);
      Fold<Op, A, A>::fold_columns(kLanes, padded, acc, padded, eight, eight, false);
      Fold<Op, A, A>::unpack(1, width, eight, padded, out, true);
    }
  }

  /// Rows in any order: one from each eighth of them at a time, as each eighth is then read from end to end.
  static void chain_parts(int64_t rows, int64_t width, const In* x, int64_t row_stride, A* acc) {
    const int64_t part = rows / kChain, rest = rows % kChain;
    for (int64_t r = 0; r < part; ++r) {
      chain_rows<kChain>(r == 0, width, x + r * row_stride, part * row_stride, acc);
    }
    if (rest > 0) chain_rows(part == 0, rest, width, x + (rows - rest) * row_stride, row_stride, acc);
  }

  /// More than 64 rows to 64 lanes of `padded` accumulators.
  static void chain_lanes(int64_t rows, int64_t width, int64_t padded, const In* x, int64_t row_stride, A* acc) {
    for (int64_t first = 0; first < rows; first += kLanes * kChain) {
      const int64_t here = rows - first < kLanes * kChain ? rows - first : kLanes * kChain;
      for (int64_t l = 0; l < kLanes && l < here; ++l) {
        chain_rows(first == 0, (here - l + kLanes - 1) / kLanes, width, x + (first + l) * row_stride,
                   kLanes * row_stride, acc + l * padded);
      }
    }
  }

  /// Adjacent rows: 64 of them are one long row, whose elements each have an accumulator.
  static void narrow_columns(int64_t rows, int64_t width, const In* x, A* acc) {
    const int64_t length = kLanes * width, whole = rows / kLanes, rest = rows % kLanes * width;
    if (whole > 0) chain_rows(true, whole, length, x, length, acc);
    const In* const last = x + whole * length;
    for (int64_t i = 0; i < rest; ++i)
      acc[i] = whole > 0 ? Op::apply(acc[i], From::one(last + i)) : From::one(last + i);
    fold_lanes(whole > 0 ? kLanes : rows, width, acc);
  }

  static void few_columns(int64_t rows, int64_t width, const In* x, int64_t row_stride, A* acc) {
    for (int64_t r = 0; r < rows; ++r) {
      A* const lane = acc + r % kLanes * width;
      for (int64_t c = 0; c < width; ++c) {
        const A element = From::one(x + r * row_stride + c);
        lane[c] = r < kLanes ? element : Op::apply(lane[c], element);
      }
    }
    fold_lanes(rows < kLanes ? rows : kLanes, width, acc);
  }

  static constexpr FoldRow row(DType from) { return {Op::kKind, from, kCType<A>, rows, columns}; }
};

/// Integer sums and products are taken in 64 bits, from which every narrower wrapped result follows. Those of floats,
/// and extremes of 16-bit floats, in float32 at least.
template <class Op>
static constexpr FoldRow kWide[] = {
    Fold<Op, uint8_t, int64_t>::row(DType::kBool),        Fold<Op, int8_t, int64_t>::row(DType::kInt8),
    Fold<Op, int16_t, int64_t>::row(DType::kInt16),       Fold<Op, int32_t, int64_t>::row(DType::kInt32),
    Fold<Op, int64_t, int64_t>::row(DType::kInt64),       Fold<Op, uint8_t, int64_t>::row(DType::kUint8),
    Fold<Op, uint16_t, int64_t>::row(DType::kUint16),     Fold<Op, uint32_t, int64_t>::row(DType::kUint32),
    Fold<Op, int64_t, int64_t>::row(DType::kUint64),      Fold<Op, Float16Bits, float>::row(DType::kFloat16),
    Fold<Op, Bfloat16Bits, float>::row(DType::kBfloat16), Fold<Op, float, float>::row(DType::kFloat32),
    Fold<Op, double, double>::row(DType::kFloat64),
};

template <class Op>
static constexpr FoldRow kExtremes[] = {
    Fold<Op, uint8_t, uint8_t>::row(DType::kBool),        Fold<Op, int8_t, int8_t>::row(DType::kInt8),
    Fold<Op, int16_t, int16_t>::row(DType::kInt16),       Fold<Op, int32_t, int32_t>::row(DType::kInt32),
    Fold<Op, int64_t, int64_t>::row(DType::kInt64),       Fold<Op, uint8_t, uint8_t>::row(DType::kUint8),
    Fold<Op, uint16_t, uint16_t>::row(DType::kUint16),    Fold<Op, uint32_t, uint32_t>::row(DType::kUint32),
    Fold<Op, uint64_t, uint64_t>::row(DType::kUint64),    Fold<Op, Float16Bits, float>::row(DType::kFloat16),
    Fold<Op, Bfloat16Bits, float>::row(DType::kBfloat16), Fold<Op, float, float>::row(DType::kFloat32),
    Fold<Op, double, double>::row(DType::kFloat64),
};

}  // namespace accel::ACCEL_ISA
