// Factorisations of blocks, element by element: each element is one chain of fma over ascending k, and then a quotient
// or a root.
#pragma once

#include "../kernels.hpp"
#include "contract.hpp"
#include "vector.hpp"

namespace accel::ACCEL_ISA {

static inline float root(float x) { return sqrt_f32(x); }
static inline double root(double x) { return sqrt_f64(x); }
static inline float fma_of(float a, float b, float c) { return fma_f32(a, b, c); }
static inline double fma_of(double a, double b, double c) { return fma_f64(a, b, c); }

using Rotation = void (*)(int64_t length, int64_t step, void* p, void* q, void* worst);

template <class T>
struct Factor {
  using V = Vector<T>;
  using Bits = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  static constexpr int kE = kElements<T>;
  static constexpr int kMost = 8;  // vectors of columns that are solved for together: as many chains of fma
  static_assert(kFactor % kE == 0, "a row of a block is whole vectors");

  static void cholesky(int64_t n, void* memory) {
    T* const u = static_cast<T*>(memory);
    for (int64_t k = 0; k < n; ++k) {
      T* const row = u + k * kFactor;
      const T pivot = root(row[k]);
      const V divisor = splat(pivot);
      for (int64_t j = k / kE * kE; j < n; j += kE) store(row + j, load(row + j) / divisor);
      row[k] = pivot;
      for (int64_t i = k + 1; i < n; ++i) {
        T* const to = u + i * kFactor;
        const V factor = splat(-row[i]);
        for (int64_t j = i / kE * kE; j < n; j += kE) store(to + j, fma<T>(factor, load(row + j), load(to + j)));
      }
    }
  }

  /// Bits of |x|, which grow with it; those of NaN are above all others.
  static Bits magnitude(T x) { return bitcast<Bits>(x) & static_cast<Bits>(~(Bits{1} << (8 * sizeof(T) - 1))); }

  static int64_t eliminate(int64_t k, int64_t m, int64_t n, void* memory, int64_t step) {
    T* const a = static_cast<T*>(memory);
    T* const column = a + k * step;
    Bits best = -1;
    for (int64_t i = k; i < m; ++i) {
      const Bits mine = magnitude(column[i]);
      best = mine > best ? mine : best;
    }
    int64_t p = k;
    while (magnitude(column[p]) != best) ++p;
    if (p != k) {
      for (int64_t j = 0; j < n; ++j) {
        const T kept = a[j * step + k];
        a[j * step + k] = a[j * step + p];
        a[j * step + p] = kept;
      }
    }
    const T pivot = column[k];
    if (pivot != 0) {
      const V divisor = splat(pivot);
      for (int64_t i = k + 1; i < m; i += kE) store(column + i, load(column + i) / divisor);
    }
    int64_t j = k + 1;
    for (; j + 4 <= n; j += 4) update<4>(k, m, column, a + j * step, step);
    for (; j < n; ++j) update<1>(k, m, column, a + j * step, step);
    return p;
  }

  /// N columns, each less its element of row k times the factors below.
  template <int N>
  static void update(int64_t k, int64_t m, const T* column, T* a, int64_t step) {
    V factor[N];
    for (int j = 0; j < N; ++j) factor[j] = splat(-a[j * step + k]);
    for (int64_t i = k + 1; i < m; i += kE) {
      const V l = load(column + i);
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) store(a + j * step + i, fma<T>(l, factor[j], load(a + j * step + i)));
    }
  }

  /// The sum of x[i] * y[i] by lanes of fma, n a multiple of kLanes.
  static T dot(int64_t n, const T* x, const T* y) {
    V sums[kLanes / kE] = {};
    for (int64_t i = 0; i < n; i += kLanes) {
#pragma GCC unroll 32
      for (int l = 0; l < kLanes / kE; ++l) sums[l] = fma<T>(load(x + i + l * kE), load(y + i + l * kE), sums[l]);
    }
    T lanes[kLanes];
    memcpy(lanes, sums, sizeof lanes);
    for (int half = kLanes / 2; half > 0; half /= 2) {
      for (int l = 0; l < half; ++l) lanes[l] = lanes[l] + lanes[l + half];
    }
    return lanes[0];
  }

  static void reflect(int64_t k, int64_t m, int64_t n, void* memory, int64_t step, void* room, void* result) {
    T *const a = static_cast<T*>(memory), *const column = a + k * step, *const v = static_cast<T*>(room);
    T* const tau = static_cast<T*>(result);
    for (int64_t i = 0; i < step; ++i) v[i] = i > k ? column[i] : T{0};
    const T sum = dot(step, v, v), head = column[k];
    if (sum == 0) {
      for (int64_t i = k + 1; i < m; ++i) column[i] = 0;
      *tau = 0;
      return;
    }
    const T norm = root(fma_of(head, head, sum)), top = head < 0 ? norm : -norm, divisor = head - top;
    for (int64_t i = k + 1; i < m; ++i) column[i] = v[i] = v[i] / divisor;
    v[k] = 1;
    column[k] = top;
    *tau = divisor / -top;
    for (int64_t j = k + 1; j < n; ++j) {
      T* const to = a + j * step;
      const V factor = splat(-(*tau * dot(step, v, to)));
      int64_t i = k;
      for (; i + kE <= m; i += kE) store(to + i, fma<T>(load(v + i), factor, load(to + i)));
      if (i < m) store_some(to + i, fma<T>(load_some(v + i, m - i), factor, load_some(to + i, m - i)), m - i);
    }
  }

  static void solve(int64_t n, int64_t vectors, const void* l, bool unit, void* x, int64_t step) {
    T* at = static_cast<T*>(x);
    const auto take = [&](auto tile, int64_t width) {
      for (; vectors >= width; vectors -= width, at += width * kE) tile(n, static_cast<const T*>(l), unit, at, step);
    };
    take(solve_tile<kMost>, kMost);
    take(solve_tile<4>, 4);
    take(solve_tile<2>, 2);
    take(solve_tile<1>, 1);
  }

  template <int N>
  static void solve_tile(int64_t n, const T* l, bool unit, T* x, int64_t step) {
    for (int64_t i = 0; i < n; ++i) {
      const T* const row = l + i * kFactor;
      V sum[N];
#pragma GCC unroll 8
      for (int v = 0; v < N; ++v) sum[v] = load(x + i * step + v * kE);
      for (int64_t k = 0; k < i; ++k) {
        const V factor = splat(-row[k]);
#pragma GCC unroll 8
        for (int v = 0; v < N; ++v) sum[v] = fma<T>(factor, load(x + k * step + v * kE), sum[v]);
      }
      if (!unit) {
        const V divisor = splat(row[i]);
#pragma GCC unroll 8
        for (int v = 0; v < N; ++v) sum[v] = sum[v] / divisor;
      }
#pragma GCC unroll 8
      for (int v = 0; v < N; ++v) store(x + i * step + v * kE, sum[v]);
    }
  }

  static constexpr FactorRow row(Rotation rotate) {
    return {kCType<T>, kE, cholesky, eliminate, reflect, solve, rotate};
  }
};

}  // namespace accel::ACCEL_ISA
