// The contract of the kernels that fold rows which lie anywhere, compiled once per instruction set.
#pragma once

#include "kernels.hpp"

namespace accel {

inline constexpr int64_t kFoldedRows = 64;         // the lanes of rule 2
inline constexpr int64_t kFoldedColumns = 1 << 9;  // elements of a row at most

/// total[c] = the fold by rule 2 of rows[l][c] over l < count <= kFoldedRows, for c < n <= kFoldedColumns.
using RowFold = void (*)(int64_t count, int64_t n, const void* const* rows, void* total);

/// Sums, then products, of float32, float64 and of integers of 1, 2, 4 and 8 bytes.
struct RowFolds {
  RowFold floats[2], doubles[2], integers[4][2];
};

/// Those of a table's instruction set.
const RowFolds& find_row_folds(const KernelTable& table);

}  // namespace accel
