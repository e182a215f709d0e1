#include "table.hpp"

#define ACCEL_STRING_(x) #x
#define ACCEL_STRING(x) ACCEL_STRING_(x)

namespace accel::ACCEL_ISA {

KernelTable make_table() {
  KernelTable table{};
  table.isa = ACCEL_STRING(ACCEL_ISA);
  add_functions(table);
  add_halves(table);
  add_casts(table);
  add_folds(table);
  add_searches(table);
  add_scans(table);
  add_factors(table);
  add_row(table);
  add_matmul(table);
  add_memory(table);
  return table;
}

}  // namespace accel::ACCEL_ISA
