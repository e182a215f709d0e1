// Sorts of long rows of elements of 4 or 8 bytes: a quicksort whose pieces go from one buffer to another, and, for few
// elements, a network over the lanes of vectors whose columns are then merged. The first division makes signed integers
// of the elements, and the networks make elements of these again.
#pragma once

#include <cstring>
#include <utility>

#include "signed_keys.hpp"
#include "sort_lanes.hpp"
#include "sort_network.hpp"
#include "transpose.hpp"

namespace accel::ACCEL_ISA {

/// T: the signed integers that are sorted.
template <class T>
struct QuickSort : private SignedKeys<T> {
  using Its = SortLanes<T>;
  using V = typename Its::V;
  using Lanes = typename Its::Lanes;
  static constexpr int kE = Its::kE;
  static constexpr int kStep = 4;        // vectors by which networks differ
  static constexpr int kLeaf = 16 * kE;  // elements that the largest one sorts
  using SignedKeys<T>::kMost, SignedKeys<T>::key, SignedKeys<T>::bits;

  explicit QuickSort(const LongRow& row, const Pause& pause)
      : SignedKeys<T>(row.key), end_(static_cast<const T*>(row.out) + row.count), pause_(pause) {}

  static void run(const LongRow& row, const Pause& pause) {
    const QuickSort its(row, pause);
    const T* const in = static_cast<const T*>(row.in);
    T *const out = static_cast<T*>(row.out), *const spare = static_cast<T*>(row.spare);
    if (row.n <= kLeaf) {
      if (row.n < kE) {
        for (int64_t i = 0; i < row.n; ++i) spare[i] = its.key(in[i] - V{})[0];
      }
      for (int64_t i = row.n; i > 0 && row.n >= kE; i -= kE) {  // whole vectors, of which the first ones may meet
        const int64_t at = i < kE ? 0 : i - kE;
        store(spare + at, its.key(load(in + at)));
      }
      return its.leaf(spare, row.n, out);
    }
    int depth = 16;
    for (int64_t rest = row.n; rest > 0; rest /= 2) depth += 2;
    its.template piece<true>(in, spare, out, row.n, false, depth);
  }

 private:
  template <bool kFirst>
  __attribute__((always_inline)) V read(const T* x) const {
    return kFirst ? key(load(x)) : load(x);
  }

  // The networks.

  /// Columns of kWidth and of kWidth more, one after the other in order, to 2 kWidth of them: each element of the first
  /// against that of the second from its end, then halves of halves, of columns and at last of rows.
  template <int kWidth, int kN>
  ACCEL_LANES void merge(V (&v)[kN]) {
#pragma GCC unroll 8
    for (int i = 0; i < kN / 2; ++i) {
      const V low = v[i], high = Its::template crossed<2 * kWidth - 1>(v[kN - 1 - i]);
      v[i] = Its::template rising<kWidth>(low, high);
      v[kN - 1 - i] = Its::template crossed<2 * kWidth - 1>(Its::template falling<kWidth>(low, high));
    }
    if constexpr (kWidth >= 8) halve<4>(v);
    if constexpr (kWidth >= 4) halve<2>(v);
    if constexpr (kWidth >= 2) halve<1>(v);
    rows<0, kN>(v);
  }

  template <int kDistance, int kN>
  ACCEL_LANES void halve(V (&v)[kN]) {
#pragma GCC unroll 16
    for (int i = 0; i < kN; ++i) v[i] = Its::template rising<kDistance>(v[i], Its::template crossed<kDistance>(v[i]));
  }

  /// kCount rows from kFirst on, which rise and then fall, or the other way around, in each column.
  template <int kFirst, int kCount, int kN>
  ACCEL_LANES void rows(V (&v)[kN]) {
    if constexpr (kCount == 3) {
      Its::order(v[kFirst], v[kFirst + 1]);
      Its::order(v[kFirst + 1], v[kFirst + 2]);
      Its::order(v[kFirst], v[kFirst + 1]);
    } else if constexpr (kCount > 1) {
      constexpr int kHalf = kCount / 2;
#pragma GCC unroll 8
      for (int i = kFirst; i < kFirst + kHalf; ++i) Its::order(v[i], v[i + kHalf]);
      rows<kFirst, kHalf>(v);
      rows<kFirst + kHalf, kHalf>(v);
    }
  }

  /// Of four rows: column c in v[c % 4], in its (c / 4)-th group of four elements.
  ACCEL_LANES void transpose(V (&v)[4]) {
    constexpr int kNext = sizeof(T) == 4 ? 2 : 1;  // rows to the one whose elements lie beside a row's at last
    const V low = zip<false, T>(v[0], v[kNext]), high = zip<true, T>(v[0], v[kNext]);
    const V low1 = zip<false, T>(v[3 - kNext], v[3]), high1 = zip<true, T>(v[3 - kNext], v[3]);
    if constexpr (sizeof(T) == 4) {
      v[0] = zip<false, T>(low, low1);
      v[1] = zip<true, T>(low, low1);
      v[2] = zip<false, T>(high, high1);
      v[3] = zip<true, T>(high, high1);
    } else {
      v[0] = pairs<0>(low, low1, Lanes{});
      v[1] = pairs<0>(high, high1, Lanes{});
      v[2] = pairs<2>(low, low1, Lanes{});
      v[3] = pairs<2>(high, high1, Lanes{});
    }
  }

  /// In every group of four elements: two of a and two of b, the first ones or, where kFrom is 2, the last ones.
  template <int kFrom, size_t... I>
  ACCEL_LANES V pairs(V a, V b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b, static_cast<int>(I / 4 * 4 + kFrom + I % 2 + I % 4 / 2 * kE)...);
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
#pragma GCC unroll 16
    for (int column = 0; column < kE; ++column) {
      const char* const from = reinterpret_cast<const char*>(&four[column % 4]) + column / 4 * (4 * sizeof(T));
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
    for (int i = kSure; i < kN; ++i) v[i] = Its::load_first(x + i * kE, n - i * kE, kMost - V{});
    constexpr Network<kN> kPairs;
    Network<kN>::columns(v, std::make_index_sequence<kPairs.count>{});
    merge<1>(v);
    merge<2>(v);
    if constexpr (kE >= 8) merge<4>(v);
    if constexpr (kE >= 16) merge<8>(v);
    alignas(64) T end[(1 + kStep) * kE];
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

  /// Elements below the pivot to out's beginning, the others to its end. How many are below. n >= 2 kE.
  template <bool kFirst>
  int64_t partition(const T* x, int64_t n, T pivot, T* out) const {
    const V limit = pivot - V{};
    int64_t low = 0, high = n;                        // what is between is not written yet: as much as x has left
    if (const int rest = static_cast<int>(n % kE)) {  // whole vectors are left
      const V v = read<kFirst>(x);
      const int there = (1 << rest) - 1, below = Its::below(v, limit) & there;
      store(out, Its::apart(v, below));
      store(out + n - kE, Its::apart(v, below | (Its::kAll & ~there)));
      low = __builtin_popcount(below);
      high = n - rest + low;
      x += rest;
    }
    for (; low < high; x += kE) {
      const V v = read<kFirst>(x);
      const int mask = Its::below(v, limit);
      const V both = Its::apart(v, mask);
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
      return read<kFirst>(x);
    } else {
      constexpr int kThird = kSamples / 3;
      return middle(about_median<kFirst, kThird>(x, distance),
                    about_median<kFirst, kThird>(x + kThird * distance, distance),
                    about_median<kFirst, kThird>(x + 2 * kThird * distance, distance));
    }
  }

  /// Of each lane, of samples.
  template <bool kFirst>
  V pivots_of(const T* x, int64_t n) const {
    return n < 512       ? about_median<kFirst, 3>(x, n / 3)
           : n < 1 << 15 ? about_median<kFirst, 9>(x, n / 9)
                         : about_median<kFirst, 27>(x, n / 27);
  }

  ACCEL_LANES T pivot_of(V v) {
    const T first = middle<T>(v[0], v[1], v[2]);
    if constexpr (kE == 4) {
      return first;
    } else {
      return middle<T>(first, middle<T>(v[3], v[4], v[5]), middle<T>(v[6], v[7], v[0]));
    }
  }

  ACCEL_LANES bool are_equal(V a, V b) { return !(Its::below(a, b) | Its::below(b, a)); }

  /// Whether all of n >= kE elements are as those of `its`.
  template <bool kFirst>
  bool all_equal(const T* x, int64_t n, V its) const {
    for (int64_t i = 0; i < n; i += kE) {
      if (!are_equal(read<kFirst>(x + (i < n - kE ? i : n - kE)), its)) return false;
    }
    return true;
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
  /// is in one of the two, but for pieces from `end_` on. depth: the pieces of pieces that may still be taken; what is
  /// left then was made so that no pivot divides it.
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
    const V pivots = pivots_of<kFirst>(from, n);
    const T pivot = pivot_of(pivots);
    const bool one_value = are_equal(pivots, pivot - V{}) && all_equal<kFirst>(from, n, pivots);
    int64_t low = one_value ? 0 : partition<kFirst>(from, n, pivot, to);
    if (low == 0) {  // the pivot is the smallest: its equals are one side
      low = one_value || pivot == kMost ? n : partition<kFirst>(from, n, pivot + 1, to);
      const T equal = bits(pivot - V{})[0];
      for (int64_t i = 0; i < low; ++i) out[i] = equal;
    } else {
      piece<false>(to, other, to, low, !into_to, depth - 1);
    }
    if (low < n && out + low < end_) piece<false>(to + low, other + low, to + low, n - low, !into_to, depth - 1);
  }

  const T* const end_;  // of what is wanted
  const Pause& pause_;
};

}  // namespace accel::ACCEL_ISA
