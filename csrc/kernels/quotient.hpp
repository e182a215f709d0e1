// Quotients by one denominator, as a row's elements are divided by their sum.
#pragma once

#include "../kernels.hpp"
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

  /// out[i] = x[i] / b, written as Memory says.
  template <class Memory, bool kStreams, class Out>
  void all(int64_t n, Out* out, const A* x) const {
    constexpr int kE = kElements<A>;
    const auto some = [&](int64_t at, int64_t count) {
      Memory::template write_some<A>(out + at, load_some(x + at, count) / b, count);
    };
    int64_t i = 0;
    if constexpr (kStreams) {
      const int64_t before = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(out) % (kE * sizeof(Out)) / sizeof(Out));
      i = before < n ? before : n;
      if (i > 0) some(0, i);
    }
    const auto write_four = [&](auto&& quotient) __attribute__((always_inline)) {
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        Memory::template write<kStreams, A>(out + i + j * kE, quotient(load(x + i + j * kE)));
      }
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
    for (; i + kE <= n; i += kE) Memory::template write<false, A>(out + i, load(x + i) / b);
    if (i < n) some(i, n - i);
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
    ACCEL_IVDEP
    for (int64_t i = 0; i < n; ++i) to[i] = x[i] / b;
  } else if (options & kStream) {
    Quotient<A>(b).template all<AsComputed, true>(n, to, x);
  } else {
    Quotient<A>(b).template all<AsComputed, false>(n, to, x);
  }
}

static constexpr FunctionRow kQuotients[] = {
    {"divide", "float32", 2, {CType::kF32, CType::kF32}, CType::kF32, nullptr, divide_by_one<float>},
    {"divide", "float64", 2, {CType::kF64, CType::kF64}, CType::kF64, nullptr, divide_by_one<double>},
};
#endif

}  // namespace accel::ACCEL_ISA
