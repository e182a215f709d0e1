// Pointwise programs: a scalar Program resolved to array kernels, run over strided operands.
#pragma once

#include <string>
#include <vector>

#include "kernels.hpp"
#include "layout.hpp"
#include "steps.hpp"
#include "threads.hpp"

namespace accel {

/// Whether a copy of so many bytes, those read and those written, in runs of so many, is stored around the caches.
/// Several threads together would wait for memory, where one hardly does.
constexpr bool streams_copy(int64_t bytes, int64_t run, int threads) {
  return bytes > (run >= 8 << 10 && threads > 1 ? 40 << 20 : 24 << 20);
}

class Pointwise {
 public:
  /// Throws std::invalid_argument, naming the step, for what the table does not have or what does not fit together.
  Pointwise(const KernelTable& table, std::vector<DType> inputs, std::vector<ProgramStep> steps, DType output);

  const std::vector<DType>& inputs() const { return inputs_; }
  const std::vector<ProgramStep>& steps() const { return spec_; }
  DType output() const { return output_; }
  size_t passes() const { return steps_.size(); }

  /// out[...] = program(in[0][...], ...) over `shape`. out may be exactly the memory of an input, else apart from all.
  void run(const Extents& shape, const Operand& out, const std::vector<Operand>& in, int threads,
           Interrupt& interrupt) const;

  /// The same on one thread, as a part of its job.
  void run(const Extents& shape, const Operand& out, const std::vector<Operand>& in, Worker& worker) const;

 private:
  struct Step {
    const char* function;  // its name, "cast" or, of two in one, "first second"; "" where it is in no pair
    ArrayKernel kernel;
    OptionKernel with_options;  // null where there is none
    int result;                 // the value it computes
    int arity;
    int args[kMaxArity];
  };
  struct Region;
  class Pass;

  bool run_block(const Extents& shape, const Operand& out, const std::vector<Operand>& in, int threads) const;
  void drop_dead_steps();
  void pair(const KernelTable& table, const std::vector<DType>& dtypes);
  bool streams() const;  // the last step, or a copy, can store around the caches
  void assign_slots();

  StreamKernels stream_;
  ReverseKernel reverse_;
  std::vector<DType> inputs_;
  std::vector<ProgramStep> spec_;
  DType output_;
  std::vector<Step> steps_;
  std::vector<bool> repeatable_;  // of each input: every step that takes it can repeat one element
  std::vector<int> slots_;        // of each value; an input's is used where it cannot be read in place
  int slot_count_ = 0;
  int result_ = 0;  // the value that is the output
};

}  // namespace accel
