// Products with quantised weights: these become float32 in registers, (q - z) * s rounded once, and then are factors of
// fma chains over ascending k.
#pragma once

#include "../quantized_kernels.hpp"
#include "contract.hpp"
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

/// The weights of kVectors vectors of a panel's columns, one group after the other.
template <Codes kCodes, int kVectors>
struct PanelColumns {
  static constexpr int kE = kElements<float>, kSteps = kCodes == Codes::kInt4 ? 2 : 1;
  static constexpr float kUnits = 8388608;  // floats from here on are whole: their low bits count units
  const QuantizedChunk& x;
  const int at;
  Vector<float> scale[kVectors], zero[kVectors];

  ACCEL_LANES void begin(PanelColumns& self, int64_t group) {
    if constexpr (kCodes != Codes::kFloat) {
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        const int64_t place = group * kPanel + self.at + v * kE;
        self.scale[v] = load(self.x.scales + place);
        const auto zeros = __builtin_convertvector(wide_bytes<int32_t>(self.x.zeros + place), Vector<float>);
        self.zero[v] = zeros + kUnits;
        if constexpr (kCodes == Codes::kInt8) self.zero[v] += 128.0f;
      }
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
        // Of int8 the sign bit changes places with 128: all codes count from 0 then.
        if constexpr (kCodes == Codes::kInt8) {
          weights[0][v] = ((Vector<float>)(codes ^ 0x4b000080u) - self.zero[v]) * self.scale[v];
        } else {
          weights[0][v] = ((Vector<float>)((codes & 15u) | 0x4b000000u) - self.zero[v]) * self.scale[v];
          weights[1][v] = ((Vector<float>)(codes >> 4 | 0x4b000000u) - self.zero[v]) * self.scale[v];
        }
      }
    }
  }
};

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
    while (k < x.end) {
      const int64_t group = k / x.group, last = (group + 1) * x.group, stop = last < x.end ? last : x.end;
      Columns::begin(columns, group);
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
    while (k < x.end) {
      const int64_t group = k / x.group, last = (group + 1) * x.group, stop = last < x.end ? last : x.end;
      Columns::begin(columns, group);
      for (; k < stop; k += Columns::kSteps) {
        Vector<float> weights[Columns::kSteps][1];
        Columns::read(columns, k, weights);
        for (int s = 0; s < Columns::kSteps; ++s) store(out + (k + s - x.begin) * kPanel + at, weights[s][0]);
      }
    }
  }
}

}  // namespace accel::ACCEL_ISA
