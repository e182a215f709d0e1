// The operations that the generated vector functions (accel.scalar.cpp_vector) are written in, on AVX2 and AVX-512.
// Each gives every lane the bits of the operation of its name in ieee.hpp or the language.
//
// A mask says true or false of each lane: with AVX-512 a bit per lane in a mask register, else a lane of all ones or 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "vector.hpp"

namespace accel::ACCEL_ISA {

template <class V>
using LaneOf = std::remove_cv_t<std::remove_reference_t<decltype(V{}[0])>>;

ACCEL_LANES Vector<float> abs(Vector<float> x) { return (Vector<float>)((Vector<uint32_t>)x & 0x7fffffffu); }
ACCEL_LANES Vector<double> abs(Vector<double> x) {
  return (Vector<double>)((Vector<uint64_t>)x & 0x7fffffffffffffffull);
}

#if defined(__AVX512F__)

template <int kBytes>  // of a lane
struct MaskOf {
  using type = std::conditional_t<kBytes == 4, __mmask16, __mmask8>;
};
template <int kBytes>
using Mask = typename MaskOf<kBytes>::type;

template <int kBytes>
ACCEL_LANES Mask<kBytes> every(bool value) {
  return static_cast<Mask<kBytes>>(value ? -1 : 0);
}

/// a OP b where `under` holds, else false.
template <int kFloat, int kInteger, class V>
ACCEL_LANES Mask<sizeof(LaneOf<V>)> compare(Mask<sizeof(LaneOf<V>)> under, V a, V b) {
  using T = LaneOf<V>;
  if constexpr (std::is_same_v<T, float>) {
    return _mm512_mask_cmp_ps_mask(under, (__m512)a, (__m512)b, kFloat);
  } else if constexpr (std::is_same_v<T, double>) {
    return _mm512_mask_cmp_pd_mask(under, (__m512d)a, (__m512d)b, kFloat);
  } else if constexpr (sizeof(T) == 4) {
    return std::is_signed_v<T> ? _mm512_mask_cmp_epi32_mask(under, (__m512i)a, (__m512i)b, kInteger)
                               : _mm512_mask_cmp_epu32_mask(under, (__m512i)a, (__m512i)b, kInteger);
  } else {
    return std::is_signed_v<T> ? _mm512_mask_cmp_epi64_mask(under, (__m512i)a, (__m512i)b, kInteger)
                               : _mm512_mask_cmp_epu64_mask(under, (__m512i)a, (__m512i)b, kInteger);
  }
}

#define ACCEL_COMPARISON(name, FLOAT, INTEGER)                                              \
  template <class V>                                                                        \
  ACCEL_LANES Mask<sizeof(LaneOf<V>)> name##_and(Mask<sizeof(LaneOf<V>)> under, V a, V b) { \
    return compare<FLOAT, INTEGER>(under, a, b);                                            \
  }                                                                                         \
  template <class V>                                                                        \
  ACCEL_LANES Mask<sizeof(LaneOf<V>)> name(V a, V b) {                                      \
    return compare<FLOAT, INTEGER>(every<sizeof(LaneOf<V>)>(true), a, b);                   \
  }
ACCEL_COMPARISON(eq, _CMP_EQ_OQ, _MM_CMPINT_EQ)
ACCEL_COMPARISON(ne, _CMP_NEQ_UQ, _MM_CMPINT_NE)
ACCEL_COMPARISON(lt, _CMP_LT_OQ, _MM_CMPINT_LT)
ACCEL_COMPARISON(le, _CMP_LE_OQ, _MM_CMPINT_LE)
ACCEL_COMPARISON(gt, _CMP_GT_OQ, _MM_CMPINT_NLE)
ACCEL_COMPARISON(ge, _CMP_GE_OQ, _MM_CMPINT_NLT)
#undef ACCEL_COMPARISON

template <class V>
ACCEL_LANES Mask<sizeof(LaneOf<V>)> unordered(V a, V b) {
  return compare<_CMP_UNORD_Q, 0>(every<sizeof(LaneOf<V>)>(true), a, b);
}
template <class M>
ACCEL_LANES M both(M a, M b) {
  return static_cast<M>(a & b);
}
template <class M>
ACCEL_LANES M either(M a, M b) {
  return static_cast<M>(a | b);
}
template <class M>
ACCEL_LANES M differ(M a, M b) {
  return static_cast<M>(a ^ b);
}
template <class M>
ACCEL_LANES M inverse(M a) {
  return static_cast<M>(~a);
}
template <class M>
ACCEL_LANES bool any(M a) {
  return a != 0;
}

template <class V>
ACCEL_LANES V select(Mask<sizeof(LaneOf<V>)> c, V a, V b) {
  if constexpr (sizeof(LaneOf<V>) == 4) return (V)_mm512_mask_blend_ps(c, (__m512)b, (__m512)a);
  if constexpr (sizeof(LaneOf<V>) == 8) return (V)_mm512_mask_blend_pd(c, (__m512d)b, (__m512d)a);
}

/// a < b ? a : b, and a > b ? a : b, whatever the operands.
template <class V>
ACCEL_LANES V lesser(V a, V b) {
  using T = LaneOf<V>;
  if constexpr (std::is_same_v<T, float>) return (V)_mm512_min_ps((__m512)a, (__m512)b);
  if constexpr (std::is_same_v<T, double>) return (V)_mm512_min_pd((__m512d)a, (__m512d)b);
  if constexpr (std::is_same_v<T, int32_t>) return (V)_mm512_min_epi32((__m512i)a, (__m512i)b);
  if constexpr (std::is_same_v<T, uint32_t>) return (V)_mm512_min_epu32((__m512i)a, (__m512i)b);
  if constexpr (std::is_same_v<T, int64_t>) return (V)_mm512_min_epi64((__m512i)a, (__m512i)b);
  if constexpr (std::is_same_v<T, uint64_t>) return (V)_mm512_min_epu64((__m512i)a, (__m512i)b);
}
template <class V>
ACCEL_LANES V greater(V a, V b) {
  using T = LaneOf<V>;
  if constexpr (std::is_same_v<T, float>) return (V)_mm512_max_ps((__m512)a, (__m512)b);
  if constexpr (std::is_same_v<T, double>) return (V)_mm512_max_pd((__m512d)a, (__m512d)b);
  if constexpr (std::is_same_v<T, int32_t>) return (V)_mm512_max_epi32((__m512i)a, (__m512i)b);
  if constexpr (std::is_same_v<T, uint32_t>) return (V)_mm512_max_epu32((__m512i)a, (__m512i)b);
  if constexpr (std::is_same_v<T, int64_t>) return (V)_mm512_max_epi64((__m512i)a, (__m512i)b);
  if constexpr (std::is_same_v<T, uint64_t>) return (V)_mm512_max_epu64((__m512i)a, (__m512i)b);
}

/// The larger and the smaller of ordered floats, with +0 above -0.
ACCEL_LANES Vector<float> larger(Vector<float> a, Vector<float> b) { return _mm512_range_ps(a, b, 5); }
ACCEL_LANES Vector<double> larger(Vector<double> a, Vector<double> b) { return _mm512_range_pd(a, b, 5); }
ACCEL_LANES Vector<float> smaller(Vector<float> a, Vector<float> b) { return _mm512_range_ps(a, b, 4); }
ACCEL_LANES Vector<double> smaller(Vector<double> a, Vector<double> b) { return _mm512_range_pd(a, b, 4); }

#define ACCEL_FLOAT_PAIR(name, OP, ...)                                                                    \
  ACCEL_LANES Vector<float> name(Vector<float> a) { return (Vector<float>)_mm512_##OP##_ps(__VA_ARGS__); } \
  ACCEL_LANES Vector<double> name(Vector<double> a) { return (Vector<double>)_mm512_##OP##_pd(__VA_ARGS__); }
ACCEL_FLOAT_PAIR(sqrt, sqrt, a)
ACCEL_FLOAT_PAIR(rint, roundscale, a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
ACCEL_FLOAT_PAIR(floor, roundscale, a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)
ACCEL_FLOAT_PAIR(ceil, roundscale, a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)
ACCEL_FLOAT_PAIR(trunc, roundscale, a, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)
#undef ACCEL_FLOAT_PAIR

ACCEL_LANES Vector<float> fma(Vector<float> a, Vector<float> b, Vector<float> c) { return _mm512_fmadd_ps(a, b, c); }
ACCEL_LANES Vector<float> fnma(Vector<float> a, Vector<float> b, Vector<float> c) { return _mm512_fnmadd_ps(a, b, c); }
ACCEL_LANES Vector<float> fms(Vector<float> a, Vector<float> b, Vector<float> c) { return _mm512_fmsub_ps(a, b, c); }
ACCEL_LANES Vector<float> fnms(Vector<float> a, Vector<float> b, Vector<float> c) { return _mm512_fnmsub_ps(a, b, c); }
ACCEL_LANES Vector<double> fma(Vector<double> a, Vector<double> b, Vector<double> c) {
  return _mm512_fmadd_pd(a, b, c);
}
ACCEL_LANES Vector<double> fnma(Vector<double> a, Vector<double> b, Vector<double> c) {
  return _mm512_fnmadd_pd(a, b, c);
}
ACCEL_LANES Vector<double> fms(Vector<double> a, Vector<double> b, Vector<double> c) {
  return _mm512_fmsub_pd(a, b, c);
}
ACCEL_LANES Vector<double> fnms(Vector<double> a, Vector<double> b, Vector<double> c) {
  return _mm512_fnmsub_pd(a, b, c);
}

/// x * 2**k, rounded once, for an integral k; `bits` end in k.
ACCEL_LANES Vector<float> scale(Vector<float> x, Vector<float> k, Vector<uint32_t>) { return _mm512_scalef_ps(x, k); }
ACCEL_LANES Vector<double> scale(Vector<double> x, Vector<double> k, Vector<uint64_t>) {
  return _mm512_scalef_pd(x, k);
}

// Bools in memory are bytes of 0 or 1. A block of 64 of them is one vector.
inline constexpr int kMaskBlock = 64;

/// The masks of consecutive vectors of lanes of kBytes, from n <= 64 bytes; and back.
template <int kBytes>
struct MaskBlock {
  static constexpr int kLanes = kMaskBlock / kBytes;
  uint64_t bits = 0;

  ACCEL_LANES MaskBlock load(const uint8_t* p, int64_t n) {
    const __m512i bytes = n == kMaskBlock ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi8((uint64_t{1} << n) - 1, p);
    return {_mm512_test_epi8_mask(bytes, bytes)};
  }
  Mask<kBytes> get(int i) const { return static_cast<Mask<kBytes>>(bits >> (i * kLanes)); }
  void set(int i, Mask<kBytes> mask) { bits |= static_cast<uint64_t>(mask) << (i * kLanes); }
  template <bool kStream>
  void store(uint8_t* p, int64_t n) const {
    const __m512i bytes = _mm512_maskz_set1_epi8(bits, 1);
    if constexpr (kStream) {
      _mm512_stream_si512(reinterpret_cast<__m512i*>(p), bytes);
    } else if (n == kMaskBlock) {
      _mm512_storeu_si512(p, bytes);
    } else {
      _mm512_mask_storeu_epi8(p, (uint64_t{1} << n) - 1, bytes);
    }
  }
};

#else

template <int kBytes>
using Mask = Vector<std::conditional_t<kBytes == 4, int32_t, int64_t>>;

template <int kBytes>
ACCEL_LANES Mask<kBytes> every(bool value) {
  return Mask<kBytes>{} - (value ? 1 : 0);
}

#define ACCEL_COMPARISON(name, OP)                                                          \
  template <class V>                                                                        \
  ACCEL_LANES Mask<sizeof(LaneOf<V>)> name(V a, V b) {                                      \
    return (Mask<sizeof(LaneOf<V>)>)(a OP b);                                               \
  }                                                                                         \
  template <class V>                                                                        \
  ACCEL_LANES Mask<sizeof(LaneOf<V>)> name##_and(Mask<sizeof(LaneOf<V>)> under, V a, V b) { \
    return under & (Mask<sizeof(LaneOf<V>)>)(a OP b);                                       \
  }
ACCEL_COMPARISON(eq, ==)
ACCEL_COMPARISON(ne, !=)
ACCEL_COMPARISON(lt, <)
ACCEL_COMPARISON(le, <=)
ACCEL_COMPARISON(gt, >)
ACCEL_COMPARISON(ge, >=)
#undef ACCEL_COMPARISON

ACCEL_LANES Mask<4> unordered(Vector<float> a, Vector<float> b) {
  return (Mask<4>)_mm256_cmp_ps((__m256)a, (__m256)b, _CMP_UNORD_Q);
}
ACCEL_LANES Mask<8> unordered(Vector<double> a, Vector<double> b) {
  return (Mask<8>)_mm256_cmp_pd((__m256d)a, (__m256d)b, _CMP_UNORD_Q);
}
template <class M>
ACCEL_LANES M both(M a, M b) {
  return a & b;
}
template <class M>
ACCEL_LANES M either(M a, M b) {
  return a | b;
}
template <class M>
ACCEL_LANES M differ(M a, M b) {
  return a ^ b;
}
template <class M>
ACCEL_LANES M inverse(M a) {
  return ~a;
}
template <class M>
ACCEL_LANES bool any(M a) {
  return !_mm256_testz_si256((__m256i)a, (__m256i)a);
}

template <class V>
ACCEL_LANES V select(Mask<sizeof(LaneOf<V>)> c, V a, V b) {
  if constexpr (sizeof(LaneOf<V>) == 4) return (V)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)c);
  if constexpr (sizeof(LaneOf<V>) == 8) return (V)_mm256_blendv_pd((__m256d)b, (__m256d)a, (__m256d)c);
}

/// a < b ? a : b, and a > b ? a : b, whatever the operands.
template <class V>
ACCEL_LANES V lesser(V a, V b) {
  using T = LaneOf<V>;
  if constexpr (std::is_same_v<T, float>) {
    return (V)_mm256_min_ps((__m256)a, (__m256)b);
  } else if constexpr (std::is_same_v<T, double>) {
    return (V)_mm256_min_pd((__m256d)a, (__m256d)b);
  } else {
    return a < b ? a : b;
  }
}
template <class V>
ACCEL_LANES V greater(V a, V b) {
  using T = LaneOf<V>;
  if constexpr (std::is_same_v<T, float>) {
    return (V)_mm256_max_ps((__m256)a, (__m256)b);
  } else if constexpr (std::is_same_v<T, double>) {
    return (V)_mm256_max_pd((__m256d)a, (__m256d)b);
  } else {
    return a > b ? a : b;
  }
}

/// The larger and the smaller of ordered floats, with +0 above -0. Of equal operands the instructions give the second,
/// so both orders together have the signs of both.
template <class V>
ACCEL_LANES V larger(V a, V b) {
  using Bits = Vector<std::conditional_t<sizeof(LaneOf<V>) == 4, uint32_t, uint64_t>>;
  return (V)((Bits)greater(a, b) & (Bits)greater(b, a));
}
template <class V>
ACCEL_LANES V smaller(V a, V b) {
  using Bits = Vector<std::conditional_t<sizeof(LaneOf<V>) == 4, uint32_t, uint64_t>>;
  return (V)((Bits)lesser(a, b) | (Bits)lesser(b, a));
}

#define ACCEL_FLOAT_PAIR(name, OP, ...)                                                                    \
  ACCEL_LANES Vector<float> name(Vector<float> a) { return (Vector<float>)_mm256_##OP##_ps(__VA_ARGS__); } \
  ACCEL_LANES Vector<double> name(Vector<double> a) { return (Vector<double>)_mm256_##OP##_pd(__VA_ARGS__); }
ACCEL_FLOAT_PAIR(sqrt, sqrt, a)
ACCEL_FLOAT_PAIR(rint, round, a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
ACCEL_FLOAT_PAIR(floor, round, a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)
ACCEL_FLOAT_PAIR(ceil, round, a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)
ACCEL_FLOAT_PAIR(trunc, round, a, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)
#undef ACCEL_FLOAT_PAIR

ACCEL_LANES Vector<float> fma(Vector<float> a, Vector<float> b, Vector<float> c) { return _mm256_fmadd_ps(a, b, c); }
ACCEL_LANES Vector<float> fnma(Vector<float> a, Vector<float> b, Vector<float> c) { return _mm256_fnmadd_ps(a, b, c); }
ACCEL_LANES Vector<float> fms(Vector<float> a, Vector<float> b, Vector<float> c) { return _mm256_fmsub_ps(a, b, c); }
ACCEL_LANES Vector<float> fnms(Vector<float> a, Vector<float> b, Vector<float> c) { return _mm256_fnmsub_ps(a, b, c); }
ACCEL_LANES Vector<double> fma(Vector<double> a, Vector<double> b, Vector<double> c) {
  return _mm256_fmadd_pd(a, b, c);
}
ACCEL_LANES Vector<double> fnma(Vector<double> a, Vector<double> b, Vector<double> c) {
  return _mm256_fnmadd_pd(a, b, c);
}
ACCEL_LANES Vector<double> fms(Vector<double> a, Vector<double> b, Vector<double> c) {
  return _mm256_fmsub_pd(a, b, c);
}
ACCEL_LANES Vector<double> fnms(Vector<double> a, Vector<double> b, Vector<double> c) {
  return _mm256_fnmsub_pd(a, b, c);
}

/// x * 2**k, rounded once, for an integral k within twice the exponent's range; `bits` end in k. The first of the two
/// factors is exact.
ACCEL_LANES Vector<float> scale(Vector<float> x, Vector<float> k, Vector<uint32_t> bits) {
  const Vector<uint32_t> half = (Vector<uint32_t>)fma(k, splat<float>(0.5f), splat<float>(0x1.8p23f));
  const Vector<float> first = (Vector<float>)((half << 23) + 0x3f800000u);
  return x * first * (Vector<float>)(((bits - half) << 23) + 0x3f800000u);
}
ACCEL_LANES Vector<double> scale(Vector<double> x, Vector<double> k, Vector<uint64_t> bits) {
  const Vector<uint64_t> half = (Vector<uint64_t>)fma(k, splat<double>(0.5), splat<double>(0x1.8p52));
  const Vector<double> first = (Vector<double>)((half << 52) + 0x3ff0000000000000ull);
  return x * first * (Vector<double>)(((bits - half) << 52) + 0x3ff0000000000000ull);
}

// Bools in memory are bytes of 0 or 1. A block of 32 of them is one vector.
inline constexpr int kMaskBlock = 32;

/// The masks of consecutive vectors of lanes of kBytes, from n <= 32 bytes; and back.
template <int kBytes>
struct MaskBlock {
  static constexpr int kLanes = kMaskBlock / kBytes;
  Mask<kBytes> masks[kBytes] = {};

  static MaskBlock load(const uint8_t* p, int64_t n) {
    MaskBlock block;
    uint8_t bytes[kMaskBlock] = {};
    if (n < kMaskBlock) p = static_cast<const uint8_t*>(memcpy(bytes, p, static_cast<size_t>(n)));
    for (int i = 0; i < kBytes; ++i) {
      if constexpr (kBytes == 4) {
        const __m128i lanes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + i * kLanes));
        block.masks[i] = (Mask<4>)_mm256_cvtepi8_epi32(lanes) != 0;
      } else {
        int32_t lanes;
        memcpy(&lanes, p + i * kLanes, sizeof lanes);
        block.masks[i] = (Mask<8>)_mm256_cvtepi8_epi64(_mm_cvtsi32_si128(lanes)) != 0;
      }
    }
    return block;
  }
  Mask<kBytes> get(int i) const { return masks[i]; }
  void set(int i, Mask<kBytes> mask) { masks[i] = mask; }
  template <bool kStream>
  void store(uint8_t* p, int64_t n) const {
    __m256i words[4];  // each of 8 lanes of 32 bits
    if constexpr (kBytes == 4) {
      for (int i = 0; i < 4; ++i) words[i] = (__m256i)masks[i];
    } else {
      for (int i = 0; i < 4; ++i) {
        const __m256i low = (__m256i)_mm256_shuffle_ps((__m256)masks[2 * i], (__m256)masks[2 * i + 1], 0x88);
        words[i] = _mm256_permute4x64_epi64(low, 0xd8);
      }
    }
    const __m256i pairs =
        _mm256_packs_epi16(_mm256_packs_epi32(words[0], words[1]), _mm256_packs_epi32(words[2], words[3]));
    const __m256i ordered = _mm256_permutevar8x32_epi32(pairs, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    const __m256i bytes = _mm256_and_si256(ordered, _mm256_set1_epi8(1));
    if constexpr (kStream) {
      _mm256_stream_si256(reinterpret_cast<__m256i*>(p), bytes);
    } else if (n == kMaskBlock) {
      memcpy(p, &bytes, sizeof bytes);
    } else {
      memcpy(p, &bytes, static_cast<size_t>(n));
    }
  }
};

#endif

}  // namespace accel::ACCEL_ISA
