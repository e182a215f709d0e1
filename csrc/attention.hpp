// Attention: rows are shared out over sequences, heads and tiles of queries, and where these are few, chunks of keys.
#pragma once

#include "attention_kernels.hpp"
#include "threads.hpp"

namespace accel {

class Attention {
 public:
  /// Throws std::invalid_argument for a dtype that is no floating one.
  Attention(const KernelTable& table, DType dtype);

  DType dtype() const { return dtype_; }

  /// What there may be beside query, key and value, in this order.
  enum Operand { kMask, kSinks, kSlopes, kStarts, kLengths, kOffsets, kPages, kDropout, kOperands };

  /// Inputs: query, key, value, then the others that there are (`given`). steps: of the integers, from sequence to
  /// sequence and, of pages, from page to page. The problem's dtype is this one's.
  void run(const AttentionProblem& problem, const bool (&given)[kOperands], const int64_t (&steps)[kOperands][2],
           char* const* inputs, char* const* outputs, int threads, Interrupt& interrupt) const;

 private:
  const DType dtype_;
  const AttentionRow* row_ = nullptr;
};

}  // namespace accel
