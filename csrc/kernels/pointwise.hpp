// Array loops over the generated scalar functions, which the compiler vectorises.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "../kernels.hpp"
#include "operations.hpp"
#if defined(__AVX2__)
#include "lanes_loop.hpp"
#endif

namespace accel::ACCEL_ISA {

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

}  // namespace accel::ACCEL_ISA
