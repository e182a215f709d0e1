// Factorisations of many blocks: Cholesky's, LU with row exchanges, QR, and solutions with a lower triangle; and rows
// of any number that Jacobi's rotations make orthogonal.
#pragma once

#include <array>
#include <string>

#include "kernels.hpp"
#include "threads.hpp"

namespace accel {

/// Strides of an operand: from matrix to matrix, along columns (from row to row), along rows.
using MatrixStrides = std::array<int64_t, 3>;

/// `count` matrices. cholesky: of m = n <= kFactor rows, to their lower factors. lu: of m rows and n <= kFactor
/// columns, to L below the diagonal and U, and the rows' order (strides of m x 1). qr: of the same shapes, m >= n, to
/// reflections' vectors below the diagonal and R, and the reflections' factors (strides of n x 1). solve: a lower
/// triangle of m <= kFactor rows and right-hand sides of m rows and n columns, to the solutions. jacobi: an even number
/// m of rows, of which the first `length` of n elements become orthogonal, and the largest cosine of the last sweep
/// (strides of 1 x 1). Of complex numbers each matrix is two, real and imaginary parts.
struct FactorProblem {
  int64_t count, m, n;
  MatrixStrides a[2], b[2];  // b: the right-hand sides of solve
  MatrixStrides out[2];
  MatrixStrides beside;  // the last output, which is one
  int64_t length;        // of jacobi
};

class Factor {
 public:
  enum class Kind { kCholesky, kLu, kQr, kSolve, kSolveUnit, kJacobi };

  /// kind: cholesky, lu, qr, solve, solve_unit or jacobi. pairs: of complex numbers, whose parts have the dtype. Throws
  /// std::invalid_argument for another kind, or a dtype that is not float32 or float64.
  Factor(const KernelTable& table, const std::string& kind, DType dtype, bool pairs);

  DType dtype() const { return dtype_; }
  Kind kind() const { return kind_; }
  int parts() const { return parts_; }  // matrices that one is
  bool has_beside() const { return kind_ == Kind::kLu || kind_ == Kind::kQr || kind_ == Kind::kJacobi; }
  bool solves() const { return kind_ == Kind::kSolve || kind_ == Kind::kSolveUnit; }

  void run(const FactorProblem& problem, char* const* inputs, char* const* outputs, int threads,
           Interrupt& interrupt) const;

 private:
  const DType dtype_;
  const int parts_;
  Kind kind_;
  const FactorRow* row_ = nullptr;
};

}  // namespace accel
