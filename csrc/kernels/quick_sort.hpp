// Sorts of long rows of elements of 4 or 8 bytes in vectors of 32 bytes: a quicksort whose pieces go from one buffer to
// another, and, for few elements, a network over the lanes of vectors whose columns are then merged. The first division
// makes signed integers of the elements, and the networks make elements of these again.
#pragma once

#include <immintrin.h>

#include <cstring>
#include <limits>
#include <utility>

#include "sort_network.hpp"

namespace accel::ACCEL_ISA {

/// For each mask of a vector's lanes of 4 bytes, or pairs of them, the order that puts those in it first.
template <int kE>
struct Orders {
  alignas(8) uint8_t lanes[1 << kE][8] = {};
  constexpr Orders() {
    for (int mask = 0; mask < 1 << kE; ++mask) {
      int at = 0;
      for (int chosen = 1; chosen >= 0; --chosen) {
        for (int i = 0; i < kE; ++i) {
          if ((mask >> i & 1) != chosen) continue;
          for (int part = 0; part < 8 / kE; ++part) lanes[mask][at++] = static_cast<uint8_t>(i * (8 / kE) + part);
        }
      }
    }
  }
};

template <int kE>
inline constexpr Orders<kE> kOrders;

/// T: the signed integers that are sorted.
template <class T>
struct QuickSort {
  static constexpr int kE = 32 / sizeof(T);
  static constexpr int kStep = 4;        // vectors by which networks differ
  static constexpr int kLeaf = 16 * kE;  // elements that the largest one sorts
  static constexpr T kMost = std::numeric_limits<T>::max();
  using V __attribute__((vector_size(32))) = T;
  using Lanes = std::make_index_sequence<kE>;

  explicit QuickSort(const LongRow& row, const Pause& pause)
      : turn_(static_cast<T>(row.turn) - V{}),
        negative_(static_cast<T>(row.negative) - V{}),
        infinity_(static_cast<T>(row.infinity) - V{}),
        pause_(pause) {}

  static void run(const LongRow& row, const Pause& pause) {
    const QuickSort its(row, pause);
    const T* const in = static_cast<const T*>(row.in);
    T *const out = static_cast<T*>(row.out), *const spare = static_cast<T*>(row.spare);
    if (row.n <= kLeaf) {
      for (int64_t i = 0; i < row.n; ++i) spare[i] = its.key(in[i] - V{})[0];
      return its.leaf(spare, row.n, out);
    }
    int depth = 16;
    for (int64_t rest = row.n; rest > 0; rest /= 2) depth += 2;
    its.template piece<true>(in, spare, out, row.n, false, depth);
  }

 private:
  // Vectors.

  ACCEL_LANES V load(const T* x) {
    V v;
    memcpy(&v, x, sizeof v);
    return v;
  }
  ACCEL_LANES void store(T* x, V v) { memcpy(x, &v, sizeof v); }

  /// The lanes before the n-th.
  template <size_t... I>
  ACCEL_LANES V before(int64_t n, std::index_sequence<I...>) {
    return V{static_cast<T>(I)...} < static_cast<T>(n) - V{};
  }

  __attribute__((always_inline)) V key(V bits) const {
    const V made = bits ^ ((bits < 0) & negative_);
    return ((bits & kMost) > infinity_ ? kMost - V{} : made) ^ turn_;
  }
  __attribute__((always_inline)) V bits(V key) const {
    key ^= turn_;
    return key ^ ((key < 0) & negative_);
  }

  // The networks.

  ACCEL_LANES void order(V& a, V& b) {
    if constexpr (kE == 8) {
      const __m256i low = _mm256_min_epi32((__m256i)a, (__m256i)b);
      b = (V)_mm256_max_epi32((__m256i)a, (__m256i)b);
      a = (V)low;
    } else {
      const auto swapped = b < a;
      const V low = swapped ? b : a;
      b = swapped ? a : b;
      a = low;
    }
  }

  /// Lane i of the result is lane i ^ kX.
  template <int kX, size_t... I>
  ACCEL_LANES V crossed(V v, std::index_sequence<I...>) {
    return __builtin_shufflevector(v, v, (static_cast<int>(I) ^ kX)...);
  }

  /// Lanes without the bit kBit from a, those with it from b.
  template <int kBit, size_t... I>
  ACCEL_LANES V either(V a, V b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b,
                                   (static_cast<int>(I) & kBit ? static_cast<int>(I) + kE : static_cast<int>(I))...);
  }

  template <int kN, size_t... P>
  ACCEL_LANES void columns(V (&v)[kN], std::index_sequence<P...>) {
    constexpr Network<kN> kPairs;
    (order(v[kPairs.low[P]], v[kPairs.high[P]]), ...);
  }

  /// Columns of kWidth and of kWidth more, one after the other in order, to 2 kWidth of them: each element of the first
  /// against that of the second from its end, then halves of halves, of columns and at last of rows.
  template <int kWidth, int kN>
  ACCEL_LANES void merge(V (&v)[kN]) {
#pragma GCC unroll 8
    for (int i = 0; i < kN / 2; ++i) {
      V low = v[i], high = crossed<2 * kWidth - 1>(v[kN - 1 - i], Lanes{});
      order(low, high);
      v[i] = either<kWidth>(low, high, Lanes{});
      v[kN - 1 - i] = crossed<2 * kWidth - 1>(either<kWidth>(high, low, Lanes{}), Lanes{});
    }
    if constexpr (kWidth >= 4) halve<2>(v);
    if constexpr (kWidth >= 2) halve<1>(v);
    rows<0, kN>(v);
  }

  template <int kDistance, int kN>
  ACCEL_LANES void halve(V (&v)[kN]) {
#pragma GCC unroll 16
    for (int i = 0; i < kN; ++i) {
      V low = v[i], high = crossed<kDistance>(v[i], Lanes{});
      order(low, high);
      v[i] = either<kDistance>(low, high, Lanes{});
    }
  }

  /// kCount rows from kFirst on, which rise and then fall, or the other way around, in each column.
  template <int kFirst, int kCount, int kN>
  ACCEL_LANES void rows(V (&v)[kN]) {
    if constexpr (kCount == 3) {
      order(v[kFirst], v[kFirst + 1]);
      order(v[kFirst + 1], v[kFirst + 2]);
      order(v[kFirst], v[kFirst + 1]);
    } else if constexpr (kCount > 1) {
      constexpr int kHalf = kCount / 2;
#pragma GCC unroll 8
      for (int i = kFirst; i < kFirst + kHalf; ++i) order(v[i], v[i + kHalf]);
      rows<kFirst, kHalf>(v);
      rows<kFirst + kHalf, kHalf>(v);
    }
  }

  /// In every group of 16 bytes: the elements of a and b in turn, of their lower or, where kHigh, their upper halves.
  template <bool kHigh, size_t... I>
  ACCEL_LANES V zip(V a, V b, std::index_sequence<I...>) {
    constexpr size_t kGroup = kE / 2;
    return __builtin_shufflevector(
        a, b, static_cast<int>(I / kGroup * kGroup + kHigh * kGroup / 2 + I % kGroup / 2 + I % 2 * kE)...);
  }

  /// Of four rows: column c in v[c], and behind it column c + 4 where there are eight.
  ACCEL_LANES void transpose(V (&v)[4]) {
    constexpr int kNext = kE / 4;  // rows to the one that lies beside a row's elements at last, in a group
    const V low = zip<false>(v[0], v[kNext], Lanes{}), high = zip<true>(v[0], v[kNext], Lanes{});
    const V low1 = zip<false>(v[3 - kNext], v[3], Lanes{}), high1 = zip<true>(v[3 - kNext], v[3], Lanes{});
    if constexpr (kE == 8) {
      v[0] = zip<false>(low, low1, Lanes{});
      v[1] = zip<true>(low, low1, Lanes{});
      v[2] = zip<false>(high, high1, Lanes{});
      v[3] = zip<true>(high, high1, Lanes{});
    } else {
      v[0] = __builtin_shufflevector(low, low1, 0, 1, 4, 5);
      v[1] = __builtin_shufflevector(high, high1, 0, 1, 4, 5);
      v[2] = __builtin_shufflevector(low, low1, 2, 3, 6, 7);
      v[3] = __builtin_shufflevector(high, high1, 2, 3, 6, 7);
    }
  }

  /// Elements of columns, kN of each, one column after the other: to `out` those before place kSure, and to `end` those
  /// from kSure - kE on. Rows from kRow on.
  template <int kRow, int kN>
  __attribute__((always_inline)) void write(const V (&v)[kN], T* out, T* end) const {
    constexpr int kSure = (kN - kStep) * kE;
    V four[4];
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) four[r] = bits(v[kRow + r]);
    transpose(four);
#pragma GCC unroll 8
    for (int column = 0; column < kE; ++column) {
      const char* const from = reinterpret_cast<const char*>(&four[column % 4]) + column / 4 * 16;
      const int at = column * kN + kRow;
      if (at < kSure) memcpy(out + at, from, 4 * sizeof(T));
      if (at >= kSure - kE) memcpy(end + at - (kSure - kE), from, 4 * sizeof(T));
    }
    if constexpr (kRow + 4 < kN) write<kRow + 4>(v, out, end);
  }

  /// n elements, up to kN vectors and more than kN - kStep, to elements as they were.
  template <int kN>
  __attribute__((noinline)) void few(const T* x, int64_t n, T* out) const {
    constexpr int kSure = kN - kStep;
    V v[kN];
#pragma GCC unroll 16
    for (int i = 0; i < kSure; ++i) v[i] = load(x + i * kE);
#pragma GCC unroll 4
    for (int i = kSure; i < kN; ++i) {
      const V there = before(n - i * kE, Lanes{});
      v[i] = there ? masked_load(x + i * kE, there) : kMost - V{};
    }
    constexpr Network<kN> kPairs;
    columns(v, std::make_index_sequence<kPairs.count>{});
    merge<1>(v);
    merge<2>(v);
    if constexpr (kE == 8) merge<4>(v);
    alignas(32) T end[(1 + kStep) * kE];
    write<0>(v, out, end);
    const T* const rest = end + kE;  // begins with place kSure * kE
    out += kSure * kE;
    n -= kSure * kE;
    if (kSure == 0 && n < kE) {
      for (int64_t i = 0; i < n; ++i) out[i] = rest[i];
    } else {
#pragma GCC unroll 4
      for (int64_t i = 0; i < kStep; ++i) {  // whole vectors, of which the last ones have what was written already
        const int64_t at = i * kE < n - kE ? i * kE : n - kE;
        store(out + at, load(rest + at));
      }
    }
  }

  void leaf(const T* x, int64_t n, T* out) const {
    switch ((n - 1) / (kStep * kE)) {
      case 0:
        return few<4>(x, n, out);
      case 1:
        return few<8>(x, n, out);
      case 2:
        return few<12>(x, n, out);
      default:
        return few<16>(x, n, out);
    }
  }

  // The quicksort.

  ACCEL_LANES int mask_of(V lanes) {
    if constexpr (kE == 8) {
      return _mm256_movemask_ps((__m256)lanes);
    } else {
      return _mm256_movemask_pd((__m256d)lanes);
    }
  }

  ACCEL_LANES V masked_load(const T* x, V there) {
    if constexpr (kE == 8) {
      return (V)_mm256_maskload_epi32(reinterpret_cast<const int*>(x), (__m256i)there);
    } else {
      return (V)_mm256_maskload_epi64(reinterpret_cast<const long long*>(x), (__m256i)there);
    }
  }

  /// Lanes of the mask first.
  ACCEL_LANES V apart(V v, int mask) {
    const uint8_t* const order = kOrders<kE>.lanes[mask];
    return (V)_mm256_permutevar8x32_epi32(
        (__m256i)v, _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(order))));
  }

  /// Elements below the pivot to out's beginning, the others to its end. How many are below. n >= 2 kE.
  template <bool kFirst>
  int64_t partition(const T* x, int64_t n, T pivot, T* out) const {
    const V limit = pivot - V{};
    const auto read = [&](const T* from) { return kFirst ? key(load(from)) : load(from); };
    int64_t low = 0, high = n;                        // what is between is not written yet: as much as x has left
    if (const int rest = static_cast<int>(n % kE)) {  // whole vectors are left
      const V v = read(x), there = before(rest, Lanes{}), below = (v < limit) & there;
      store(out, apart(v, mask_of(below)));
      store(out + n - kE, apart(v, mask_of(below | ~there)));
      low = __builtin_popcount(mask_of(below));
      high = n - rest + low;
      x += rest;
    }
    for (; low < high; x += kE) {
      const V v = read(x);
      const int mask = mask_of(v < limit);
      const V both = apart(v, mask);
      store(out + low, both);
      store(out + high - kE, both);
      const int count = __builtin_popcount(mask);
      low += count;
      high -= kE - count;
    }
    return low;
  }

  template <class A>
  ACCEL_LANES A middle(A a, A b, A c) {
    const A low = b < a ? b : a, high = b < a ? a : b, rest = c < high ? c : high;
    return rest < low ? low : rest;
  }

  /// Of kSamples vectors that are so far apart: the middle of the middles of three, and so on, of each lane.
  template <bool kFirst, int kSamples>
  V about_median(const T* x, int64_t distance) const {
    if constexpr (kSamples == 1) {
      return kFirst ? key(load(x)) : load(x);
    } else {
      constexpr int kThird = kSamples / 3;
      return middle(about_median<kFirst, kThird>(x, distance),
                    about_median<kFirst, kThird>(x + kThird * distance, distance),
                    about_median<kFirst, kThird>(x + 2 * kThird * distance, distance));
    }
  }

  template <bool kFirst>
  T pivot_of(const T* x, int64_t n) const {
    const V v = n < 512       ? about_median<kFirst, 3>(x, n / 3)
                : n < 1 << 15 ? about_median<kFirst, 9>(x, n / 9)
                              : about_median<kFirst, 27>(x, n / 27);
    const T first = middle<T>(v[0], v[1], v[2]);
    if constexpr (kE == 4) {
      return first;
    } else {
      return middle<T>(first, middle<T>(v[3], v[4], v[5]), middle<T>(v[6], v[7], v[0]));
    }
  }

  static void sift(T* x, int64_t n, int64_t at) {
    const T value = x[at];
    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
      child += child + 1 < n && x[child] < x[child + 1];
      if (x[child] <= value) break;
      x[at] = x[child];
    }
    x[at] = value;
  }

  static void heap_sort(T* x, int64_t n) {
    for (int64_t at = n / 2; at-- > 0;) sift(x, n, at);
    while (--n > 0) {
      const T largest = x[0];
      x[0] = x[n];
      x[n] = largest;
      sift(x, n, 0);
    }
  }

  /// Sorts `from` through `to`, to which it is divided, and `other`, which may be the same memory as `from`; the result
  /// is in one of the two. depth: the pieces of pieces that may still be taken; what is left then was made so that no
  /// pivot divides it.
  template <bool kFirst>
  void piece(const T* from, T* to, T* other, int64_t n, bool into_to, int depth) const {
    T* const out = into_to ? to : other;
    if (!kFirst && n <= kLeaf) return leaf(from, n, out);
    pause_.call(pause_.its, n);
    if (depth == 0) {
      heap_sort(other, n);
      for (int64_t i = 0; i < n; ++i) out[i] = bits(other[i] - V{})[0];
      return;
    }
    const T pivot = pivot_of<kFirst>(from, n);
    int64_t low = partition<kFirst>(from, n, pivot, to);
    if (low == 0) {  // the pivot is the smallest: its equals are one side
      low = pivot == kMost ? n : partition<kFirst>(from, n, pivot + 1, to);
      const T equal = bits(pivot - V{})[0];
      for (int64_t i = 0; i < low; ++i) out[i] = equal;
    } else {
      piece<false>(to, other, to, low, !into_to, depth - 1);
    }
    if (low < n) piece<false>(to + low, other + low, to + low, n - low, !into_to, depth - 1);
  }

  const V turn_, negative_, infinity_;  // of LongRow, in each lane
  const Pause& pause_;
};

}  // namespace accel::ACCEL_ISA
