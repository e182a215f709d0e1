// Error sweeps over the generated scalar functions, for ctypes.
#include "scalar_support.hpp"

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
