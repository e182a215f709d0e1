// Sorts of long rows of signed integers of 4 or 8 bytes in vectors of 32 bytes: a quicksort whose pieces go from one
// buffer to another, and, for few elements, a network over the lanes of vectors whose columns are then merged.
#pragma once

#include <immintrin.h>

#include <cstring>
#include <limits>
#include <utility>

#include "sort_network.hpp"

namespace accel::ACCEL_ISA {

template <class T>
struct QuickSort {
  static constexpr int kE = 32 / sizeof(T);
  static constexpr int kRows = 16;          // vectors of the network
  static constexpr int kLeaf = kRows * kE;  // elements that it sorts
  using V __attribute__((vector_size(32))) = T;
  using Lanes = std::make_index_sequence<kE>;

  // The network.

  ACCEL_LANES void order(V& a, V& b) {
    const auto swapped = b < a;
    const V low = swapped ? b : a;
    b = swapped ? a : b;
    a = low;
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
#pragma GCC unroll 4
    for (int d = kN / 2; d > 0; d /= 2) {
#pragma GCC unroll 16
      for (int i = 0; i < kN; ++i) {
        if (!(i & d)) order(v[i], v[i + d]);
      }
    }
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

  /// n <= kN * kE elements.
  template <int kN>
  static void few(const T* x, int64_t n, T* out) {
    alignas(32) T block[kN * kE];
    memcpy(block, x, n * sizeof(T));
    for (int64_t i = n; i < kN * kE; ++i) block[i] = std::numeric_limits<T>::max();
    V v[kN];
    memcpy(v, block, sizeof block);
    constexpr Network<kN> kPairs;
    columns(v, std::make_index_sequence<kPairs.count>{});
    merge<1>(v);
    merge<2>(v);
    if constexpr (kE == 8) merge<4>(v);
    memcpy(block, v, sizeof block);
    const int whole = static_cast<int>(n) / kN;
    for (int c = 0; c < whole; ++c) {
#pragma GCC unroll 16
      for (int r = 0; r < kN; ++r) out[c * kN + r] = block[r * kE + c];
    }
    for (int64_t i = whole * kN; i < n; ++i) out[i] = block[i % kN * kE + i / kN];
  }

  // The quicksort.

  /// For each mask of a vector's lanes of 4 bytes, or pairs of them, the order that puts those in it first.
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

  /// Elements below the pivot to out's beginning, the others to its end. How many are below.
  static int64_t partition(const T* x, int64_t n, T pivot, T* out) {
    static constexpr Orders kOrders;
    const V limit = pivot - V{};
    int64_t low = 0, high = n;  // what is between is not written yet: as much as x has left
    const auto divide = [&](const T* from) {
      V v;
      memcpy(&v, from, sizeof v);
      const auto below = v < limit;
      int mask;
      if constexpr (kE == 8) {
        mask = _mm256_movemask_ps((__m256)below);
      } else {
        mask = _mm256_movemask_pd((__m256d)below);
      }
      const __m256i order =
          _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(kOrders.lanes[mask])));
      const __m256i apart = _mm256_permutevar8x32_epi32((__m256i)v, order);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + low), apart);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + high - kE), apart);
      const int count = __builtin_popcount(mask);
      low += count;
      high -= kE - count;
    };
    for (; high - low >= 5 * kE; x += 4 * kE) {
      divide(x);
      divide(x + kE);
      divide(x + 2 * kE);
      divide(x + 3 * kE);
    }
    for (; high - low >= 2 * kE; x += kE) divide(x);
    for (; low < high; ++x) {
      const bool below = *x < pivot;
      out[below ? low : high - 1] = *x;
      low += below;
      high -= !below;
    }
    return low;
  }

  static T middle(T a, T b, T c) {
    const T low = b < a ? b : a, high = b < a ? a : b, rest = c < high ? c : high;
    return rest < low ? low : rest;
  }

  /// Of kSamples elements that are so far apart: the middle of the middles of three, and so on.
  template <int kSamples>
  static T about_median(const T* x, int64_t apart) {
    if constexpr (kSamples == 1) {
      return *x;
    } else {
      constexpr int kThird = kSamples / 3;
      return middle(about_median<kThird>(x, apart), about_median<kThird>(x + kThird * apart, apart),
                    about_median<kThird>(x + 2 * kThird * apart, apart));
    }
  }

  static T pivot_of(const T* x, int64_t n) {
    if (n < 1024) return about_median<9>(x, n / 9);
    return n < 1 << 15 ? about_median<27>(x, n / 27) : about_median<81>(x, n / 81);
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

  /// Sorts x, to itself or to `spare`. depth: the pieces of pieces that may still be taken; what is left then was made
  /// so that no pivot divides it.
  static void piece(T* x, T* spare, int64_t n, bool to_spare, int depth, const Pause& pause) {
    if (n <= kLeaf) {
      T* const out = to_spare ? spare : x;
      return n <= kLeaf / 2 ? few<kRows / 2>(x, n, out) : few<kRows>(x, n, out);
    }
    pause.call(pause.its, n);
    if (depth == 0) {
      heap_sort(x, n);
      if (to_spare) memcpy(spare, x, n * sizeof(T));
      return;
    }
    T pivot = pivot_of(x, n);
    int64_t low = partition(x, n, pivot, spare);
    if (low == 0) {  // the pivot is the smallest: its equals are one side
      low = pivot == std::numeric_limits<T>::max() ? n : partition(x, n, pivot + 1, spare);
      if (!to_spare) {
        for (int64_t i = 0; i < low; ++i) x[i] = pivot;
      }
    } else {
      piece(spare, x, low, !to_spare, depth - 1, pause);
    }
    if (low < n) piece(spare + low, x + low, n - low, !to_spare, depth - 1, pause);
  }

  static void run(void* keys, void* spare, int64_t n, const Pause& pause) {
    int depth = 16;
    for (int64_t rest = n; rest > 0; rest /= 2) depth += 2;
    piece(static_cast<T*>(keys), static_cast<T*>(spare), n, false, depth, pause);
  }
};

}  // namespace accel::ACCEL_ISA
