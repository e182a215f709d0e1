// Moving elements without computing: stores that bypass the caches, and elements in reverse.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

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

template <class T, size_t... I>
ACCEL_LANES Vector<T> reversed(Vector<T> v, std::index_sequence<I...>) {
  return __builtin_shufflevector(v, v, (kElements<T> - 1 - static_cast<int>(I))...);
}

template <class T, bool kStreams>
static void reverse_as(int64_t n, T* dst, const T* src) {
  constexpr int kE = kElements<T>;
  int64_t i = 0;
  if (kStreams) {
    for (; i < n && reinterpret_cast<uintptr_t>(dst + i) % ACCEL_VECTOR_BYTES; ++i) dst[i] = src[-i];
  }
#pragma GCC unroll 4
  for (; i + kE <= n; i += kE) {
    const Vector<T> v = reversed<T>(load(src - i - (kE - 1)), std::make_index_sequence<kE>{});
    if constexpr (kStreams) {
      stream_vector(dst + i, v);
    } else {
      store(dst + i, v);
    }
  }
  for (; i < n; ++i) dst[i] = src[-i];
}

/// dst[i] = src[-i] for elements of `size` bytes; `streams`: past the caches.
static void reverse(int size, int64_t n, void* dst, const void* src, bool streams) {
  const auto as = [&](auto zero) {
    using T = decltype(zero);
    (streams ? reverse_as<T, true> : reverse_as<T, false>)(n, static_cast<T*>(dst), static_cast<const T*>(src));
  };
  size == 1 ? as(uint8_t{}) : size == 2 ? as(uint16_t{}) : size == 4 ? as(uint32_t{}) : as(uint64_t{});
}

}  // namespace accel::ACCEL_ISA
