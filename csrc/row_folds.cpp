#include "row_folds.hpp"

#include "isas.hpp"

namespace accel {

ACCEL_IN_EACH_ISA(extern const RowFolds kRowFolds)

const RowFolds& find_row_folds(const KernelTable& table) { return ACCEL_OF_ISA(table.isa, kRowFolds); }

}  // namespace accel
