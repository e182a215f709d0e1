// Elements that integer arrays select: only memory is moved, so one code serves every instruction set.
#pragma once

#include <vector>

#include "layout.hpp"
#include "threads.hpp"

namespace accel {

/// out[o] = in[o . in + sum over k of index_k[o . index_k] * steps[k]]. An index below 0 counts from the end of
/// lengths[k]; where one is out of range the result is 0 and nothing is read.
class GatherProblem {
 public:
  GatherProblem(const Extents& shape, const Extents& out, const Extents& in, const std::vector<Extents>& indices,
                const Extents& lengths, const Extents& steps);

  Nest nest;  // operand 0 is the output, operand 1 the input, the others are the index arrays
  std::vector<int64_t> lengths, steps;
  int64_t elements;  // of the output
  bool nothing;      // an indexed axis has no elements, so that none may be read
};

class Gather {
 public:
  /// size: bytes of an element, 1, 2, 4 or 8. Throws std::invalid_argument for another.
  explicit Gather(int size);

  int size() const { return size_; }

  /// indices: the int64 elements of each index array.
  void run(const GatherProblem& problem, const char* in, const int64_t* const* indices, char* out, int threads,
           Interrupt& interrupt) const;

 private:
  const int size_;
};

}  // namespace accel
