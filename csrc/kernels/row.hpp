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

  /// Of numerators in range; those of -0 may come out as +0.
  Vector<A> of(Vector<A> a) const {
    const Vector<A> q = fma<A>(a, y, a * rest);
    return fma<A>(fma<A>(-q, b, a), y, q);
  }

  /// The same with the sign that a zero has too.
  Vector<A> with_sign(Vector<A> a) const {
    const Vector<U> bits = bitcast<Vector<U>>(of(a)), sign = bitcast<Vector<U>>(a) ^ bitcast<Vector<U>>(b);
    return bitcast<Vector<A>>((bits & ~kSign) | (sign & kSign));
  }

  /// Whether 4 vectors, of whose bits only those of the mask count, are zeros or from kLeast to kMost.
  static bool in_range(const A* x, U mask) {
    Vector<U> least = splat(static_cast<U>(~U{0})), most{};
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const Vector<U> bits = bitcast<Vector<U>>(load(x + j * kElements<A>)) & mask;
      const Vector<U> below = bits - 1;  // zero, which any way gives, is above all
      least = below < least ? below : least;
      most = bits > most ? bits : most;
    }
    return !any_true((least < bitcast<U>(kLeast) - 1) | (most > bitcast<U>(kMost)));
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
    const auto write_four = [&](auto&& quotient) __attribute__((always_inline)) {
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) write<kStreams>(out + i + j * kE, quotient(load(x + i + j * kE)));
    };
    const bool positive = b[0] > 0;
    for (; i + 4 * kE <= n; i += 4 * kE) {
      if (__builtin_expect(positive && in_range(x + i, ~U{0}), 1)) {  // no sign is set
        write_four([&](Vector<A> a) __attribute__((always_inline)) { return of(a); });
      } else if (in_range(x + i, ~kSign)) {
        write_four([&](Vector<A> a) __attribute__((always_inline)) { return with_sign(a); });
      } else {
        write_four([&](Vector<A> a) __attribute__((always_inline)) { return a / b; });
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
/// The loop of two steps in one; what is one element of a row's stays in a register.
template <auto Lanes, class T, class... Rest>
struct PairLoop {
  using Any = LanesLoop<Lanes, T (*)(T, Rest...)>;
  static constexpr bool kThree = sizeof...(Rest) == 2;

  static void run_with(int64_t n, void* out, const void* const* args, unsigned options) {
    const unsigned repeated = options & ~kStream;
    const Vector<T> b = repeated & 2 ? load(static_cast<const T*>(args[1])) : Vector<T>{};
    if constexpr (kThree) {
      const T* const third = static_cast<const T*>(args[2]);
      if (repeated == 6) {
        const Vector<T> c = load(third);
        return run_steps(n, out, args, options,
                         [&](int64_t, Vector<T> x, auto) __attribute__((always_inline)) { return Lanes(x, b, c); });
      }
      if (repeated == 2) {
        return run_steps(n, out, args, options, [&](int64_t at, Vector<T> x, auto read) __attribute__((always_inline)) {
          return Lanes(x, b, read(third + at));
        });
      }
    } else if (repeated == 2) {
      return run_steps(n, out, args, options,
                       [&](int64_t, Vector<T> x, auto) __attribute__((always_inline)) { return Lanes(x, b); });
    }
    Any::run_with(n, out, args, options);
  }

  static constexpr FunctionRow row(const char* function, const char* dtype) {
    FunctionRow row = Any::row(function, dtype);
    row.with_options = run_with;
    return row;
  }

 private:
  template <class Compute>
  ACCEL_LANES void run_steps(int64_t n, void* out, const void* const* args, unsigned options, Compute&& compute) {
    if (options & kStream) {
      run_typed<true>(n, static_cast<T*>(out), static_cast<const T*>(args[0]), compute);
    } else {
      run_typed<false>(n, static_cast<T*>(out), static_cast<const T*>(args[0]), compute);
    }
  }

  template <bool kStreams, class Compute>
  ACCEL_LANES void run_typed(int64_t n, T* out, const T* x, Compute& compute) {
    constexpr int kE = kElements<T>;
    const auto some = [&](int64_t at, int64_t count) {
      const auto read = [count](const T* p) { return load_some(p, count); };
      store_some(out + at, compute(at, read(x + at), read), count);
    };
    int64_t i = 0;
    if constexpr (kStreams) {
      const int64_t before = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(out) % ACCEL_VECTOR_BYTES / sizeof(T));
      i = before < n ? before : n;
      if (i > 0) some(0, i);
    }
    const auto read = [](const T* p) __attribute__((always_inline)) { return load(p); };
    i = in_pairs<kE>(
        i, n, [&](int64_t at) __attribute__((always_inline)) { return compute(at, read(x + at), read); },
        [&](int64_t at, Vector<T> lanes)
            __attribute__((always_inline)) { AsComputed::write<kStreams, T>(out + at, lanes); });
    if (i < n) some(i, n - i);
  }
};

#define ACCEL_TWO(first, second, T, dtype) PairLoop<first##_##second##_lanes<T>, T, T>::row(#first " " #second, dtype)
#define ACCEL_THREE(first, second, T, dtype) \
  PairLoop<first##_##second##_lanes<T>, T, T, T>::row(#first " " #second, dtype)
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
