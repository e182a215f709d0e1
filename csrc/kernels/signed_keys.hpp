// Elements as signed integers in the order of their values, and back.
#pragma once

#include <limits>

#include "../sort_network.hpp"
#include "vector.hpp"

namespace accel::ACCEL_ISA {

/// T: the signed integers of the elements' width.
template <class T>
struct SignedKeys {
  using V = Vector<T>;
  static constexpr T kMost = std::numeric_limits<T>::max();

  explicit SignedKeys(const SignedKey& its)
      : turn(splat(static_cast<T>(its.turn))),
        negative(splat(static_cast<T>(its.negative))),
        infinity(splat(static_cast<T>(its.infinity))) {}

  __attribute__((always_inline)) V key(V bits) const {
    const V made = bits ^ ((bits < 0) & negative);
    return ((bits & kMost) > infinity ? splat(kMost) : made) ^ turn;
  }
  __attribute__((always_inline)) V bits(V key) const {
    key ^= turn;
    return key ^ ((key < 0) & negative);
  }

  const V turn, negative, infinity;  // of SignedKey, in each lane
};

}  // namespace accel::ACCEL_ISA
