// Loops of float32 over 16-bit floats: widened in registers, computed, and rounded. The bits are those of the steps one
// after another, which read and write L1 more often. AVX2 and AVX-512.
#pragma once

#include <cstddef>
#include <cstdint>

#include "half_lanes.hpp"
#include "lanes_loop.hpp"

namespace accel::ACCEL_ISA {

/// How a loop reads and writes float32: rounded to a format of 16 bits.
template <Format kHalf>
struct AsHalves {
  template <class>
  using Stored = uint16_t;

  template <class>
  ACCEL_LANES Vector<float> read(const uint16_t* p) {
    return read_half<kHalf>(p);
  }
  template <class>
  ACCEL_LANES Vector<float> read_some(const uint16_t* p, int64_t n) {
    uint16_t some[kElements<float>] = {};
    memcpy(some, p, static_cast<size_t>(n) * sizeof(uint16_t));
    return read_half<kHalf>(some);
  }
  template <bool kStreams, class>
  ACCEL_LANES void write(uint16_t* p, Vector<float> lanes) {
    write_half<kHalf, kStreams>(p, lanes);
  }
  template <class>
  ACCEL_LANES void write_some(uint16_t* p, Vector<float> lanes, int64_t n) {
    uint16_t some[kElements<float>];
    write_half<kHalf>(some, lanes);
    memcpy(p, some, static_cast<size_t>(n) * sizeof(uint16_t));
  }
};

template <Format kHalf, auto Lanes, class Scalar>
using HalvesLoop = LanesLoop<Lanes, Scalar, AsHalves<kHalf>>;

}  // namespace accel::ACCEL_ISA
