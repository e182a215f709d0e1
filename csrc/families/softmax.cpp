#include "kernels/softmax.hpp"

#include "table.hpp"

namespace accel::ACCEL_ISA {

void add_softmax(KernelTable& table) { table.softmaxes = rows(kSoftmaxes); }

}  // namespace accel::ACCEL_ISA
