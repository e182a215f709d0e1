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

  /// Inputs: query, key, value, then those of mask, sinks, slopes, starts and lengths that there are (`given`). The
  /// problem's dtype is this one's.
  void run(const AttentionProblem& problem, const bool (&given)[5], const int64_t (&steps)[2], char* const* inputs,
           char* const* outputs, int threads, Interrupt& interrupt) const;

 private:
  const DType dtype_;
  const AttentionRow* row_ = nullptr;
};

}  // namespace accel
