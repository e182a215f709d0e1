// A look at the positions that indices stand for.
#pragma once

#include <cstdint>

#include "../kernels.hpp"

namespace accel::ACCEL_ISA {

bool all_positions(const int64_t* index, int64_t n, int64_t length, int64_t* positions);

/// The positions that n indices stand for; whether all are in range, with no branch at each. They stay what they are
/// when another thread writes to the index array meanwhile.
bool all_positions(const int64_t* index, int64_t n, int64_t length, int64_t* positions) {
  uint64_t signs = 0;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t its = index[i] + (index[i] < 0 ? length : 0);
    signs |= static_cast<uint64_t>(its) | static_cast<uint64_t>(length - 1 - its);
    positions[i] = its;
  }
  return static_cast<int64_t>(signs) >= 0;
}

}  // namespace accel::ACCEL_ISA
