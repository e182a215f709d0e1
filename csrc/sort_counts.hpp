// Sorts by counting: of the values of keys, or of their digits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "sort_keys.hpp"
#include "threads.hpp"

namespace accel {

inline constexpr int64_t kSortPart = 1 << 14;  // elements between two questions whether to go on
inline constexpr int64_t kMostSortPlaces = std::numeric_limits<uint32_t>::max();

/// A key and where it comes from.
struct Far {
  uint64_t key, index;
  bool operator<(const Far& other) const { return key != other.key ? key < other.key : index < other.index; }
};

inline uint64_t key_of(const Far& item) { return item.key; }
template <class U>
inline U key_of(U item) {
  return item;
}

/// How keys of so many bits, of n items, are taken apart: in bytes, or in as few digits of one width as may be.
struct Digits {
  static constexpr int64_t kLong = 1 << 14;  // elements from which fewer passes are worth counts of more digits
  static constexpr int kMostBits = 11;       // of these

  Digits(int64_t n, int bits)
      : count((bits + (n < kLong ? 7 : kMostBits - 1)) / (n < kLong ? 8 : kMostBits)),
        width((bits + count - 1) / count),
        values(1 << width) {}
  int count, width, values;
};

/// Sorts n items by the digits of their keys from bit `first` to bit `end`, above which they are equal, stable; either
/// of the two buffers has the result. counts: for as many numbers as all digits have values.
template <class Item>
Item* radix_sort(Item* items, Item* other, int64_t n, int first, int end, int64_t* counts, Worker& worker) {
  const Digits digits(n, end - first);
  const auto digit = [&](auto key, int shift) { return static_cast<int>(key >> shift) & (digits.values - 1); };
  std::fill(counts, counts + digits.count * digits.values, 0);
  for (int64_t begin = 0; begin < n; begin += kSortPart) {
    const int64_t stop = std::min(n, begin + kSortPart);
    for (int64_t i = begin; i < stop; ++i) {
      const auto key = key_of(items[i]);
      for (int d = 0; d < digits.count; ++d) ++counts[d * digits.values + digit(key, first + d * digits.width)];
    }
    worker.checkpoint((stop - begin) * digits.count);
  }
  for (int d = 0; d < digits.count; ++d) {
    int64_t* const places = counts + d * digits.values;
    const int shift = first + d * digits.width;
    if (places[digit(key_of(items[0]), shift)] == n) continue;  // the digit is constant
    for (int64_t v = 0, at = 0; v < digits.values; ++v) {
      const int64_t count = places[v];
      places[v] = at;
      at += count;
    }
    for (int64_t begin = 0; begin < n; begin += kSortPart) {
      const int64_t stop = std::min(n, begin + kSortPart);
      for (int64_t i = begin; i < stop; ++i) other[places[digit(key_of(items[i]), shift)]++] = items[i];
      worker.checkpoint(2 * (stop - begin));
    }
    std::swap(items, other);
  }
  return items;
}

/// Sorts a row of keys of few values next to each other by counting each: false where there are others, and nothing is
/// written.
template <class U>
bool sort_by_counts(const Keys<U>& keys, int64_t n, const U* x, int64_t in_step, U* y, int64_t out_step,
                    Worker& worker) {
  constexpr int64_t kValues = 1 << 10;      // that keys are counted of
  constexpr int64_t kCountedRow = 1 << 12;  // elements of a row that are worth as many counts
  constexpr int64_t kSamples = 64;          // of its keys, which say whether to count
  constexpr int kTables = 4;                // of counts, as a count waits for the one before it in the same place
  if (keys.infinity || n < kCountedRow || n > kMostSortPlaces) return false;  // numbers next to each other are integers
  U low = keys.key(x[0]), high = low;
  for (int64_t i = 1; i < kSamples; ++i) {
    const U key = keys.key(x[n / kSamples * i * in_step]);
    low = std::min(low, key);
    high = std::max(high, key);
  }
  const uint64_t range = static_cast<uint64_t>(high) - low;
  if (range >= kValues || (range == 0 && sizeof(U) >= 4)) return false;  // long sorts see one value sooner
  const uint64_t below = (kValues - 1 - range) / 2;                      // as many values as above them
  const U base = static_cast<U>(low < below ? 0 : low - below);
  uint32_t counts[kTables][kValues] = {};
  for (int64_t begin = 0; begin < n; begin += kSortPart) {
    const int64_t stop = std::min(n, begin + kSortPart);
    uint64_t others = 0;
    const auto add = [&, turn = static_cast<U>(keys.sign ^ keys.flip)](int table, U element) {
      const uint64_t value = static_cast<U>((element ^ turn) - base);
      others |= value / kValues;
      ++counts[table][value % kValues];
    };
    int64_t i = begin;
    for (; i + kTables <= stop; i += kTables) {
      for (int table = 0; table < kTables; ++table) add(table, x[(i + table) * in_step]);
    }
    for (; i < stop; ++i) add(0, x[i * in_step]);
    if (others) return false;
    worker.checkpoint(stop - begin);
  }
  for (int64_t value = 0; value < kValues; ++value) {
    int64_t count = 0;
    for (const auto& table : counts) count += table[value];
    const U bits = keys.bits(static_cast<U>(base + value));
    for (int64_t i = 0; i < count; ++i) y[i * out_step] = bits;
    y += count * out_step;
  }
  return true;
}

}  // namespace accel
