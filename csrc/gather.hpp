// Elements that integer arrays select.
#pragma once

#include <vector>

#include "kernels.hpp"
#include "layout.hpp"
#include "threads.hpp"

namespace accel {

inline constexpr int64_t kLook = 256;  // positions that are looked at together, in L1

/// Kernels for elements of one size, compiled once per instruction set.
struct SelectKernels {
  /// to[i] = from[the position that index[i] stands for], of `length` elements. Returns how many were moved: n, or
  /// those up to at most kLook before the first that is out of range.
  using Select = int64_t (*)(int64_t n, int64_t length, const int64_t* index, const void* from, void* to);
  Select select;
  Select far;  // of more than the caches hold; other threads see the elements after StreamKernels::fence
  /// positions[i] = the position that index[i] stands for; whether all are in range.
  bool (*look)(const int64_t* index, int64_t n, int64_t length, int64_t* positions);
  /// to[i] = from[offsets[i]].
  void (*pick)(int64_t n, void* to, const void* from, const int64_t* offsets);
};

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
  Gather(const KernelTable& table, int size);

  int size() const { return size_; }

  /// indices: the int64 elements of each index array. Returns whether all were in range.
  bool run(const GatherProblem& problem, const char* in, const int64_t* const* indices, char* out, int threads,
           Interrupt& interrupt) const;

 private:
  const int size_;
  const SelectKernels& kernels_;
  const StreamKernels stream_;
};

}  // namespace accel
