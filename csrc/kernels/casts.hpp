// Casts by conversion instructions, with the bits of the generated casts (NaN payloads aside): between 16-bit floats
// and float32, from these to integers of at most 32 bits (uint32 with AVX-512 only), and with AVX-512 from float64 to
// 16-bit floats and integers. AVX2 and AVX-512.
#pragma once

#include "half_lanes.hpp"
#include "pointwise.hpp"

namespace accel::ACCEL_ISA {

#include "all_casts.hpp"

template <class T>
inline constexpr bool kSigned = T(-1) < T(0);
template <class T>
inline constexpr double kHigh =
    kSigned<T> ? double((uint64_t{1} << (8 * sizeof(T) - 1)) - 1) : double((uint64_t{1} << (8 * sizeof(T))) - 1);
template <class T>
inline constexpr double kLow = kSigned<T> ? -kHigh<T> - 1 : 0;

#if defined(__AVX512F__)

/// Elements that a step casts.
template <Format kTo, class R>
inline constexpr int kCastLanes = 16;

template <Format kFrom>
static inline __m512 read_lanes(const void* p) {
  if constexpr (kFrom == Format::kFloat32) return _mm512_loadu_ps(p);
  return (__m512)read_half<kFrom>(p);
}

/// float64 to float32 rounded to odd, for a further rounding.
static inline __m256 odd_single(__m512d x) {
  const __m256 cut = _mm512_cvt_roundpd_ps(x, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
  const __mmask8 inexact = _mm512_cmp_pd_mask(_mm512_cvtps_pd(cut), x, _CMP_NEQ_UQ);
  const __m256i bits = _mm256_castps_si256(cut);
  return _mm256_castsi256_ps(_mm256_mask_or_epi32(bits, inexact, bits, _mm256_set1_epi32(1)));
}

template <class T>
static inline void write_integers(T* p, __m512i lanes) {
  if constexpr (sizeof(T) == 1) _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(lanes));
  if constexpr (sizeof(T) == 2) _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(lanes));
  if constexpr (sizeof(T) == 4) _mm512_storeu_si512(p, lanes);
}

/// Truncates and saturates; NaN gives 0.
template <class T>
static inline __m512i to_integers(__m512 x) {
  // NaN and negative numbers become 0 here, and what is too large the largest by the instruction.
  if constexpr (!kSigned<T> && sizeof(T) == 4) return _mm512_cvttps_epu32(_mm512_max_ps(x, _mm512_setzero_ps()));
  const __mmask16 number = _mm512_cmp_ps_mask(x, x, _CMP_ORD_Q);
  if constexpr (sizeof(T) == 4) {  // too small gives the smallest by the instruction, and so does too large
    const __m512i whole = _mm512_maskz_cvttps_epi32(number, x);
    return _mm512_mask_set1_epi32(whole, _mm512_cmp_ps_mask(x, _mm512_set1_ps(0x1p31f), _CMP_GE_OQ), 0x7fffffff);
  }
  const __m512 inside =
      _mm512_max_ps(_mm512_min_ps(x, _mm512_set1_ps(float(kHigh<T>))), _mm512_set1_ps(float(kLow<T>)));
  return _mm512_maskz_cvttps_epi32(number, inside);
}

template <class T>
static inline __m256i to_integers(__m512d x) {
  if constexpr (!kSigned<T> && sizeof(T) == 4) return _mm512_cvttpd_epu32(_mm512_max_pd(x, _mm512_setzero_pd()));
  const __mmask8 number = _mm512_cmp_pd_mask(x, x, _CMP_ORD_Q);
  const __m512d inside = _mm512_max_pd(_mm512_min_pd(x, _mm512_set1_pd(kHigh<T>)), _mm512_set1_pd(kLow<T>));
  return _mm512_maskz_cvttpd_epi32(number, inside);
}

static inline __m512i join(__m256i low, __m256i high) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

template <Format kFrom, Format kTo, class T, class R>
static inline void cast_lanes(const T* x, R* out) {
  if constexpr (kFrom == Format::kFloat64) {
    const __m512d low = _mm512_loadu_pd(x), high = _mm512_loadu_pd(x + 8);
    if constexpr (kTo == Format::kInteger) {
      write_integers(out, join(to_integers<R>(low), to_integers<R>(high)));
    } else {
      const __m512i both = join(_mm256_castps_si256(odd_single(low)), _mm256_castps_si256(odd_single(high)));
      cast_lanes<Format::kFloat32, kTo>(reinterpret_cast<const float*>(&both), out);
    }
  } else {
    const __m512 lanes = read_lanes<kFrom>(x);
    if constexpr (kTo == Format::kInteger) {
      write_integers(out, to_integers<R>(lanes));
    } else if constexpr (kTo == Format::kFloat16 || kTo == Format::kBfloat16) {
      write_half<kTo>(out, (Vector<float>)lanes);
    } else {
      _mm512_storeu_ps(out, lanes);
    }
  }
}

#else

/// Elements that a step casts: one vector of integers, however narrow.
template <Format kTo, class R>
inline constexpr int kCastLanes = kTo == Format::kInteger ? 32 / sizeof(R) : 8;

/// Truncates, and saturates but for what is too small for a narrow T: `write_integers` does that. NaN gives 0.
template <class T>
static inline __m256i to_integers(__m256 x) {
  const __m256 number = _mm256_cmp_ps(x, x, _CMP_ORD_Q);
  if constexpr (sizeof(T) == 4) {  // too small gives the smallest by the instruction, and so does too large
    const __m256 too_large = _mm256_cmp_ps(x, _mm256_set1_ps(0x1p31f), _CMP_GE_OQ);
    return _mm256_xor_si256(_mm256_cvttps_epi32(_mm256_and_ps(x, number)), _mm256_castps_si256(too_large));
  }
  return _mm256_cvttps_epi32(_mm256_and_ps(_mm256_min_ps(x, _mm256_set1_ps(float(kHigh<T>))), number));
}

/// The lanes of as many vectors as one of T is long.
template <class T>
static inline void write_integers(T* p, const __m256i* lanes) {
  __m256i result = lanes[0];
  if constexpr (sizeof(T) == 2) {
    result = kSigned<T> ? _mm256_packs_epi32(lanes[0], lanes[1]) : _mm256_packus_epi32(lanes[0], lanes[1]);
    result = _mm256_permute4x64_epi64(result, 0xd8);  // each half of a vector is packed by itself
  } else if constexpr (sizeof(T) == 1) {
    const __m256i low = _mm256_packs_epi32(lanes[0], lanes[1]), high = _mm256_packs_epi32(lanes[2], lanes[3]);
    result = kSigned<T> ? _mm256_packs_epi16(low, high) : _mm256_packus_epi16(low, high);
    result = _mm256_permutevar8x32_epi32(result, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  }
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), result);
}

template <Format kFrom, class T>
static inline Vector<float> read_lanes(const T* x) {
  if constexpr (kFrom == Format::kFloat32) {
    return load(x);
  } else {
    return read_half<kFrom>(x);
  }
}

template <Format kFrom, Format kTo, class T, class R>
static inline void cast_lanes(const T* x, R* out) {
  if constexpr (kTo == Format::kInteger) {
    __m256i lanes[4 / sizeof(R)];
    for (size_t v = 0; v < 4 / sizeof(R); ++v) lanes[v] = to_integers<R>((__m256)read_lanes<kFrom>(x + 8 * v));
    write_integers(out, lanes);
  } else if constexpr (kTo == Format::kFloat32) {
    store(out, read_lanes<kFrom>(x));
  } else {
    write_half<kTo>(out, read_lanes<kFrom>(x));
  }
}

#endif

/// The loop of the cast F: the compiler's, or one of instructions.
template <auto F>
struct CastLoop : Loop<F> {};

template <Format kFrom, Format kTo, class T, class R>
struct InstructionCastLoop {
  static void run(int64_t n, void* dst, const void* const* args) {
    const T* x = static_cast<const T*>(args[0]);
    R* out = static_cast<R*>(dst);
    constexpr int kLanes = kCastLanes<kTo, R>;
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) cast_lanes<kFrom, kTo>(x + i, out + i);
    if (i == n) return;
    T rest[kLanes] = {};
    R result[kLanes];
    memcpy(rest, x + i, static_cast<size_t>(n - i) * sizeof(T));
    cast_lanes<kFrom, kTo>(rest, result);
    memcpy(out + i, result, static_cast<size_t>(n - i) * sizeof(R));
  }
};

#define ACCEL_CAST(from, to, From, To, T, R) \
  template <>                                \
  struct CastLoop<accel_cast_##from##_##to> : InstructionCastLoop<Format::From, Format::To, T, R> {};
ACCEL_CAST(float16, float32, kFloat16, kFloat32, uint16_t, float)
ACCEL_CAST(float32, float16, kFloat32, kFloat16, float, uint16_t)
ACCEL_CAST(bfloat16, float16, kBfloat16, kFloat16, uint16_t, uint16_t)
ACCEL_CAST(float16, bfloat16, kFloat16, kBfloat16, uint16_t, uint16_t)
ACCEL_CAST(float32, bfloat16, kFloat32, kBfloat16, float, uint16_t)
#define ACCEL_INTEGER_CASTS(from, From, T)            \
  ACCEL_CAST(from, int8, From, kInteger, T, int8_t)   \
  ACCEL_CAST(from, int16, From, kInteger, T, int16_t) \
  ACCEL_CAST(from, int32, From, kInteger, T, int32_t) \
  ACCEL_CAST(from, uint8, From, kInteger, T, uint8_t) \
  ACCEL_CAST(from, uint16, From, kInteger, T, uint16_t)
ACCEL_INTEGER_CASTS(float16, kFloat16, uint16_t)
ACCEL_INTEGER_CASTS(bfloat16, kBfloat16, uint16_t)
ACCEL_INTEGER_CASTS(float32, kFloat32, float)
#if defined(__AVX512F__)
ACCEL_CAST(float16, uint32, kFloat16, kInteger, uint16_t, uint32_t)
ACCEL_CAST(bfloat16, uint32, kBfloat16, kInteger, uint16_t, uint32_t)
ACCEL_CAST(float32, uint32, kFloat32, kInteger, float, uint32_t)
ACCEL_CAST(float64, float16, kFloat64, kFloat16, double, uint16_t)
ACCEL_CAST(float64, bfloat16, kFloat64, kBfloat16, double, uint16_t)
ACCEL_INTEGER_CASTS(float64, kFloat64, double)
ACCEL_CAST(float64, uint32, kFloat64, kInteger, double, uint32_t)
#endif
#undef ACCEL_INTEGER_CASTS
#undef ACCEL_CAST

}  // namespace accel::ACCEL_ISA
