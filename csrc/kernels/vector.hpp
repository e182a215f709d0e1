// Vectors of this instruction set: GCC/Clang vector types of ACCEL_VECTOR_BYTES bytes, and the operations that the
// language does not give them (fma, NaN-propagating minimum and maximum).
#pragma once

#include <cstring>

#include "ieee.hpp"
#if defined(__x86_64__)
#pragma GCC diagnostic push
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wuninitialized"  // what the intrinsics of GCC 12 start from on purpose
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif
#ifdef __aarch64__
#include <arm_neon.h>
#endif

#define ACCEL_LANES static inline __attribute__((always_inline))

namespace accel::ACCEL_ISA {

template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(ACCEL_VECTOR_BYTES)));
};
template <class T>
using Vector = typename VectorOf<T>::type;

template <class T>
inline constexpr int kElements = ACCEL_VECTOR_BYTES / sizeof(T);

template <class T>
static inline Vector<T> load(const T* p) {
  Vector<T> v;
  memcpy(&v, p, sizeof v);
  return v;
}

template <class T>
static inline void store(T* p, Vector<T> v) {
  memcpy(p, &v, sizeof v);
}

/// write(i, compute(i)) for each i at which kLanes whole elements begin, from `begin` to n; returns where they end. Two
/// at a time, as the steps of one computation wait for each other.
template <int kLanes, class Compute, class Write>
__attribute__((always_inline)) static inline int64_t in_pairs(int64_t begin, int64_t n, Compute&& compute,
                                                              Write&& write) {
  int64_t i = begin;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    const auto first = compute(i), second = compute(i + kLanes);
    write(i, first);
    write(i + kLanes, second);
  }
  if (i + kLanes <= n) {
    write(i, compute(i));
    i += kLanes;
  }
  return i;
}

/// Asks for the cache line of an element, which need not exist, into L1 or L2. Inlined by force: GCC takes a function
/// of nothing but a prefetch for one that does nothing, and drops its calls.
template <int Level = 1, class T>
ACCEL_LANES void fetch(const T* x, int64_t offset) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(x) + static_cast<uintptr_t>(offset) * sizeof(T);
  __builtin_prefetch(reinterpret_cast<const void*>(at), 0, 4 - Level);
}

template <class T>
static inline Vector<T> splat(T x) {
  return x - Vector<T>{};  // x - 0 keeps -0.0 and NaN, where x + 0 would not
}

// The first n elements, 0 < n < kElements; the rest read as 0 and are not written. Nothing beyond them is touched.

#if defined(__AVX512F__)
template <class T>
static inline Vector<T> load_some(const T* p, int64_t n) {
  if constexpr (sizeof(T) == 4) return (Vector<T>)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
  if constexpr (sizeof(T) == 8) return (Vector<T>)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p);
}
template <class T>
static inline void store_some(T* p, Vector<T> v, int64_t n) {
  if constexpr (sizeof(T) == 4) _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
  if constexpr (sizeof(T) == 8) _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)v);
}
#elif defined(__AVX2__)
template <class T>
static inline __m256i first_elements(int64_t n) {
  if constexpr (sizeof(T) == 4) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  } else {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
  }
}
template <class T>
static inline Vector<T> load_some(const T* p, int64_t n) {
  if constexpr (sizeof(T) == 4) return (Vector<T>)_mm256_maskload_epi32((const int*)p, first_elements<T>(n));
  if constexpr (sizeof(T) == 8) return (Vector<T>)_mm256_maskload_epi64((const long long*)p, first_elements<T>(n));
}
/// By halves, quarters and eighths: a masked store is some 40 operations on AMD's CPUs, three times the time of these.
template <class T>
static inline void store_some(T* p, Vector<T> v, int64_t n) {
  __m128i part = _mm256_castsi256_si128((__m256i)v);
  if (n & (16 / sizeof(T))) {
    _mm_storeu_si128((__m128i*)p, part);
    part = _mm256_extracti128_si256((__m256i)v, 1);
    p += 16 / sizeof(T);
  }
  if (n & (8 / sizeof(T))) {
    _mm_storel_epi64((__m128i*)p, part);
    part = _mm_unpackhi_epi64(part, part);
    p += 8 / sizeof(T);
  }
  if constexpr (sizeof(T) == 4) {
    if (n & 1) _mm_storeu_si32(p, part);
  }
}
#else
template <class T>
static inline Vector<T> load_some(const T* p, int64_t n) {
  Vector<T> v = {};
  for (int64_t i = 0; i < n; ++i) v[i] = p[i];
  return v;
}
template <class T>
static inline void store_some(T* p, Vector<T> v, int64_t n) {
  for (int64_t i = 0; i < n; ++i) p[i] = v[i];
}
#endif

/// Stores a vector at an address aligned to it, around the caches where the instruction set can.
template <class V>
ACCEL_LANES void stream_vector(void* p, V v) {
#if defined(__AVX512F__)
  _mm512_stream_si512(static_cast<__m512i*>(p), (__m512i)v);
#elif defined(__AVX2__)
  _mm256_stream_si256(static_cast<__m256i*>(p), (__m256i)v);
#else
  memcpy(p, &v, sizeof v);
#endif
}

/// How a loop reads and writes values of type T: as they are.
struct AsComputed {
  template <class T>
  using Stored = T;

  template <class T>
  ACCEL_LANES Vector<T> read(const T* p) {
    return load(p);
  }
  template <class T>
  ACCEL_LANES Vector<T> read_some(const T* p, int64_t n) {
    return load_some(p, n);
  }
  template <bool kStreams, class T>
  ACCEL_LANES void write(T* p, Vector<T> lanes) {
    if constexpr (kStreams) {
      stream_vector(p, lanes);
    } else {
      store(p, lanes);
    }
  }
  template <class T>
  ACCEL_LANES void write_some(T* p, Vector<T> lanes, int64_t n) {
    store_some(p, lanes, n);
  }
};

/// a * b + c, rounded once (wrapped, for integers).
template <class T>
static inline Vector<T> fma(Vector<T> a, Vector<T> b, Vector<T> c) {
  return a * b + c;
}

#if defined(__AVX512F__)
template <>
inline Vector<float> fma<float>(Vector<float> a, Vector<float> b, Vector<float> c) {
  return _mm512_fmadd_ps(a, b, c);
}
template <>
inline Vector<double> fma<double>(Vector<double> a, Vector<double> b, Vector<double> c) {
  return _mm512_fmadd_pd(a, b, c);
}
#elif defined(__FMA__)
template <>
inline Vector<float> fma<float>(Vector<float> a, Vector<float> b, Vector<float> c) {
  return _mm256_fmadd_ps(a, b, c);
}
template <>
inline Vector<double> fma<double>(Vector<double> a, Vector<double> b, Vector<double> c) {
  return _mm256_fmadd_pd(a, b, c);
}
#elif defined(__aarch64__)
template <>
inline Vector<float> fma<float>(Vector<float> a, Vector<float> b, Vector<float> c) {
  return vfmaq_f32(c, a, b);
}
template <>
inline Vector<double> fma<double>(Vector<double> a, Vector<double> b, Vector<double> c) {
  return vfmaq_f64(c, a, b);
}
#else
template <>
inline Vector<float> fma<float>(Vector<float> a, Vector<float> b, Vector<float> c) {
  for (int i = 0; i < kElements<float>; ++i) c[i] = fma_f32(a[i], b[i], c[i]);
  return c;
}
template <>
inline Vector<double> fma<double>(Vector<double> a, Vector<double> b, Vector<double> c) {
  for (int i = 0; i < kElements<double>; ++i) c[i] = fma_f64(a[i], b[i], c[i]);
  return c;
}
#endif

}  // namespace accel::ACCEL_ISA
