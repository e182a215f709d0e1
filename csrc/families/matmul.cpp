#include "kernels/matmul.hpp"

#include "kernels/few.hpp"
#include "kernels/half.hpp"
#include "kernels/units.hpp"
#include "table.hpp"

namespace accel::ACCEL_ISA {

static constexpr FewRow kFews[] = {
    few_row<Native<float>>(DType::kFloat32, CType::kF32),
    few_row<Native<double>>(DType::kFloat64, CType::kF64),
    few_row<Float16>(DType::kFloat16, CType::kF32),
    few_row<Bfloat16>(DType::kBfloat16, CType::kF32),
    few_row<Bytes<int8_t>>(DType::kInt8, CType::kU32),
    few_row<Bytes<uint8_t>>(DType::kUint8, CType::kU32),
    few_row<Int16>(DType::kInt16, CType::kU32),
    few_row<Native<uint32_t>>(DType::kInt32, CType::kU32),
    few_row<Native<uint32_t>>(DType::kUint32, CType::kU32),
    few_row<Native<uint64_t>>(DType::kInt64, CType::kU64),
    few_row<Native<uint64_t>>(DType::kUint64, CType::kU64),
};

template <class F>
using StoredTile = UnitTile<F, ACCEL_TILE_ROWS, ACCEL_TILE_VECTORS>;
static constexpr UnitRow kUnits[] = {
    StoredTile<Bytes<int8_t>>::row(DType::kInt8, CType::kU32, 4 * kKC),
    StoredTile<Bytes<uint8_t>>::row(DType::kUint8, CType::kU32, 4 * kKC),
    StoredTile<Int16>::row(DType::kInt16, CType::kU32, 2 * kKC),
};

void add_matmul(KernelTable& table) {
  table.matmuls = rows(kMatmuls);
  table.packs = rows(kPacks);
  table.stored = {rows(kFews), rows(kUnits)};
}

}  // namespace accel::ACCEL_ISA
