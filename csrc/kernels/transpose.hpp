// Square transposes in registers.
#pragma once

#include <cstddef>
#include <utility>

#include "vector.hpp"

namespace accel::ACCEL_ISA {

/// In every group of 16 bytes: the elements of a and b in turn, of their lower or, where High, their upper halves.
template <bool High, class T, size_t... I>
__attribute__((always_inline)) static inline Vector<T> zip_lanes(Vector<T> a, Vector<T> b, std::index_sequence<I...>) {
  constexpr size_t kGroup = 16 / sizeof(T);
  return __builtin_shufflevector(a, b,
                                 (I / kGroup * kGroup + High * kGroup / 2 + I % kGroup / 2 + I % 2 * kElements<T>)...);
}
template <bool High, class T>
__attribute__((always_inline)) static inline Vector<T> zip(Vector<T> a, Vector<T> b) {
  return zip_lanes<High, T>(a, b, std::make_index_sequence<kElements<T>>{});
}

/// Transposes kElements<T> vectors of kElements<T> elements: first within groups of 16 bytes, then the groups.
template <class T>
struct Transpose {
  static constexpr int kE = kElements<T>;
  static constexpr int kGroup = 16 / sizeof(T);
  static constexpr int kGroups = kE / kGroup;  // 1, 2 or 4

  __attribute__((always_inline)) static void run(Vector<T> (&v)[kE]) {
    constexpr auto lanes = std::make_index_sequence<kE>{};
#pragma GCC unroll 16
    for (int g = 0; g < kE; g += kGroup) {
      if constexpr (kGroup == 2) {
        const Vector<T> a = v[g], b = v[g + 1];
        v[g] = interleave<1, 0>(a, b, lanes);
        v[g + 1] = interleave<1, 1>(a, b, lanes);
      } else {
        const Vector<T> low0 = interleave<1, 0>(v[g], v[g + 1], lanes);
        const Vector<T> low1 = interleave<1, 0>(v[g + 2], v[g + 3], lanes);
        const Vector<T> high0 = interleave<1, 2>(v[g], v[g + 1], lanes);
        const Vector<T> high1 = interleave<1, 2>(v[g + 2], v[g + 3], lanes);
        v[g] = interleave<2, 0>(low0, low1, lanes);
        v[g + 1] = interleave<2, 2>(low0, low1, lanes);
        v[g + 2] = interleave<2, 0>(high0, high1, lanes);
        v[g + 3] = interleave<2, 2>(high0, high1, lanes);
      }
    }
    // v[g + c] holds, for every group of lanes l, column l + c of rows g to g + kGroup - 1.
    if constexpr (kGroups == 2) {
#pragma GCC unroll 16
      for (int c = 0; c < kGroup; ++c) {
        const Vector<T> a = v[c], b = v[kGroup + c];
        v[c] = halves<0>(a, b, lanes);
        v[kGroup + c] = halves<1>(a, b, lanes);
      }
    } else if constexpr (kGroups == 4) {
#pragma GCC unroll 16
      for (int c = 0; c < kGroup; ++c) {
        const Vector<T> even0 = every_second<0>(v[c], v[kGroup + c], lanes);
        const Vector<T> odd0 = every_second<1>(v[c], v[kGroup + c], lanes);
        const Vector<T> even1 = every_second<0>(v[2 * kGroup + c], v[3 * kGroup + c], lanes);
        const Vector<T> odd1 = every_second<1>(v[2 * kGroup + c], v[3 * kGroup + c], lanes);
        v[c] = every_second<0>(even0, even1, lanes);
        v[kGroup + c] = every_second<0>(odd0, odd1, lanes);
        v[2 * kGroup + c] = every_second<1>(even0, even1, lanes);
        v[3 * kGroup + c] = every_second<1>(odd0, odd1, lanes);
      }
    }
  }

 private:
  /// In every group of 16 bytes: runs of Run elements from a and b in turn, from element First on.
  template <int Run, int First, size_t... I>
  __attribute__((always_inline)) static Vector<T> interleave(Vector<T> a, Vector<T> b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b, interleaved<Run, First>(static_cast<int>(I))...);
  }
  template <int Run, int First>
  static constexpr int interleaved(int lane) {
    const int group = lane / kGroup * kGroup, at = lane % kGroup;
    return group + First + at / (2 * Run) * Run + at % Run + (at / Run % 2 ? kE : 0);
  }

  /// Half First of a, then of b.
  template <int First, size_t... I>
  __attribute__((always_inline)) static Vector<T> halves(Vector<T> a, Vector<T> b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b, half<First>(static_cast<int>(I))...);
  }
  template <int First>
  static constexpr int half(int lane) {
    return lane % (kE / 2) + First * (kE / 2) + (lane < kE / 2 ? 0 : kE);
  }

  /// Groups First and First + 2 of a, then of b.
  template <int First, size_t... I>
  __attribute__((always_inline)) static Vector<T> every_second(Vector<T> a, Vector<T> b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b, second<First>(static_cast<int>(I))...);
  }
  template <int First>
  static constexpr int second(int lane) {
    const int group = lane / kGroup, at = lane % kGroup;
    return (First + group % 2 * 2) * kGroup + at + (group < 2 ? 0 : kE);
  }
};

}  // namespace accel::ACCEL_ISA
