#include "kernels/matmul.hpp"

#include "kernels/few.hpp"
#include "kernels/half.hpp"
#include "kernels/units.hpp"
#include "table.hpp"

namespace accel::ACCEL_ISA {

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

void add_matmul(KernelTable& table) {
  table.matmuls = rows(kMatmuls);
  table.packs = rows(kPacks);
  table.stored = {rows(kFews), rows(kUnits)};
}

}  // namespace accel::ACCEL_ISA
