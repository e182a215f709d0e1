// How stored elements of B are multiplied without a pass that widens them first.
//
// A unit is kGroup consecutive k of one column, as wide as an accumulator. In registers it becomes kParts vectors of
// factors, each of kGroup / kParts products per lane; A's factors are prepared to match.
#pragma once

#include <cstring>

#include "vector.hpp"

namespace accel::ACCEL_ISA {

/// Elements stored as what they are computed in: one product a unit.
template <class T>
struct Native {
  using Stored = T;
  using Unit = T;
  using Factor = T;
  using Acc = T;
  static constexpr int kGroup = 1, kParts = 1;

  /// The factors of a vector of units.
  static void split(Vector<Unit> unit, Vector<Factor> (&factors)[kParts]) { factors[0] = unit; }
  /// The same from kGroup rows of contiguous columns.
  static void columns(const Stored* const (&rows)[kGroup], Vector<Factor> (&factors)[kParts]) {
    factors[0] = load(rows[0]);
  }
  /// A's factors of a unit of `valid` products; the missing ones leave every sum as it is.
  static void prepare(const Stored (&x)[kGroup], int valid, Factor (&factors)[kParts]) {
    (void)valid;
    factors[0] = x[0];
  }
  /// What a row's sum starts from, added up over its units: nothing.
  static Acc start(const Factor (&)[kParts]) { return Acc(0); }
  static Vector<Acc> multiply(Vector<Factor> a, Vector<Factor> b, Vector<Acc> sum) { return fma<T>(a, b, sum); }
};

using Words = Vector<uint32_t>;
typedef int16_t Shorts __attribute__((vector_size(ACCEL_VECTOR_BYTES)));
typedef uint16_t HalfShorts __attribute__((vector_size(ACCEL_VECTOR_BYTES / 2)));
typedef uint8_t QuarterBytes __attribute__((vector_size(ACCEL_VECTOR_BYTES / 4)));
typedef int8_t SignedBytes __attribute__((vector_size(ACCEL_VECTOR_BYTES / 4)));

/// Elements of another width, each in 32 bits.
template <class Narrow, class Wide, class T>
static inline Words widen_columns(const T* p) {
  Narrow x;
  memcpy(&x, p, sizeof x);
  return (Words)__builtin_convertvector(x, Wide);
}

/// float16 and bfloat16: two products a unit, in float32.
template <class Self>
struct Half {
  using Stored = uint16_t;
  using Unit = uint32_t;
  using Factor = float;
  using Acc = float;
  static constexpr int kGroup = 2, kParts = 2;

  static void columns(const Stored* const (&rows)[kGroup], Vector<Factor> (&factors)[kParts]) {
    for (int r = 0; r < kGroup; ++r) factors[r] = Self::row(rows[r]);
  }
  static void prepare(const Stored (&x)[kGroup], int valid, Factor (&factors)[kParts]) {
    for (int i = 0; i < kGroup; ++i) factors[i] = i < valid ? Self::widen(x[i]) : -0.0f;
  }
  static Acc start(const Factor (&)[kParts]) { return 0; }
  static Vector<Acc> multiply(Vector<Factor> a, Vector<Factor> b, Vector<Acc> sum) { return fma<float>(a, b, sum); }
};

struct Bfloat16 : Half<Bfloat16> {
  static float widen(uint16_t x) { return bitcast<float>(static_cast<uint32_t>(x) << 16); }
  static Vector<float> row(const uint16_t* p) { return (Vector<float>)(widen_columns<HalfShorts, Words>(p) << 16); }
  static void split(Words unit, Vector<float> (&factors)[2]) {
    factors[0] = (Vector<float>)(unit << 16);
    factors[1] = (Vector<float>)(unit & 0xffff0000u);
  }
};

/// Sums of two products of int16, wrapped to 32 bits.
static inline Words multiply_pairs(Words a, Words b) {
#if defined(__AVX512BW__)
  return (Words)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (Words)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
  return (Words)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
  typedef int32_t Signed __attribute__((vector_size(ACCEL_VECTOR_BYTES)));
  const Signed x = (Signed)a, y = (Signed)b;
  return (Words)((x << 16 >> 16) * (y << 16 >> 16) + (x >> 16) * (y >> 16));
#endif
}

static inline uint32_t pair(int32_t low, int32_t high) {
  return (static_cast<uint32_t>(low) & 0xffff) | static_cast<uint32_t>(high) << 16;
}

/// int16: two products a unit.
struct Int16 {
  using Stored = int16_t;
  using Unit = uint32_t;
  using Factor = uint32_t;
  using Acc = uint32_t;
  static constexpr int kGroup = 2, kParts = 1;

  static void split(Words unit, Words (&factors)[kParts]) { factors[0] = unit; }
  static void columns(const Stored* const (&rows)[kGroup], Words (&factors)[kParts]) {
    factors[0] = widen_columns<HalfShorts, Words>(rows[0]) | widen_columns<HalfShorts, Words>(rows[1]) << 16;
  }
  static void prepare(const Stored (&x)[kGroup], int valid, Factor (&factors)[kParts]) {
    factors[0] = pair(x[0], valid > 1 ? x[1] : 0);
  }
  static Acc start(const Factor (&)[kParts]) { return 0; }
  static Words multiply(Words a, Words b, Words sum) { return sum + multiply_pairs(a, b); }
};

/// int8 or uint8: four products a unit, as int16 in two parts: k 0 and 2, and k 1 and 3.
template <class T>
struct Bytes {
  using Stored = T;
  using Unit = uint32_t;
  using Factor = uint32_t;
  using Acc = uint32_t;
  static constexpr int kGroup = 4, kParts = 2;
  static constexpr bool kSigned = static_cast<T>(-1) < 0;
  typedef uint16_t Unsigned __attribute__((vector_size(ACCEL_VECTOR_BYTES)));

  static void split(Words unit, Words (&factors)[kParts]) {
    if constexpr (kSigned) {
      factors[0] = (Words)((Shorts)unit << 8 >> 8);
      factors[1] = (Words)((Shorts)unit >> 8);
    } else {
      factors[0] = unit & 0x00ff00ffu;
      factors[1] = (Words)((Unsigned)unit >> 8);
    }
  }
  static void columns(const Stored* const (&rows)[kGroup], Words (&factors)[kParts]) {
    Words unit = widen_columns<QuarterBytes, Words>(rows[0]);
    for (int r = 1; r < kGroup; ++r) unit |= widen_columns<QuarterBytes, Words>(rows[r]) << (8 * r);
    split(unit, factors);
  }
  static void prepare(const Stored (&x)[kGroup], int valid, Factor (&factors)[kParts]) {
    for (int p = 0; p < kParts; ++p) factors[p] = pair(p < valid ? x[p] : 0, p + 2 < valid ? x[p + 2] : 0);
  }
  static Acc start(const Factor (&)[kParts]) { return 0; }
  static Words multiply(Words a, Words b, Words sum) { return sum + multiply_pairs(a, b); }
};

}  // namespace accel::ACCEL_ISA
