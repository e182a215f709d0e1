// Neighbours in memory, such as the parts of complex numbers, as two vectors.
#pragma once

#include <cstddef>
#include <utility>

#include "vector.hpp"

namespace accel::ACCEL_ISA {

/// Every second element of a and b from First on.
template <int First, class T, size_t... I>
ACCEL_LANES Vector<T> unzip_lanes(Vector<T> a, Vector<T> b, std::index_sequence<I...>) {
  return __builtin_shufflevector(a, b, (2 * static_cast<int>(I) + First)...);
}
template <int First, class T>
ACCEL_LANES Vector<T> unzip(Vector<T> a, Vector<T> b) {
  return unzip_lanes<First, T>(a, b, std::make_index_sequence<kElements<T>>{});
}

/// The same in every group of 16 bytes by itself, which `zip` puts together again.
template <int First, class T, size_t... I>
ACCEL_LANES Vector<T> unzip_groups_lanes(Vector<T> a, Vector<T> b, std::index_sequence<I...>) {
  constexpr int kGroup = 16 / sizeof(T), kHalf = kGroup / 2;
  return __builtin_shufflevector(a, b,
                                 (static_cast<int>(I) / kGroup * kGroup + First + static_cast<int>(I) % kHalf * 2 +
                                  (static_cast<int>(I) % kGroup < kHalf ? 0 : kElements<T>))...);
}
template <int First, class T>
ACCEL_LANES Vector<T> unzip_groups(Vector<T> a, Vector<T> b) {
  return unzip_groups_lanes<First, T>(a, b, std::make_index_sequence<kElements<T>>{});
}

/// Elements of a and b in turn: of their first halves, or of their second ones.
template <int Half, class T, size_t... I>
ACCEL_LANES Vector<T> in_turn_lanes(Vector<T> a, Vector<T> b, std::index_sequence<I...>) {
  constexpr int kE = kElements<T>;
  return __builtin_shufflevector(a, b, (static_cast<int>(I) / 2 + static_cast<int>(I) % 2 * kE + Half * (kE / 2))...);
}
template <int Half, class T>
ACCEL_LANES Vector<T> in_turn(Vector<T> a, Vector<T> b) {
  return in_turn_lanes<Half, T>(a, b, std::make_index_sequence<kElements<T>>{});
}

}  // namespace accel::ACCEL_ISA
