// Steps that rows take most often, several or a quicker one in a pass: the bits are those of the steps one by one.
#pragma once

#include "../kernels.hpp"
#include "pointwise.hpp"
#include "source.hpp"

namespace accel::ACCEL_ISA {

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
  static constexpr U kSign = U{1} << (8 * sizeof(A) - 1);
  // Magnitudes of numerators, but for zeros, and of denominators, so that r is exact, and what is lost of a subnormal
  // a * rest is far below the last bit of q.
  static constexpr A kLeast = sizeof(A) == 4 ? A(0x1p-70) : A(0x1p-500), kMost = 1 / kLeast, kDenominator = A(0x1p30);
  Vector<A> b, y, rest;  // 1 / b is y + rest, nearly

  explicit Quotient(A denominator) : b(splat(denominator)), y(splat(A(1) / denominator)) {
    rest = fma<A>(-b, y, splat(A(1))) * y;
  }

  static bool takes(A denominator) {
    const A magnitude = denominator < 0 ? -denominator : denominator;
    return magnitude >= 1 / kDenominator && magnitude <= kDenominator;
  }

  Vector<A> of(Vector<A> a) const {
    const Vector<A> q = fma<A>(a, y, a * rest);
    const Vector<U> bits = bitcast<Vector<U>>(fma<A>(fma<A>(-q, b, a), y, q));
    // A zero comes out as +0.
    return bitcast<Vector<A>>((bits & ~kSign) | ((bitcast<Vector<U>>(a) ^ bitcast<Vector<U>>(b)) & kSign));
  }

  template <bool kStreams>
  static void write(A* p, Vector<A> quotients) {
#if defined(__AVX2__)
    if constexpr (kStreams) return stream_vector(p, quotients);
#endif
    store(p, quotients);
  }

  template <bool kStreams>
  void all(int64_t n, A* out, const A* x) const {
    constexpr int kE = kElements<A>;
    int64_t i = 0;
    if constexpr (kStreams) {
      const int64_t before = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(out) % sizeof(b) / sizeof(A));
      i = before < n ? before : n;
      if (i > 0) store_some(out, load_some(x, i) / b, i);
    }
    for (; i + 4 * kE <= n; i += 4 * kE) {
      Vector<U> least = splat(static_cast<U>(~U{0})), most{};
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const Vector<U> magnitude = bitcast<Vector<U>>(load(x + i + j * kE)) & ~kSign;
        const Vector<U> below = magnitude - 1;  // zero, which any way gives, is above all
        least = below < least ? below : least;
        most = magnitude > most ? magnitude : most;
      }
      const bool beyond = any_true((least < bitcast<U>(kLeast) - 1) | (most > bitcast<U>(kMost)));
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const Vector<A> a = load(x + i + j * kE);
        write<kStreams>(out + i + j * kE, __builtin_expect(beyond, 0) ? a / b : of(a));
      }
    }
    for (; i + kE <= n; i += kE) store(out + i, load(x + i) / b);
    if (i < n) store_some(out + i, load_some(x + i, n - i) / b, n - i);
  }
};

/// x / b, of which b is one element.
template <class A>
static void divide_by_one(int64_t n, void* out, const void* const* args, unsigned options) {
  const A b = *static_cast<const A*>(args[1]);
  if (options != 1u << 1 && options != (1u << 1 | kStream)) return;  // not asked for
  A* const to = static_cast<A*>(out);
  const A* const x = static_cast<const A*>(args[0]);
  if (!Quotient<A>::takes(b)) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) to[i] = x[i] / b;
  } else if (options & kStream) {
    Quotient<A>(b).template all<true>(n, to, x);
  } else {
    Quotient<A>(b).template all<false>(n, to, x);
  }
}
#endif

// Two steps, (a first b) second c, as "first second".

#define ACCEL_PAIR_STEPS(ROW)   \
  ROW(add, add, +, +)           \
  ROW(add, subtract, +, -)      \
  ROW(add, multiply, +, *)      \
  ROW(subtract, add, -, +)      \
  ROW(subtract, subtract, -, -) \
  ROW(subtract, multiply, -, *) \
  ROW(multiply, add, *, +)      \
  ROW(multiply, subtract, *, -) \
  ROW(multiply, multiply, *, *)

#define ACCEL_PAIR(first, second, f, s)                      \
  template <class T>                                         \
  static inline T first##_##second##_scalar(T a, T b, T c) { \
    return (a f b)s c;                                       \
  }
ACCEL_PAIR_STEPS(ACCEL_PAIR)
#undef ACCEL_PAIR

template <class T>
static inline T subtract_square_scalar(T a, T b) {
  return (a - b) * (a - b);
}
static inline float subtract_exp_scalar(float a, float b) { return accel_exp_float32(a - b); }
static inline double subtract_exp_scalar(double a, double b) { return accel_exp_float64(a - b); }

#if defined(__AVX2__)
#define ACCEL_PAIR(first, second, f, s)                                                   \
  template <class T>                                                                      \
  ACCEL_LANES Vector<T> first##_##second##_lanes(Vector<T> a, Vector<T> b, Vector<T> c) { \
    return (a f b)s c;                                                                    \
  }
ACCEL_PAIR_STEPS(ACCEL_PAIR)
#undef ACCEL_PAIR

template <class T>
ACCEL_LANES Vector<T> subtract_square_lanes(Vector<T> a, Vector<T> b) {
  return (a - b) * (a - b);
}
template <class T>
ACCEL_LANES Vector<T> subtract_exp_lanes(Vector<T> a, Vector<T> b) {
  if constexpr (sizeof(T) == 4) {
    return accel_lanes_exp_float32(a - b);
  } else {
    return accel_lanes_exp_float64(a - b);
  }
}
#define ACCEL_TWO(first, second, T, dtype) \
  LanesLoop<first##_##second##_lanes<T>, T (*)(T, T)>::row(#first " " #second, dtype)
#define ACCEL_THREE(first, second, T, dtype) \
  LanesLoop<first##_##second##_lanes<T>, T (*)(T, T, T)>::row(#first " " #second, dtype)
#else
#define ACCEL_TWO(first, second, T, dtype) \
  Loop<static_cast<T (*)(T, T)>(first##_##second##_scalar)>::row(#first " " #second, dtype)
#define ACCEL_THREE(first, second, T, dtype) \
  Loop<static_cast<T (*)(T, T, T)>(first##_##second##_scalar)>::row(#first " " #second, dtype)
#endif

#define ACCEL_ROW(first, second, f, s) \
  ACCEL_THREE(first, second, float, "float32"), ACCEL_THREE(first, second, double, "float64"),
static constexpr FunctionRow kPairs[] = {
    ACCEL_PAIR_STEPS(ACCEL_ROW)  //
    ACCEL_TWO(subtract, square, float, "float32"),
    ACCEL_TWO(subtract, square, double, "float64"),
    ACCEL_TWO(subtract, exp, float, "float32"),
    ACCEL_TWO(subtract, exp, double, "float64"),
};
#undef ACCEL_ROW
#undef ACCEL_THREE
#undef ACCEL_TWO
#undef ACCEL_PAIR_STEPS

#ifdef ACCEL_QUICK_FMA
static constexpr FunctionRow kQuotients[] = {
    {"divide", "float32", 2, {CType::kF32, CType::kF32}, CType::kF32, nullptr, divide_by_one<float>},
    {"divide", "float64", 2, {CType::kF64, CType::kF64}, CType::kF64, nullptr, divide_by_one<double>},
};
#endif

}  // namespace accel::ACCEL_ISA
