#include "kernels/scan.hpp"
#include "table.hpp"

namespace accel::ACCEL_ISA {

void add_scans(KernelTable& table) { table.scans = rows(kScans); }

}  // namespace accel::ACCEL_ISA
