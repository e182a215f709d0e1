// The generated scalar functions, and what they ask of the file that includes them.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

namespace scalar {

// What the generated header asks of the file that includes it.
template <class T, class U>
static inline T bitcast(U x) {
  static_assert(sizeof(T) == sizeof(U));
  T r;
  std::memcpy(&r, &x, sizeof r);
  return r;
}
static inline float fma_f32(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
static inline double fma_f64(double a, double b, double c) { return __builtin_fma(a, b, c); }
static inline float sqrt_f32(float a) { return __builtin_sqrtf(a); }
static inline double sqrt_f64(double a) { return __builtin_sqrt(a); }
static inline float floor_f32(float a) { return __builtin_floorf(a); }
static inline double floor_f64(double a) { return __builtin_floor(a); }
static inline float ceil_f32(float a) { return __builtin_ceilf(a); }
static inline double ceil_f64(double a) { return __builtin_ceil(a); }
static inline float trunc_f32(float a) { return __builtin_truncf(a); }
static inline double trunc_f64(double a) { return __builtin_trunc(a); }
static inline float rint_f32(float a) { return __builtin_rintf(a); }
static inline double rint_f64(double a) { return __builtin_rint(a); }

#include "scalar_functions.hpp"

}  // namespace scalar

using namespace scalar;
