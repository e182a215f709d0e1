// Sorting along one axis by unsigned keys: stable, NaN as the largest key, -0 before +0.
#pragma once

#include "dtypes.hpp"
#include "layout.hpp"
#include "sort_network.hpp"
#include "threads.hpp"

namespace accel {

/// Rows of `length` > 0 elements. Strides of `kept` are of the input and of the output; steps are along a row.
struct SortProblem {
  Extents kept;
  Extents in_kept, out_kept;
  int64_t length;
  int64_t in_step, out_step;
};

/// How rows are sorted: values of the elements' width, and items of 8 bytes, keys beside places, null where their
/// digits are counted; and how the first places are looked for.
struct RowSorts {
  const LongSort *values, *items;
  const FirstKernel* first;
};

class Sort {
 public:
  /// indices: the output is the int64 indices that sort, else the sorted values. count: as many of them as the output
  /// has along the axis, the first ones.
  Sort(const KernelTable& table, DType dtype, bool indices, bool descending, int64_t count)
      : dtype_(dtype),
        indices_(indices),
        descending_(descending),
        count_(count),
        short_(find_sort(table.isa, size_of(dtype), indices)),
        long_{find_long_sort(table.isa, size_of(dtype)), find_long_sort(table.isa, 8),
              &find_first(table.isa, size_of(dtype))} {}

  DType dtype() const { return dtype_; }
  DType output() const { return indices_ ? DType::kInt64 : dtype_; }

  void run(const SortProblem& problem, const char* in, char* out, int threads, Interrupt& interrupt) const;

 private:
  void run_short(const SortProblem& problem, const char* in, char* out, int threads, Interrupt& interrupt) const;

  const DType dtype_;
  const bool indices_, descending_;
  const int64_t count_;
  const SortRow* const short_;  // null where rows of few elements are sorted like others
  const RowSorts long_;
};

}  // namespace accel
