// Array loops over the generated scalar functions, which the compiler vectorises, and the tables of them.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "../kernels.hpp"
#include "ieee.hpp"
#if defined(__AVX2__)
#include "lanes_loop.hpp"
#endif

namespace accel::ACCEL_ISA {

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"  // isnan of an integer, for one
#include "scalar_functions.hpp"
#if defined(__AVX2__)
#include "vector_functions.hpp"
#endif
#pragma GCC diagnostic pop

template <auto F>
struct Loop;

/// The loop of the function R F(A...), and its row.
template <class R, class... A, R (*F)(A...)>
struct Loop<F> {
  static void run(int64_t n, void* out, const void* const* args) {
    run_typed(n, static_cast<R*>(out), args, std::index_sequence_for<A...>{});
  }

  static constexpr FunctionRow row(const char* function, const char* dtype) {
    static_assert(sizeof...(A) <= kMaxArity);
    return {function, dtype, sizeof...(A), {kCType<A>...}, kCType<R>, run, nullptr};
  }

 private:
  template <size_t... I>
  static void run_typed(int64_t n, R* out, const void* const* args, std::index_sequence<I...>) {
    run_arrays(n, out, static_cast<const A*>(args[I])...);
  }

  static void run_arrays(int64_t n, R* out, const A*... args) {
    // out is one of args, or apart from them
    ACCEL_IVDEP
    for (int64_t i = 0; i < n; ++i) out[i] = F(args[i]...);
  }
};

#define ACCEL_ROW(function, dtype, ...) Loop<accel_##function##_##dtype>::row(#function, #dtype),
#if defined(__AVX2__)
#define ACCEL_LANES_ROW(function, dtype) \
  LanesLoop<accel_lanes_##function##_##dtype, decltype(&accel_##function##_##dtype)>::row(#function, #dtype),
static constexpr FunctionRow kFunctions[] = {ACCEL_VECTOR_FUNCTIONS(ACCEL_LANES_ROW) ACCEL_SCALAR_FUNCTIONS(ACCEL_ROW)};
#undef ACCEL_LANES_ROW
#else
static constexpr FunctionRow kFunctions[] = {ACCEL_FUNCTIONS_1(ACCEL_ROW) ACCEL_FUNCTIONS_2(ACCEL_ROW)
                                                 ACCEL_FUNCTIONS_3(ACCEL_ROW)};
#endif
#undef ACCEL_ROW

}  // namespace accel::ACCEL_ISA

#if defined(__AVX2__)
#include "casts.hpp"
#endif

namespace accel::ACCEL_ISA {

#if defined(__AVX2__)
#define ACCEL_ROW(from, to, ...) CastRow{#from, #to, CastLoop<accel_cast_##from##_##to>::run},
#else
#define ACCEL_ROW(from, to, ...) CastRow{#from, #to, Loop<accel_cast_##from##_##to>::run},
#endif
static constexpr CastRow kCasts[] = {ACCEL_CASTS(ACCEL_ROW)};
#undef ACCEL_ROW

}  // namespace accel::ACCEL_ISA
