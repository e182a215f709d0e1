// One reduction as its driver sees it: how the elements lie, and the groups of outputs that are reduced together.
#pragma once

#include <algorithm>
#include <atomic>

#include "layout.hpp"
#include "reduce.hpp"

namespace accel {

inline constexpr int64_t kRowElements = 1 << 16;  // elements of a group of rows, in L2; and between two checkpoints

/// How the elements of a group of outputs lie, and which kernel takes them.
enum class Along {
  kRows,      // those of one output are neighbours
  kColumns,   // those of neighbouring outputs are
  kGathered,  // any other way: copied together, as rows
};

/// The flattened problem. Operand 0 of `kept` is the input, operand 1 the output; `reduced` moves the input.
struct Reduce::Call {
  Nest kept, reduced;
  const char* in;
  char* out;
  int64_t length;  // elements reduced to one
  int64_t blocks;  // of the first level
  Along along;
  int64_t width;     // outputs in a group; 1 where rows have several blocks
  int64_t segments;  // groups in a row of `kept`
  int64_t groups;
  bool far = false;                    // the input is longer than caches
  std::atomic<bool>* found = nullptr;  // of any and all: the one output is settled
};

/// Outputs that are reduced together.
struct Reduce::Group {
  const char* in;
  char* out;
  int64_t out_stride;
  int64_t width;
};

/// The best value so far of each output of a group, and its index in the reduced axes.
struct Reduce::Winners {
  char* best;
  int64_t* index;
};

/// Goes from group to group.
class Reduce::Walk {
 public:
  Walk(const Reduce& reduce, const Call& call, int64_t group)
      : call_(call),
        in_size_(size_of(reduce.dtype_)),
        out_size_(size_of(reduce.output_)),
        cursor_(call.kept, group / call.segments),
        segment_(group % call.segments) {}

  Group group() const {
    const int64_t column = segment_ * call_.width;
    return {call_.in + (cursor_.offset(0) + column * call_.kept.inner_stride(0)) * in_size_,
            call_.out + (cursor_.offset(1) + column * call_.kept.inner_stride(1)) * out_size_,
            call_.kept.inner_stride(1), std::min(call_.width, call_.kept.inner() - column)};
  }

  void next() {
    if (++segment_ < call_.segments) return;
    segment_ = 0;
    cursor_.next();
  }

 private:
  const Call& call_;
  const int in_size_, out_size_;
  RowCursor cursor_;
  int64_t segment_;
};

}  // namespace accel
