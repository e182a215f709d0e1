// Vectors of float32 in memory as 16-bit floats. AVX2 and AVX-512.
#pragma once

#include "vector.hpp"

namespace accel::ACCEL_ISA {

/// How storage of type T is read and written as the lanes of one vector: of float32 (16 bits by their format), or
/// float64.
enum class Format { kFloat32, kFloat64, kFloat16, kBfloat16, kInteger };

#if defined(__AVX512F__)

template <Format kHalf>
static inline Vector<float> read_half(const void* p) {
  const __m256i bits = _mm256_loadu_si256(static_cast<const __m256i*>(p));
  if constexpr (kHalf == Format::kFloat16) return (Vector<float>)_mm512_cvtph_ps(bits);
  return (Vector<float>)_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16);
}

/// kStream: around the caches, to an address aligned to what is written.
template <Format kHalf, bool kStream = false>
static inline void write_half(void* p, Vector<float> lanes) {
  __m256i half;
  if constexpr (kHalf == Format::kFloat16) {
    half = _mm512_cvtps_ph((__m512)lanes, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  } else {
    const __m512i bits = (__m512i)lanes;
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __mmask16 nan = _mm512_cmp_ps_mask((__m512)lanes, (__m512)lanes, _CMP_UNORD_Q);
    half = _mm512_cvtepi32_epi16(_mm512_mask_set1_epi32(_mm512_srli_epi32(rounded, 16), nan, 0x7fc0));
  }
  if constexpr (kStream) {
    _mm256_stream_si256(static_cast<__m256i*>(p), half);
  } else {
    _mm256_storeu_si256(static_cast<__m256i*>(p), half);
  }
}

#else

template <Format kHalf>
static inline Vector<float> read_half(const void* p) {
  const __m128i bits = _mm_loadu_si128(static_cast<const __m128i*>(p));
  if constexpr (kHalf == Format::kFloat16) return (Vector<float>)_mm256_cvtph_ps(bits);
  return (Vector<float>)_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16);
}

/// kStream: around the caches, to an address aligned to what is written.
template <Format kHalf, bool kStream = false>
static inline void write_half(void* p, Vector<float> lanes) {
  __m128i half;
  if constexpr (kHalf == Format::kFloat16) {
    half = _mm256_cvtps_ph((__m256)lanes, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  } else {
    const __m256i bits = (__m256i)lanes;
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i nan = (__m256i)_mm256_cmp_ps((__m256)lanes, (__m256)lanes, _CMP_UNORD_Q);
    const __m256i narrow = _mm256_blendv_epi8(_mm256_srli_epi32(rounded, 16), _mm256_set1_epi32(0x7fc0), nan);
    half = _mm_packus_epi32(_mm256_castsi256_si128(narrow), _mm256_extracti128_si256(narrow, 1));
  }
  if constexpr (kStream) {
    _mm_stream_si128(static_cast<__m128i*>(p), half);
  } else {
    _mm_storeu_si128(static_cast<__m128i*>(p), half);
  }
}

#endif

}  // namespace accel::ACCEL_ISA
