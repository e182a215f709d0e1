// Stages of Fourier transforms: butterflies of many numbers at once (src/accel/ops/composed/butterfly.py), each in
// registers. The contract of their kernels, which csrc/families/butterflies.cpp compiles once per instruction set.
#pragma once

#include "kernels.hpp"
#include "layout.hpp"
#include "threads.hpp"

namespace accel {

// A butterfly of radix 1 is a product of complex numbers: the number times, and not turned back by, its "turn".

/// One way through memory in elements: from row to row, from one butterfly of a row to the next, and where it begins.
struct ButterflyWay {
  int64_t row, step, at;
};

/// `rows` times `n` butterflies. Addresses are of re and im of each number x and result y, and of cos and sin of each
/// turn; all numbers, all turns and all results lie alike.
struct ButterflyPass {
  char* const* x;
  char* const* turns;      // for every result but the first, or the only one; null where nothing is turned
  char* const* constants;  // the radix's own
  const char* scale;       // null where nothing is scaled
  char* const* y;
  int64_t rows, n;
  ButterflyWay of_x, of_turns, of_y;
};

struct ButterflyRow {
  int radix;
  CType type;
  /// Results overlap no numbers.
  void (*run)(const ButterflyPass& pass);
};

/// How butterflies lie: strides along `shape` of all numbers, of all turns and of all results.
struct ButterflyProblem {
  Extents shape, x, turns, y;
};

class Butterfly {
 public:
  /// Throws std::invalid_argument for a radix or dtype that there is none of.
  Butterfly(const KernelTable& table, DType dtype, int radix, bool twiddled, bool scaled);

  DType dtype() const { return dtype_; }
  size_t numbers() const { return static_cast<size_t>(row_->radix); }
  /// Inputs: re and im of each number; cos and sin of each turn; constants; the scale.
  size_t inputs() const { return 2 * numbers() + turns() + constants() + (scaled_ ? 1 : 0); }
  size_t outputs() const { return 2 * numbers(); }

  void run(const ButterflyProblem& problem, char* const* in, char* const* out, int threads, Interrupt& interrupt) const;

 private:
  size_t turns() const { return !twiddled_ ? 0 : row_->radix == 1 ? 2 : 2 * numbers() - 2; }
  size_t constants() const { return row_->radix == 8 ? 1 : row_->radix % 2 ? numbers() - 1 : 0; }

  const ButterflyRow* row_;
  DType dtype_;
  bool twiddled_, scaled_;
};

}  // namespace accel
