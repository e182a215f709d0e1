// Steps that rows take most often, several in a pass: the bits are those of the steps one by one.
#pragma once

#include "../kernels.hpp"
#include "pointwise.hpp"
#include "quotient.hpp"
#if defined(__AVX2__)
#include "halves_loop.hpp"
#endif

namespace accel::ACCEL_ISA {

#include "functions/add.hpp"
#include "functions/divide.hpp"
#include "functions/equal.hpp"
#include "functions/exp.hpp"
#include "functions/greater.hpp"
#include "functions/greater_equal.hpp"
#include "functions/less.hpp"
#include "functions/less_equal.hpp"
#include "functions/multiply.hpp"
#include "functions/not_equal.hpp"
#include "functions/square.hpp"
#include "functions/subtract.hpp"
#include "functions/where.hpp"

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

// A choice by a comparison of two others: "less where", of the two that are compared and the two to choose from.

#define ACCEL_COMPARISONS(ROW) ROW(equal) ROW(not_equal) ROW(less) ROW(less_equal) ROW(greater) ROW(greater_equal)

#define ACCEL_CHOICE(comparison)                                                           \
  static inline float comparison##_where_scalar(float a, float b, float x, float y) {      \
    return accel_where_float32(accel_##comparison##_float32(a, b), x, y);                  \
  }                                                                                        \
  static inline double comparison##_where_scalar(double a, double b, double x, double y) { \
    return accel_where_float64(accel_##comparison##_float64(a, b), x, y);                  \
  }
ACCEL_COMPARISONS(ACCEL_CHOICE)
#undef ACCEL_CHOICE

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

#define ACCEL_CHOICE(comparison)                                                                              \
  ACCEL_LANES Vector<float> comparison##_where_float32(Vector<float> a, Vector<float> b, Vector<float> x,     \
                                                       Vector<float> y) {                                     \
    return accel_lanes_where_float32(accel_lanes_##comparison##_float32(a, b), x, y);                         \
  }                                                                                                           \
  ACCEL_LANES Vector<double> comparison##_where_float64(Vector<double> a, Vector<double> b, Vector<double> x, \
                                                        Vector<double> y) {                                   \
    return accel_lanes_where_float64(accel_lanes_##comparison##_float64(a, b), x, y);                         \
  }
ACCEL_COMPARISONS(ACCEL_CHOICE)
#undef ACCEL_CHOICE

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

/// The loop of steps in one: of elements, and of one or two arguments more, of which those that are one element of a
/// row's stay in registers. Read says how the first argument is stored, Write how the result is.
template <auto Lanes, class T, int kArity, class Read = AsComputed, class Write = AsComputed>
struct StepsLoop {
  using In = typename Read::template Stored<T>;
  using Out = typename Write::template Stored<T>;

  static void run(int64_t n, void* out, const void* const* args) { run_with(n, out, args, 0); }

  static void run_with(int64_t n, void* out, const void* const* args, unsigned options) {
    const unsigned repeated = options & ~kStream;
    if constexpr (kArity == 1) {
      run_steps(n, out, args, options,
                [](int64_t, Vector<T> x, auto) __attribute__((always_inline)) { return Lanes(x); });
    } else if constexpr (kArity == 2) {
      const T* const second = static_cast<const T*>(args[1]);
      if (repeated == 2) {
        const Vector<T> b = load(second);
        return run_steps(n, out, args, options,
                         [&](int64_t, Vector<T> x, auto) __attribute__((always_inline)) { return Lanes(x, b); });
      }
      const int64_t keep = kept(options, 1);
      run_steps(n, out, args, options, [&](int64_t at, Vector<T> x, auto read) __attribute__((always_inline)) {
        return Lanes(x, read(second + (at & keep)));
      });
    } else {
      const T *const second = static_cast<const T*>(args[1]), *const third = static_cast<const T*>(args[2]);
      const Vector<T> b = repeated & 2 ? load(second) : Vector<T>{};
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
      const int64_t keep = kept(options, 1), keep_third = kept(options, 2);
      run_steps(n, out, args, options, [&](int64_t at, Vector<T> x, auto read) __attribute__((always_inline)) {
        return Lanes(x, read(second + (at & keep)), read(third + (at & keep_third)));
      });
    }
  }

  static constexpr FunctionRow row(const char* functions, const char* dtype) {
    return {functions, dtype, kArity, {kCType<In>, kCType<T>, kCType<T>}, kCType<Out>, run, run_with};
  }

 private:
  /// All ones, or 0 where argument k is one element.
  static int64_t kept(unsigned options, int k) { return ~-static_cast<int64_t>(options >> k & 1); }

  template <class Compute>
  ACCEL_LANES void run_steps(int64_t n, void* to, const void* const* args, unsigned options, Compute&& compute) {
    Out* const out = static_cast<Out*>(to);
    const In* const x = static_cast<const In*>(args[0]);
    // What is widened only is a tile's, mostly, which stays in cache.
    constexpr bool kWidens = sizeof(In) < sizeof(Out);
    if (!kWidens && options & kStream) {
      run_typed<!kWidens>(n, out, x, kept(options, 0), compute);
    } else {
      run_typed<false>(n, out, x, kept(options, 0), compute);
    }
  }

  template <bool kStreams, class Compute>
  ACCEL_LANES void run_typed(int64_t n, Out* out, const In* x, int64_t keep, Compute& compute) {
    constexpr int kE = kElements<T>;
    constexpr int64_t kWritten = kE * sizeof(Out);  // bytes at a time
    const auto some = [&](int64_t at, int64_t count) {
      const auto read = [count](const T* p) { return load_some(p, count); };
      const Vector<T> first = Read::template read_some<T>(x + (at & keep), count);
      Write::template write_some<T>(out + at, compute(at, first, read), count);
    };
    int64_t i = 0;
    if constexpr (kStreams) {
      const int64_t before = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(out) % kWritten / sizeof(Out));
      i = before < n ? before : n;
      if (i > 0) some(0, i);
    }
    const auto read = [](const T* p) __attribute__((always_inline)) { return load(p); };
    i = in_pairs<kE>(
        i, n,
        [&](int64_t at)
            __attribute__((always_inline)) { return compute(at, Read::template read<T>(x + (at & keep)), read); },
        [&](int64_t at, Vector<T> lanes)
            __attribute__((always_inline)) { Write::template write<kStreams, T>(out + at, lanes); });
    if (i < n) some(i, n - i);
  }
};

/// x / b rounded to a format of 16 bits.
template <Format kHalf>
static void divide_cast(int64_t n, void* out, const void* const* args, unsigned options) {
  const float b = *static_cast<const float*>(args[1]);
  if ((options & ~kStream) != 1u << 1 || !Quotient<float>::takes(b)) {
    using Any = StepsLoop<accel_lanes_divide_float32, float, 2, AsComputed, AsHalves<kHalf>>;
    return Any::run_with(n, out, args, options);
  }
  uint16_t* const to = static_cast<uint16_t*>(out);
  const float* const x = static_cast<const float*>(args[0]);
  if (options & kStream) {
    Quotient<float>(b).template all<AsHalves<kHalf>, true>(n, to, x);
  } else {
    Quotient<float>(b).template all<AsHalves<kHalf>, false>(n, to, x);
  }
}

template <Format kHalf>
static void divide_cast_all(int64_t n, void* out, const void* const* args) {
  divide_cast<kHalf>(n, out, args, 0);
}

template <Format kHalf>
static constexpr FunctionRow divide_cast_row(const char* dtype) {
  return {"divide cast", dtype, 2, {CType::kF32, CType::kF32}, CType::kU16, divide_cast_all<kHalf>, divide_cast<kHalf>};
}

#define ACCEL_TWO(first, second, T, dtype) StepsLoop<first##_##second##_lanes<T>, T, 2>::row(#first " " #second, dtype)
#define ACCEL_THREE(first, second, T, dtype) \
  StepsLoop<first##_##second##_lanes<T>, T, 3>::row(#first " " #second, dtype)

#define ACCEL_CHOICE(comparison, T, dtype) \
  LanesLoop<comparison##_where_##dtype, T (*)(T, T, T, T)>::row(#comparison " where", #dtype)

// "cast F", F of what is widened from a 16-bit float; "F cast", F rounded to one; and both. They are at its dtype.
#define ACCEL_EACH_HALF(ROW, ...) \
  ROW(Format::kFloat16, "float16", __VA_ARGS__), ROW(Format::kBfloat16, "bfloat16", __VA_ARGS__)
#define ACCEL_READ(half, dtype, name, lanes, arity) \
  StepsLoop<lanes, float, arity, AsHalves<half>>::row("cast " name, dtype)
#define ACCEL_WRITE(half, dtype, name, lanes, arity) \
  StepsLoop<lanes, float, arity, AsComputed, AsHalves<half>>::row(name " cast", dtype)
#define ACCEL_READ_WRITE(half, dtype, name, lanes, arity) \
  StepsLoop<lanes, float, arity, AsHalves<half>, AsHalves<half>>::row("cast " name " cast", dtype)
#define ACCEL_CASTS_AROUND(...)                                                        \
  ACCEL_EACH_HALF(ACCEL_READ, __VA_ARGS__), ACCEL_EACH_HALF(ACCEL_WRITE, __VA_ARGS__), \
      ACCEL_EACH_HALF(ACCEL_READ_WRITE, __VA_ARGS__),
#else
#define ACCEL_TWO(first, second, T, dtype) \
  Loop<static_cast<T (*)(T, T)>(first##_##second##_scalar)>::row(#first " " #second, dtype)
#define ACCEL_THREE(first, second, T, dtype) \
  Loop<static_cast<T (*)(T, T, T)>(first##_##second##_scalar)>::row(#first " " #second, dtype)
#define ACCEL_CHOICE(comparison, T, dtype) \
  Loop<static_cast<T (*)(T, T, T, T)>(comparison##_where_scalar)>::row(#comparison " where", #dtype)
#endif
#define ACCEL_CHOICES(comparison) ACCEL_CHOICE(comparison, float, float32), ACCEL_CHOICE(comparison, double, float64),

#define ACCEL_ROW(first, second, f, s) \
  ACCEL_THREE(first, second, float, "float32"), ACCEL_THREE(first, second, double, "float64"),
static constexpr FunctionRow kPairs[] = {
    ACCEL_PAIR_STEPS(ACCEL_ROW)       //
    ACCEL_COMPARISONS(ACCEL_CHOICES)  //
    ACCEL_TWO(subtract, square, float, "float32"),
    ACCEL_TWO(subtract, square, double, "float64"),
    ACCEL_TWO(subtract, exp, float, "float32"),
    ACCEL_TWO(subtract, exp, double, "float64"),
#if defined(__AVX2__)
    ACCEL_CASTS_AROUND("add", accel_lanes_add_float32, 2) ACCEL_CASTS_AROUND(
        "subtract", accel_lanes_subtract_float32, 2) ACCEL_CASTS_AROUND("multiply", accel_lanes_multiply_float32, 2)
        ACCEL_CASTS_AROUND("subtract subtract", subtract_subtract_lanes<float>, 3)
            ACCEL_CASTS_AROUND("subtract multiply", subtract_multiply_lanes<float>, 3)
                ACCEL_CASTS_AROUND("multiply add", multiply_add_lanes<float>, 3)
                    ACCEL_CASTS_AROUND("multiply multiply", multiply_multiply_lanes<float>, 3)
                        ACCEL_EACH_HALF(ACCEL_READ, "square", accel_lanes_square_float32, 1),
    ACCEL_EACH_HALF(ACCEL_READ, "subtract square", subtract_square_lanes<float>, 2),
    ACCEL_EACH_HALF(ACCEL_READ, "subtract exp", subtract_exp_lanes<float>, 2),
    divide_cast_row<Format::kFloat16>("float16"),
    divide_cast_row<Format::kBfloat16>("bfloat16"),
#endif
};
#undef ACCEL_ROW

}  // namespace accel::ACCEL_ISA
