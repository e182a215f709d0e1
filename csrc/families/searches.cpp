#include "kernels/any.hpp"
#include "kernels/arg.hpp"
#include "table.hpp"

namespace accel::ACCEL_ISA {

void add_searches(KernelTable& table) {
  table.folds[4] = rows(kSearches<Any>);
  table.folds[5] = rows(kSearches<All>);
  table.args[0] = rows(kArgs<ArgMax>);
  table.args[1] = rows(kArgs<ArgMin>);
}

}  // namespace accel::ACCEL_ISA
