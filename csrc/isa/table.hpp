// Fills the KernelTable of the instruction set that the including file has defined:
//   ACCEL_ISA            namespace and name
//   ACCEL_VECTOR_BYTES   register width
//   ACCEL_TILE_ROWS, ACCEL_TILE_VECTORS   the matmul tile kept in registers
#pragma once

#include "../kernels/any.hpp"
#include "../kernels/arg.hpp"
#include "../kernels/copy.hpp"
#include "../kernels/matmul.hpp"
#include "../kernels/pointwise.hpp"
#include "../kernels/probe.hpp"
#include "../kernels/reduce.hpp"
#include "../kernels/softmax.hpp"

#define ACCEL_STRING_(x) #x
#define ACCEL_STRING(x) ACCEL_STRING_(x)

namespace accel::ACCEL_ISA {

template <class Row, size_t N>
static constexpr Rows<Row> rows(const Row (&table)[N]) {
  return {table, N};
}

extern const KernelTable kTable = {
    ACCEL_STRING(ACCEL_ISA),
    rows(kFunctions),
    rows(kCasts),
    {rows(kWide<Sum>), rows(kWide<Prod>), rows(kExtremes<Max>), rows(kExtremes<Min>), rows(kSearches<Any>),
     rows(kSearches<All>)},
    {rows(kArgs<ArgMax>), rows(kArgs<ArgMin>)},
    rows(kSoftmaxes),
    rows(kMatmuls),
    rows(kPacks),
    rows(kProbes),
    {stream, fence_stream},
};

}  // namespace accel::ACCEL_ISA
