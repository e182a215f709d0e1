#include "taps.hpp"

#include "isas.hpp"

namespace accel {

ACCEL_IN_EACH_ISA(extern const TapRow kTaps[2])

const TapRow& find_taps(const KernelTable& table, CType type) {
  return ACCEL_OF_ISA(table.isa, kTaps)[type == CType::kF64];
}

}  // namespace accel
