// Sorts of short rows: a lane of a vector is a row, and a network of comparisons sorts all lanes at once. Indices sort
// as the low half of what is compared, so that equal keys keep their order.
#pragma once

#include <type_traits>

#include "../sort_network.hpp"
#include "source.hpp"
#include "transpose.hpp"
#ifdef __AVX2__
#include "sort_lanes.hpp"
#endif

namespace accel::ACCEL_ISA {

/// Puts the lesser elements in a, the greater ones in b.
template <class V>
ACCEL_LANES void order(V& a, V& b) {
#ifdef __AVX2__
  SortLanes<std::remove_reference_t<decltype(a[0])>>::order(a, b);
#else
  const auto swapped = b < a;
  const V low = swapped ? b : a;
  b = swapped ? a : b;
  a = low;
#endif
}

#ifdef __AVX512F__
inline constexpr int kInRegisters = 32;  // vectors that a network sorts there
#else
inline constexpr int kInRegisters = 16;
#endif

/// Batcher's network of odd-even merges for kN elements: which two places are put in order, one pair after the other.
template <int kN>
struct Network {
  static constexpr int kMost = 543;  // of 64 elements
  uint8_t low[kMost] = {}, high[kMost] = {};
  int count = 0, last = 0;  // last: the first pair of the last merge

  constexpr Network() {
    for (int p = 1; p < kN; p *= 2) {
      last = count;
      for (int k = p; k > 0; k /= 2) {
        for (int j = k % p; j + k < kN; j += 2 * k) {
          for (int i = j; i < j + k && i + k < kN; ++i) {
            if (i / (2 * p) != (i + k) / (2 * p)) continue;
            low[count] = static_cast<uint8_t>(i);
            high[count++] = static_cast<uint8_t>(i + k);
          }
        }
      }
    }
  }

  /// Elements that the last merge merges with the others.
  static constexpr int kHalf = kN > 32 ? 32 : kN > 16 ? 16 : 8;

  template <class V>
  ACCEL_LANES void sort(V* block) {
    static constexpr Network kPairs;
    if constexpr (kN <= kInRegisters) {
      V v[kN];
#pragma GCC unroll 32
      for (int i = 0; i < kN; ++i) v[i] = block[i];
      columns(v, std::make_index_sequence<kPairs.count>{});
#pragma GCC unroll 32
      for (int i = 0; i < kN; ++i) block[i] = v[i];
    } else {
      Network<kHalf>::sort(block);
      Network<kN - kHalf>::sort(block + kHalf);
      for (int c = kPairs.last; c < kPairs.count; ++c) order(block[kPairs.low[c]], block[kPairs.high[c]]);
    }
  }

  template <class V, size_t... P>
  ACCEL_LANES void columns(V (&v)[kN], std::index_sequence<P...>) {
    constexpr Network kPairs;
    (order(v[kPairs.low[P]], v[kPairs.high[P]]), ...);
  }
};

/// Sorts the lanes of vectors of signed integers, n of them, or up to seven more.
template <class V>
static void sort_lanes(int64_t n, V* block) {
  switch ((n + 7) / 8) {
    case 1:
      return Network<8>::sort(block);
    case 2:
      return Network<16>::sort(block);
    case 3:
      return Network<24>::sort(block);
    case 4:
      return Network<32>::sort(block);
    case 5:
      return Network<40>::sort(block);
    case 6:
      return Network<48>::sort(block);
    case 7:
      return Network<56>::sort(block);
    default:
      return Network<64>::sort(block);
  }
}

/// Rows of elements of U's width.
template <class U>
struct ShortSort {
  using Key = std::conditional_t<sizeof(U) == 8, uint64_t, uint32_t>;
  using Signed = std::make_signed_t<Key>;
  static constexpr int kRows = kElements<Key>;  // at once
  static constexpr Key kTop = Key{1} << (8 * sizeof(Key) - 1);
  static constexpr Key kOnes = static_cast<U>(~U{0});
  static constexpr int kRoom = kShortRow + 16;  // of places: whole squares

  static void values(const ShortRows& p) {
    const ShortSort keys(p);
    Vector<Signed> block[kRoom];
    for (int64_t row = 0; row < p.rows; row += kRows) {
      const int64_t rows = p.rows - row < kRows ? p.rows - row : kRows;
      keys.read(p, row, rows, block);
      sort_lanes(p.n, block);
      if (p.out_row == 1 && rows == kRows) {
        U* const out = static_cast<U*>(p.out) + row;
        for (int64_t i = 0; i < p.count; ++i) {
          write(out + i * p.out_step, 1, kRows, keys.bits((Vector<Key>)block[i] ^ splat(kTop)));
        }
        continue;
      }
      for (int64_t i = 0; i < p.count; i += kRows) {
        Vector<Key> square[kRows];
        for (int c = 0; c < kRows; ++c) square[c] = (Vector<Key>)block[i + c] ^ splat(kTop);
        Transpose<Key>::run(square);
        const int64_t count = p.count - i < kRows ? p.count - i : kRows;
        U* const out = static_cast<U*>(p.out) + row * p.out_row + i * p.out_step;
        for (int64_t r = 0; r < rows; ++r) write(out + r * p.out_row, p.out_step, count, keys.bits(square[r]));
      }
    }
  }

  static void indices(const ShortRows& p) {
    static_assert(sizeof(Key) == 4 || sizeof(U) == 8);
    if constexpr (sizeof(Key) == 4) {
      constexpr int kHalf = kElements<int64_t>;
      typedef uint32_t Half __attribute__((vector_size(ACCEL_VECTOR_BYTES / 2)));
      const ShortSort keys(p);
      Vector<Signed> block[kRoom];
      Vector<int64_t> items[kRoom];
      for (int64_t row = 0; row < p.rows; row += kRows) {
        const int64_t rows = p.rows - row < kRows ? p.rows - row : kRows, padded = (p.n + 7) / 8 * 8;
        keys.read(p, row, rows, block);
        for (int64_t first = 0; first < rows; first += kHalf) {
          for (int64_t i = 0; i < padded; ++i) {
            Half half;
            memcpy(&half, reinterpret_cast<const uint32_t*>(&block[i]) + first, sizeof half);
            const Vector<uint64_t> wide = __builtin_convertvector(half, Vector<uint64_t>);
            items[i] = (Vector<int64_t>)(wide << 32 | splat(static_cast<uint64_t>(i)));
          }
          sort_lanes(p.n, items);
          const int64_t its_rows = rows - first < kHalf ? rows - first : kHalf;
          for (int64_t i = 0; i < p.count; i += kHalf) {
            Vector<int64_t> square[kHalf];
            for (int c = 0; c < kHalf; ++c) square[c] = items[i + c] & splat(int64_t{0xffffffff});
            Transpose<int64_t>::run(square);
            const int64_t count = p.count - i < kHalf ? p.count - i : kHalf;
            int64_t* const out = static_cast<int64_t*>(p.out) + (row + first) * p.out_row + i * p.out_step;
            for (int64_t r = 0; r < its_rows; ++r) write(out + r * p.out_row, p.out_step, count, square[r]);
          }
        }
      }
    }
  }

 private:
  explicit ShortSort(const ShortRows& p)
      : sign_(static_cast<Key>(p.sign)), infinity_(static_cast<Key>(p.infinity)), flip_(static_cast<Key>(p.flip)) {}

  /// The keys of `rows` rows from one on, as signed numbers of the same order: those of place i in block[i], and the
  /// largest behind them. Lanes without a row have the last one's.
  void read(const ShortRows& p, int64_t row, int64_t rows, Vector<Signed>* block) const {
    const U* const in = static_cast<const U*>(p.in) + row * p.in_row;
    if (p.in_row == 1 && rows == kRows) {
      for (int64_t i = 0; i < p.n; ++i) block[i] = (Vector<Signed>)(key(in + i * p.in_step, 1, kRows) ^ splat(kTop));
      for (int64_t i = p.n; i < (p.n + 7) / 8 * 8; ++i) block[i] = (Vector<Signed>)splat(static_cast<Key>(~kTop));
      return;
    }
    for (int64_t i = 0; i < (p.n + 7) / 8 * 8; i += kRows) {
      const int64_t left = p.n - i, count = left < 0 ? 0 : left < kRows ? left : kRows;
      Vector<Key> square[kRows];
      for (int64_t r = 0; r < kRows; ++r) {
        square[r] = key(in + (r < rows ? r : rows - 1) * p.in_row + i * p.in_step, p.in_step, count);
      }
      Transpose<Key>::run(square);
      for (int c = 0; c < kRows; ++c) block[i + c] = (Vector<Signed>)(square[c] ^ splat(kTop));
    }
  }

  /// The keys of elements, as `Keys` has them.
  __attribute__((always_inline)) Vector<Key> key_lanes(Vector<Key> bits) const {
    const Vector<Key> sign = splat(sign_), ones = splat(kOnes);
    Vector<Key> made = bits ^ sign;
    if (infinity_) {
      made = (bits & sign) != 0 ? bits ^ ones : made;
      made = (Vector<Signed>)(bits & (sign ^ ones)) > (Vector<Signed>)splat(infinity_) ? ones : made;
    }
    return made ^ splat(flip_);
  }
  /// Those of `count` elements, and the largest ones behind them.
  Vector<Key> key(const U* x, int64_t step, int64_t count) const {
    if (step == 1 && sizeof(U) == sizeof(Key)) {
      const Key* const keys = reinterpret_cast<const Key*>(x);
      if (count == kRows) return key_lanes(load(keys));
      const Vector<Key> none = splat(static_cast<Key>(~Key{0}));
      return count == 0 ? none : iota<Signed>() < static_cast<Signed>(count) ? key_lanes(load_some(keys, count)) : none;
    }
    Key lanes[kRows];
    for (int64_t i = 0; i < kRows; ++i) lanes[i] = i < count ? x[i * step] : Key{0};
    const Vector<Key> made = key_lanes(load(lanes));
    if (count == kRows) return made;
    store<Key>(lanes, made);
    for (int64_t i = count; i < kRows; ++i) lanes[i] = static_cast<Key>(~Key{0});
    return load(lanes);
  }

  Vector<Key> bits(Vector<Key> key) const {
    const Vector<Key> sign = splat(sign_), ones = splat(kOnes);
    key ^= splat(flip_);
    const Vector<Key> made = key ^ sign;
    return infinity_ ? ((key & sign) == 0 ? key ^ ones : made) : made;
  }

  template <class T, class V>
  ACCEL_LANES void write(T* out, int64_t step, int64_t count, V v) {
    if constexpr (sizeof(v) == sizeof(Vector<T>) && sizeof(T) == sizeof(v[0])) {
      if (step == 1 && count == kElements<T>) return store(out, (Vector<T>)v);
      if (step == 1) return store_some(out, (Vector<T>)v, count);
    }
    for (int64_t i = 0; i < count; ++i) out[i * step] = static_cast<T>(v[i]);
  }

  const Key sign_, infinity_, flip_;
};

}  // namespace accel::ACCEL_ISA
