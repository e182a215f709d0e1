// The operations of folds, for scalars and vectors alike. Each is written so that an identity leaves every value as it
// is.
#pragma once

#include <limits>
#include <type_traits>

#include "source.hpp"

namespace accel::ACCEL_ISA {

template <class V>
using BitsOf = std::conditional_t<
    std::is_same_v<V, float>, uint32_t,
    std::conditional_t<std::is_same_v<V, double>, uint64_t,
                       std::conditional_t<std::is_same_v<V, Vector<float>>, Vector<uint32_t>, Vector<uint64_t>>>>;

template <class V>
inline constexpr bool kIsFloat = std::is_same_v<V, float> || std::is_same_v<V, double> ||
                                 std::is_same_v<V, Vector<float>> || std::is_same_v<V, Vector<double>>;

struct Sum {
  static constexpr const char* kKind = "sum";
  static constexpr bool kOrdered = true;
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
  static constexpr bool kOrdered = true;
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
  static constexpr bool kOrdered = false;
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
  static constexpr bool kOrdered = false;
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

/// Max and min of floats by the instruction set's own instruction, which knows nothing of NaN here, and on x86 below
/// AVX-512 nothing of the signs of zeros. A result is right unless `doubtful`.
template <class Op, class T>
struct Quick {
  using V = Vector<T>;
  static constexpr bool kMax = std::is_same_v<Op, Max>, kDouble = sizeof(T) == 8;
#if defined(__AVX512F__)
  using Flags = __mmask16;                     // elements that met a NaN
  static constexpr int kRange = kMax ? 5 : 4;  // the sign of the result as it comes; maximum or minimum
  static V apply(V a, V b) {
    if constexpr (kDouble) {
      return _mm512_range_pd(a, b, kRange);
    } else {
      return _mm512_range_ps(a, b, kRange);
    }
  }
  static void note(Flags& flags, V a, V b) {
    if constexpr (kDouble) {
      flags = _kor_mask16(flags, _mm512_cmp_pd_mask(a, b, _CMP_UNORD_Q));
    } else {
      flags = _kor_mask16(flags, _mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q));
    }
  }
  static bool doubtful(Flags flags, V) { return flags != 0; }
#elif defined(__SSE2__)
  using Flags = V;
#ifdef __AVX2__
  static V apply(V a, V b) {
    if constexpr (kDouble) {
      return kMax ? _mm256_max_pd(a, b) : _mm256_min_pd(a, b);
    } else {
      return kMax ? _mm256_max_ps(a, b) : _mm256_min_ps(a, b);
    }
  }
  static V unordered(V a, V b) {
    if constexpr (kDouble) {
      return _mm256_cmp_pd(a, b, _CMP_UNORD_Q);
    } else {
      return _mm256_cmp_ps(a, b, _CMP_UNORD_Q);
    }
  }
#else
  static V apply(V a, V b) {
    if constexpr (kDouble) {
      return kMax ? _mm_max_pd(a, b) : _mm_min_pd(a, b);
    } else {
      return kMax ? _mm_max_ps(a, b) : _mm_min_ps(a, b);
    }
  }
  static V unordered(V a, V b) {
    if constexpr (kDouble) {
      return _mm_cmpunord_pd(a, b);
    } else {
      return _mm_cmpunord_ps(a, b);
    }
  }
#endif
  using Bits = BitsOf<V>;
  static void note(Flags& flags, V a, V b) {
    flags = bitcast<V>(bitcast<Bits>(flags) | bitcast<Bits>(unordered(a, b)));
  }
  static bool doubtful(Flags flags, V result) {
    const V zero{};
    return any_true(bitcast<Bits>(flags) | bitcast<Bits>(result == zero));
  }
#elif defined(__aarch64__)
  struct Flags {};
  static V apply(V a, V b) {  // FMAX and FMIN are the contract's maximum and minimum
    if constexpr (kDouble) {
      return kMax ? vmaxq_f64(a, b) : vminq_f64(a, b);
    } else {
      return kMax ? vmaxq_f32(a, b) : vminq_f32(a, b);
    }
  }
  static void note(Flags&, V, V) {}
  static bool doubtful(Flags, V) { return false; }
#else
  struct Flags {};
  static V apply(V a, V b) { return Op::apply(a, b); }
  static void note(Flags&, V, V) {}
  static bool doubtful(Flags, V) { return false; }
#endif
};

}  // namespace accel::ACCEL_ISA
