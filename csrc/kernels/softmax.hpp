// Softmax, log-softmax and log-sum-exp over contiguous elements: the steps between the folds.
#pragma once

#include "../kernels.hpp"
#include "copy.hpp"
#include "source.hpp"

namespace accel::ACCEL_ISA {

inline constexpr int64_t kSpan = 256;  // elements that are widened, or streamed, at a time

static inline float exponential(float x) { return accel_exp_float32(x); }
static inline double exponential(double x) { return accel_exp_float64(x); }
#if defined(__AVX2__)
ACCEL_LANES Vector<float> exponentials(Vector<float> x) { return accel_lanes_exp_float32(x); }
ACCEL_LANES Vector<double> exponentials(Vector<double> x) { return accel_lanes_exp_float64(x); }
#endif

/// A result's storage, rounded once from A.
template <class R, class A>
struct Target {
  using Storage = R;
  static R narrow(A a) { return a; }
};
template <>
struct Target<Float16Bits, float> {
  using Storage = uint16_t;
  static uint16_t narrow(float a) { return accel_cast_float32_float16(a); }
};
template <>
struct Target<Bfloat16Bits, float> {
  using Storage = uint16_t;
  /// accel_cast_float32_bfloat16 in fewer operations, which is free of the sign's and the NaN's bits here.
  static uint16_t narrow(float a) {
    const uint32_t bits = bitcast<uint32_t>(a), rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return static_cast<uint16_t>(a != a ? 0x7fc0 : rounded);
  }
};

/// fill(first, count, out + first) for elements [first, first + count), until all n are written.
template <class T, class Fill>
static inline void produce(int64_t n, T* out, bool past_caches, Fill&& fill) {
  int64_t i = 0;
  if (past_caches) {
    const int64_t before = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(out) % 64 / sizeof(T));
    i = before < n ? before : n;
    fill(0, i, out);
    for (; i + kSpan <= n; i += kSpan) {
      alignas(64) T span[kSpan];
      fill(i, kSpan, span);
      stream(sizeof span, out + i, span);
    }
  }
  fill(i, n - i, out + i);
}

#if defined(__FMA__) || defined(__aarch64__)
#define ACCEL_QUICK_FMA
#endif

#ifdef ACCEL_QUICK_FMA
/// Quotients by one denominator, rounded as division rounds, in four operations (P. Markstein, Computation of
/// elementary functions on the IBM RISC System/6000 processor, IBM J. Res. Dev. 34, 1990, theorem 8): where y is 1 / b
/// rounded, q is one of the two neighbours of a / b, and r = a - q b is exact, q + r y rounds to the quotient.
template <class A>
struct Quotient {
  using U = std::conditional_t<sizeof(A) == 4, uint32_t, uint64_t>;
  // Numerators from kLeast to 1 and denominators from 1 to kMost: nothing that is rounded on the way is subnormal.
  static constexpr A kLeast = sizeof(A) == 4 ? A(0x1p-70) : A(0x1p-500), kMost = A(0x1p30);
  Vector<A> b, y, rest;  // 1 / b is y + rest, nearly

  explicit Quotient(A denominator) : b(splat(denominator)), y(splat(A(1) / denominator)) {
    rest = fma<A>(-b, y, splat(A(1))) * y;
  }

  static bool takes(A denominator) { return denominator >= 1 && denominator <= kMost; }

  Vector<A> of(Vector<A> a) const {
    const Vector<A> q = fma<A>(a, y, a * rest);
    return fma<A>(fma<A>(-q, b, a), y, q);
  }

  /// out[i] = x[i] / b, x not negative.
  void all(int64_t n, const A* x, A* out) const {
    constexpr int kE = kElements<A>;
    int64_t i = 0;
    for (; i + 4 * kE <= n; i += 4 * kE) {
      Vector<U> least = splat(static_cast<U>(~U{0}));
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const Vector<U> below =
            bitcast<Vector<U>>(load(x + i + j * kE)) - 1;  // zero, which any way gives, is above all
        least = below < least ? below : least;
      }
      const bool small = any_true(least < bitcast<U>(kLeast) - 1);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const Vector<A> a = load(x + i + j * kE);
        store(out + i + j * kE, __builtin_expect(small, 0) ? a / b : of(a));
      }
    }
    for (; i + kE <= n; i += kE) store(out + i, load(x + i) / b);
    if (i < n) store_some(out + i, load_some(x + i, n - i) / b, n - i);
  }
};
#endif

/// out[i] = x[i] / total, x not negative.
template <class A>
static inline void divide(int64_t n, const A* x, A total, A* out) {
#ifdef ACCEL_QUICK_FMA
  if (Quotient<A>::takes(total)) return Quotient<A>(total).all(n, x, out);
#endif
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) out[i] = x[i] / total;
}

/// Operand elements stored as S, computed as A, results stored as R.
template <class S, class A, class R>
struct Softmax {
  using In = typename Source<S, A>::Storage;
  using Out = typename Target<R, A>::Storage;

  static void powers(int64_t n, const void* data, const void* shift_at, void* result) {
    const A shift = *static_cast<const A*>(shift_at);
    A* const out = static_cast<A*>(result);
    widened(n, data, [&](int64_t first, int64_t count, const A* x) {
      int64_t i = 0;
#if defined(__AVX2__)
      const Vector<A> shifts = splat(shift);
      i = in_pairs<kElements<A>>(
          0, count, [&](int64_t at) __attribute__((always_inline)) { return exponentials(load(x + at) - shifts); },
          [&](int64_t at, Vector<A> lanes) __attribute__((always_inline)) { store(out + first + at, lanes); });
#endif
#pragma GCC ivdep
      for (; i < count; ++i) out[first + i] = exponential(x[i] - shift);
    });
  }

  static void quotients(int64_t n, const void* data, const void* total_at, bool past_caches, void* result) {
    const A* const x = static_cast<const A*>(data);
    const A total = *static_cast<const A*>(total_at);
    produce(n, static_cast<Out*>(result), past_caches, [&](int64_t first, int64_t count, Out* out) {
      if constexpr (std::is_same_v<Out, A>) {
        divide(count, x + first, total, out);
      } else {
        A span[kSpan];
        for (int64_t done = 0, here; done < count; done += here) {
          here = count - done < kSpan ? count - done : kSpan;
          divide(here, x + first + done, total, span);
#pragma GCC ivdep
          for (int64_t i = 0; i < here; ++i) out[done + i] = Target<R, A>::narrow(span[i]);
        }
      }
    });
    if (past_caches) fence_stream();
  }

  static void distances(int64_t n, const void* data, const void* shift_at, const void* log_at, bool past_caches,
                        void* result) {
    const A shift = *static_cast<const A*>(shift_at), log_total = *static_cast<const A*>(log_at);
    Out* const out = static_cast<Out*>(result);
    const auto write = [&](int64_t first, int64_t count, const A* x) {
      produce(count, out + first, past_caches, [&](int64_t begin, int64_t length, Out* to) {
#pragma GCC ivdep
        for (int64_t i = 0; i < length; ++i) to[i] = Target<R, A>::narrow((x[begin + i] - shift) - log_total);
      });
    };
    widened(n, data, write);
    if (past_caches) fence_stream();
  }

  static constexpr SoftmaxRow row(DType from, DType to) { return {from, to, powers, quotients, distances}; }

 private:
  /// Calls body(first, count, elements first to first + count, as A).
  template <class Body>
  static void widened(int64_t n, const void* data, Body&& body) {
    const In* const x = static_cast<const In*>(data);
    if constexpr (std::is_same_v<In, A>) {
      body(0, n, x);
    } else {
      constexpr int kE = kElements<A>;
      for (int64_t first = 0; first < n; first += kSpan) {
        const int64_t count = n - first < kSpan ? n - first : kSpan;
        alignas(64) A span[kSpan];
        int64_t i = 0;
        for (; i + kE <= count; i += kE) store(span + i, Source<S, A>::vector(x + first + i));
        for (; i < count; ++i) span[i] = Source<S, A>::one(x + first + i);
        body(first, count, span);
      }
    }
  }
};

static constexpr SoftmaxRow kSoftmaxes[] = {
    Softmax<float, float, float>::row(DType::kFloat32, DType::kFloat32),
    Softmax<double, double, double>::row(DType::kFloat64, DType::kFloat64),
    Softmax<Float16Bits, float, Float16Bits>::row(DType::kFloat16, DType::kFloat16),
    Softmax<Float16Bits, float, float>::row(DType::kFloat16, DType::kFloat32),
    Softmax<Bfloat16Bits, float, Bfloat16Bits>::row(DType::kBfloat16, DType::kBfloat16),
    Softmax<Bfloat16Bits, float, float>::row(DType::kBfloat16, DType::kFloat32),
};

}  // namespace accel::ACCEL_ISA
