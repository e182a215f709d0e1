// Scans in the canonical order: groups of 16 elements by a fixed tree, prefixes of the groups' totals by the same rule.
#pragma once

#include <utility>

#include "../kernels.hpp"
#include "contract.hpp"
#include "folds.hpp"
#include "operations.hpp"

namespace accel::ACCEL_ISA {

#include "functions/logaddexp.hpp"

static_assert(kScan == 16, "digits of a group's number have four bits");

struct LogAddExp {
  static constexpr const char* kKind = "logaddexp";
  static constexpr bool kOrdered = true;
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
  static constexpr int kLength = kElements<T>;     // of a vector
  static constexpr int kParts = kScan / kLength;   // vectors of a group
  static constexpr int64_t kSpan = kScan * kScan;  // elements whose groups' totals fill one group
  static constexpr int64_t kBlock = kScanBlock;
  static constexpr bool kFree = std::is_integral_v<T> || !Op::kOrdered;  // of order
  static constexpr T kIdentity = [] {
    if constexpr (kFree) return Op::template identity<T>();
    return T{};
  }();

  /// The totals of the blocks before some place, at their own level and those above it. Of the present sixteen of a
  /// level, whose number is `count`'s digit, stack[level][bit] is the total of 2^bit members where the digit has that
  /// bit.
  struct Prefix {
    uint64_t count;
    T stack[kScanLevels][4];

    /// One more total of the lowest level.
    void push(T total) {
      for (int level = 0;; ++level) {
        const unsigned digit = count >> (4 * level) & 15;
        int bit = 0;
        for (; digit >> bit & 1; ++bit) total = Op::apply(stack[level][bit], total);
        if (bit < 4) {
          stack[level][bit] = total;
          break;
        }
      }
      ++count;
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
  static_assert(sizeof(Prefix) <= kScanState && kBlock == kScan * kSpan);

  /// The last of the lower half of each 2 kStep lanes in place of their upper half, and of their lower half `others`.
  template <int kStep, size_t... I>
  static V spread(V v, V others, std::index_sequence<I...>) {
    return __builtin_shufflevector(v, others, (I & kStep ? (I & ~(2 * kStep - 1)) + kStep - 1 : kLength + I)...);
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
      if constexpr (std::is_same_v<Op, LogAddExp>) {
        v = upper<kStep>(Op::apply(spread<kStep>(v, v, Lanes{}), v), v, Lanes{});
      } else {
        v = Op::apply(spread<kStep>(v, splat(Op::template identity<T>()), Lanes{}), v);
      }
      v = step<2 * kStep>(v);
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
    for (; n > 0; n -= kBlock, x += kBlock, out += kBlock) {
      if constexpr (kFree) {
        // Any order will do: vector by vector, after the total of all before.
        prefix.stack[0][0] = run(n < kBlock ? n : kBlock, x, out, prefix.count ? prefix.stack[0][0] : kIdentity);
        prefix.count = 1;
      } else {
        T before{};
        const bool some = prefix.total(before);
        const T total = block(n < kBlock ? n : kBlock, x, out, some, before);
        if (n >= kBlock) prefix.push(total);
      }
    }
  }

  static T run(int64_t n, const T* x, T* out, T before) {
    V total = splat(before);
    int64_t i = 0;
    for (; i + kLength <= n; i += kLength) {
      const V v = step<1>(load(x + i));
      store(out + i, Op::apply(total, v));
      total = Op::apply(total, last(v, std::make_index_sequence<kLength>{}));
    }
    T rest = total[0];
    for (; i < n; ++i) {
      rest = Op::apply(rest, x[i]);
      out[i] = rest;
    }
    return rest;
  }

  /// The scan of up to kBlock elements after `before` (of nothing, where not `some`); the total of kBlock, without
  /// `before`.
  static T block(int64_t n, const T* x, T* out, bool some, T before) {
    alignas(64) T totals[kScan][kScan], spans[kScan] = {}, prefixes[kScan + 1];
    const int64_t groups = n / kScan, rest = n % kScan;
    for (int64_t g = 0; g < groups; ++g) {
      V v[kParts];
      load_group(x + g * kScan, v);
      group(v);
      store_group(out + g * kScan, v);
      totals[g / kScan][g % kScan] = v[kParts - 1][kLength - 1];
    }
    if (rest) {
      T some_of[kScan] = {};
      memcpy(some_of, x + groups * kScan, static_cast<size_t>(rest) * sizeof(T));
      V v[kParts];
      load_group(some_of, v);
      group(v);
      store_group(some_of, v);
      memcpy(out + groups * kScan, some_of, static_cast<size_t>(rest) * sizeof(T));
    }
    if (n <= kScan && !some) return T{};
    V scanned[kScan][kParts];
    const int64_t count = (n + kSpan - 1) / kSpan;
    for (int64_t s = 0; s < count; ++s) {
      load_group(totals[s], scanned[s]);
      group(scanned[s]);
      spans[s] = scanned[s][kParts - 1][kLength - 1];
    }
    V of_spans[kParts];
    load_group(spans, of_spans);
    group(of_spans);
    const T total = of_spans[kParts - 1][kLength - 1];
    store_group(spans, of_spans);
    for (int64_t s = 0; s < count; ++s) {
      const bool after = some || s > 0;
      const T first = s == 0 ? before : some ? Op::apply(before, spans[s - 1]) : spans[s - 1];
      prefixes[0] = first;
      for (int p = 0; p < kParts; ++p) {
        store(prefixes + 1 + p * kLength, after ? Op::apply(splat(first), scanned[s][p]) : scanned[s][p]);
      }
      T* const at = out + s * kSpan;
      const int64_t whole = groups - s * kScan < kScan ? groups - s * kScan : kScan;
      for (int64_t g = after ? 0 : 1; g < whole; ++g) {
        const V every = splat(prefixes[g]);
        for (int p = 0; p < kParts; ++p) {
          T* const part = at + g * kScan + p * kLength;
          store(part, Op::apply(every, load(part)));
        }
      }
      if (whole < kScan && (after || whole > 0)) {
        for (int64_t i = whole * kScan; i < n - s * kSpan; ++i) at[i] = Op::apply(prefixes[whole], at[i]);
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
    Prefix& prefix = *static_cast<Prefix*>(state);
    const T value = *static_cast<const T*>(total);
    if constexpr (kFree) {
      prefix.stack[0][0] = Op::apply(prefix.count ? prefix.stack[0][0] : kIdentity, value);
      prefix.count = 1;
    } else {
      prefix.push(value);
    }
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
