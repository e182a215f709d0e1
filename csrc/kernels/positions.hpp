// Single elements at the positions that indices stand for.
#pragma once

#include <cstdint>

#include "../gather.hpp"
#include "copy.hpp"

namespace accel::ACCEL_ISA {

/// The positions that n indices stand for; whether all are in range, with no branch at each. They stay what they are
/// when another thread writes to the index array meanwhile.
static bool all_positions(const int64_t* index, int64_t n, int64_t length, int64_t* positions) {
  uint64_t signs = 0;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t its = index[i] + (index[i] < 0 ? length : 0);
    signs |= static_cast<uint64_t>(its) | static_cast<uint64_t>(length - 1 - its);
    positions[i] = its;
  }
  return static_cast<int64_t>(signs) >= 0;
}

/// Elements at n offsets, 16 at a time: half the time of one at a time where they are in L1. By SSE and AVX2 no more
/// than a vector of 16 bytes, as inserts into one wait for each other.
template <class T>
static inline void pick(int64_t n, T* to, const T* from, const int64_t* offsets) {
  constexpr int64_t kVector = (ACCEL_VECTOR_BYTES == 64 ? 64 : 16) / sizeof(T), kTogether = kVector < 16 ? kVector : 16;
  int64_t i = 0;
  for (; i + kTogether <= n; i += kTogether) {
    T some[kTogether];
#pragma GCC unroll 16
    for (int64_t k = 0; k < kTogether; ++k) some[k] = from[offsets[i + k]];
    memcpy(to + i, some, sizeof some);
  }
  for (; i < n; ++i) to[i] = from[offsets[i]];
}

template <class T>
static void pick_elements(int64_t n, void* to, const void* from, const int64_t* offsets) {
  pick(n, static_cast<T*>(to), static_cast<const T*>(from), offsets);
}

template <class T>
static int64_t select(int64_t n, int64_t length, const int64_t* index, const void* from, void* to) {
  int64_t positions[kLook];
  for (int64_t i = 0; i < n; i += kLook) {
    const int64_t some = n - i < kLook ? n - i : kLook;
    if (!all_positions(index + i, some, length, positions)) return i;
    pick(some, static_cast<T*>(to) + i, static_cast<const T*>(from), positions);
  }
  return n;
}

#if defined(__AVX512F__)
/// Eight positions, and in `out` which of them are out of range.
ACCEL_LANES __m512i eight_positions(const int64_t* index, __m512i length, unsigned& out) {
  const __m512i its = _mm512_loadu_si512(index);
  const __m512i at = _mm512_mask_add_epi64(its, _mm512_movepi64_mask(its), its, length);
  out |= _mm512_cmpge_epu64_mask(at, length);
  return at;
}

/// From memory, by gathers, whose stores go around the caches: scalar loads wait for each other's stores there.
template <class T>
static int64_t select_far(int64_t n, int64_t length, const int64_t* index, const void* from, void* to) {
  constexpr int64_t kParts = sizeof(T) == 4 ? 2 : 1;  // eights of a vector
  T* const out = static_cast<T*>(to);
  const int64_t before = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(to) % 64 / sizeof(T));
  int64_t i = before < n ? before : n;
  if (select<T>(i, length, index, from, to) < i) return 0;
  const __m512i lengths = _mm512_set1_epi64(length);
  for (; i + 16 * kParts <= n; i += 16 * kParts) {
    __m512i at[2 * kParts];
    unsigned beyond = 0;
#pragma GCC unroll 4
    for (int64_t k = 0; k < 2 * kParts; ++k) at[k] = eight_positions(index + i + 8 * k, lengths, beyond);
    if (beyond) return i;
#pragma GCC unroll 2
    for (int64_t k = 0; k < 2; ++k) {
      if constexpr (sizeof(T) == 4) {
        const __m512i low = _mm512_castsi256_si512(_mm512_i64gather_epi32(at[2 * k], from, 4));
        stream_vector(out + i + 16 * k, _mm512_inserti64x4(low, _mm512_i64gather_epi32(at[2 * k + 1], from, 4), 1));
      } else {
        stream_vector(out + i + 8 * k, _mm512_i64gather_epi64(at[k], from, 8));
      }
    }
  }
  return i + select<T>(n - i, length, index + i, from, out + i);
}
#define ACCEL_SELECT_FAR(type) select_far<type>
#else
#define ACCEL_SELECT_FAR(type) select<type>
#endif

extern const SelectKernels kSelects[4];
const SelectKernels kSelects[4] = {
    {select<uint8_t>, select<uint8_t>, all_positions, pick_elements<uint8_t>},
    {select<uint16_t>, select<uint16_t>, all_positions, pick_elements<uint16_t>},
    {select<uint32_t>, ACCEL_SELECT_FAR(uint32_t), all_positions, pick_elements<uint32_t>},
    {select<uint64_t>, ACCEL_SELECT_FAR(uint64_t), all_positions, pick_elements<uint64_t>},
};
#undef ACCEL_SELECT_FAR

}  // namespace accel::ACCEL_ISA
