#include "kernels/pointwise.hpp"
#include "table.hpp"

namespace accel::ACCEL_ISA {

void add_casts(KernelTable& table) { table.casts = rows(kCasts); }

}  // namespace accel::ACCEL_ISA
