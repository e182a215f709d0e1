#if defined(__AVX2__)
#include "kernels/halves_loop.hpp"
#endif

#include "table.hpp"

namespace accel::ACCEL_ISA {

#if defined(__AVX2__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "all_functions.hpp"
#pragma GCC diagnostic pop

#define ACCEL_ROW(function)                                                                                        \
  HalvesLoop<Format::kFloat16, accel_lanes_##function##_float32, decltype(&accel_##function##_float32)>::row(      \
      #function, "float16"),                                                                                       \
      HalvesLoop<Format::kBfloat16, accel_lanes_##function##_float32, decltype(&accel_##function##_float32)>::row( \
          #function, "bfloat16"),
static constexpr FunctionRow kHalves[] = {ACCEL_HALVES_FUNCTIONS(ACCEL_ROW)};
#undef ACCEL_ROW
#endif

void add_halves(KernelTable& table) {
#if defined(__AVX2__)
  table.halves = rows(kHalves);
#else
  (void)table;  // there, functions are loops of the compiler over whole arrays
#endif
}

}  // namespace accel::ACCEL_ISA
