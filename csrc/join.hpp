// Arrays side by side in one: each copied to its own box of an output.
#pragma once

#include <vector>

#include "kernels.hpp"
#include "layout.hpp"
#include "pointwise.hpp"
#include "threads.hpp"

namespace accel {

/// A box of the output and what is copied there. Operands have no addresses yet.
struct JoinPart {
  Extents shape;
  Operand out, in;
  int64_t offset;  // of the box's first element behind the output's, in elements
};

class Join {
 public:
  Join(const KernelTable& table, DType dtype);

  DType dtype() const { return copy_.output(); }

  /// Copies in[i] to the box of parts[i], for all of them. Boxes lie apart from each other and from all inputs.
  void run(const std::vector<JoinPart>& parts, char* const* in, char* out, int threads, Interrupt& interrupt) const;

 private:
  Pointwise copy_;
};

}  // namespace accel
