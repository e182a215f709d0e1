// Fills the KernelTable of the instruction set that the including file has defined:
//   ACCEL_ISA            namespace and name
//   ACCEL_VECTOR_BYTES   register width
//   ACCEL_TILE_ROWS, ACCEL_TILE_VECTORS   the matmul tile kept in registers
#pragma once

#include "../kernels/few.hpp"
#include "../kernels/half.hpp"
#include "../kernels/matmul.hpp"
#include "../kernels/pointwise.hpp"
#include "../kernels/reduce.hpp"
#include "../kernels/units.hpp"

#define ACCEL_STRING_(x) #x
#define ACCEL_STRING(x) ACCEL_STRING_(x)

namespace accel::ACCEL_ISA {

template <class Row, size_t N>
static constexpr Rows<Row> rows(const Row (&table)[N]) {
  return {table, N};
}

static constexpr FewRow kFews[] = {
    Few<Native<float>>::row(DType::kFloat32, CType::kF32),
    Few<Native<double>>::row(DType::kFloat64, CType::kF64),
    Few<Float16>::row(DType::kFloat16, CType::kF32),
    Few<Bfloat16>::row(DType::kBfloat16, CType::kF32),
    Few<Bytes<int8_t>>::row(DType::kInt8, CType::kU32),
    Few<Bytes<uint8_t>>::row(DType::kUint8, CType::kU32),
    Few<Int16>::row(DType::kInt16, CType::kU32),
    Few<Native<uint32_t>>::row(DType::kInt32, CType::kU32),
    Few<Native<uint32_t>>::row(DType::kUint32, CType::kU32),
    Few<Native<uint64_t>>::row(DType::kInt64, CType::kU64),
    Few<Native<uint64_t>>::row(DType::kUint64, CType::kU64),
};

template <class F>
using StoredTile = UnitTile<F, ACCEL_TILE_ROWS, ACCEL_TILE_VECTORS>;
static constexpr UnitRow kUnits[] = {
    StoredTile<Bytes<int8_t>>::row(DType::kInt8, CType::kU32, 4 * kKC),
    StoredTile<Bytes<uint8_t>>::row(DType::kUint8, CType::kU32, 4 * kKC),
    StoredTile<Int16>::row(DType::kInt16, CType::kU32, 2 * kKC),
};

extern const KernelTable kTable;
const KernelTable kTable = {ACCEL_STRING(ACCEL_ISA),
                            rows(kFunctions),
                            rows(kCasts),
                            rows(kFolds),
                            rows(kArgs),
                            rows(kMatmuls),
                            rows(kPacks),
                            {rows(kFews), rows(kUnits)},
                            nullptr,
                            nullptr};

}  // namespace accel::ACCEL_ISA
