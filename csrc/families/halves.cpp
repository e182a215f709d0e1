#if defined(__AVX2__)
#include "kernels/halves_loop.hpp"
#endif

#include "table.hpp"

namespace accel::ACCEL_ISA {

void add_halves(KernelTable& table) {
#if defined(__AVX2__)
  table.halves = rows(kHalves);
#else
  (void)table;  // there, functions are loops of the compiler over whole arrays
#endif
}

}  // namespace accel::ACCEL_ISA
