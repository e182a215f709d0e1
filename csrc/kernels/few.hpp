// Products of few rows: B is read once, as it is stored, whichever way it is contiguous, and widened in registers.
#pragma once

#include <type_traits>

#include "few_across.hpp"
#include "few_along.hpp"

namespace accel::ACCEL_ISA {

// With the 16 registers of AVX2, the sums of 16 rows leave none for B, and packing is sooner worth it.
#if defined(__AVX2__) && !defined(__AVX512F__)
inline constexpr bool kFewRegisters = true;
#else
inline constexpr bool kFewRegisters = false;
#endif

template <class F>
static constexpr FewRow few_row(DType dtype, CType type) {
  constexpr bool kFloats = std::is_floating_point_v<typename F::Acc>;
  return {dtype,
          type,
          F::kChunk,
          FewFactors<F>::row_size,
          FewFactors<F>::prepare,
          FewAlong<F>::run,
          FewAcross<F>::run,
          kFewRegisters ? 8 : kFewRows,
          kFewRegisters && kFloats ? 64 / static_cast<int>(sizeof(typename F::Acc)) : kFewRows};
}

}  // namespace accel::ACCEL_ISA
