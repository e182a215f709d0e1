// What the drivers of matmul share: the problem laid out for them, and its division.
#pragma once

#include <algorithm>
#include <cstring>

#include "contract.hpp"
#include "matmul.hpp"

namespace accel {

inline constexpr int64_t kTileBytes = 1 << 20;         // accumulators that are not in the output
inline constexpr int64_t kRegionWork = 1 << 26;        // multiply-adds between two checkpoints
inline constexpr int64_t kDirectWork = 64 * 64 * 64;   // multiply-adds up to which packing A costs more than it saves,
inline constexpr int64_t kFewWork = 40 * 40 * 40;      // laying out the factors of few rows
inline constexpr int64_t kWidenedWork = 16 * 16 * 16;  // or doing so for elements that are widened for it
inline constexpr int64_t kFewColumns = 64;             // of B, from which reading its rows end to end pays

inline int64_t round_up(int64_t x, int64_t multiple) { return (x + multiple - 1) / multiple * multiple; }

/// Calls body(T{}) for the compute type.
template <class Body>
void with_type(CType type, Body&& body) {
  switch (type) {
    case CType::kF32:
      return body(float{});
    case CType::kF64:
      return body(double{});
    case CType::kU32:
      return body(uint32_t{});
    default:
      return body(uint64_t{});
  }
}

/// The problem with strides apart for batch and matrix, transposed where that makes the output's rows contiguous.
struct Matmul::Call {
  Nest batch;  // operands: a, b, out, extras...
  int64_t entries;
  int64_t m, n, k;
  char *a, *b, *out;
  int64_t a_row, a_col, b_row, b_col, out_row, out_col;
  struct Extra {
    char* data;
    int64_t row, col;
  };
  std::vector<Extra> extras;
  bool in_place;  // accumulators live in the output

  Call(const Matmul& matmul, const MatmulProblem& problem)
      : entries(problem.batch.product()),
        m(problem.m),
        n(problem.n),
        k(problem.k),
        a(problem.a.data),
        b(problem.b.data),
        out(problem.out.data) {
    const int rank = problem.batch.rank;
    batch.shape = problem.batch;
    const auto take = [&](const Operand& operand, int64_t& row, int64_t& col) {
      batch.strides.push_back(operand.strides);
      batch.strides.back().rank = rank;
      row = operand.strides[rank];
      col = operand.strides[rank + 1];
    };
    take(problem.a, a_row, a_col);
    take(problem.b, b_row, b_col);
    take(problem.out, out_row, out_col);
    for (const Operand& operand : problem.extras) {
      extras.push_back({operand.data, 0, 0});
      take(operand, extras.back().row, extras.back().col);
    }
    if (k == 0) {  // a and b have no elements, and their addresses are not moved
      a_row = a_col = b_row = b_col = 0;
      for (int d = 0; d < rank; ++d) batch.strides[0][d] = batch.strides[1][d] = 0;
    }
    // Few columns are few rows transposed.
    const bool few_columns = n == 1 || (n <= kFewRows && m * n * k > kFewWork && (a_col == 1 || a_row == 1));
    if ((few_columns && n < m) || (n > 1 && m > 1 && out_col != 1 && out_row == 1)) transpose();
    batch.collapse();
    fold_batch();
    in_place = (out_col == 1 || n == 1) && (!matmul.finish_ || size_of(matmul.output_) == matmul.size_);
    for (const Extra& extra : extras) in_place &= extra.data != out;
    if (n == 1 && in_place) out_col = 1;
  }

 private:
  /// out^T = b^T a^T: the same products, as multiplication commutes.
  void transpose() {
    std::swap(m, n);
    std::swap(a, b);
    std::swap(a_row, b_col);
    std::swap(a_col, b_row);
    std::swap(out_row, out_col);
    std::swap(batch.strides[0], batch.strides[1]);
    for (Extra& extra : extras) std::swap(extra.row, extra.col);
  }

  /// Where every entry multiplies the same B and the entries' rows follow one another, they are one matrix.
  void fold_batch() {
    if (batch.rank() == 0) return;
    const int d = batch.rank() - 1;
    if (batch.strides[1][d] != 0) return;
    const auto follows = [&](int operand, int64_t row) { return m == 1 || batch.strides[operand][d] == row * m; };
    bool folds = follows(0, a_row) && follows(2, out_row);
    for (size_t i = 0; i < extras.size(); ++i) folds &= follows(static_cast<int>(i) + 3, extras[i].row);
    if (!folds) return;
    if (m == 1) {
      a_row = batch.strides[0][d];
      out_row = batch.strides[2][d];
      for (size_t i = 0; i < extras.size(); ++i) extras[i].row = batch.strides[i + 3][d];
    }
    m *= batch.shape[d];
    entries /= batch.shape[d];
    --batch.shape.rank;
    for (Extents& s : batch.strides) --s.rank;
  }
};

/// One entry of the batch.
struct Matmul::Entry {
  const char *a, *b;
  char* out;
  std::vector<char*> extras;
};

/// Rows [row, row + rows) and columns [column, column + columns) of an entry's output.
struct Matmul::Region {
  int64_t row, rows, column, columns;
};

/// Calls body(entry) for the entries of [begin, end).
template <class Body>
void Matmul::for_entries(const Call& call, int64_t begin, int64_t end, Body&& body) const {
  // A row of the batch's nest is its innermost dimension.
  const int64_t inner = call.batch.inner();
  RowCursor cursor(call.batch, begin / inner);
  int64_t column = begin % inner;
  const int in_size = size_of(dtype_), out_size = size_of(output_);
  Entry entry;
  entry.extras.resize(call.extras.size());
  for (int64_t e = begin; e < end; ++e) {
    const auto offset = [&](int operand) { return cursor.offset(operand) + column * call.batch.inner_stride(operand); };
    entry.a = call.a + offset(0) * in_size;
    entry.b = call.b + offset(1) * in_size;
    entry.out = call.out + offset(2) * out_size;
    for (size_t i = 0; i < call.extras.size(); ++i) {
      entry.extras[i] = call.extras[i].data + offset(static_cast<int>(i) + 3) * size_of(extra(i));
    }
    body(entry);
    if (++column == inner) {
      column = 0;
      cursor.next();
    }
  }
}

}  // namespace accel
