// Loops of float32 functions over 16-bit floats: widened in registers, computed, and rounded. The bits are those of the
// three steps one after another, which read and write L1 four times as often.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "pointwise.hpp"

namespace accel::ACCEL_ISA {

template <Format kHalf, auto Lanes, class Scalar>
struct HalvesLoop;

template <Format kHalf, auto Lanes, class... A>
struct HalvesLoop<kHalf, Lanes, float (*)(A...)> {
  static void run(int64_t n, void* out, const void* const* args) { run_with(n, out, args, 0); }

  __attribute__((noinline)) static void run_with(int64_t n, void* out, const void* const* args, unsigned options) {
    run_typed(n, static_cast<uint16_t*>(out), args, options, std::index_sequence_for<A...>{});
  }

  static constexpr FunctionRow row(const char* function, const char* dtype) {
    return {function, dtype, sizeof...(A), {as_stored<A>()...}, CType::kU16, run, run_with};
  }

 private:
  static constexpr int kLanes = kElements<float>;
  static_assert(kRepeatBytes >= kLanes * int64_t{sizeof(uint16_t)});

  template <class>
  static constexpr CType as_stored() {
    return CType::kU16;
  }
  template <class>
  using Stored = uint16_t;
  template <class>
  using Keep = int64_t;  // of each argument: all ones, or 0 where it is repeated

  template <size_t... I>
  static void run_typed(int64_t n, uint16_t* out, const void* const* args, unsigned options,
                        std::index_sequence<I...>) {
    const auto run = [&](auto streams) {
      run_steps<decltype(streams)::value>(n, out, static_cast<const uint16_t*>(args[I])...,
                                          ~-static_cast<int64_t>(options >> I & 1)...);
    };
    options& kStream ? run(std::true_type{}) : run(std::false_type{});
  }

  template <bool kStreams>
  static void run_steps(int64_t n, uint16_t* out, const Stored<A>*... args, Keep<A>... keep) {
    int64_t i = 0;
    if constexpr (kStreams) {
      constexpr int64_t kBytes = kLanes * sizeof(uint16_t);
      const int64_t before = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(out) % kBytes / sizeof(uint16_t));
      i = before < n ? before : n;
      if (i > 0) run_some(i, out, args...);
    }
    // Two at a time, as the steps of one wait for each other.
    for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
      const Vector<float> first = Lanes(read_half<kHalf>(args + (i & keep))...);
      const Vector<float> second = Lanes(read_half<kHalf>(args + ((i + kLanes) & keep))...);
      write_half<kHalf, kStreams>(out + i, first);
      write_half<kHalf, kStreams>(out + i + kLanes, second);
    }
    if (i + kLanes <= n) {
      write_half<kHalf, kStreams>(out + i, Lanes(read_half<kHalf>(args + (i & keep))...));
      i += kLanes;
    }
    if (i < n) run_some(n - i, out + i, (args + (i & keep))...);
  }

  /// Fewer than a vector; nothing beyond them is touched.
  __attribute__((noinline)) static void run_some(int64_t n, uint16_t* out, const Stored<A>*... args) {
    const auto widened = [n](const uint16_t* p) {
      uint16_t some[kLanes] = {};
      memcpy(some, p, static_cast<size_t>(n) * sizeof(uint16_t));
      return read_half<kHalf>(some);
    };
    uint16_t result[kLanes];
    write_half<kHalf, false>(result, Lanes(widened(args)...));
    memcpy(out, result, static_cast<size_t>(n) * sizeof(uint16_t));
  }
};

#define ACCEL_ROW(function)                                                                                        \
  HalvesLoop<Format::kFloat16, accel_lanes_##function##_float32, decltype(&accel_##function##_float32)>::row(      \
      #function, "float16"),                                                                                       \
      HalvesLoop<Format::kBfloat16, accel_lanes_##function##_float32, decltype(&accel_##function##_float32)>::row( \
          #function, "bfloat16"),
static constexpr FunctionRow kHalves[] = {ACCEL_HALVES_FUNCTIONS(ACCEL_ROW)};
#undef ACCEL_ROW

}  // namespace accel::ACCEL_ISA
