// Rows stored, or combined with what is there, where numbers of cells say. Sums and products go by rule 2 of
// docs/numerics.md over the rows of one cell in ascending order. Plain C++ serves every instruction set, but where up
// to 64 rows of elements that are neighbours are folded (row_folds.hpp).
#pragma once

#include "dtypes.hpp"
#include "layout.hpp"
#include "row_folds.hpp"
#include "threads.hpp"

namespace accel {

/// Row i, with `rows` elements, goes to the cell whose number is cells[i * cell_step]: its row-major place among
/// `lengths`, axes of the output with these steps. A number of no cell drops its row. Row i is the i-th of the values,
/// or, where there are sources, that at sources[i * source_step] of so many, from the end for one below 0; where there
/// is none, it is zeros.
struct ScatterProblem {
  int64_t count;
  int64_t value_step, cell_step;
  int64_t source_length, source_step;
  Extents lengths, steps;
  Extents rows, out_rows, value_rows;
};

/// order: what sorts the cells, equal ones in ascending order; null where they are in order. sources: null where there
/// are none. start: null, or one element that the output is to hold before: then nothing there is read, and all of it
/// is written. order and start are of sums and products.
struct ScatterOperands {
  const char* values;
  const int64_t* cells;
  const int64_t* order;
  const int64_t* sources;
  const char* start;
  char* out;
};

enum class ScatterKind { kSet, kAdd, kMultiply, kMax, kMin };

class Scatter {
 public:
  /// kind: the last of a cell's rows stays; or their sum or product is combined with what is there; or the extreme of
  /// both stays, where NaN is beyond all numbers and +0 above -0. apart: no cell is there twice. Throws
  /// std::invalid_argument where a dtype has no sums: bool and the 16-bit floats.
  Scatter(const KernelTable& table, DType dtype, ScatterKind kind, bool apart);

  DType dtype() const { return dtype_; }

  /// Whether `run` goes through rows in the order of their cells.
  bool folds() const { return kind_ == ScatterKind::kAdd || kind_ == ScatterKind::kMultiply; }

  void run(const ScatterProblem& problem, const ScatterOperands& operands, int threads, Interrupt& interrupt) const;

 private:
  const DType dtype_;
  const ScatterKind kind_;
  const bool apart_;
  const RowFold folds_;
};

}  // namespace accel
