// Scans in the canonical order: groups of 16 elements by a fixed tree, prefixes of the groups' totals by the same rule.
#pragma once

#include <utility>

#include "../kernels.hpp"
#include "contract.hpp"
#include "folds.hpp"
#include "pointwise.hpp"

namespace accel::ACCEL_ISA {

static_assert(kScan == 16, "digits of a group's number have four bits");

struct LogAddExp {
  static constexpr const char* kKind = "logaddexp";
  static __attribute__((noinline)) float apply(float a, float b) { return accel_logaddexp_float32(a, b); }
  static __attribute__((noinline)) double apply(double a, double b) { return accel_logaddexp_float64(a, b); }
#if defined(__AVX2__)
  static __attribute__((noinline)) Vector<float> apply(Vector<float> a, Vector<float> b) {
    return accel_lanes_logaddexp_float32(a, b);
  }
  static __attribute__((noinline)) Vector<double> apply(Vector<double> a, Vector<double> b) {
    return accel_lanes_logaddexp_float64(a, b);
  }
#else
  template <class V>
  static V apply(V a, V b) {
    for (size_t i = 0; i < sizeof(V) / sizeof a[0]; ++i) a[i] = apply(a[i], b[i]);
    return a;
  }
#endif
};

template <class Op, class T>
struct Scan {
  using V = Vector<T>;
  static constexpr int kLength = kElements<T>;      // of a vector
  static constexpr int kParts = kScan / kLength;    // vectors of a group
  static constexpr int64_t kSpan = kScan * kScan;   // elements whose groups' totals fill one group
  static constexpr int64_t kBlock = kScan * kSpan;  // elements that `totals` takes together

  /// The totals of the groups before some place, at one level and those above it. Of the present sixteen of a level,
  /// whose number is `count`'s digit, stack[level][bit] is the total of 2^bit members where the digit has that bit.
  struct Prefix {
    uint64_t count;
    T stack[kScanLevels][4];

    /// One more total at a level, below which all digits are 0.
    void push(T total, int level) {
      const uint64_t one = uint64_t{1} << (4 * level);
      for (;; ++level) {
        const unsigned digit = count >> (4 * level) & 15;
        int bit = 0;
        for (; digit >> bit & 1; ++bit) total = Op::apply(stack[level][bit], total);
        if (bit < 4) {
          stack[level][bit] = total;
          break;
        }
      }
      count += one;
    }

    /// Their total, by levels from the highest; false where there are none.
    bool total(T& result) const {
      if (count == 0) return false;
      bool found = false;
      for (int level = (63 - __builtin_clzll(count)) / 4; level >= 0; --level) {
        const unsigned digit = count >> (4 * level) & 15;
        if (digit == 0) continue;
        int bit = __builtin_ctz(digit);
        T value = stack[level][bit];
        for (++bit; bit < 4; ++bit) {
          if (digit >> bit & 1) value = Op::apply(stack[level][bit], value);
        }
        result = found ? Op::apply(result, value) : value;
        found = true;
      }
      return true;
    }
  };
  static_assert(sizeof(Prefix) <= kScanState);

  /// In each 2 kStep lanes, the last of the lower half in place of the upper half; others as they are.
  template <int kStep, size_t... I>
  static V spread(V v, std::index_sequence<I...>) {
    return __builtin_shufflevector(v, v, (I & kStep ? (I & ~(2 * kStep - 1)) + kStep - 1 : I)...);
  }
  template <int kStep, size_t... I>
  static V upper(V changed, V v, std::index_sequence<I...>) {
    return __builtin_shufflevector(v, changed, (I & kStep ? kLength + I : I)...);
  }
  template <size_t... I>
  static V last(V v, std::index_sequence<I...>) {
    return __builtin_shufflevector(v, v, (static_cast<void>(I), kLength - 1)...);
  }

  template <int kStep>
  static V step(V v) {
    if constexpr (kStep < kLength) {
      using Lanes = std::make_index_sequence<kLength>;
      v = step<2 * kStep>(upper<kStep>(Op::apply(spread<kStep>(v, Lanes{}), v), v, Lanes{}));
    }
    return v;
  }

  /// The scan of a group by its tree: elements whose number has bit `step` take the total of the `step` before theirs.
  static void group(V (&v)[kParts]) {
    for (V& part : v) part = step<1>(part);
    for (int step = 1; step < kParts; step *= 2) {
      for (int p = 0; p < kParts; ++p) {
        if (p & step)
          v[p] = Op::apply(last(v[(p & ~(2 * step - 1)) + step - 1], std::make_index_sequence<kLength>{}), v[p]);
      }
    }
  }

  static void load_group(const T* x, V (&v)[kParts]) {
    for (int p = 0; p < kParts; ++p) v[p] = load(x + p * kLength);
  }
  static void store_group(T* x, const V (&v)[kParts]) {
    for (int p = 0; p < kParts; ++p) store(x + p * kLength, v[p]);
  }

  static void row(int64_t n, const void* from, void* to, void* state) {
    const T* x = static_cast<const T*>(from);
    T* out = static_cast<T*>(to);
    Prefix& prefix = *static_cast<Prefix*>(state);
    T before{};
    bool some = prefix.total(before);
    for (; n >= kSpan; n -= kSpan, x += kSpan, out += kSpan) {
      prefix.push(span(kScan, x, out, some, before), 0);
      some = prefix.total(before);
    }
    const int64_t groups = n / kScan, rest = n % kScan;
    if (rest == 0) {
      if (groups) span(groups, x, out, some, before);
      return;
    }
    T padded[kSpan];
    memcpy(padded, x, static_cast<size_t>(n) * sizeof(T));
    memset(padded + n, 0, static_cast<size_t>(kScan - rest) * sizeof(T));
    span(groups + 1, padded, padded, some, before);
    memcpy(out, padded, static_cast<size_t>(n) * sizeof(T));
  }

  /// The scan of up to 16 groups after `before` (of nothing, where not `some`); the total of 16, without `before`.
  static T span(int64_t groups, const T* x, T* out, bool some, T before) {
    alignas(64) T local[kSpan], totals[kScan] = {}, prefixes[kScan + 1];
    int64_t done = 0;
    do {
      V v[kParts];
      load_group(x + done * kScan, v);
      group(v);
      store_group(local + done * kScan, v);
      totals[done] = v[kParts - 1][kLength - 1];
    } while (++done < groups);
    V scanned[kParts];
    load_group(totals, scanned);
    group(scanned);
    const T total = scanned[kParts - 1][kLength - 1];
    if (some) {
      for (V& part : scanned) part = Op::apply(splat(before), part);
    }
    for (int p = 0; p < kParts; ++p) store(prefixes + 1 + p * kLength, scanned[p]);
    prefixes[0] = before;
    if (!some) memcpy(out, local, sizeof(T) * kScan);
    for (int64_t g = some ? 0 : 1; g < groups; ++g) {
      const V first = splat(prefixes[g]);
      for (int p = 0; p < kParts; ++p) {
        store(out + g * kScan + p * kLength, Op::apply(first, load(local + g * kScan + p * kLength)));
      }
    }
    return total;
  }

  /// out[b] = the total of block b of kBlock elements.
  static void totals(int64_t blocks, const void* from, void* to) {
    const T* x = static_cast<const T*>(from);
    for (int64_t b = 0; b < blocks; ++b) {
      alignas(64) T spans[kScan], groups[kScan];
      for (int s = 0; s < kScan; ++s) {
        for (int g = 0; g < kScan; ++g, x += kScan) groups[g] = total(x);
        spans[s] = total(groups);
      }
      static_cast<T*>(to)[b] = total(spans);
    }
  }

  static T total(const T* x) {
    V v[kParts];
    load_group(x, v);
    group(v);
    return v[kParts - 1][kLength - 1];
  }

  static void push(const void* total, void* state) {
    static_cast<Prefix*>(state)->push(*static_cast<const T*>(total), kScanBlockLevel);
  }

  // columns: the state is arrays of `width` elements: the totals before the present group; the same of levels above
  // the lowest; the total that is being pushed; then stacks as in Prefix.

  static void columns(int64_t rows, int64_t width, const void* from, int64_t x_stride, void* to, int64_t out_stride,
                      int64_t done, void* state) {
    const T* x = static_cast<const T*>(from);
    T* out = static_cast<T*>(to);
    T* const arrays = static_cast<T*>(state);
    for (; rows > 0; rows -= kScan, done += kScan, x += kScan * x_stride, out += kScan * out_stride) {
      const int here = rows < kScan ? static_cast<int>(rows) : kScan;
      const auto tiles = [&](auto whole) {
        constexpr bool kWhole = decltype(whole)::value;
        const auto whole_load = [](const T* p) { return load(p); };
        const auto whole_store = [](T* p, V v) { store(p, v); };
        int64_t c = 0;
        for (; c + kLength <= width; c += kLength) {
          tile<kWhole>(here, x + c, x_stride, out + c, out_stride, done > 0, arrays + c, width, whole_load,
                       whole_store);
        }
        if (c < width) {
          const int64_t some = width - c;
          tile<kWhole>(
              here, x + c, x_stride, out + c, out_stride, done > 0, arrays + c, width,
              [some](const T* p) { return load_some(p, some); }, [some](T* p, V v) { store_some(p, v, some); });
        }
      };
      here == kScan ? tiles(std::true_type{}) : tiles(std::false_type{});
      if (here == kScan) push_columns(width, arrays, static_cast<uint64_t>(done / kScan));
    }
  }

  template <bool kWhole, class Load, class Store>
  static void tile(int rows, const T* x, int64_t x_stride, T* out, int64_t out_stride, bool some, T* state,
                   int64_t width, Load&& load_lanes, Store&& store_lanes) {
    V v[kScan];
    for (int r = 0; r < kScan; ++r) v[r] = kWhole || r < rows ? load_lanes(x + r * x_stride) : V{};
#pragma GCC unroll 4
    for (int step = 1; step < kScan; step *= 2) {
#pragma GCC unroll 16
      for (int r = 0; r < kScan; ++r) {
        if (r & step) v[r] = Op::apply(v[(r & ~(2 * step - 1)) + step - 1], v[r]);
      }
    }
    store_lanes(state + 2 * width, v[kScan - 1]);
    if (some) {
      const V before = load_lanes(state);
#pragma GCC unroll 16
      for (int r = 0; r < kScan; ++r) v[r] = Op::apply(before, v[r]);
    }
    for (int r = 0; r < (kWhole ? kScan : rows); ++r) store_lanes(out + r * out_stride, v[r]);
  }

  /// out[c] = the operation on a[c] and b[c].
  static void combine(int64_t width, const T* a, const T* b, T* out) {
    int64_t c = 0;
    for (; c + kLength <= width; c += kLength) store(out + c, Op::apply(load(a + c), load(b + c)));
    for (; c < width; ++c) out[c] = Op::apply(a[c], b[c]);
  }

  static void push_columns(int64_t width, T* arrays, uint64_t count) {
    T *const before = arrays, *const above = arrays + width, *const total = arrays + 2 * width;
    const auto stack = [=](int level, int bit) { return arrays + (3 + 4 * level + bit) * width; };
    const auto bytes = static_cast<size_t>(width) * sizeof(T);
    for (int level = 0;; ++level) {
      const unsigned digit = count >> (4 * level) & 15;
      int bit = 0;
      for (; digit >> bit & 1; ++bit) combine(width, stack(level, bit), total, total);
      if (bit < 4) {
        memcpy(stack(level, bit), total, bytes);
        break;
      }
    }
    ++count;
    const auto of_level = [&](int level, T* to) {
      const unsigned digit = count >> (4 * level) & 15;
      int bit = __builtin_ctz(digit);
      memcpy(to, stack(level, bit), bytes);
      for (++bit; bit < 4; ++bit) {
        if (digit >> bit & 1) combine(width, stack(level, bit), to, to);
      }
    };
    const int highest = (63 - __builtin_clzll(count)) / 4;
    if ((count & 15) == 0) {
      of_level(highest, above);
      for (int level = highest - 1; level > 0; --level) {
        if ((count >> (4 * level) & 15) == 0) continue;
        of_level(level, total);
        combine(width, above, total, above);
      }
      memcpy(before, above, bytes);
      return;
    }
    of_level(0, before);
    if (highest > 0) combine(width, above, before, before);
  }

  static constexpr ScanRow row() { return {Op::kKind, kCType<T>, row, totals, push, columns}; }
};

static constexpr ScanRow kScans[] = {
    Scan<Sum, float>::row(),        Scan<Sum, double>::row(),   Scan<Sum, int64_t>::row(),
    Scan<Prod, float>::row(),       Scan<Prod, double>::row(),  Scan<Prod, int64_t>::row(),
    Scan<Max, float>::row(),        Scan<Max, double>::row(),   Scan<Max, int64_t>::row(),
    Scan<Max, uint64_t>::row(),     Scan<Min, float>::row(),    Scan<Min, double>::row(),
    Scan<Min, int64_t>::row(),      Scan<Min, uint64_t>::row(), Scan<LogAddExp, float>::row(),
    Scan<LogAddExp, double>::row(),
};

}  // namespace accel::ACCEL_ISA
