// Elements in memory as vectors of the type they are accumulated in, and what horizontal folds and searches need.
#pragma once

#include <type_traits>
#include <utility>

#include "vector.hpp"
#ifdef __SSE2__
#include <immintrin.h>
#endif

namespace accel::ACCEL_ISA {

#include "casts/bfloat16.hpp"
#include "casts/float16.hpp"

/// Names for what is stored as 16 bits.
struct Float16Bits {};
struct Bfloat16Bits {};

/// Elements stored as S, read as A, which holds every value of S (or is as wide, where integers wrap).
template <class S, class A>
struct Source {
  using Storage = S;
  typedef S Narrow __attribute__((vector_size(kElements<A> * sizeof(S))));

  static A one(const S* p) { return static_cast<A>(*p); }
  static Vector<A> vector(const S* p) {
    Narrow v;
    memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, Vector<A>);
  }
};

template <>
struct Source<Bfloat16Bits, float> {
  using Storage = uint16_t;
  typedef uint16_t Narrow __attribute__((vector_size(kElements<float> * 2)));

  static float one(const uint16_t* p) { return accel_cast_bfloat16_float32(*p); }
  static Vector<float> vector(const uint16_t* p) {
#if defined(__AVX512F__)
    const __m512i wide = _mm512_maskz_cvtepu16_epi32(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
#elif defined(__AVX2__)
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#else
    Narrow v;
    memcpy(&v, p, sizeof v);
    const Vector<uint32_t> wide = __builtin_convertvector(v, Vector<uint32_t>);
#endif
    return bitcast<Vector<float>>((Vector<uint32_t>)wide << 16);
  }
};

template <>
struct Source<Float16Bits, float> {
  using Storage = uint16_t;

#ifdef __F16C__
  static float one(const uint16_t* p) { return _cvtsh_ss(*p); }
#else
  static float one(const uint16_t* p) { return accel_cast_float16_float32(*p); }
#endif
  static Vector<float> vector(const uint16_t* p) {
#if defined(__AVX512F__)
    return _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
#elif defined(__F16C__)
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#elif defined(__aarch64__)
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
#else
    Vector<float> v;
    for (int i = 0; i < kElements<float>; ++i) v[i] = one(p + i);
    return v;
#endif
  }
};

template <class T>
using SignedOf = std::conditional_t<
    sizeof(T) == 8, int64_t,
    std::conditional_t<sizeof(T) == 4, int32_t, std::conditional_t<sizeof(T) == 2, int16_t, int8_t>>>;

/// 0, 1, 2, ...
template <class T>
static inline Vector<T> iota() {
  Vector<T> v;
  for (int i = 0; i < kElements<T>; ++i) v[i] = static_cast<T>(i);
  return v;
}

/// The first n < kElements<A> elements; the rest read as `identity`. Nothing beyond them is touched.
template <class S, class A>
static inline Vector<A> vector_of_some(const typename Source<S, A>::Storage* p, int64_t n, A identity) {
  using I = SignedOf<A>;
  if constexpr (std::is_same_v<S, A> && sizeof(A) >= 4) {
    return iota<I>() < static_cast<I>(n) ? load_some(p, n) : splat(identity);
  } else if constexpr (std::is_same_v<S, A>) {
    A some[kElements<A>] = {};
    memcpy(some, p, static_cast<size_t>(n) * sizeof(A));
    return iota<I>() < static_cast<I>(n) ? load(some) : splat(identity);
  } else {
    A some[kElements<A>];
    for (int i = 0; i < kElements<A>; ++i) some[i] = i < n ? Source<S, A>::one(p + i) : identity;
    return load(some);
  }
}

/// Whether any element of the result of a comparison is set.
template <class M>
static inline bool any_true(M mask) {
  const Vector<uint64_t> bits = bitcast<Vector<uint64_t>>(mask);
#if defined(__AVX512F__)
  return _mm512_test_epi64_mask((__m512i)bits, (__m512i)bits) != 0;
#elif defined(__AVX2__)
  return !_mm256_testz_si256((__m256i)bits, (__m256i)bits);
#else
  return (bits[0] | bits[1]) != 0;
#endif
}

/// A bit for each element of a comparison's result (of elements like A).
template <class A, class M>
static inline uint64_t bits_of(M mask) {
#if defined(__AVX512F__)
  if constexpr (sizeof(A) == 1) return _mm512_movepi8_mask((__m512i)mask);
  if constexpr (sizeof(A) == 2) return _mm512_movepi16_mask((__m512i)mask);
  if constexpr (sizeof(A) == 4) return _mm512_movepi32_mask((__m512i)mask);
  if constexpr (sizeof(A) == 8) return _mm512_movepi64_mask((__m512i)mask);
#else
#if defined(__AVX2__)
  if constexpr (sizeof(A) == 1) return static_cast<unsigned>(_mm256_movemask_epi8((__m256i)mask));
  if constexpr (sizeof(A) == 4) return static_cast<unsigned>(_mm256_movemask_ps((__m256)mask));
  if constexpr (sizeof(A) == 8) return static_cast<unsigned>(_mm256_movemask_pd((__m256d)mask));
#elif defined(__SSE2__)
  if constexpr (sizeof(A) == 1) return static_cast<unsigned>(_mm_movemask_epi8((__m128i)mask));
  if constexpr (sizeof(A) == 4) return static_cast<unsigned>(_mm_movemask_ps((__m128)mask));
  if constexpr (sizeof(A) == 8) return static_cast<unsigned>(_mm_movemask_pd((__m128d)mask));
#endif
  uint64_t bits = 0;
  for (int i = 0; i < kElements<A>; ++i) bits |= static_cast<uint64_t>(mask[i] & 1) << i;
  return bits;
#endif
}

/// Steps of a horizontal fold. A vector holds rows of Len elements; folding a pair of vectors in halves gives one with
/// all their rows, in order, of Len / 2 elements each: element l of a row with element l + Len / 2.
template <class Op, class T, int Len>
struct Halves {
  using V = Vector<T>;
  static constexpr int kE = kElements<T>;
  static constexpr int from(int i, int upper) { return i / (Len / 2) * Len + i % (Len / 2) + upper * (Len / 2); }

  template <int... I>
  static V pair(V a, V b, std::integer_sequence<int, I...>) {
    return Op::apply(__builtin_shufflevector(a, b, from(I, 0)...), __builtin_shufflevector(a, b, from(I, 1)...));
  }
  template <int... I>
  static V upper(V a, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(a, a, (I % (Len / 2) + Len / 2)...);
  }
  using All = std::make_integer_sequence<int, kE>;

  /// t[0 .. kE) each one row, to one vector of kE results in t[0]. `Len` halves at each step.
  static void fold_rows(V* t, int vectors) {
    if constexpr (Len > 1) {
      for (int j = 0; j < vectors / 2; ++j) t[j] = pair(t[2 * j], t[2 * j + 1], All{});
      Halves<Op, T, Len / 2>::fold_rows(t, vectors / 2);
    }
  }
  /// One row to its result.
  static T fold_one(V a) {
    if constexpr (Len > 1) {
      return Halves<Op, T, Len / 2>::fold_one(Op::apply(a, upper(a, All{})));
    } else {
      return a[0];
    }
  }
};

}  // namespace accel::ACCEL_ISA
