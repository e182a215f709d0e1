// How stored elements of B are multiplied without a pass that widens them first.
//
// A unit is kGroup consecutive k of one row of A or column of B, as wide as an accumulator. In registers it becomes
// kParts vectors of factors, each of kGroup / kParts products per lane.
#pragma once

#include <cstring>

#include "contract.hpp"
#include "transpose.hpp"

namespace accel::ACCEL_ISA {

/// What a format watches B's elements for: nothing.
struct NoDoubt {
  template <class V>
  void look(V) {}
  bool any() const { return false; }
};

/// Elements stored as what they are computed in: one product a unit.
template <class T>
struct Native {
  using Stored = T;
  using Unit = T;
  using Factor = T;
  using Acc = T;
  using Doubt = NoDoubt;
  static constexpr int kGroup = 1, kParts = 1, kChunk = kKC;
  static constexpr int kTogether = 1;  // vectors that `columns` gives

  /// Units of contiguous columns, from kGroup rows.
  static Vector<Unit> units(const Stored* const (&rows)[kGroup]) { return load(rows[0]); }
  /// B's factors of a vector of units.
  static void split(Vector<Unit> unit, Vector<Factor> (&factors)[kParts]) { factors[0] = unit; }
  /// B's factors of contiguous columns, from kGroup rows. Where there are several vectors, each takes every
  /// kTogether-th group of 16 bytes of sums.
  static void columns(const Stored* const (&rows)[kGroup], Vector<Factor> (&factors)[kTogether][kParts]) {
    factors[0][0] = load(rows[0]);
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
typedef int64_t Vector128 __attribute__((vector_size(16)));

/// Elements of 8 or 16 bits, each in 32 bits below zeros.
static inline Words widen_columns(const uint16_t* p) {
  HalfShorts x;
  memcpy(&x, p, sizeof x);
#if defined(__AVX512F__)
  return (Words)_mm512_maskz_cvtepu16_epi32(0xffff, (__m256i)x);
#elif defined(__AVX2__)
  return (Words)_mm256_cvtepu16_epi32((__m128i)x);
#else
  return __builtin_convertvector(x, Words);
#endif
}
static inline Words widen_columns(const uint8_t* p) {
  QuarterBytes x;
  memcpy(&x, p, sizeof x);
#if defined(__AVX512F__)
  return (Words)_mm512_maskz_cvtepu8_epi32(0xffff, (__m128i)x);
#elif defined(__AVX2__)
  return (Words)_mm256_cvtepu8_epi32((__m128i)(Vector128){(int64_t)(uint64_t)__builtin_bit_cast(uint64_t, x), 0});
#else
  return __builtin_convertvector(x, Words);
#endif
}
static inline Words widen_columns(const int16_t* p) { return widen_columns(reinterpret_cast<const uint16_t*>(p)); }
static inline Words widen_columns(const int8_t* p) { return widen_columns(reinterpret_cast<const uint8_t*>(p)); }

/// Four columns' bytes, or two columns' halves, of consecutive rows in each 32 bits.
template <class T, int Rows>
static inline Words interleave_columns(const T* const (&rows)[Rows]) {
  Words unit = widen_columns(rows[0]);
#pragma GCC unroll 4
  for (int r = 1; r < Rows; ++r) unit |= widen_columns(rows[r]) << (32 / Rows * r);
  return unit;
}

/// The same from whole vectors of every row: unit vector t takes every Rows-th group of four columns from t on.
template <class T>
static inline void zip_columns(const T* const (&rows)[2], Words (&units)[2]) {
  using Bits = uint16_t;
  static_assert(sizeof(T) == sizeof(Bits));
  const Vector<Bits> a = load(reinterpret_cast<const Bits*>(rows[0])), b = load(reinterpret_cast<const Bits*>(rows[1]));
  units[0] = (Words)zip<false, Bits>(a, b);
  units[1] = (Words)zip<true, Bits>(a, b);
}
template <class T>
static inline void zip_columns(const T* const (&rows)[4], Words (&units)[4]) {
  static_assert(sizeof(T) == 1);
  Vector<uint8_t> v[4];
  for (int r = 0; r < 4; ++r) v[r] = load(reinterpret_cast<const uint8_t*>(rows[r]));
  using Pairs = Vector<uint16_t>;
  const Pairs low0 = (Pairs)zip<false, uint8_t>(v[0], v[1]), low1 = (Pairs)zip<false, uint8_t>(v[2], v[3]);
  const Pairs high0 = (Pairs)zip<true, uint8_t>(v[0], v[1]), high1 = (Pairs)zip<true, uint8_t>(v[2], v[3]);
  units[0] = (Words)zip<false, uint16_t>(low0, low1);
  units[1] = (Words)zip<true, uint16_t>(low0, low1);
  units[2] = (Words)zip<false, uint16_t>(high0, high1);
  units[3] = (Words)zip<true, uint16_t>(high0, high1);
}

/// zip_columns, split into factors as F splits units.
template <class F>
static inline void split_columns(const typename F::Stored* const (&rows)[F::kGroup],
                                 Vector<typename F::Factor> (&factors)[F::kGroup][F::kParts]) {
  Words units[F::kGroup];
  zip_columns(rows, units);
#pragma GCC unroll 4
  for (int t = 0; t < F::kGroup; ++t) F::split(units[t], factors[t]);
}

/// float16 and bfloat16: two products a unit, in float32.
template <class Self>
struct Half {
  using Stored = uint16_t;
  using Unit = uint32_t;
  using Factor = float;
  using Acc = float;
  using Doubt = NoDoubt;
  static constexpr int kGroup = 2, kParts = 2, kChunk = kKC, kTogether = 1;

  static void columns(const Stored* const (&rows)[kGroup], Vector<Factor> (&factors)[kTogether][kParts]) {
    for (int r = 0; r < kGroup; ++r) factors[0][r] = Self::row(rows[r]);
  }
  static void prepare(const Stored (&x)[kGroup], int valid, Factor (&factors)[kParts]) {
    for (int i = 0; i < kGroup; ++i) factors[i] = i < valid ? Self::widen(x[i]) : -0.0f;
  }
  static Acc start(const Factor (&)[kParts]) { return 0; }
  static Vector<Acc> multiply(Vector<Factor> a, Vector<Factor> b, Vector<Acc> sum) { return fma<float>(a, b, sum); }
};

struct Bfloat16 : Half<Bfloat16> {
  static float widen(uint16_t x) { return bitcast<float>(static_cast<uint32_t>(x) << 16); }
  static Vector<float> row(const uint16_t* p) { return (Vector<float>)(widen_columns(p) << 16); }
  static void split(Words unit, Vector<float> (&factors)[2]) {
    factors[0] = (Vector<float>)(unit << 16);
    factors[1] = (Vector<float>)(unit & 0xffff0000u);
  }
};

/// sum plus the two products of int16 in each 32 bits, wrapped to 32 bits.
static inline Words add_pairs(Words a, Words b, Words sum) {
#if defined(__AVX512VNNI__)
  return (Words)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#elif defined(__AVX512BW__)
  return sum + (Words)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return sum + (Words)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
  return sum + (Words)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
  typedef int32_t Signed __attribute__((vector_size(ACCEL_VECTOR_BYTES)));
  const Signed x = (Signed)a, y = (Signed)b;
  return sum + (Words)((x << 16 >> 16) * (y << 16 >> 16) + (x >> 16) * (y >> 16));
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
  using Doubt = NoDoubt;
  static constexpr int kGroup = 2, kParts = 1, kChunk = 2 * kKC, kTogether = kGroup;

  static Words units(const Stored* const (&rows)[kGroup]) { return interleave_columns(rows); }
  static void split(Words unit, Words (&factors)[kParts]) { factors[0] = unit; }
  static void split_a(Words unit, Words (&factors)[kParts]) { factors[0] = unit; }
  static void columns(const Stored* const (&rows)[kGroup], Words (&factors)[kTogether][kParts]) {
    split_columns<Int16>(rows, factors);
  }
  static void prepare(const Stored (&x)[kGroup], int valid, Factor (&factors)[kParts]) {
    factors[0] = pair(x[0], valid > 1 ? x[1] : 0);
  }
  static Acc start(const Factor (&)[kParts]) { return 0; }
  static Words add_starts(Words, Words start) { return start; }
  static Words multiply(Words a, Words b, Words sum) { return add_pairs(a, b, sum); }
};

/// int8 or uint8: four products a unit, as int16 in two parts: k 0 and 2, and k 1 and 3.
template <class T>
struct Bytes {
  using Stored = T;
  using Unit = uint32_t;
  using Factor = uint32_t;
  using Acc = uint32_t;
  using Doubt = NoDoubt;
  static constexpr int kGroup = 4, kParts = 2, kChunk = 4 * kKC, kTogether = kGroup;
  static constexpr bool kSigned = static_cast<T>(-1) < 0;
  typedef uint16_t Unsigned __attribute__((vector_size(ACCEL_VECTOR_BYTES)));

  static Words units(const Stored* const (&rows)[kGroup]) { return interleave_columns(rows); }
  static void split(Words unit, Words (&factors)[kParts]) {
    if constexpr (kSigned) {
      factors[0] = (Words)((Shorts)unit << 8 >> 8);
      factors[1] = (Words)((Shorts)unit >> 8);
    } else {
      factors[0] = unit & 0x00ff00ffu;
      factors[1] = (Words)((Unsigned)unit >> 8);
    }
  }
  static void split_a(Words unit, Words (&factors)[kParts]) { split(unit, factors); }
  static void columns(const Stored* const (&rows)[kGroup], Words (&factors)[kTogether][kParts]) {
    split_columns<Bytes>(rows, factors);
  }
  static void prepare(const Stored (&x)[kGroup], int valid, Factor (&factors)[kParts]) {
    for (int p = 0; p < kParts; ++p) factors[p] = pair(p < valid ? x[p] : 0, p + 2 < valid ? x[p + 2] : 0);
  }
  static Acc start(const Factor (&)[kParts]) { return 0; }
  static Words add_starts(Words, Words start) { return start; }
  static Words multiply(Words a, Words b, Words sum) { return add_pairs(a, b, sum); }
};

}  // namespace accel::ACCEL_ISA
