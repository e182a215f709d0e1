// Folds in the canonical order (lanes, then halves) and searches for an extreme value.
#pragma once

#include <limits>
#include <type_traits>

#include "../kernels.hpp"
#include "contract.hpp"
#include "pointwise.hpp"
#include "vector.hpp"

namespace accel::ACCEL_ISA {

template <class V>
using BitsOf = std::conditional_t<
    std::is_same_v<V, float>, uint32_t,
    std::conditional_t<std::is_same_v<V, double>, uint64_t,
                       std::conditional_t<std::is_same_v<V, Vector<float>>, Vector<uint32_t>, Vector<uint64_t>>>>;

template <class V>
inline constexpr bool kIsFloat = std::is_same_v<V, float> || std::is_same_v<V, double> ||
                                 std::is_same_v<V, Vector<float>> || std::is_same_v<V, Vector<double>>;

// The folds take scalars and vectors alike. Each is written so that an identity leaves every value as it is.

struct Sum {
  static constexpr const char* kKind = "sum";
  template <class T>
  static constexpr T identity() {
    return static_cast<T>(-0.0);
  }
  template <class V>
  static V apply(V a, V b) {
    return a + b;
  }
};

struct Prod {
  static constexpr const char* kKind = "prod";
  template <class T>
  static constexpr T identity() {
    return 1;
  }
  template <class V>
  static V apply(V a, V b) {
    return a * b;
  }
};

/// NaN propagates; of two zeros +0 is the larger.
struct Max {
  static constexpr const char* kKind = "max";
  template <class T>
  static constexpr T identity() {
    using Limits = std::numeric_limits<T>;
    constexpr T value = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
    return value;
  }
  template <class V>
  static V apply(V a, V b) {
    V r = a > b ? a : b;
    if constexpr (kIsFloat<V>) {
      using Bits = BitsOf<V>;
      r = a == b ? bitcast<V>(bitcast<Bits>(a) & bitcast<Bits>(b)) : r;
      r = a != a ? a : r;
    }
    return r;
  }
};

/// NaN propagates; of two zeros -0 is the smaller.
struct Min {
  static constexpr const char* kKind = "min";
  template <class T>
  static constexpr T identity() {
    using Limits = std::numeric_limits<T>;
    constexpr T value = Limits::has_infinity ? Limits::infinity() : Limits::max();
    return value;
  }
  template <class V>
  static V apply(V a, V b) {
    V r = a < b ? a : b;
    if constexpr (kIsFloat<V>) {
      using Bits = BitsOf<V>;
      r = a == b ? bitcast<V>(bitcast<Bits>(a) | bitcast<Bits>(b)) : r;
      r = a != a ? a : r;
    }
    return r;
  }
};

template <class Op, class T>
struct Fold {
  static void fill(int64_t n, void* acc) {
    T* const out = static_cast<T*>(acc);
    for (int64_t i = 0; i < n; ++i) out[i] = Op::template identity<T>();
  }

  static void lanes(int64_t n, const void* data, void* acc) {
    const T* const x = static_cast<const T*>(data);
    T* const lane = static_cast<T*>(acc);
    constexpr int kVectors = kLanes / kElements<T>;
    static_assert(kVectors >= 1 && kLanes % kElements<T> == 0);
    constexpr int kGroup = kVectors < 8 ? kVectors : 8;  // accumulators that stay in registers
    for (int first = 0; first < kLanes; first += kGroup * kElements<T>) {
      Vector<T> v[kGroup];
      for (int j = 0; j < kGroup; ++j) v[j] = load(lane + first + j * kElements<T>);
      for (int64_t i = first; i + kLanes <= n + first; i += kLanes) {
#pragma GCC unroll 8
        for (int j = 0; j < kGroup; ++j) v[j] = Op::apply(v[j], load(x + i + j * kElements<T>));
      }
      for (int j = 0; j < kGroup; ++j) store(lane + first + j * kElements<T>, v[j]);
    }
    const int64_t tail = n / kLanes * kLanes;
    for (int64_t i = tail; i < n; ++i) lane[i - tail] = Op::apply(lane[i - tail], x[i]);
  }

  static void rows(int64_t rows, int64_t width, const void* data, int64_t row_stride, int64_t first_lane, void* acc) {
    const T* x = static_cast<const T*>(data);
    for (int64_t r = 0; r < rows; ++r, x += row_stride) {
      T* const lane = static_cast<T*>(acc) + (first_lane + r) % kLanes * width;
#pragma GCC ivdep
      for (int64_t c = 0; c < width; ++c) lane[c] = Op::apply(lane[c], x[c]);
    }
  }

  static void fold(int64_t lanes, int64_t width, void* acc) {
    T* const lane = static_cast<T*>(acc);
    for (int64_t half = kLanes / 2; half > 0; half /= 2) {
      if (lanes <= half) continue;
      const int64_t count = (lanes - half) * width;
      const T* const upper = lane + half * width;
#pragma GCC ivdep
      for (int64_t i = 0; i < count; ++i) lane[i] = Op::apply(lane[i], upper[i]);
      lanes = half;
    }
  }

  static constexpr FoldRow row() { return {Op::kKind, ctype<T>(), fill, lanes, rows, fold}; }
};

struct ArgMax {
  static constexpr const char* kKind = "argmax";
  template <class T>
  static bool beyond(T a, T b) {
    return a > b;
  }
};

struct ArgMin {
  static constexpr const char* kKind = "argmin";
  template <class T>
  static bool beyond(T a, T b) {
    return a < b;
  }
};

template <class Op, class T>
struct Arg {
  static bool beats(T a, T b) { return Op::beyond(a, b) | ((a != a) & (b == b)); }

  static bool beats_at(const void* a, const void* b) {
    return beats(*static_cast<const T*>(a), *static_cast<const T*>(b));
  }

  static int64_t find(int64_t n, const void* data, const void* wanted) {
    const T* const x = static_cast<const T*>(data);
    const T value = *static_cast<const T*>(wanted);
    const bool nan = value != value;
    constexpr int64_t kStep = 64;
    int64_t i = 0;
    for (; i + kStep <= n; i += kStep) {
      int hits = 0;
      for (int64_t j = i; j < i + kStep; ++j) hits |= (x[j] == value) | (nan & (x[j] != x[j]));
      if (hits) break;
    }
    while (i < n && !((x[i] == value) | (nan & (x[i] != x[i])))) ++i;
    return i;
  }

  static void rows(int64_t rows, int64_t width, const void* data, int64_t row_stride, int64_t first_index,
                   void* winners, int64_t* index) {
    const T* x = static_cast<const T*>(data);
    T* const best = static_cast<T*>(winners);
    for (int64_t r = 0; r < rows; ++r, x += row_stride) {
#pragma GCC ivdep
      for (int64_t c = 0; c < width; ++c) {
        const bool better = beats(x[c], best[c]);
        index[c] = better ? first_index + r : index[c];
        best[c] = better ? x[c] : best[c];
      }
    }
  }

  static constexpr ArgRow row() { return {Op::kKind, ctype<T>(), beats_at, find, rows}; }
};

/// Integer sums and products are taken in 64 bits, from which every narrower wrapped result follows.
static constexpr FoldRow kFolds[] = {
    Fold<Sum, float>::row(),    Fold<Sum, double>::row(),   Fold<Sum, int64_t>::row(),  Fold<Prod, float>::row(),
    Fold<Prod, double>::row(),  Fold<Prod, int64_t>::row(), Fold<Max, int8_t>::row(),   Fold<Max, int16_t>::row(),
    Fold<Max, int32_t>::row(),  Fold<Max, int64_t>::row(),  Fold<Max, uint8_t>::row(),  Fold<Max, uint16_t>::row(),
    Fold<Max, uint32_t>::row(), Fold<Max, uint64_t>::row(), Fold<Max, float>::row(),    Fold<Max, double>::row(),
    Fold<Min, int8_t>::row(),   Fold<Min, int16_t>::row(),  Fold<Min, int32_t>::row(),  Fold<Min, int64_t>::row(),
    Fold<Min, uint8_t>::row(),  Fold<Min, uint16_t>::row(), Fold<Min, uint32_t>::row(), Fold<Min, uint64_t>::row(),
    Fold<Min, float>::row(),    Fold<Min, double>::row(),
};

static constexpr ArgRow kArgs[] = {
    Arg<ArgMax, int8_t>::row(),   Arg<ArgMax, int16_t>::row(),  Arg<ArgMax, int32_t>::row(),
    Arg<ArgMax, int64_t>::row(),  Arg<ArgMax, uint8_t>::row(),  Arg<ArgMax, uint16_t>::row(),
    Arg<ArgMax, uint32_t>::row(), Arg<ArgMax, uint64_t>::row(), Arg<ArgMax, float>::row(),
    Arg<ArgMax, double>::row(),   Arg<ArgMin, int8_t>::row(),   Arg<ArgMin, int16_t>::row(),
    Arg<ArgMin, int32_t>::row(),  Arg<ArgMin, int64_t>::row(),  Arg<ArgMin, uint8_t>::row(),
    Arg<ArgMin, uint16_t>::row(), Arg<ArgMin, uint32_t>::row(), Arg<ArgMin, uint64_t>::row(),
    Arg<ArgMin, float>::row(),    Arg<ArgMin, double>::row(),
};

}  // namespace accel::ACCEL_ISA
