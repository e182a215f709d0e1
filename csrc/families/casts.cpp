#if defined(__AVX2__)
#include "kernels/casts.hpp"
#else
#include "kernels/pointwise.hpp"
#endif
#include "table.hpp"

namespace accel::ACCEL_ISA {

#if defined(__AVX2__)
#define ACCEL_ROW(from, to, ...) CastRow{#from, #to, CastLoop<accel_cast_##from##_##to>::run},
#else
#include "all_casts.hpp"
#define ACCEL_ROW(from, to, ...) CastRow{#from, #to, Loop<accel_cast_##from##_##to>::run},
#endif
static constexpr CastRow kCasts[] = {ACCEL_CASTS(ACCEL_ROW)};
#undef ACCEL_ROW

void add_casts(KernelTable& table) { table.casts = rows(kCasts); }

}  // namespace accel::ACCEL_ISA
