// Moving elements without computing: stores that bypass the caches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "vector.hpp"

namespace accel::ACCEL_ISA {

#if defined(__x86_64__)
static inline void store_past_caches(void* p, const void* x) {
#if defined(__AVX512F__)
  _mm512_stream_si512(static_cast<__m512i*>(p), _mm512_loadu_si512(x));
#else
  for (int i = 0; i < 64; i += 16) {
    const __m128i part = _mm_loadu_si128(reinterpret_cast<const __m128i*>(static_cast<const char*>(x) + i));
    _mm_stream_si128(reinterpret_cast<__m128i*>(static_cast<char*>(p) + i), part);
  }
#endif
}
#endif

/// Copies past the caches whole lines of 64 bytes. Other threads see them after fence_stream.
static void stream(size_t bytes, void* dst, const void* src) {
#if defined(__x86_64__)
  char* out = static_cast<char*>(dst);
  const char* x = static_cast<const char*>(src);
  size_t at = -reinterpret_cast<uintptr_t>(out) % 64;
  if (at > bytes) at = bytes;
  memcpy(out, x, at);
  for (; at + 64 <= bytes; at += 64) store_past_caches(out + at, x + at);
  memcpy(out + at, x + at, bytes - at);
#else
  memcpy(dst, src, bytes);
#endif
}

static void fence_stream() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

}  // namespace accel::ACCEL_ISA
