// Jacobi's rotations of two rows (docs/numerics.md): sums in the canonical order, and what follows from them.
#pragma once

#include <algorithm>
#include <limits>

#include "contract.hpp"
#include "factor.hpp"
#include "operations.hpp"

namespace accel::ACCEL_ISA {

#include "functions/hypot.hpp"

static inline float hypot_of(float x, float y) { return accel_hypot_float32(x, y); }
static inline double hypot_of(double x, double y) { return accel_hypot_float64(x, y); }

template <class T>
struct Jacobi {
  using V = Vector<T>;
  static constexpr int kE = kElements<T>;
  static constexpr T kLeast = sizeof(T) == 4 ? T(0x1p-100) : T(0x1p-960);
  static constexpr T kTolerance = 2 * std::numeric_limits<T>::epsilon();

  static T folded(T (&lanes)[kLanes]) {
    for (int half = kLanes / 2; half > 0; half /= 2) {
      for (int l = 0; l < half; ++l) lanes[l] = lanes[l] + lanes[l + half];
    }
    return lanes[0];
  }

  /// N sums of elements from begin on, whole lanes, by term(i, terms), which gives a vector of each at i. kVectors: of
  /// lanes that are added to at once, so that all sums fit into registers.
  template <int N, int kVectors, class Term>
  ACCEL_LANES void block(int64_t begin, int64_t end, const Term& term, T (&totals)[N]) {
    constexpr int kWidth = std::min(kVectors, kLanes / kE);
    T lanes[N][kLanes];
    for (int from = 0; from < kLanes; from += kWidth * kE) {
      V sums[N][kWidth] = {};
      for (int64_t i = begin + from; i < end; i += kLanes) {
#pragma GCC unroll 4
        for (int v = 0; v < kWidth; ++v) {
          V terms[N];
          term(i + v * kE, terms);
#pragma GCC unroll 4
          for (int s = 0; s < N; ++s) sums[s][v] += terms[s];
        }
      }
      for (int s = 0; s < N; ++s) {
        for (int v = 0; v < kWidth; ++v) store(lanes[s] + from + v * kE, sums[s][v]);
      }
    }
    for (int s = 0; s < N; ++s) totals[s] = folded(lanes[s]);
  }

  /// The same of any number of blocks up to kBlock.
  template <int N, int kVectors, class Term>
  ACCEL_LANES void sums(int64_t length, const Term& term, T (&totals)[N]) {
    block<N, kVectors>(0, std::min<int64_t>(length, kBlock), term, totals);
    if (length <= kBlock) return;
    T lanes[N][kLanes] = {};
    for (int64_t i = 0; i * kBlock < length; ++i) {
      if (i > 0) block<N, kVectors>(i * kBlock, std::min<int64_t>(length, (i + 1) * kBlock), term, totals);
      for (int s = 0; s < N; ++s) lanes[s][i % kLanes] += totals[s];
    }
    for (int s = 0; s < N; ++s) totals[s] = folded(lanes[s]);
  }

  /// The sine of a rotation, and what both rows' changes are written with.
  struct Angle {
    bool turned;
    T s, tau;
  };

  /// Of squares of norms and a product of some magnitude. worst: the largest cosine that was met; NaN, once met, stays.
  static Angle angle(T a, T b, T product, T magnitude, T* worst) {
    const bool none = a < kLeast || b < kLeast;
    const T cosine = none ? magnitude * 0 : magnitude / (root(a) * root(b));
    if (*worst == *worst && !(cosine <= *worst)) *worst = cosine;
    if (!(cosine > kTolerance)) return {false, 0, 0};
    const T apart = (b - a) / (product + product);
    const T far = apart < 0 ? -apart : apart;
    const T least = T{1} / (far + (far > T(0x1p60) ? far : root(apart * apart + T{1})));
    const T tangent = apart < 0 ? -least : least, c = T{1} / root(tangent * tangent + T{1}), s = tangent * c;
    return {true, s, s / (c + T{1})};
  }

  ACCEL_LANES void turn(V s, V tau, T* p, T* q, V top, V bottom) {
    store(p, top - s * (bottom + tau * top));
    store(q, bottom + s * (top - tau * bottom));
  }

  static void rotate(int64_t length, int64_t step, void* first, void* second, void* worst) {
    T *const p = static_cast<T*>(first), *const q = static_cast<T*>(second);
    T found[3];
    sums<3, 4>(
        length,
        [=](int64_t i, V(&terms)[3]) {
          const V x = load(p + i), y = load(q + i);
          terms[0] = x * x;
          terms[1] = y * y;
          terms[2] = x * y;
        },
        found);
    const T g = found[2];
    const Angle by = angle(found[0], found[1], g, g < 0 ? -g : g, static_cast<T*>(worst));
    if (!by.turned) return;
    const V s = splat(by.s), tau = splat(by.tau);
    for (int64_t i = 0; i < step; i += kE) turn(s, tau, p + i, q + i, load(p + i), load(q + i));
  }
};

/// Of complex numbers: imaginary parts are `step` elements behind the real ones. The second row is turned first, by the
/// direction of the product of the first one and its conjugate, which is then real.
template <class T>
struct JacobiPair {
  using V = Vector<T>;
  using Real = Jacobi<T>;
  static constexpr int kE = kElements<T>;
  static constexpr bool kSingle = sizeof(T) == 4;
  static constexpr T kHigh = kSingle ? T(0x1p40) : T(0x1p340), kLow = kSingle ? T(0x1p-40) : T(0x1p-340);
  static constexpr T kDown = kSingle ? T(0x1p-45) : T(0x1p-375), kUp = kSingle ? T(0x1p45) : T(0x1p375);

  static void rotate(int64_t length, int64_t step, void* first, void* second, void* worst) {
    T *const p = static_cast<T*>(first), *const q = static_cast<T*>(second);
    T found[4];
    Real::template sums<4, 2>(
        length,
        [=](int64_t i, V(&terms)[4]) {
          const V a = load(p + i), b = load(p + step + i), c = load(q + i), d = load(q + step + i);
          terms[0] = a * a + b * b;
          terms[1] = c * c + d * d;
          terms[2] = a * c + b * d;
          terms[3] = b * c - a * d;
        },
        found);
    const T g = hypot_of(found[2], found[3]);
    const auto by = Real::angle(found[0], found[1], g, g, static_cast<T*>(worst));
    if (!by.turned) return;
    const T size = std::max(found[2] < 0 ? -found[2] : found[2], found[3] < 0 ? -found[3] : found[3]);
    const T scale = size > kHigh ? kDown : size < kLow ? kUp : T{1};
    const T re = found[2] * scale * scale, im = found[3] * scale * scale, norm = hypot_of(re, im);
    const V e = splat(re / norm), f = splat(im / norm), s = splat(by.s), tau = splat(by.tau);
    for (int64_t i = 0; i < step; i += kE) {
      const V c = load(q + i), d = load(q + step + i);
      Real::turn(s, tau, p + i, q + i, load(p + i), c * e - d * f);
      Real::turn(s, tau, p + step + i, q + step + i, load(p + step + i), c * f + d * e);
    }
  }
};

}  // namespace accel::ACCEL_ISA
