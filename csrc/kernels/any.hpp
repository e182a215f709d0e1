// any and all: whether an element is not zero, or is. Bits are collected by or, whatever the dtype.
#pragma once

#include "reduce.hpp"

namespace accel::ACCEL_ISA {

inline constexpr int64_t kLook = 16;  // vectors between two looks at what has been found

/// U: the unsigned type of an element's bits, of which those in kValue make it other than zero (a sign does not).
template <class U, U kValue>
struct Any {
  static constexpr const char* kKind = "any";
  static constexpr bool kFound = true;  // the result where something was found
  template <class V>
  static V see(V bits) {
    return bits;
  }
  template <class V>
  static V found(V seen) {
    return seen & kValue;
  }
};

template <class U, U kValue>
struct All {
  static constexpr const char* kKind = "all";
  static constexpr bool kFound = false;
  static U see(U bits) { return (bits & kValue) == 0 ? static_cast<U>(~U{0}) : U{0}; }
  static Vector<U> see(Vector<U> bits) { return bitcast<Vector<U>>((bits & kValue) == 0); }
  template <class V>
  static V found(V seen) {
    return seen;
  }
};

template <class Op, class U>
struct Search {
  using V = Vector<U>;
  static constexpr int kE = kElements<U>;

  /// Whether something is found among n elements; stops soon after.
  static bool find(int64_t n, const U* x) {
    int64_t i = 0;
    while (i + kE <= n) {
      V seen[4] = {};
      const int64_t stop = n - i > kLook * kE ? i + kLook * kE : n;
      for (; i + 4 * kE <= stop; i += 4 * kE) {
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) seen[j] |= Op::see(load(x + i + j * kE));
      }
      for (; i + kE <= stop; i += kE) seen[0] |= Op::see(load(x + i));
      if (any_true(Op::found((seen[0] | seen[1]) | (seen[2] | seen[3])))) return true;
    }
    if (n >= kE) return i < n && any_true(Op::found(Op::see(load(x + n - kE))));
    U seen = 0;
    for (; i < n; ++i) seen |= Op::see(x[i]);
    return Op::found(seen) != 0;
  }

  static void rows(int64_t count, int64_t n, const void* data, int64_t row_stride, bool, void* results) {
    const U* x = static_cast<const U*>(data);
    uint8_t* const out = static_cast<uint8_t*>(results);
    if (row_stride == n && n <= 4) return short_rows(count, n, x, out);
    for (int64_t r = 0; r < count; ++r, x += row_stride) out[r] = find(n, x) == Op::kFound;
  }

  template <int N>
  static void short_rows(int64_t count, const U* x, uint8_t* out) {
    ACCEL_IVDEP
    for (int64_t r = 0; r < count; ++r) {
      U seen = 0;
      for (int i = 0; i < N; ++i) seen |= Op::see(x[r * N + i]);
      out[r] = (Op::found(seen) != 0) == Op::kFound;
    }
  }

  static void short_rows(int64_t count, int64_t n, const U* x, uint8_t* out) {
    switch (n) {
      case 1:
        return short_rows<1>(count, x, out);
      case 2:
        return short_rows<2>(count, x, out);
      case 3:
        return short_rows<3>(count, x, out);
      default:
        return short_rows<4>(count, x, out);
    }
  }

  /// As Fold::columns, with results of a byte.
  static void columns(int64_t rows, int64_t width, const void* data, int64_t row_stride, void* scratch, void* results) {
    const U* const x = static_cast<const U*>(data);
    U* const seen = static_cast<U*>(scratch);
    uint8_t* const out = static_cast<uint8_t*>(results);
    const bool narrow = row_stride == width && width < kE && width <= kNarrow;
    const int64_t length = narrow ? kLanes * width : width, whole = narrow ? rows / kLanes : rows;
    for (int64_t i = 0; i < length; ++i) seen[i] = 0;
    collect(whole, length, x, narrow ? length : row_stride, seen);
    if (narrow) {
      for (int64_t i = 0; i < rows % kLanes * width; ++i) seen[i] |= Op::see(x[whole * length + i]);
      for (int64_t r = 1; r < kLanes; ++r) {
        for (int64_t c = 0; c < width; ++c) seen[c] |= seen[r * width + c];
      }
    }
    for (int64_t c = 0; c < width; ++c) out[c] = (Op::found(seen[c]) != 0) == Op::kFound;
  }

  static void collect(int64_t rows, int64_t width, const U* x, int64_t row_stride, U* seen) {
    int64_t r = 0;
    for (; r + 8 <= rows; r += 8, x += 8 * row_stride) {
      int64_t c = 0;
      for (; c + kE <= width; c += kE) {
        V v = load(seen + c);
#pragma GCC unroll 8
        for (int k = 0; k < 8; ++k) v |= Op::see(load(x + k * row_stride + c));
        store(seen + c, v);
      }
      for (; c < width; ++c) {
        for (int k = 0; k < 8; ++k) seen[c] |= Op::see(x[k * row_stride + c]);
      }
    }
    for (; r < rows; ++r, x += row_stride) {
      ACCEL_IVDEP
      for (int64_t c = 0; c < width; ++c) seen[c] |= Op::see(x[c]);
    }
  }

  static constexpr FoldRow row(DType from) { return {Op::kKind, from, CType::kU8, rows, columns}; }
};

template <template <class U, U> class Op>
static constexpr FoldRow kSearches[] = {
    Search<Op<uint8_t, 0xff>, uint8_t>::row(DType::kBool),
    Search<Op<uint8_t, 0xff>, uint8_t>::row(DType::kInt8),
    Search<Op<uint8_t, 0xff>, uint8_t>::row(DType::kUint8),
    Search<Op<uint16_t, 0xffff>, uint16_t>::row(DType::kInt16),
    Search<Op<uint16_t, 0xffff>, uint16_t>::row(DType::kUint16),
    Search<Op<uint16_t, 0x7fff>, uint16_t>::row(DType::kFloat16),
    Search<Op<uint16_t, 0x7fff>, uint16_t>::row(DType::kBfloat16),
    Search<Op<uint32_t, 0xffffffff>, uint32_t>::row(DType::kInt32),
    Search<Op<uint32_t, 0xffffffff>, uint32_t>::row(DType::kUint32),
    Search<Op<uint32_t, 0x7fffffff>, uint32_t>::row(DType::kFloat32),
    Search<Op<uint64_t, 0xffffffffffffffff>, uint64_t>::row(DType::kInt64),
    Search<Op<uint64_t, 0xffffffffffffffff>, uint64_t>::row(DType::kUint64),
    Search<Op<uint64_t, 0x7fffffffffffffff>, uint64_t>::row(DType::kFloat64),
};

}  // namespace accel::ACCEL_ISA
