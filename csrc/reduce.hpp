// Reductions in the canonical order: blocks of BLOCK elements of the flattened reduced axes, LANES lanes in a block,
// folded in halves; block results by the same rule until one is left.
#pragma once

#include <string>

#include "kernels.hpp"
#include "layout.hpp"
#include "threads.hpp"

namespace accel {

class Reduce {
 public:
  /// kind: sum prod max min any all argmax argmin. Throws std::invalid_argument for what a kind does not take or
  /// give.
  Reduce(const KernelTable& table, const std::string& kind, DType dtype, DType output);

  DType dtype() const { return dtype_; }
  DType output() const { return output_; }

  /// out[kept...] = the reduction of in[kept..., reduced...] over `reduced`; in_kept and in_reduced are in's strides.
  /// Throws std::invalid_argument where nothing is to be reduced and the kind has no identity.
  void run(const Extents& kept, const Operand& out, const char* in, const Extents& in_kept, const Extents& reduced,
           const Extents& in_reduced, int threads, Interrupt& interrupt) const;

 private:
  struct Call;
  struct Group;
  struct Winners;
  class Walk;

  bool settled_early(const Call& call, Interrupt& interrupt) const;
  void choose_groups(Call& call, int threads) const;
  void write_empty(const Extents& kept, const Operand& out, Interrupt& interrupt) const;
  const char* gather_block(const Call& call, const Group& group, int64_t begin, int64_t end) const;
  void fold_blocks(const Call& call, const Group& group, int64_t first, int64_t last, char* partials,
                   Worker& worker) const;
  void fold_long_row(const Call& call, const Group& group, int64_t first, int64_t last, char* partials,
                     Worker& worker) const;
  bool settled(const Call& call, char* partials, int64_t first, int64_t end, int64_t last) const;
  void finish(const Call& call, const Group& group, char* partials) const;
  void search(const Call& call, const Group& group, int64_t begin, int64_t end, Winners winners, Worker& worker) const;
  void search_long_row(const Call& call, const Group& group, int64_t begin, int64_t end, Winners winners,
                       Worker& worker) const;
  void search_rows(int64_t count, int64_t n, const char* x, int64_t row_stride, bool far, int64_t first_index,
                   bool fresh, Winners winners) const;
  void run_groups(const Call& call, int threads, int64_t tasks, Interrupt& interrupt) const;
  void run_split(const Call& call, int threads, int64_t tasks, Interrupt& interrupt) const;
  void merge_parts(const Group& group, int64_t parts, const char* values, const int64_t* indices) const;

  const std::string kind_;
  const DType dtype_, output_;
  DType accumulator_;
  const FoldRow* first_ = nullptr;  // of elements
  const FoldRow* next_ = nullptr;   // of block results
  const ArgRow* arg_ = nullptr;     // argmax and argmin only
  ArrayKernel narrow_ = nullptr;    // accumulator to output; null where they are the same
};

/// The fold of a kind from a dtype, and the cast from a dtype to another (null where they are the same). Throw
/// std::invalid_argument where there is none.
const FoldRow& find_fold(const KernelTable& table, const std::string& kind, DType from);
ArrayKernel find_cast(const KernelTable& table, DType from, DType to);

}  // namespace accel
