// Factorisations of blocks of complex numbers, which are pairs of planes: of each array the imaginary parts follow all
// real ones. What is one fma of real numbers is four, in the order of docs/numerics.md, rule 7.
#pragma once

#include <limits>

#include "factor.hpp"

namespace accel::ACCEL_ISA {

template <class T>
struct FactorPair {
  using V = Vector<T>;
  using Real = Factor<T>;
  using Bits = typename Real::Bits;
  static constexpr int kE = kElements<T>;
  static constexpr int kMost = 4;  // vectors of columns that are solved for together
  static constexpr int64_t kBlock = kFactor * kFactor;

  template <class N>
  struct Number {
    N re, im;
  };

  /// c + a * b, the number a being [[re, -im], [im, re]].
  ACCEL_LANES Number<V> add(Number<V> a, Number<V> b, Number<V> c) {
    return {fma<T>(-a.im, b.im, fma<T>(a.re, b.re, c.re)), fma<T>(a.re, b.im, fma<T>(a.im, b.re, c.im))};
  }

  ACCEL_LANES Number<V> load_pair(const T* p, int64_t plane) { return {load(p), load(p + plane)}; }
  ACCEL_LANES void store_pair(T* p, int64_t plane, Number<V> x) {
    store(p, x.re);
    store(p + plane, x.im);
  }

  /// Divides by c + di: both are turned by -i where d is the larger one, so that the quotient r of the parts is small.
  struct Divisor {
    T r, size;
    bool turned;
    Divisor(T c, T d) : turned((d < 0 ? -d : d) > (c < 0 ? -c : c)) {
      const T first = turned ? d : c, second = turned ? -c : d;
      r = second / first;
      size = fma_of(second, r, first);
    }
    Number<V> divide(Number<V> x) const {
      const V a = turned ? x.im : x.re, b = turned ? -x.re : x.im, by = splat(size), ratio = splat(r);
      return {fma<T>(b, ratio, a) / by, fma<T>(-a, ratio, b) / by};
    }
  };

  static void cholesky(int64_t n, void* memory) {
    T* const u = static_cast<T*>(memory);
    for (int64_t k = 0; k < n; ++k) {
      T* const row = u + k * kFactor;
      const T pivot = root(row[k]);
      const V divisor = splat(pivot);
      for (int64_t j = k / kE * kE; j < n; j += kE) {
        const Number<V> x = load_pair(row + j, kBlock);
        store_pair(row + j, kBlock, {x.re / divisor, x.im / divisor});
      }
      row[k] = pivot;
      row[kBlock + k] = 0;
      for (int64_t i = k + 1; i < n; ++i) {
        T* const to = u + i * kFactor;
        const Number<V> factor = {splat(-row[i]), splat(row[kBlock + i])};
        for (int64_t j = i / kE * kE; j < n; j += kE) {
          store_pair(to + j, kBlock, add(load_pair(row + j, kBlock), factor, load_pair(to + j, kBlock)));
        }
      }
    }
  }

  /// Bits of |re| + |im|, which grow with it; those of NaN are above all others.
  static Bits magnitude(T re, T im) {
    const T sum = bitcast<T>(Real::magnitude(re)) + bitcast<T>(Real::magnitude(im));
    return sum == sum ? bitcast<Bits>(sum) : std::numeric_limits<Bits>::max();
  }

  static int64_t eliminate(int64_t k, int64_t m, int64_t n, void* memory, int64_t step) {
    T* const a = static_cast<T*>(memory);
    T* const column = a + k * step;
    const int64_t plane = n * step;
    Bits best = -1;
    for (int64_t i = k; i < m; ++i) {
      const Bits mine = magnitude(column[i], column[plane + i]);
      best = mine > best ? mine : best;
    }
    int64_t p = k;
    while (magnitude(column[p], column[plane + p]) != best) ++p;
    if (p != k) {
      for (int64_t j = 0; j < 2 * n; ++j) {
        const T kept = a[j * step + k];
        a[j * step + k] = a[j * step + p];
        a[j * step + p] = kept;
      }
    }
    if (column[k] != 0 || column[plane + k] != 0) {
      const Divisor pivot(column[k], column[plane + k]);
      for (int64_t i = k + 1; i < m; i += kE) {
        store_pair(column + i, plane, pivot.divide(load_pair(column + i, plane)));
      }
    }
    int64_t j = k + 1;
    for (; j + 2 <= n; j += 2) update<2>(k, m, column, a + j * step, step, plane);
    for (; j < n; ++j) update<1>(k, m, column, a + j * step, step, plane);
    return p;
  }

  template <int N>
  static void update(int64_t k, int64_t m, const T* column, T* a, int64_t step, int64_t plane) {
    Number<V> factor[N];
    for (int j = 0; j < N; ++j) factor[j] = {splat(-a[j * step + k]), splat(-a[j * step + plane + k])};
    for (int64_t i = k + 1; i < m; i += kE) {
      const Number<V> l = load_pair(column + i, plane);
#pragma GCC unroll 2
      for (int j = 0; j < N; ++j) {
        T* const to = a + j * step + i;
        store_pair(to, plane, add(l, factor[j], load_pair(to, plane)));
      }
    }
  }

  static T folded(const V (&sums)[kLanes / kE]) {
    T lanes[kLanes];
    memcpy(lanes, sums, sizeof lanes);
    for (int half = kLanes / 2; half > 0; half /= 2) {
      for (int l = 0; l < half; ++l) lanes[l] = lanes[l] + lanes[l + half];
    }
    return lanes[0];
  }

  /// The sum of conj(x[i]) * y[i] by lanes, n a multiple of kLanes.
  static Number<T> dot(int64_t n, const T* x, int64_t x_plane, const T* y, int64_t y_plane) {
    V re[kLanes / kE] = {}, im[kLanes / kE] = {};
    for (int64_t i = 0; i < n; i += kLanes) {
      for (int l = 0; l < kLanes / kE; ++l) {
        const Number<V> a = load_pair(x + i + l * kE, x_plane);
        const Number<V> sum = add({a.re, -a.im}, load_pair(y + i + l * kE, y_plane), {re[l], im[l]});
        re[l] = sum.re;
        im[l] = sum.im;
      }
    }
    return {folded(re), folded(im)};
  }

  static void reflect(int64_t k, int64_t m, int64_t n, void* memory, int64_t step, void* room, void* result) {
    T *const a = static_cast<T*>(memory), *const column = a + k * step, *const v = static_cast<T*>(room);
    T* const tau = static_cast<T*>(result);
    const int64_t plane = n * step;
    for (int64_t i = 0; i < step; ++i) {
      v[i] = i > k ? column[i] : T{0};
      v[step + i] = i > k ? column[plane + i] : T{0};
    }
    const T sum = dot(step, v, step, v, step).re, re = column[k], im = column[plane + k];
    if (sum == 0) {
      for (int64_t i = k + 1; i < m; ++i) column[i] = column[plane + i] = 0;
      *tau = 0;
      return;
    }
    const T square = fma_of(im, im, re * re), head = root(square), norm = root(square + sum), size = head + norm;
    const T along = head == 0 ? T{1} : re / head, across = head == 0 ? T{0} : im / head;
    const V divisor = splat(size), e = splat(along), f = splat(across);
    for (int64_t i = (k + 1) / kE * kE; i < m; i += kE) {
      const Number<V> x = load_pair(v + i, step);
      store_pair(v + i, step, {fma<T>(x.im, f, x.re * e) / divisor, fma<T>(-x.re, f, x.im * e) / divisor});
    }
    for (int64_t i = k + 1; i < m; ++i) {
      column[i] = v[i];
      column[plane + i] = v[step + i];
    }
    for (int64_t i = k / kE * kE; i <= k; ++i) v[i] = v[step + i] = 0;
    for (int64_t i = m; i < step; ++i) v[i] = v[step + i] = 0;
    v[k] = 1;
    column[k] = -(along * norm);
    column[plane + k] = -(across * norm);
    *tau = size / norm;
    for (int64_t j = k + 1; j < n; ++j) {
      T* const to = a + j * step;
      const Number<T> w = dot(step, v, step, to, plane);
      const Number<V> factor = {splat(-(*tau * w.re)), splat(-(*tau * w.im))};
      int64_t i = k;
      for (; i + kE <= m; i += kE)
        store_pair(to + i, plane, add(load_pair(v + i, step), factor, load_pair(to + i, plane)));
      if (i < m) {
        const int64_t left = m - i;
        const Number<V> x = {load_some(v + i, left), load_some(v + step + i, left)};
        const Number<V> made = add(x, factor, {load_some(to + i, left), load_some(to + plane + i, left)});
        store_some(to + i, made.re, left);
        store_some(to + plane + i, made.im, left);
      }
    }
  }

  static void solve(int64_t n, int64_t vectors, const void* l, bool unit, void* x, int64_t step) {
    T* at = static_cast<T*>(x);
    const auto take = [&](auto tile, int64_t width) {
      for (; vectors >= width; vectors -= width, at += width * kE) tile(n, static_cast<const T*>(l), unit, at, step);
    };
    take(solve_tile<kMost>, kMost);
    take(solve_tile<1>, 1);
  }

  template <int N>
  static void solve_tile(int64_t n, const T* l, bool unit, T* x, int64_t step) {
    const int64_t plane = n * step;
    for (int64_t i = 0; i < n; ++i) {
      const T* const row = l + i * kFactor;
      Number<V> sum[N];
#pragma GCC unroll 4
      for (int v = 0; v < N; ++v) sum[v] = load_pair(x + i * step + v * kE, plane);
      for (int64_t k = 0; k < i; ++k) {
        const Number<V> factor = {splat(-row[k]), splat(-row[kBlock + k])};
#pragma GCC unroll 4
        for (int v = 0; v < N; ++v) sum[v] = add(factor, load_pair(x + k * step + v * kE, plane), sum[v]);
      }
      if (!unit) {
        const Divisor divisor(row[i], row[kBlock + i]);
#pragma GCC unroll 4
        for (int v = 0; v < N; ++v) sum[v] = divisor.divide(sum[v]);
      }
#pragma GCC unroll 4
      for (int v = 0; v < N; ++v) store_pair(x + i * step + v * kE, plane, sum[v]);
    }
  }

  static constexpr FactorRow row(Rotation rotate) {
    return {kCType<T>, kE, cholesky, eliminate, reflect, solve, rotate};
  }
};

}  // namespace accel::ACCEL_ISA
