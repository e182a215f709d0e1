#include "kernels/pointwise.hpp"
#include "table.hpp"

namespace accel::ACCEL_ISA {

void add_functions(KernelTable& table) { table.functions = rows(kFunctions); }

}  // namespace accel::ACCEL_ISA
