#include "kernels/reduce.hpp"
#include "table.hpp"

namespace accel::ACCEL_ISA {

void add_folds(KernelTable& table) {
  table.folds[0] = rows(kWide<Sum>);
  table.folds[1] = rows(kWide<Prod>);
  table.folds[2] = rows(kExtremes<Max>);
  table.folds[3] = rows(kExtremes<Min>);
}

}  // namespace accel::ACCEL_ISA
