#include "kernels/copy.hpp"
#include "kernels/positions.hpp"
#include "kernels/probe.hpp"
#include "kernels/row_folds.hpp"
#include "table.hpp"

namespace accel::ACCEL_ISA {

void add_memory(KernelTable& table) {
  table.probes = rows(kProbes);
  table.stream = {stream, fence_stream};
  table.reverse = reverse;
}

}  // namespace accel::ACCEL_ISA
