// Independent chains of one instruction, to measure how many the CPU completes in a second.
#pragma once

#include <cstdint>

namespace accel::ACCEL_ISA {

/// The compiler must have x in a register here, and knows nothing of its value afterwards.
template <class V>
static inline void keep(V& x) {
#if defined(__x86_64__)
  asm volatile("" : "+v"(x));
#elif defined(__aarch64__)
  asm volatile("" : "+w"(x));
#else
  asm volatile("" : "+m"(x));
#endif
}

/// Two pipes of latency 4 to 5 need 8 to 10 chains; 12 and two operands fit the 16 registers of AVX2.
inline constexpr int kChains = 12;

/// n times x = step(x), for each chain. Variables and not an array, which GCC would leave in memory.
template <class V, class Step>
static inline void run_chains(int64_t n, V x0, Step step) {
  V x1 = x0, x2 = x0, x3 = x0, x4 = x0, x5 = x0, x6 = x0, x7 = x0, x8 = x0, x9 = x0, x10 = x0, x11 = x0;
  const auto advance = [&](V& x) {
    x = step(x);
    keep(x);
  };
  for (int64_t i = 0; i < n; ++i) {
    advance(x0);
    advance(x1);
    advance(x2);
    advance(x3);
    advance(x4);
    advance(x5);
    advance(x6);
    advance(x7);
    advance(x8);
    advance(x9);
    advance(x10);
    advance(x11);
  }
}

}  // namespace accel::ACCEL_ISA
