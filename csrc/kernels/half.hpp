// float16 as it is stored, for the products that read it so.
#pragma once

#include "format.hpp"
#include "vector.hpp"

namespace accel::ACCEL_ISA {

#include "casts/float16.hpp"

struct Float16 : Half<Float16> {
  static float widen(uint16_t x) { return accel_cast_float16_float32(x); }

  static Vector<float> row(const uint16_t* p) {
#if defined(__AVX512F__)
    return (Vector<float>)_mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
#elif defined(__F16C__)
    return (Vector<float>)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#else
    return wide(widen_columns(p));
#endif
  }

  static void split(Words unit, Vector<float> (&factors)[2]) {
    factors[0] = wide(unit & 0xffffu);
    factors[1] = wide(unit >> 16);
  }

 private:
  /// One float16 in each 32 bits, below zeros.
  static Vector<float> wide(Words x) {
#if defined(__AVX512F__)
    return (Vector<float>)_mm512_maskz_cvtph_ps(0xffff, _mm512_maskz_cvtepi32_epi16(0xffff, (__m512i)x));
#elif defined(__F16C__)
    const __m128i low = _mm256_castsi256_si128((__m256i)x), high = _mm256_extracti128_si256((__m256i)x, 1);
    return (Vector<float>)_mm256_cvtph_ps(_mm_packus_epi32(low, high));
#elif defined(__aarch64__)
    return vcvt_f32_f16(vreinterpret_f16_u16(vmovn_u32(x)));
#else
    Vector<float> y;
    for (int i = 0; i < kElements<float>; ++i) y[i] = widen(static_cast<uint16_t>(x[i]));
    return y;
#endif
  }
};

}  // namespace accel::ACCEL_ISA
