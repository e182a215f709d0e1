// Products of groups of rows, each by a matrix of its own.
#pragma once

#include "matmul.hpp"

namespace accel {

/// Rows of A in groups, group g's by the matrix g of B; or, where `contracted`, columns of A in groups, by B's rows of
/// the same, one result for each group. Strides are of the groups, then of an operand's rows and columns; those of the
/// groups are 0 for A, and for what `ends` divides of the others.
struct MatmulGroups {
  int64_t groups, m, n, k;
  bool contracted;
  Operand a, b, out;
  DType ends_dtype;  // int32 or int64
  const char* ends;  // of each group, one after its last row

  int64_t rows() const { return contracted ? k : m; }
  /// Within the rows, whatever `ends` says; the last group has what is left.
  int64_t end(int64_t group) const;
};

class GroupedMatmul {
 public:
  /// As a Matmul's. Throws std::invalid_argument.
  GroupedMatmul(const KernelTable& table, DType dtype, DType output, bool matrix_units)
      : product_(table, dtype, output, nullptr, matrix_units) {}

  DType dtype() const { return product_.dtype(); }
  DType output() const { return product_.output(); }

  /// Each row's result is that of its group's product alone.
  void run(const MatmulGroups& problem, int threads, Interrupt& interrupt) const;

 private:
  Matmul product_;
};

}  // namespace accel
