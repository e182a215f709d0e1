// What this instruction set reaches at most: chains of multiply-adds, and passes over memory. The bars of the benchmark
// are shares of these.
#pragma once

#include "../kernels.hpp"
#include "chains.hpp"
#include "vector.hpp"

namespace accel::ACCEL_ISA {

/// n steps of x = m * c + x in every element of every chain. Baseline x86 has no fma: it multiplies, then adds, as
/// x = x * m + c, of which no part can be taken out of the loop.
template <class T>
static void probe_fma(int64_t n, void*, const void*, const void*) {
  Vector<T> m = splat(T(0.5)), c = splat(T(0.75));
  keep(m);
  keep(c);
  run_chains(n, c, [&](Vector<T> x) {
#if defined(__x86_64__) && !defined(__FMA__)
    return x * m + c;
#else
    return fma<T>(m, c, x);
#endif
  });
}

/// Passes go over whole blocks of so many bytes.
inline constexpr int kProbeBlock = 4 * ACCEL_VECTOR_BYTES;

static void probe_read(int64_t n, void*, const void* a, const void*) {
  const float* const x = static_cast<const float*>(a);
  constexpr int kStep = kElements<float>;
  for (int64_t i = 0; i < n / 4; i += 4 * kStep) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      Vector<float> v = load(x + i + j * kStep);
      keep(v);
    }
  }
}

/// Past the caches: the line is not read first. p is aligned to the vector.
static inline void store_streaming(float* p, Vector<float> v) {
#if defined(__AVX512F__)
  _mm512_stream_ps(p, (__m512)v);
#elif defined(__AVX2__)
  _mm256_stream_ps(p, (__m256)v);
#elif defined(__x86_64__)
  _mm_stream_ps(p, (__m128)v);
#else
  store(p, v);  // stores of streams are recognised by the CPU
#endif
}

/// out = a, or out = a + 0.75 b. Barriers keep the compiler from calling memcpy.
template <bool kTriad, bool kStreaming>
static void probe_write(int64_t n, void* out, const void* a, const void* b) {
  float* const z = static_cast<float*>(out);
  const float *const x = static_cast<const float*>(a), *const y = static_cast<const float*>(b);
  constexpr int kStep = kElements<float>;
  const Vector<float> factor = splat(0.75f);
  for (int64_t i = 0; i < n / 4; i += 4 * kStep) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const int64_t at = i + j * kStep;
      Vector<float> v = load(x + at);
      if constexpr (kTriad) v += factor * load(y + at);
      keep(v);
      if constexpr (kStreaming) {
        store_streaming(z + at, v);
      } else {
        store(z + at, v);
      }
    }
  }
#if defined(__x86_64__)
  if constexpr (kStreaming) _mm_sfence();
#endif
}

static constexpr ProbeRow kProbes[] = {
    {"fma_float32", 0, 2.0 * kChains * kElements<float>, probe_fma<float>},
    {"fma_float64", 0, 2.0 * kChains * kElements<double>, probe_fma<double>},
    {"read", 1, 1, probe_read},
    {"copy", 2, 2, probe_write<false, false>},
    {"copy", 2, 2, probe_write<false, true>},
    {"triad", 3, 3, probe_write<true, false>},
    {"triad", 3, 3, probe_write<true, true>},
};

}  // namespace accel::ACCEL_ISA
