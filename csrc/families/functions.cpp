#include "kernels/pointwise.hpp"
#include "table.hpp"

namespace accel::ACCEL_ISA {

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"  // isnan of an integer, for one
#include "all_functions.hpp"
#pragma GCC diagnostic pop

#define ACCEL_ROW(function, dtype, ...) Loop<accel_##function##_##dtype>::row(#function, #dtype),
#if defined(__AVX2__)
#define ACCEL_LANES_ROW(function, dtype, is_long)                                                               \
  LanesLoop<accel_lanes_##function##_##dtype, decltype(&accel_##function##_##dtype), AsComputed, is_long>::row( \
      #function, #dtype),
static constexpr FunctionRow kFunctions[] = {ACCEL_VECTOR_FUNCTIONS(ACCEL_LANES_ROW) ACCEL_SCALAR_FUNCTIONS(ACCEL_ROW)};
#undef ACCEL_LANES_ROW
#else
static constexpr FunctionRow kFunctions[] = {ACCEL_FUNCTIONS_1(ACCEL_ROW) ACCEL_FUNCTIONS_2(ACCEL_ROW)
                                                 ACCEL_FUNCTIONS_3(ACCEL_ROW)};
#endif
#undef ACCEL_ROW

void add_functions(KernelTable& table) { table.functions = rows(kFunctions); }

}  // namespace accel::ACCEL_ISA
