#include "kernels/taps.hpp"

namespace accel::ACCEL_ISA {

extern const TapRow kTaps[2];
const TapRow kTaps[2] = {Taps<float>::row(), Taps<double>::row()};

}  // namespace accel::ACCEL_ISA
