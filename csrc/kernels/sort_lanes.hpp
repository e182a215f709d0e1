// What sorts do with the lanes of vectors of signed integers of 4 or 8 bytes, with AVX2 and with AVX-512.
#pragma once

#include <utility>

#include "vector.hpp"

namespace accel::ACCEL_ISA {

#ifdef __AVX512F__
/// For each number of lanes: as many of one vector from the first on, and then those of another one from its first on.
template <class T>
struct Joints {
  static constexpr int kE = kElements<T>;
  alignas(64) T lanes[kE + 1][kE] = {};
  constexpr Joints() {
    for (int count = 0; count <= kE; ++count) {
      for (int i = 0; i < kE; ++i) lanes[count][i] = i < count ? i : kE + i - count;
    }
  }
};

template <class T>
inline constexpr Joints<T> kJoints;
#else
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
#endif

/// Masks have a bit for each lane.
template <class T>
struct SortLanes {
  using V = Vector<T>;
  static constexpr int kE = kElements<T>;
  static constexpr bool kNarrow = sizeof(T) == 4;
  static constexpr int kAll = (1 << kE) - 1;
  using Lanes = std::make_index_sequence<kE>;

  ACCEL_LANES void order(V& a, V& b) {
    const V low = least(a, b);
    b = most(a, b);
    a = low;
  }

  /// Lane i of the result is lane i ^ kX.
  template <int kX>
  ACCEL_LANES V crossed(V v) {
    return crossed<kX>(v, Lanes{});
  }

#ifdef __AVX512F__
  ACCEL_LANES V least(V a, V b) {
    return (V)(kNarrow ? _mm512_min_epi32((__m512i)a, (__m512i)b) : _mm512_min_epi64((__m512i)a, (__m512i)b));
  }
  ACCEL_LANES V most(V a, V b) {
    return (V)(kNarrow ? _mm512_max_epi32((__m512i)a, (__m512i)b) : _mm512_max_epi64((__m512i)a, (__m512i)b));
  }

  /// The lesser elements in lanes without the bit kBit, the greater ones in those with it.
  template <int kBit>
  ACCEL_LANES V rising(V a, V b) {
    return most_where<with(kBit)>(a, b);
  }
  /// The greater ones in lanes without it, the lesser ones in those with it.
  template <int kBit>
  ACCEL_LANES V falling(V a, V b) {
    return most_where<kAll & ~with(kBit)>(a, b);
  }

  ACCEL_LANES int below(V v, V limit) {
    return kNarrow ? _mm512_cmplt_epi32_mask((__m512i)v, (__m512i)limit)
                   : _mm512_cmplt_epi64_mask((__m512i)v, (__m512i)limit);
  }

  /// The first n elements, which may be none, all or more, and lanes of `rest` behind them. Nothing else is read.
  ACCEL_LANES V load_first(const T* x, int64_t n, V rest) {
    const int mask = n <= 0 ? 0 : n >= kE ? kAll : (1 << n) - 1;
    return (V)(kNarrow ? _mm512_mask_loadu_epi32((__m512i)rest, static_cast<__mmask16>(mask), x)
                       : _mm512_mask_loadu_epi64((__m512i)rest, static_cast<__mmask8>(mask), x));
  }

  /// Lanes of the mask, in order, and then the others.
  ACCEL_LANES V apart(V v, int mask) {  // in registers: a compression to memory is microcode on AMD's CPUs
    V joint;
    memcpy(&joint, kJoints<T>.lanes[__builtin_popcount(mask)], sizeof joint);
    const __m512i first = compressed(v, mask), others = compressed(v, ~mask);
    return (V)(kNarrow ? _mm512_permutex2var_epi32(first, (__m512i)joint, others)
                       : _mm512_permutex2var_epi64(first, (__m512i)joint, others));
  }

 private:
  ACCEL_LANES __m512i compressed(V v, int mask) {
    return kNarrow ? _mm512_maskz_compress_epi32(static_cast<__mmask16>(mask), (__m512i)v)
                   : _mm512_maskz_compress_epi64(static_cast<__mmask8>(mask), (__m512i)v);
  }

  static constexpr int with(int bit) {
    int mask = 0;
    for (int i = 0; i < kE; ++i) mask |= ((i & bit) != 0) << i;
    return mask;
  }

  template <int kMask>
  ACCEL_LANES V most_where(V a, V b) {
    const __m512i low = (__m512i)least(a, b);
    return (V)(kNarrow ? _mm512_mask_max_epi32(low, static_cast<__mmask16>(kMask), (__m512i)a, (__m512i)b)
                       : _mm512_mask_max_epi64(low, static_cast<__mmask8>(kMask), (__m512i)a, (__m512i)b));
  }
#else
  ACCEL_LANES V least(V a, V b) {
    if constexpr (kNarrow) return (V)_mm256_min_epi32((__m256i)a, (__m256i)b);
    return b < a ? b : a;
  }
  ACCEL_LANES V most(V a, V b) {
    if constexpr (kNarrow) return (V)_mm256_max_epi32((__m256i)a, (__m256i)b);
    return b < a ? a : b;
  }

  template <int kBit>
  ACCEL_LANES V rising(V a, V b) {
    return either<kBit>(least(a, b), most(a, b), Lanes{});
  }
  template <int kBit>
  ACCEL_LANES V falling(V a, V b) {
    return either<kBit>(most(a, b), least(a, b), Lanes{});
  }

  ACCEL_LANES int below(V v, V limit) {
    const V lanes = v < limit;
    return kNarrow ? _mm256_movemask_ps((__m256)lanes) : _mm256_movemask_pd((__m256d)lanes);
  }

  ACCEL_LANES V load_first(const T* x, int64_t n, V rest) {
    const V there = numbers(Lanes{}) < static_cast<T>(n) - V{};
    if constexpr (kNarrow) {
      return there ? (V)_mm256_maskload_epi32(reinterpret_cast<const int*>(x), (__m256i)there) : rest;
    } else {
      return there ? (V)_mm256_maskload_epi64(reinterpret_cast<const long long*>(x), (__m256i)there) : rest;
    }
  }

  ACCEL_LANES V apart(V v, int mask) {
    const uint8_t* const order = kOrders<kE>.lanes[mask];
    return (V)_mm256_permutevar8x32_epi32(
        (__m256i)v, _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(order))));
  }

 private:
  template <size_t... I>
  ACCEL_LANES V numbers(std::index_sequence<I...>) {
    return V{static_cast<T>(I)...};
  }

  /// Lanes without the bit kBit from a, those with it from b.
  template <int kBit, size_t... I>
  ACCEL_LANES V either(V a, V b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b,
                                   (static_cast<int>(I) & kBit ? static_cast<int>(I) + kE : static_cast<int>(I))...);
  }
#endif

  template <int kX, size_t... I>
  ACCEL_LANES V crossed(V v, std::index_sequence<I...>) {
    return __builtin_shufflevector(v, v, (static_cast<int>(I) ^ kX)...);
  }
};

}  // namespace accel::ACCEL_ISA
