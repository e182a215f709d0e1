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

/// out[i] = at(i).
template <class T, class At>
static inline void produce(int64_t n, T* out, bool past_caches, At&& at) {
  int64_t i = 0;
  if (past_caches) {
    const int64_t before = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(out) % 64 / sizeof(T));
    for (; i < before && i < n; ++i) out[i] = at(i);
    for (; i + kSpan <= n; i += kSpan) {
      alignas(64) T span[kSpan];
      for (int64_t j = 0; j < kSpan; ++j) span[j] = at(i + j);
      stream(sizeof span, out + i, span);
    }
  }
#pragma GCC ivdep
  for (; i < n; ++i) out[i] = at(i);
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
      constexpr int kE = kElements<A>;
      const Vector<A> shifts = splat(shift);
      for (; i + kE <= count; i += kE) store(out + first + i, exponentials(load(x + i) - shifts));
#endif
#pragma GCC ivdep
      for (; i < count; ++i) out[first + i] = exponential(x[i] - shift);
    });
  }

  static void quotients(int64_t n, const void* data, const void* total_at, bool past_caches, void* result) {
    const A* const x = static_cast<const A*>(data);
    const A total = *static_cast<const A*>(total_at);
    produce(n, static_cast<Out*>(result), past_caches, [&](int64_t i) { return Target<R, A>::narrow(x[i] / total); });
    if (past_caches) fence_stream();
  }

  static void distances(int64_t n, const void* data, const void* shift_at, const void* log_at, bool past_caches,
                        void* result) {
    const A shift = *static_cast<const A*>(shift_at), log_total = *static_cast<const A*>(log_at);
    Out* const out = static_cast<Out*>(result);
    const auto write = [&](int64_t first, int64_t count, const A* x) {
      produce(count, out + first, past_caches,
              [&](int64_t i) { return Target<R, A>::narrow((x[i] - shift) - log_total); });
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
