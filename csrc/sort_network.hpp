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

/// n > 0 elements, one after the other, to `out`, which may be `in`; `spare` has room for as many. Numbers are of the
/// elements' width. What is compared is the element as a signed integer, with the bits of `negative` turned around
/// where it is below 0, or the largest one where all bits but the sign are above `infinity`; and then those of `turn`.
struct LongRow {
  uint64_t turn, negative, infinity;
  int64_t n;
  const void* in;
  void *out, *spare;
};

/// Sorts of rows of any length of elements of so many bytes.
struct LongSort {
  int size;
  void (*run)(const LongRow& row, const Pause& pause);
};

const LongSort* find_long_sort(const char* isa, int size);

}  // namespace accel
