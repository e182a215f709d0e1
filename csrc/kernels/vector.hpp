// Vectors of this instruction set: GCC/Clang vector types of ACCEL_VECTOR_BYTES bytes, and the operations that the
// language does not give them (fma, NaN-propagating minimum and maximum).
#pragma once

#include <cstring>

#include "ieee.hpp"
#if defined(__x86_64__) && (defined(__AVX2__) || defined(__AVX512F__))
#include <immintrin.h>
#endif
#ifdef __aarch64__
#include <arm_neon.h>
#endif

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

template <class T>
static inline Vector<T> splat(T x) {
  return x - Vector<T>{};  // x - 0 keeps -0.0 and NaN, where x + 0 would not
}

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
