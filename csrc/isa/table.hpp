// Fills the KernelTable of the instruction set that the including file has defined:
//   ACCEL_ISA            namespace and name
//   ACCEL_VECTOR_BYTES   register width
//   ACCEL_TILE_ROWS, ACCEL_TILE_VECTORS   the matmul tile kept in registers
#pragma once

#include "../kernels/copy.hpp"
#include "../kernels/matmul.hpp"
#include "../kernels/pointwise.hpp"
#include "../kernels/reduce.hpp"

#define ACCEL_STRING_(x) #x
#define ACCEL_STRING(x) ACCEL_STRING_(x)

namespace accel::ACCEL_ISA {

template <class Row, size_t N>
static constexpr Rows<Row> rows(const Row (&table)[N]) {
  return {table, N};
}

extern const KernelTable kTable;
const KernelTable kTable = {ACCEL_STRING(ACCEL_ISA), rows(kFunctions), rows(kCasts),          rows(kFolds), rows(kArgs),
                            rows(kMatmuls),          rows(kPacks),     {stream, fence_stream}};

}  // namespace accel::ACCEL_ISA
