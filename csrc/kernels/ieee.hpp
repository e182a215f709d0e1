// The IEEE 754 operations that the generated scalar functions are written in, each with one rounding.
//
// The including file defines ACCEL_ISA (the namespace). Built with -ffp-contract=off: nothing else is ever fused.
#pragma once

#include <cstdint>

#include "../compiler.hpp"

namespace accel::ACCEL_ISA {

template <class To, class From>
static inline To bitcast(From x) {
  static_assert(sizeof(To) == sizeof(From));
  return __builtin_bit_cast(To, x);
}

#if defined(__FMA__) || defined(__aarch64__)
static inline float fma_f32(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
#else
/// The product of two 24-bit numbers is exact in float64. Its sum with c is rounded to odd there, after which rounding
/// to float32 gives what one rounding of the exact value would (Boldo and Melquiond, "Emulation of a FMA and correctly
/// rounded sums: proved algorithms using rounding to odd", 2008). No operation can overflow or underflow in float64.
static inline float fma_f32(float a, float b, float c) {
  const double product = static_cast<double>(a) * static_cast<double>(b);
  const double addend = c;
  const double sum = product + addend;
  const double virtual_addend = sum - product;
  const double error = (product - (sum - virtual_addend)) + (addend - virtual_addend);  // exact, or NaN
  const int64_t bits = bitcast<int64_t>(sum);
  // Bit patterns grow with the magnitude: towards an error of the sum's sign is one up, else one down.
  const int64_t step = (error > 0) == (sum > 0) ? 1 : -1;
  const bool inexact = (error > 0) | (error < 0);
  return static_cast<float>(bitcast<double>((inexact & ((bits & 1) == 0)) ? bits + step : bits));
}
#endif

/// Without the instruction this is the C library's fma, which is exact in software too.
static inline double fma_f64(double a, double b, double c) { return __builtin_fma(a, b, c); }

static inline float sqrt_f32(float x) { return __builtin_sqrtf(x); }
static inline double sqrt_f64(double x) { return __builtin_sqrt(x); }
static inline float floor_f32(float x) { return __builtin_floorf(x); }
static inline double floor_f64(double x) { return __builtin_floor(x); }
static inline float ceil_f32(float x) { return __builtin_ceilf(x); }
static inline double ceil_f64(double x) { return __builtin_ceil(x); }
static inline float trunc_f32(float x) { return __builtin_truncf(x); }
static inline double trunc_f64(double x) { return __builtin_trunc(x); }
static inline float rint_f32(float x) { return __builtin_rintf(x); }
static inline double rint_f64(double x) { return __builtin_rint(x); }

}  // namespace accel::ACCEL_ISA
