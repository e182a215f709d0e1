// Windows of few terms: every result is a chain of fma over elements at fixed distances.
#pragma once

#include <cstring>
#include <utility>

#include "../taps.hpp"
#include "vector.hpp"

namespace accel::ACCEL_ISA {

template <class T>
struct Taps {
  static constexpr int kE = kElements<T>;

  template <int V>
  ACCEL_LANES void chain_of(int64_t terms, const T* factors, const int64_t* offsets, const T* in, T* out) {
    Vector<T> sums[V] = {};
    for (int64_t t = 0; t < terms; ++t) {
      const Vector<T> factor = splat(factors[t]);
      const T* const from = in + offsets[t];
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sums[v] = fma<T>(factor, load(from + v * kE), sums[v]);
    }
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) store(out + v * kE, sums[v]);
  }

  static void chain(int64_t vectors, int64_t terms, const void* factors, const int64_t* offsets, const void* in,
                    void* out) {
    const T* const f = static_cast<const T*>(factors);
    const T* x = static_cast<const T*>(in);
    T* y = static_cast<T*>(out);
    for (; vectors >= 8; vectors -= 8, x += 8 * kE, y += 8 * kE) chain_of<8>(terms, f, offsets, x, y);
    for (; vectors >= 4; vectors -= 4, x += 4 * kE, y += 4 * kE) chain_of<4>(terms, f, offsets, x, y);
    for (; vectors > 0; --vectors, x += kE, y += kE) chain_of<1>(terms, f, offsets, x, y);
  }

  static void bring(int64_t rows, int64_t n, const void* src, int64_t src_row, int64_t step, void* dst,
                    int64_t dst_row) {
    const T* x = static_cast<const T*>(src);
    T* y = static_cast<T*>(dst);
    const int64_t whole = n / kE * kE;
    for (int64_t i = 0; i < rows; ++i, x += src_row, y += dst_row) {
      if (step == 1) {
        for_parts(n, [&](auto part, int64_t j) { part.store(y + j, part.load(x + j)); });
      } else if (step == 2) {
        for (int64_t j = 0; j < whole; j += kE) store(y + j, every_second(x + 2 * j, std::make_index_sequence<kE>{}));
        for (int64_t j = whole; j < n; ++j) y[j] = x[2 * j];
      } else {
        for (int64_t j = 0; j < n; ++j) y[j] = x[j * step];
      }
    }
  }

  /// A vector of Bytes at elements of any alignment.
  template <int Bytes>
  struct Part {
    static constexpr int64_t kLength = Bytes / sizeof(T);
    typedef T Type __attribute__((vector_size(Bytes)));
    static Type load(const T* x) {
      Type v;
      std::memcpy(&v, x, Bytes);
      return v;
    }
    static void store(T* y, Type v) { std::memcpy(y, &v, Bytes); }
  };

  /// Calls body(part, j) for vectors from j on that cover n elements and no others: the last one lies over its
  /// neighbour, or, of fewer elements than one has, halves of one do. A masked store takes as long as dozens of others.
  template <class Body>
  ACCEL_LANES void for_parts(int64_t n, Body body) {
    if (n >= kE) {
      for_parts_of<kE* static_cast<int>(sizeof(T))>(n, body);
    } else if (n * static_cast<int64_t>(sizeof(T)) >= 16) {
      for_parts_of<16>(n, body);
    } else {
      for (int64_t j = 0; j < n; ++j) body(Part<sizeof(T)>{}, j);
    }
  }

  template <int Bytes, class Body>
  ACCEL_LANES void for_parts_of(int64_t n, Body body) {
    constexpr int64_t kLength = Part<Bytes>::kLength;
    for (int64_t j = 0; j + kLength < n; j += kLength) body(Part<Bytes>{}, j);
    body(Part<Bytes>{}, n - kLength);
  }

  /// x[0], x[2], ... x[2 * kE - 2], and nothing behind it is read.
  template <size_t... I>
  ACCEL_LANES Vector<T> every_second(const T* x, std::index_sequence<I...>) {
    return __builtin_shufflevector(load(x), load(x + kE - 1), static_cast<int>(I < kE / 2 ? 2 * I : 2 * I + 1)...);
  }

  static void finish(int64_t rows, int64_t n, const void* src, int64_t src_row, const void* bias, void* dst,
                     int64_t dst_row, int64_t step) {
    const T* x = static_cast<const T*>(src);
    T* y = static_cast<T*>(dst);
    const T more = bias ? *static_cast<const T*>(bias) : T(0);  // what is +0 already stays so
    for (int64_t i = 0; i < rows; ++i, x += src_row, y += dst_row) {
      if (step == 1) {
        for_parts(n, [&](auto part, int64_t j) { part.store(y + j, (part.load(x + j) + T(0)) + more); });
      } else {
        for (int64_t j = 0; j < n; ++j) y[j * step] = (x[j] + T(0)) + more;
      }
    }
  }

  static constexpr TapRow row() { return {kCType<T>, kE, chain, bring, finish}; }
};

}  // namespace accel::ACCEL_ISA
