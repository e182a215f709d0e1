// Rows stored, or added, where numbers of cells say. Adding goes by rule 2 of docs/numerics.md over the rows of one
// cell in ascending order; plain C++ serves every instruction set, as each row is somewhere else in memory.
#pragma once

#include "dtypes.hpp"
#include "layout.hpp"
#include "threads.hpp"

namespace accel {

/// Row i of the values, with `rows` elements, goes to the cell whose number is cells[i * cell_step]: its row-major
/// place among `lengths`, axes of the output with these steps. A number of no cell drops its row.
struct ScatterProblem {
  int64_t count;
  int64_t value_step, cell_step;
  Extents lengths, steps;
  Extents rows, out_rows, value_rows;
};

class Scatter {
 public:
  /// add: rows are summed and the sum is added to what is there, else the last of a cell's rows stays. apart: no cell
  /// is there twice. Throws std::invalid_argument where a dtype has no sums: bool and the 16-bit floats.
  Scatter(DType dtype, bool add, bool apart);

  DType dtype() const { return dtype_; }
  bool add() const { return add_; }

  /// order: to add, what sorts the cells, equal ones in ascending order; else null.
  void run(const ScatterProblem& problem, const char* values, const int64_t* cells, const int64_t* order, char* out,
           int threads, Interrupt& interrupt) const;

 private:
  const DType dtype_;
  const bool add_, apart_;
};

}  // namespace accel
