// Convolutions in the canonical order: per output, fma from +0 over kernel positions, row-major, and channels, in
// chunks of KC whose results are added in ascending order to +0; then the bias and an epilogue.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "kernels.hpp"
#include "pointwise.hpp"
#include "taps.hpp"
#include "threads.hpp"

namespace accel {

inline constexpr int kSpatial = 3;  // missing axes, in front, have length 1

/// Per spatial axis.
using Spatial = std::array<int64_t, kSpatial>;

/// Place o and kernel position k meet element (o * stride + k * dilation - low) / spread of an axis of x, where that is
/// one; else there is no term.
struct ConvolutionProblem {
  int64_t batch, groups, outputs, channels;  // outputs and channels of a group
  Spatial lengths, kernel, places;
  Spatial stride, low, dilation, spread;
  std::array<int64_t, 3 + kSpatial> x;                    // strides: batch, group, channel, spatial
  std::array<int64_t, 3 + kSpatial> weight;               // group, output, channel, spatial
  std::array<int64_t, 3 + kSpatial> out;                  // batch, group, output, spatial
  std::array<int64_t, 2> bias;                            // group, output
  std::vector<std::array<int64_t, 3 + kSpatial>> extras;  // of the epilogue's inputs after the sum, as out
};

class Convolution {
 public:
  /// `epilogue` may be null. Its first input, a sum with the bias, and its result are of the dtype. Throws
  /// std::invalid_argument for a dtype that is not float32 or float64, and for another epilogue.
  Convolution(const KernelTable& table, DType dtype, const Pointwise* epilogue);

  DType dtype() const { return dtype_; }

  /// The epilogue's further inputs.
  size_t extras() const { return epilogue_ ? epilogue_->inputs().size() - 1 : 0; }
  DType extra(size_t i) const { return epilogue_->inputs()[1 + i]; }

  /// bias may be null; extras: where the first element of each is.
  void run(const ConvolutionProblem& problem, const char* x, const char* weight, const char* bias, char* const* extras,
           char* out, int threads, Interrupt& interrupt) const;

 private:
  const DType dtype_;
  std::optional<Pointwise> epilogue_;
  const MatmulRow* row_ = nullptr;
  const PackRow* pack_ = nullptr;
  const TapRow* taps_ = nullptr;
};

}  // namespace accel
