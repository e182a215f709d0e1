// Arrays side by side in one: each copied to its own box of an output.
#pragma once

#include <vector>

#include "kernels.hpp"
#include "layout.hpp"
#include "pointwise.hpp"
#include "threads.hpp"

namespace accel {

/// A box of the output and what is copied there. Operands have no addresses yet. Axes go from the longest stride of the
/// output to the shortest.
struct JoinPart {
  Extents shape;
  Operand out, in;
  int64_t offset;  // of the box's first element behind the output's, in elements
};

class Join {
 public:
  /// The way through the boxes. Boxes lie apart from each other and from all inputs.
  Join(const KernelTable& table, DType dtype, std::vector<JoinPart> parts);

  DType dtype() const { return copy_.output(); }
  const std::vector<JoinPart>& parts() const { return parts_; }

  /// Copies in[i] to the box of parts()[i], for all of them.
  void run(char* const* in, char* out, int threads, Interrupt& interrupt) const;

 private:
  /// Boxes whose rows take turns in the output: written box by box, every row would be met once for each of them.
  struct Rows {
    struct Member {
      size_t part;
      int64_t n, step;  // elements of a row, and from one to the next in the input
    };
    std::vector<Member> members;
    Nest nest;      // over the rows, with an innermost dimension of one; of the output and each member's input
    int64_t width;  // elements of a row of all members
  };

  void add_rows(size_t part);
  void run_lines(char* const* in, char* out, int threads, Interrupt& interrupt) const;
  void run_rows(const Rows& rows, char* const* in, char* out, int threads, Interrupt& interrupt) const;
  void copy(char* to, const char* from, int64_t n, int64_t step, bool streams) const;

  Pointwise copy_;
  StreamKernels stream_;
  ReverseKernel reverse_;
  std::vector<JoinPart> parts_;
  std::vector<size_t> lines_;  // parts that are one row
  std::vector<int64_t> ends_;  // of each line, when they are counted through
  std::vector<Rows> rows_;
  std::vector<size_t> others_;  // parts without rows
  int64_t bytes_;               // of inputs and output
};

}  // namespace accel
