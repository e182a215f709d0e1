// Places of values in a sorted vector, and places of true elements: integers are compared and memory is moved, so one
// code serves every instruction set.
#pragma once

#include "dtypes.hpp"
#include "layout.hpp"
#include "threads.hpp"

namespace accel {

/// A vector of `length` elements, and values and results of a shape.
struct SearchProblem {
  int64_t length, step;
  Extents shape;
  Extents values, out;
};

class Search {
 public:
  /// right: places behind equal elements, else before them.
  Search(DType dtype, bool right) : dtype_(dtype), right_(right) {}

  DType dtype() const { return dtype_; }

  void run(const SearchProblem& problem, const char* in, const char* values, int64_t* out, int threads,
           Interrupt& interrupt) const;

 private:
  const DType dtype_;
  const bool right_;
};

/// Booleans in blocks of `block` elements; `count` of them are true.
struct CompactProblem {
  int64_t length, step;
  int64_t block, before_step;
  int64_t count, out_step;

  int64_t blocks() const { return (length + block - 1) / block; }
};

class Compact {
 public:
  /// out: how many elements of each block are true.
  void count(const CompactProblem& problem, const uint8_t* mask, int64_t* out, int threads, Interrupt& interrupt) const;

  /// before: how many elements are true before each block. Writes at most problem.count places, whatever it says.
  void run(const CompactProblem& problem, const uint8_t* mask, const int64_t* before, int64_t* out, int threads,
           Interrupt& interrupt) const;
};

}  // namespace accel
