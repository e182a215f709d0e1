// The contract of the kernels that sort short rows, which csrc/families/sorts.cpp compiles once per instruction set.
#pragma once

#include "kernels.hpp"

namespace accel {

/// Elements of a row at most.
inline constexpr int64_t kShortRow = 64;

/// `rows` rows of `n` elements, 0 < n <= kShortRow, of which the first `count` in order are written. Steps in elements.
struct ShortRows {
  uint64_t sign, infinity, flip;  // of `Keys`, of the elements' width
  int64_t rows, n, count;
  const void* in;
  int64_t in_row, in_step;
  void* out;
  int64_t out_row, out_step;
};

/// Sorts of elements of so many bytes: their values, or the int64 indices that sort.
struct SortRow {
  int size;
  bool indices;
  void (*run)(const ShortRows& problem);
};

/// Null where there is none. isa: the name of an instruction set.
const SortRow* find_sort(const char* isa, int size, bool indices);

/// What a long sort calls between its parts, with roughly the nanoseconds of work of the next one; it may throw.
struct Pause {
  void (*call)(void* its, int64_t work);
  void* its;
};

/// What is compared of an element, all of its width: the element as a signed integer, with the bits of `negative`
/// turned around where it is below 0, or the largest one where all bits but the sign are above `infinity`; and then
/// those of `turn`.
struct SignedKey {
  uint64_t turn, negative, infinity;
};

/// n > 0 elements, one after the other, of which the first `count` in order are wanted in the first places of `out`.
/// `out`, which may be `in`, and `spare` have room for n.
struct LongRow {
  SignedKey key;
  int64_t n, count;
  const void* in;
  void *out, *spare;
};

/// Sorts of rows of any length of elements of so many bytes.
struct LongSort {
  int size;
  void (*run)(const LongRow& row, const Pause& pause);
};

/// Null where there is none.
const LongSort* find_long_sort(const char* isa, int size);

/// n elements, one after the other, of which the first `count` in order are wanted. A part is as many vectors; the last
/// one may be shorter, and elements that fill no vector are in none. least: keys, as many of each part as a vector has.
struct FirstRow {
  SignedKey key;
  int64_t n, count, part;
  const void* in;
  void* least;
};

/// Looks for the first elements of a row in order, of so many bytes, `lanes` in a vector.
struct FirstKernel {
  int size, lanes;
  /// To `least`: the least keys of each part, of its vectors' first elements, second elements and so on.
  void (*find_least)(const FirstRow& row, const Pause& pause);
  /// Ascending places that the first elements are among, where `count` keys or more are up to `limit`: those of lesser
  /// keys, and of `count` equal ones. How many.
  int64_t (*find_places)(const FirstRow& row, int64_t limit, uint32_t* places, const Pause& pause);
};

const FirstKernel& find_first(const char* isa, int size);

}  // namespace accel
