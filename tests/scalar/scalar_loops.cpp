// Array loops and error sweeps over the generated scalar functions, for ctypes.
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

#define LOOP_1(f, d, T, R)                                                           \
  extern "C" void loop_##f##_##d(size_t n, R* __restrict r, const T* __restrict a) { \
    for (size_t i = 0; i < n; ++i) r[i] = accel_##f##_##d(a[i]);                     \
  }
#define LOOP_2(f, d, T, R)                                                                                  \
  extern "C" void loop_##f##_##d(size_t n, R* __restrict r, const T* __restrict a, const T* __restrict b) { \
    for (size_t i = 0; i < n; ++i) r[i] = accel_##f##_##d(a[i], b[i]);                                      \
  }
#define LOOP_3(f, d, T, ...) LOOP_3_(f, d, T, __VA_ARGS__, T, )
#define LOOP_3_(f, d, T, R, T0, ...)                                                                       \
  extern "C" void loop_##f##_##d(size_t n, R* __restrict r, const T0* __restrict a, const T* __restrict b, \
                                 const T* __restrict c) {                                                  \
    for (size_t i = 0; i < n; ++i) r[i] = accel_##f##_##d(a[i], b[i], c[i]);                               \
  }
#define LOOP_CAST(from, to, T, R)                                                             \
  extern "C" void loop_cast_##from##_##to(size_t n, R* __restrict r, const T* __restrict a) { \
    for (size_t i = 0; i < n; ++i) r[i] = accel_cast_##from##_##to(a[i]);                     \
  }
ACCEL_FUNCTIONS_1(LOOP_1)
ACCEL_FUNCTIONS_2(LOOP_2)
ACCEL_FUNCTIONS_3(LOOP_3)
ACCEL_CASTS(LOOP_CAST)

// Error of y in units in the last place of the float32s around z, or around least where z is smaller; infinity counts
// as 2**128, the float after the last.
static inline double error_in_ulp(double y, double z, double least) {
  const double end = 0x1p128;
  const double yc = std::min(std::max(y, -end), end), zc = std::min(std::max(z, -end), end);
  const uint64_t exponent = bitcast<uint64_t>(std::max(std::fabs(zc), least)) & 0x7ff0000000000000u;
  const double unit = std::min(std::max(bitcast<double>(exponent), 0x1p-126), 0x1p127) * 0x1p-23;
  const double error = std::fabs(yc - zc) / unit;
  const bool y_nan = y != y, z_nan = z != z;
  return y_nan | z_nan ? (y_nan & z_nan ? 0.0 : std::numeric_limits<double>::infinity()) : error;
}

// Largest error of single(x) against wide(x) over floats x of the bits start, start + step, ...; at: the worst x.
template <auto single, auto wide>
static double sweep(uint32_t start, uint32_t step, uint64_t count, double least, float* at) {
  constexpr size_t kBlock = 2048;
  float x[kBlock];
  double error[kBlock];
  double worst = -1.0;
  for (uint64_t first = 0; first < count; first += kBlock) {
    const size_t n = std::min<uint64_t>(kBlock, count - first);
    for (size_t i = 0; i < n; ++i) x[i] = bitcast<float>(start + step * static_cast<uint32_t>(first + i));
    for (size_t i = 0; i < n; ++i) error[i] = error_in_ulp(single(x[i]), wide(x[i]), least);
    for (size_t i = 0; i < n; ++i) {
      if (error[i] > worst) worst = error[i], *at = x[i];
    }
  }
  return worst;
}

#define SWEEP(f, d, T, R) SWEEP_##d(f)
#define SWEEP_float32(f)                                                                                \
  extern "C" double sweep_##f(uint32_t start, uint32_t step, uint64_t count, double least, float* at) { \
    return sweep<accel_##f##_float32, accel_##f##_float64>(start, step, count, least, at);              \
  }
#define SWEEP_float64(f)
#define SWEEP_bool(f)
#define SWEEP_int8(f)
#define SWEEP_int16(f)
#define SWEEP_int32(f)
#define SWEEP_int64(f)
#define SWEEP_uint8(f)
#define SWEEP_uint16(f)
#define SWEEP_uint32(f)
#define SWEEP_uint64(f)
ACCEL_FUNCTIONS_1(SWEEP)
