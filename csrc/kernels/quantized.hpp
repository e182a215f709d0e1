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

template <Codes kCodes>
ACCEL_LANES Vector<float> floats_of(Vector<uint32_t> codes) {
  if constexpr (kCodes == Codes::kE4m3) return small_floats<8, 3, 7, 0x7f>(codes);
  if constexpr (kCodes == Codes::kE5m2) return small_floats<8, 2, 15, 0x7c>(codes);
  if constexpr (kCodes == Codes::kE2m1) {
#if defined(__AVX512F__)
    const __m512 values = _mm512_setr_ps(0, .5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -.5f, -1, -1.5f, -2, -3, -4, -6);
    return (Vector<float>)_mm512_maskz_permutexvar_ps(0xffff, (__m512i)codes, values);
#else
    return small_floats<4, 1, 1, 8>(codes);
#endif
  }
}

/// The weights of kVectors vectors of a panel's columns, one group after the other.
template <Codes kCodes, int kVectors>
struct PanelColumns {
  static constexpr bool kHalves = kCodes == Codes::kInt4 || kCodes == Codes::kUint4 || kCodes == Codes::kE2m1;
  static constexpr bool kFloats = kCodes == Codes::kE4m3 || kCodes == Codes::kE5m2 || kCodes == Codes::kE2m1;
  static constexpr bool kMinima = kCodes == Codes::kUint8 || kCodes == Codes::kUint4;
  static constexpr int kE = kElements<float>, kSteps = kHalves ? 2 : 1;
  static constexpr float kUnits = 8388608;  // floats from here on are whole: their low bits count units
  const QuantizedChunk& x;
  const int at;
  Vector<float> scale[kVectors], shift[kVectors];

  ACCEL_LANES void begin(PanelColumns& self, int64_t group) {
    if constexpr (kCodes != Codes::kFloat) {
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        const int64_t place = group * kPanel + self.at + v * kE;
        self.scale[v] = load(self.x.scales + place);
        if constexpr (!kFloats) self.shift[v] = load(self.x.shifts + place);
        if constexpr (kCodes == Codes::kInt8) self.shift[v] += kUnits + 128.0f;
        if constexpr (kCodes == Codes::kInt4) self.shift[v] += kUnits;
      }
    }
  }

  /// A code, and bits of a byte that are not its.
  ACCEL_LANES Vector<float> weight(const PanelColumns& self, int v, Vector<uint32_t> code) {
    if constexpr (kFloats) {
      return floats_of<kCodes>(code) * self.scale[v];
    } else if constexpr (kMinima) {
      return fma<float>((Vector<float>)(code | 0x4b000000u) - kUnits, self.scale[v], self.shift[v]);
    } else if constexpr (kCodes == Codes::kInt8) {
      // The sign bit changes places with 128: all codes count from 0 then.
      return ((Vector<float>)(code ^ 0x4b000080u) - self.shift[v]) * self.scale[v];
    } else {
      return ((Vector<float>)(code | 0x4b000000u) - self.shift[v]) * self.scale[v];
    }
  }

  /// weights[s][v]: of step k + s, for a k that kSteps divides.
  ACCEL_LANES void read(const PanelColumns& self, int64_t k, Vector<float> (&weights)[kSteps][kVectors]) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const int64_t column = self.at + v * kE;
      if constexpr (kCodes == Codes::kFloat) {
        weights[0][v] = load(static_cast<const float*>(self.x.codes) + (k - self.x.begin) * kPanel + column);
      } else {
        const char* const p = static_cast<const char*>(self.x.codes) + k / kSteps * kPanel + column;
        const Vector<uint32_t> codes = wide_bytes<uint32_t>(p);
        if constexpr (kHalves) {
          weights[0][v] = weight(self, v, codes & 15u);
          weights[1][v] = weight(self, v, codes >> 4);
        } else {
          weights[0][v] = weight(self, v, codes);
        }
      }
    }
  }
};

ACCEL_LANES Vector<float> bytes_in_float(const uint8_t* p) {
  return __builtin_convertvector((Vector<int32_t>)wide_bytes<uint32_t>(p), Vector<float>);
}

/// What the kernels read of groups' scales, and of zeros or minima.
static void quantized_scales(const ScaleRows& x, float* scales, float* shifts) {
  constexpr int kE = kElements<float>;
  const int64_t last = (x.first + x.count) * kPanel;
  for (int64_t at = x.first * kPanel; at < last; at += kE, scales += kE, shifts += kE) {
    const int64_t group = at / kPanel, column = at % kPanel;
    if (x.kind == Scales::kZeros) {
      const auto zeros = wide_bytes<int32_t>(static_cast<const int8_t*>(x.minors) + at);
      store(shifts, __builtin_convertvector(zeros, Vector<float>));
      continue;
    }
    store(shifts, splat(x.zero));
    if (x.kind == Scales::kHalf) store(scales, Float16::row(static_cast<const uint16_t*>(x.scales) + at));
    if (x.kind == Scales::kExponent) {
      const Vector<uint32_t> exponents = wide_bytes<uint32_t>(static_cast<const uint8_t*>(x.scales) + at);
      Vector<uint32_t> bits = exponents == 0u ? splat(0x00400000u) : exponents << 23;
      store(scales, (Vector<float>)(exponents == 255u ? splat(0x7fc00000u) : bits));
    }
    const uint16_t* const super = static_cast<const uint16_t*>(x.scales);
    if (x.kind == Scales::kLevels) {
      const auto levels = wide_bytes<int32_t>(static_cast<const int8_t*>(x.minors) + at);
      const Vector<float> wide = Float16::row(super + group / x.per * kPanel + column);
      store(scales, __builtin_convertvector(levels, Vector<float>) * wide);
    }
    if (x.kind == Scales::kMinima) {  // a row of scales or levels, then one of minima, for each
      const uint8_t* const levels = static_cast<const uint8_t*>(x.minors) + 2 * group * kPanel + column;
      const uint16_t* const wide = super + group / x.per * 2 * kPanel + column;
      store(scales, bytes_in_float(levels) * Float16::row(wide));
      store(shifts, -(bytes_in_float(levels + kPanel) * Float16::row(wide + kPanel)));
    }
  }
}

/// Vectors of columns whose sums, scales and zeros for so many rows fit the registers.
template <int kRows>
static constexpr int quantized_vectors() {
  constexpr int kMost = ACCEL_VECTOR_BYTES == 64 ? (kRows <= 4 ? 4 : 2) : kRows == 1 ? 4 : kRows <= 4 ? 2 : 1;
  return kMost;
}

template <Codes kCodes, int kRows>
static void quantized_multiply(const QuantizedChunk& x) {
  constexpr int kVectors = quantized_vectors<kRows>(), kE = kElements<float>;
  using Columns = PanelColumns<kCodes, kVectors>;
  constexpr int kSteps = Columns::kSteps;
  for (int at = 0; at < kPanel; at += kVectors * kE) {
    Columns columns{x, at, {}, {}};
    Vector<float> sums[kRows][kVectors] = {};
    int64_t k = x.begin;
    const int64_t first = k / x.group;
    while (k < x.end) {
      const int64_t group = k / x.group, last = (group + 1) * x.group, stop = last < x.end ? last : x.end;
      Columns::begin(columns, group - first);
      for (; k < stop; k += kSteps) {
        Vector<float> weights[kSteps][kVectors];
        Columns::read(columns, k, weights);
#pragma GCC unroll 2
        for (int s = 0; s < kSteps; ++s) {
#pragma GCC unroll 8
          for (int r = 0; r < kRows; ++r) {
            const Vector<float> factor = splat(x.a[(k + s) * kRows + r]);
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) sums[r][v] = fma<float>(factor, weights[s][v], sums[r][v]);
          }
        }
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
  for (int at = 0; at < kPanel; at += kElements<float>) {
    Columns columns{x, at, {}, {}};
    int64_t k = x.begin;
    const int64_t first = k / x.group;
    while (k < x.end) {
      const int64_t group = k / x.group, last = (group + 1) * x.group, stop = last < x.end ? last : x.end;
      Columns::begin(columns, group - first);
      for (; k < stop; k += Columns::kSteps) {
        Vector<float> weights[Columns::kSteps][1];
        Columns::read(columns, k, weights);
        for (int s = 0; s < Columns::kSteps; ++s) store(out + (k + s - x.begin) * kPanel + at, weights[s][0]);
      }
    }
  }
}

}  // namespace accel::ACCEL_ISA
