// Products with quantised weights: these become float32 in registers, rounded once, and then are factors of fma chains
// over ascending k.
#pragma once

#include "../quantized_kernels.hpp"
#include "contract.hpp"
#include "half.hpp"
#include "vector.hpp"

namespace accel::ACCEL_ISA {

/// kElements bytes, each in 32 bits.
template <class T>
ACCEL_LANES Vector<T> wide_bytes(const void* p) {
#if defined(__AVX512F__)
  const __m128i bytes = _mm_loadu_si128(static_cast<const __m128i*>(p));
  if constexpr (T(-1) < T(0)) return (Vector<T>)_mm512_maskz_cvtepi8_epi32(0xffff, bytes);
  return (Vector<T>)_mm512_maskz_cvtepu8_epi32(0xffff, bytes);
#elif defined(__AVX2__)
  const __m128i bytes = _mm_loadl_epi64(static_cast<const __m128i*>(p));
  if constexpr (T(-1) < T(0)) return (Vector<T>)_mm256_cvtepi8_epi32(bytes);
  return (Vector<T>)_mm256_cvtepu8_epi32(bytes);
#else
  Vector<T> v;
  for (int i = 0; i < kElements<T>; ++i) {
    v[i] = T(-1) < T(0) ? T(static_cast<const int8_t*>(p)[i]) : T(static_cast<const uint8_t*>(p)[i]);
  }
  return v;
#endif
}

/// Floats of a sign, an exponent of this bias and kMantissa bits in kBits bits; other bits of the codes are ignored.
/// Codes whose magnitude is kSpecial or above are infinity, if its mantissa is 0, and NaN.
template <int kBits, int kMantissa, int kBias, uint32_t kSpecial>
ACCEL_LANES Vector<float> small_floats(Vector<uint32_t> codes) {
  const Vector<uint32_t> magnitude = codes & ((1u << (kBits - 1)) - 1), sign = (codes & (1u << (kBits - 1)))
                                                                               << (32 - kBits);
  const Vector<uint32_t> shifted = magnitude << (23 - kMantissa);
  const float least = __builtin_ldexpf(1.0f, 1 - kBias);
  // The bits of a subnormal number are those of a normal one without its leading 1, which is `least` here.
  const Vector<float> small = (Vector<float>)(shifted + uint32_t((128 - kBias) << 23)) - least;
  Vector<uint32_t> bits = shifted + uint32_t((127 - kBias) << 23);
  bits = (magnitude < (1u << kMantissa)) ? (Vector<uint32_t>)small : bits;
  if constexpr (kSpecial < 1u << (kBits - 1)) {
    bits = (magnitude >= kSpecial) ? (shifted | 0x7f800000u) : bits;
  }
  return (Vector<float>)(bits | sign);
}

/// What floats of 8 bits are read in units of: as float16, whose exponent has the bias 15, e4m3 is 2^-8 of what it is.
template <Codes kCodes>
static constexpr float kByteUnits = kCodes == Codes::kE4m3 ? 256.0f : 1.0f;

/// Floats of 8 bits from memory, over their kByteUnits.
template <Codes kCodes>
ACCEL_LANES Vector<float> byte_floats(const void* p) {
#if defined(__AVX512F__) || defined(__AVX2__)
#if defined(__AVX512F__)
  const __m128i bytes = _mm_loadu_si128(static_cast<const __m128i*>(p));
  using Words [[gnu::vector_size(32)]] = uint16_t;
  Words words = (Words)_mm256_cvtepi8_epi16(bytes);
#else
  const __m128i bytes = _mm_loadl_epi64(static_cast<const __m128i*>(p));
  using Words [[gnu::vector_size(16)]] = uint16_t;
  Words words = (Words)_mm_cvtepi8_epi16(bytes);
#endif
  if constexpr (kCodes == Codes::kE5m2) {
    words <<= 8;
  } else {
    words = (words << 7) & 0xbfff;
    words |= (words + 0x80) & 0x4000;  // of NaN alone, all of whose bits are set, the lowest carries so far
  }
#if defined(__AVX512F__)
  return (Vector<float>)_mm512_maskz_cvtph_ps(0xffff, (__m256i)words);
#else
  return (Vector<float>)_mm256_cvtph_ps((__m128i)words);
#endif
#else
  const Vector<uint32_t> codes = wide_bytes<uint32_t>(p);
  return kCodes == Codes::kE5m2 ? small_floats<8, 2, 15, 0x7c>(codes) : small_floats<8, 3, 15, 0x7f>(codes);
#endif
}

/// Floats of 4 bits in the lowest bits of each element.
ACCEL_LANES Vector<float> half_byte_floats(Vector<uint32_t> codes) {
#if defined(__AVX512F__)
  const __m512 values = _mm512_setr_ps(0, .5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -.5f, -1, -1.5f, -2, -3, -4, -6);
  return (Vector<float>)_mm512_maskz_permutexvar_ps(0xffff, (__m512i)codes, values);
#else
  return small_floats<4, 1, 1, 8>(codes);
#endif
}

/// Whether all are below the limit, or NaN.
ACCEL_LANES bool all_below(Vector<float> x, float limit) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask(_mm512_abs_ps((__m512)x), _mm512_set1_ps(limit), _CMP_GE_OQ) == 0;
#elif defined(__AVX2__)
  const __m256 size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), (__m256)x);
  return _mm256_movemask_ps(_mm256_cmp_ps(size, _mm256_set1_ps(limit), _CMP_GE_OQ)) == 0;
#else
  bool below = true;
  for (int i = 0; i < kElements<float>; ++i) below &= !(__builtin_fabsf(x[i]) >= limit);
  return below;
#endif
}

/// The weights of kVectors vectors of a panel's columns, one group after the other.
template <Codes kCodes, int kVectors>
struct PanelColumns {
  static constexpr bool kHalves = kCodes == Codes::kInt4 || kCodes == Codes::kUint4 || kCodes == Codes::kE2m1;
  static constexpr bool kFloats = kCodes == Codes::kE4m3 || kCodes == Codes::kE5m2 || kCodes == Codes::kE2m1;
  static constexpr bool kMinima = kCodes == Codes::kUint8 || kCodes == Codes::kUint4;
  static constexpr bool kWhole = kCodes == Codes::kFloat;
  static constexpr int kE = kElements<float>, kSteps = kHalves ? 2 : 1;
  static constexpr float kUnits = 8388608;                  // floats from here on are whole: their low bits count units
  static constexpr int kPasses = kPanel / (kVectors * kE);  // over the codes of a chunk
  static constexpr int kAhead = 32;                         // rows of codes that one pass asks for ahead
  const QuantizedChunk& x;
  const int at;
  const char* next;  // codes that are asked for, less those of kPasses * kSteps steps for each that was made
  Vector<float> scale[kVectors], shift[kVectors];

  /// Of several passes each asks for a part of the next chunk's codes, so that memory is read at an even rate.
  ACCEL_LANES const char* ahead(const QuantizedChunk& x, int at) {
    const int64_t rows = (x.end - x.begin) / kSteps;
    const int64_t part =
        kPasses == 1 ? kAhead
                     : rows + rows / kPasses * (at / (kVectors * kE)) + x.begin / kSteps - x.begin / kSteps / kPasses;
    return static_cast<const char*>(x.codes) + part * kPanel;
  }

  /// Returns whether scales have the factor of units already, which those near infinity do not take.
  ACCEL_LANES bool begin(PanelColumns& self, int64_t group) {
    bool scaled = true;
    if constexpr (!kWhole) {
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        const int64_t place = group * kPanel + self.at + v * kE;
        self.scale[v] = load(self.x.scales + place);
        if constexpr (!kFloats) self.shift[v] = load(self.x.shifts + group * self.x.shift_step + self.at + v * kE);
        if constexpr (kCodes == Codes::kInt8) self.shift[v] += kUnits + 128.0f;
        if constexpr (kCodes == Codes::kInt4) self.shift[v] += kUnits;
        if constexpr (kCodes == Codes::kE4m3) scaled = scaled && all_below(self.scale[v], 0x1p119f);
      }
    }
    if constexpr (kCodes == Codes::kE4m3) {
#pragma GCC unroll 8
      for (int v = 0; v < kVectors && scaled; ++v) self.scale[v] *= kByteUnits<kCodes>;
    }
    return scaled;
  }

  /// kUnits and a code, whose low half counts where kLow.
  template <bool kLow>
  ACCEL_LANES Vector<float> units(Vector<uint32_t> code) {
#if defined(__AVX512F__)
    const __m512i mask = _mm512_set1_epi32(15), exponent = _mm512_set1_epi32(0x4b000000);
    if constexpr (kLow) return (Vector<float>)_mm512_ternarylogic_epi32((__m512i)code, mask, exponent, 0xea);
#endif
    return (Vector<float>)((kLow ? code & 15u : code) | 0x4b000000u);
  }

  /// The weight of a code, which is an element's lowest bits, of kLow four; above are zeros, or, of float codes and
  /// where kLow, anything.
  template <bool kLow = false>
  ACCEL_LANES Vector<float> weight(const PanelColumns& self, int v, Vector<uint32_t> code) {
    if constexpr (kCodes == Codes::kE2m1) {
      return half_byte_floats(code) * self.scale[v];
    } else if constexpr (kMinima) {
      return fma<float>(units<kLow>(code) - kUnits, self.scale[v], self.shift[v]);
    } else if constexpr (kCodes == Codes::kInt8) {
      // The sign bit changes places with 128: all codes count from 0 then.
      return ((Vector<float>)(code ^ 0x4b000080u) - self.shift[v]) * self.scale[v];
    } else {
      return (units<kLow>(code) - self.shift[v]) * self.scale[v];
    }
  }

  /// weights[s][v]: of step k + s, for a k that kSteps divides.
  template <bool kScaled>
  ACCEL_LANES void read(const PanelColumns& self, int64_t k, Vector<float> (&weights)[kSteps][kVectors]) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const int64_t column = self.at + v * kE;
      if constexpr (kWhole) {
        weights[0][v] = load(static_cast<const float*>(self.x.codes) + (k - self.x.begin) * kPanel + column);
      } else {
        const char* const p = static_cast<const char*>(self.x.codes) + k / kSteps * kPanel + column;
        if constexpr (kFloats && !kHalves) {
          const Vector<float> its = byte_floats<kCodes>(p);
          weights[0][v] = (kScaled ? its : its * kByteUnits<kCodes>)*self.scale[v];
          continue;
        }
        const Vector<uint32_t> codes = wide_bytes<uint32_t>(p);
        if constexpr (kHalves) {
          weights[0][v] = weight<true>(self, v, codes);
          weights[1][v] = weight(self, v, codes >> 4);
        } else if constexpr (!kFloats) {
          weights[0][v] = weight(self, v, codes);
        }
      }
    }
  }
};

ACCEL_LANES Vector<float> bytes_in_float(const uint8_t* p) {
  return __builtin_convertvector((Vector<int32_t>)wide_bytes<uint32_t>(p), Vector<float>);
}

template <Scales kKind>
static void scale_groups(const ScaleRows& x, float* scales, float* shifts) {
  constexpr int64_t kEach = kKind == Scales::kMinima ? 2 : 1;
  int64_t super = x.per > 0 ? x.first / x.per : 0, next = (super + 1) * x.per;
  for (int64_t group = x.first; group < x.first + x.count; ++group, scales += kPanel, shifts += kPanel) {
    if (group == next) {
      ++super;
      next += x.per;
    }
    for (int column = 0; column < kPanel; column += kElements<float>) {
      const int64_t at = group * kEach * kPanel + column;
      const uint16_t* const wide = static_cast<const uint16_t*>(x.scales) + super * kEach * kPanel + column;
      const uint8_t* const minors = static_cast<const uint8_t*>(x.minors) + at;
      if constexpr (kKind == Scales::kZeros) {
        store(shifts + column, __builtin_convertvector(wide_bytes<int32_t>(minors), Vector<float>));
      } else if constexpr (kKind == Scales::kHalf) {
        store(scales + column, Float16::row(static_cast<const uint16_t*>(x.scales) + at));
      } else if constexpr (kKind == Scales::kExponent) {
        const auto exponents = wide_bytes<uint32_t>(static_cast<const uint8_t*>(x.scales) + at);
        const Vector<uint32_t> bits = exponents == 0u ? splat(0x00400000u) : exponents << 23;
        store(scales + column, (Vector<float>)(exponents == 255u ? splat(0x7fc00000u) : bits));
      } else if constexpr (kKind == Scales::kLevels) {
        const auto levels = __builtin_convertvector(wide_bytes<int32_t>(minors), Vector<float>);
        store(scales + column, levels * Float16::row(wide));
      } else if constexpr (kKind == Scales::kMinima) {  // a row of scales or levels, then one of minima
        store(scales + column, bytes_in_float(minors) * Float16::row(wide));
        store(shifts + column, -(bytes_in_float(minors + kPanel) * Float16::row(wide + kPanel)));
      }
    }
  }
}

static void quantized_scales(const ScaleRows& x, float* scales, float* shifts) {
  if (x.kind == Scales::kZeros) scale_groups<Scales::kZeros>(x, scales, shifts);
  if (x.kind == Scales::kHalf) scale_groups<Scales::kHalf>(x, scales, shifts);
  if (x.kind == Scales::kExponent) scale_groups<Scales::kExponent>(x, scales, shifts);
  if (x.kind == Scales::kLevels) scale_groups<Scales::kLevels>(x, scales, shifts);
  if (x.kind == Scales::kMinima) scale_groups<Scales::kMinima>(x, scales, shifts);
}

/// Vectors of columns whose sums, scales and zeros for so many rows fit the registers.
template <int kRows>
static constexpr int quantized_vectors() {
  constexpr int kMost = ACCEL_VECTOR_BYTES == 64 ? (kRows <= 4 ? 4 : 2) : kRows == 1 ? 4 : kRows <= 4 ? 2 : 1;
  return kMost;
}

/// Adds the products of steps [k, stop), which one group has.
template <bool kScaled, int kRows, class Columns, int kVectors>
ACCEL_LANES void add_products(const Columns& columns, const float* a, int64_t k, int64_t stop,
                              Vector<float> (&sums)[kRows][kVectors]) {
  constexpr int kSteps = Columns::kSteps;
  for (; k < stop; k += kSteps) {
    Vector<float> weights[kSteps][kVectors];
    // A page's end stops what the CPU fetches ahead by itself.
    if constexpr (!Columns::kWhole) fetch(columns.next, k / kSteps / Columns::kPasses * kPanel);
    Columns::template read<kScaled>(columns, k, weights);
#pragma GCC unroll 2
    for (int s = 0; s < kSteps; ++s) {
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const Vector<float> factor = splat(a[(k + s) * kRows + r]);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sums[r][v] = fma<float>(factor, weights[s][v], sums[r][v]);
      }
    }
  }
}

template <Codes kCodes, int kRows>
static void quantized_multiply(const QuantizedChunk& x) {
  constexpr int kVectors = quantized_vectors<kRows>(), kE = kElements<float>;
  using Columns = PanelColumns<kCodes, kVectors>;
  for (int at = 0; at < kPanel; at += kVectors * kE) {
    Columns columns{x, at, Columns::ahead(x, at), {}, {}};
    Vector<float> sums[kRows][kVectors] = {};
    int64_t k = x.begin, stop = x.stop;
    for (int64_t group = 0; k < x.end; ++group, k = stop, stop += x.group) {
      if (stop > x.end) stop = x.end;
      if (Columns::begin(columns, group)) {
        add_products<true>(columns, x.a, k, stop, sums);
      } else {
        add_products<false>(columns, x.a, k, stop, sums);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        float* const c = x.c + r * kPanel + at + v * kE;
        store(c, x.begin > 0 ? load(c) + sums[r][v] : sums[r][v]);
      }
    }
  }
}

template <Codes kCodes>
static void quantized_widen(const QuantizedChunk& x, float* out) {
  using Columns = PanelColumns<kCodes, 1>;
  constexpr int kSteps = Columns::kSteps;
  for (int at = 0; at < kPanel; at += kElements<float>) {
    Columns columns{x, at, nullptr, {}, {}};
    int64_t k = x.begin, stop = x.stop;
    for (int64_t group = 0; k < x.end; ++group, stop += x.group) {
      if (stop > x.end) stop = x.end;
      const bool scaled = Columns::begin(columns, group);
      for (; k < stop; k += kSteps) {
        Vector<float> weights[kSteps][1];
        if (scaled) {
          Columns::template read<true>(columns, k, weights);
        } else {
          Columns::template read<false>(columns, k, weights);
        }
        for (int s = 0; s < kSteps; ++s) store(out + (k + s - x.begin) * kPanel + at, weights[s][0]);
      }
    }
  }
}

}  // namespace accel::ACCEL_ISA
