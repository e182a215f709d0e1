#include "kernels/factor_pair.hpp"
#include "table.hpp"

namespace accel::ACCEL_ISA {

void add_factors(KernelTable& table) { table.factors = rows(kFactors); }

}  // namespace accel::ACCEL_ISA
