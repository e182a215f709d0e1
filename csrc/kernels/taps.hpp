// Windows of few terms: every result is a chain of fma over elements at fixed distances.
#pragma once

#include <algorithm>
#include <cstring>
#include <type_traits>
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

#if defined(__AVX2__)
  static void nine(const Planes& p, const void* factors, const void* x, const void* bias, void* out) {
    const int64_t wide = p.places[1];
    for (int64_t at = 0; at < wide; at += kE) {
      const int64_t from = at + kE > wide && wide > kE ? wide - kE : at;  // the last vector lies over its neighbour
      columns_of_nine(p, from, static_cast<const T*>(factors), static_cast<const T*>(x), static_cast<const T*>(bias),
                      static_cast<T*>(out));
    }
  }

  /// Places from column `at` on, as many as a vector has, or those that there are. A row of elements meets three rows
  /// of places, whose sums are in registers meanwhile: a place adds row by row. What comes next, where planes lie one
  /// after another, is asked for: columns of rows are no stream to a CPU.
  ACCEL_LANES void columns_of_nine(const Planes& p, int64_t at, const T* factors, const T* x, const T* bias, T* y) {
    Lanes lanes[3];
#pragma GCC unroll 3
    for (int k = 0; k < 3; ++k) lanes[k] = lanes_of(p.low[1] - k - at, p.lengths[1] + p.low[1] - k - at);
    const int64_t n = p.places[1] - at, rows = p.places[0] + 2, x_row = p.x_row, out_row = p.out_row;
    const int64_t begin = std::min(std::max<int64_t>(p.low[0], 0), rows);
    const int64_t end = std::min(std::max(p.low[0] + p.lengths[0], begin), rows);
    for (int64_t i = 0; i < p.count; ++i, factors += p.factors_plane) {
      Vector<T> factor[9];
#pragma GCC unroll 9
      for (int t = 0; t < 9; ++t) factor[t] = splat(factors[t]);
      const T beside = bias ? bias[i * p.bias_plane] : T(0);  // what is +0 already stays so
      const T* from = x + i * p.x_plane + (begin - p.low[0]) * x_row + at - p.low[1];
      T* to = y + i * p.out_plane + at - 2 * out_row;
      Vector<T> sums[3] = {};
      for (int64_t row = 0; row < rows; ++row, to += out_row) {
        sums[2] = sums[1];
        sums[1] = sums[0];
        sums[0] = Vector<T>{};
        if (row >= begin && row < end) {
#pragma GCC unroll 3
          for (int k = 0; k < 3; ++k) {
            const Vector<T> elements = load_lanes(from + k, lanes[k]);
#pragma GCC unroll 3
            for (int j = 0; j < 3; ++j) sums[j] = fma<T>(factor[3 * j + k], elements, sums[j]);
          }
          fetch(from, p.places[0] * x_row);
          from += x_row;
        }
        if (row < 2) continue;
        const Vector<T> result = (sums[2] + T(0)) + beside;
        fetch(to, p.places[0] * out_row);
        n < kE ? store_some(to, result, n) : store(to, result);
      }
    }
  }

  /// Lanes of a vector that are loaded; others read as 0, and nothing there is touched.
#if defined(__AVX512F__)
  using Lanes = std::conditional_t<sizeof(T) == 4, __mmask16, __mmask8>;
  ACCEL_LANES Vector<T> load_lanes(const T* p, Lanes lanes) {
    if constexpr (sizeof(T) == 4) {
      return (Vector<T>)_mm512_maskz_loadu_ps(lanes, p);
    } else {
      return (Vector<T>)_mm512_maskz_loadu_pd(lanes, p);
    }
  }
  /// Lanes from `begin` to end - 1.
  ACCEL_LANES Lanes lanes_of(int64_t begin, int64_t end) {
    const auto below = [](int64_t n) { return n <= 0 ? 0u : n >= kE ? (1u << kE) - 1 : (1u << n) - 1; };
    return static_cast<Lanes>(below(end) & ~below(begin));
  }
#else
  using Integer = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  using Lanes = Vector<Integer>;
  ACCEL_LANES Vector<T> load_lanes(const T* p, Lanes lanes) {
    if constexpr (sizeof(T) == 4) {
      return (Vector<T>)_mm256_maskload_ps(p, (__m256i)lanes);
    } else {
      return (Vector<T>)_mm256_maskload_pd(p, (__m256i)lanes);
    }
  }
  ACCEL_LANES Lanes lanes_of(int64_t begin, int64_t end) {
    const auto within = [](int64_t n) { return static_cast<Integer>(n < 0 ? 0 : n > kE ? kE : n); };
    Lanes lane;
    for (int j = 0; j < kE; ++j) lane[j] = j;
    return (lane >= within(begin)) & (lane < within(end));
  }
#endif
#else
  static constexpr decltype(TapRow::nine) nine = nullptr;
#endif

  /// Products with 0 are 0, or NaN, which stays in a sum.
  static bool finite(int64_t n, const void* data) {
    constexpr int kSums = 4;
    const T* const x = static_cast<const T*>(data);
    Vector<T> sums[kSums] = {};
    int64_t i = 0;
    for (; i + kSums * kE <= n; i += kSums * kE) {
#pragma GCC unroll 4
      for (int v = 0; v < kSums; ++v) sums[v] = fma<T>(load(x + i + v * kE), Vector<T>{}, sums[v]);
    }
    for (int v = 1; v < kSums; ++v) sums[0] += sums[v];
    T sum = 0;
    for (int j = 0; j < kE; ++j) sum += sums[0][j];
    for (; i < n; ++i) sum += x[i] * T(0);
    return sum == T(0);
  }

  static void bring(int64_t rows, int64_t n, const void* src, int64_t src_row, int64_t step, void* dst,
                    int64_t dst_row) {
    const T* x = static_cast<const T*>(src);
    T* y = static_cast<T*>(dst);
    for (int64_t i = 0; i < rows; ++i, x += src_row, y += dst_row) {
      if (step == 1) {
        for_parts(n, [&](auto part, int64_t j) { part.store(y + j, part.load(x + j)); });
      } else if (step == 2) {
        const auto some = [&](int64_t j) { store(y + j, every_second(x + 2 * j, std::make_index_sequence<kE>{})); };
        for (int64_t j = 0; j + kE < n; j += kE) some(j);
        n < kE ? bring_each(n, x, step, y) : some(n - kE);
      } else {
        bring_each(n, x, step, y);
      }
    }
  }

  ACCEL_LANES void bring_each(int64_t n, const T* x, int64_t step, T* y) {
    for (int64_t j = 0; j < n; ++j) y[j] = x[j * step];
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

  static constexpr TapRow row() { return {kCType<T>, kE, chain, nine, finite, bring, finish}; }
};

}  // namespace accel::ACCEL_ISA
