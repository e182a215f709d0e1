// Where the first elements of a row in order may be: among the keys up to the last one of as many different elements,
// which are the least ones of blocks. A lane of a part, a run of whole vectors, is a block.
#pragma once

#include "signed_keys.hpp"
#include "source.hpp"

namespace accel::ACCEL_ISA {

/// T: the signed integers of the elements' width.
template <class T>
struct FirstPlaces {
  using V = Vector<T>;
  static constexpr int kE = kElements<T>;

  static void least(const FirstRow& row, const Pause& pause) {
    const SignedKeys<T> keys(row.key);
    const T* const x = static_cast<const T*>(row.in);
    T* const least = static_cast<T*>(row.least);
    const int64_t whole = row.n / kE;
    for (int64_t first = 0; first < whole; first += row.part) {
      const int64_t end = whole - first < row.part ? whole : first + row.part;
      V low = splat(SignedKeys<T>::kMost), low1 = low;  // in turns, as each waits for the one before
      int64_t i = first;
      for (; i + 2 <= end; i += 2) {
        const V a = keys.key(load(x + i * kE)), b = keys.key(load(x + (i + 1) * kE));
        low = a < low ? a : low;
        low1 = b < low1 ? b : low1;
      }
      if (i < end) {
        const V a = keys.key(load(x + i * kE));
        low = a < low ? a : low;
      }
      store(least + first / row.part * kE, low1 < low ? low1 : low);
      pause.call(pause.its, (end - first) * kE / 8);
    }
  }

  static int64_t places(const FirstRow& row, int64_t limit, uint32_t* places, const Pause& pause) {
    const SignedKeys<T> keys(row.key);
    const T* const x = static_cast<const T*>(row.in);
    const T* const least = static_cast<const T*>(row.least);
    const V last = splat(static_cast<T>(limit));
    const int64_t whole = row.n / kE;
    int64_t count = 0, equals = row.count;  // those that may still be among the first ones
    const auto look = [&](V key, int64_t at, uint64_t there) {
      const uint64_t equal = equals > 0 ? bits_of<T>(key == last) & there : 0;
      equals -= __builtin_popcountll(equal);
      for (uint64_t found = (bits_of<T>(key < last) & there) | equal; found; found &= found - 1) {
        places[count++] = static_cast<uint32_t>(at + __builtin_ctzll(found));
      }
    };
    for (int64_t first = 0; first < whole; first += row.part) {
      const V low = load(least + first / row.part * kE);
      if (!any_true(equals > 0 ? low <= last : low < last)) continue;
      const int64_t end = whole - first < row.part ? whole : first + row.part;
      for (int64_t i = first; i < end; ++i) look(keys.key(load(x + i * kE)), i * kE, ~uint64_t{0});
      pause.call(pause.its, (end - first) * kE / 8);
    }
    if (const int64_t rest = row.n - whole * kE) {
      T some[kE] = {};
      for (int64_t i = 0; i < rest; ++i) some[i] = x[whole * kE + i];
      look(keys.key(load(some)), whole * kE, (uint64_t{1} << rest) - 1);
    }
    return count;
  }

  static constexpr FirstKernel row() { return {sizeof(T), kE, least, places}; }
};

}  // namespace accel::ACCEL_ISA
