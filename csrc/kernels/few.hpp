// Products of few rows: B is read once, as it is stored, whichever way it is contiguous, and widened in registers.
#pragma once

#include "few_across.hpp"
#include "few_along.hpp"

namespace accel::ACCEL_ISA {

template <class F>
static constexpr FewRow few_row(DType dtype, CType type) {
  return {dtype,
          type,
          F::kChunk,
          FewFactors<F>::row_size,
          FewFactors<F>::prepare,
          FewAlong<F>::run,
          FewAcross<F>::run,
          FewFactors<F>::kAlongRows,
          FewFactors<F>::kAcrossRows};
}

}  // namespace accel::ACCEL_ISA
