#include "kernels/row.hpp"

#include "table.hpp"

namespace accel::ACCEL_ISA {

void add_row(KernelTable& table) {
  table.pairs = rows(kPairs);
#ifdef ACCEL_QUICK_FMA
  table.quotients = rows(kQuotients);
#endif
}

}  // namespace accel::ACCEL_ISA
