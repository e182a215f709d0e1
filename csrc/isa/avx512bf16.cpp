// The bfloat16 dot products of AVX-512 BF16, beside AVX-512 F, BW, DQ, VL.
#define ACCEL_ISA avx512bf16
#define ACCEL_VECTOR_BYTES 64
#include "../kernels/units.hpp"
#include "contract.hpp"

namespace accel::ACCEL_ISA {

/// bfloat16: two products a unit, added to float32 in an order of the instruction's own, subnormals taken for 0.
struct Bfloat16Dot {
  using Stored = uint16_t;
  using Unit = uint32_t;
  using Factor = uint32_t;
  using Acc = float;
  static constexpr int kGroup = 2, kParts = 1;

  static Words units(const Stored* const (&rows)[kGroup]) { return interleave_columns(rows); }
  static void split(Words unit, Words (&factors)[kParts]) { factors[0] = unit; }
  static void split_a(Words unit, Words (&factors)[kParts]) { factors[0] = unit; }
  static Vector<float> add_starts(Words, Vector<float> starts) { return starts; }
  static Vector<float> multiply(Words a, Words b, Vector<float> sum) {
    return (Vector<float>)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
  }
};

/// Products of numbers of at least 2**-56 are multiples of 2**-126, and so are their sums, however they round: with
/// such operands no subnormal can occur.
static bool without_subnormals(int64_t n, const void* data) {
  constexpr uint16_t kSmallest = (127 - 56) << 7;
  const uint16_t* const x = static_cast<const uint16_t*>(data);
  uint16_t found = 0;
  for (int64_t i = 0; i < n; ++i) {
    const uint16_t magnitude = x[i] & 0x7fff;
    found |= static_cast<uint16_t>(magnitude - 1) < kSmallest - 1;
  }
  return !found;
}

// As many products a chunk as in the canonical order, so that the same error bound holds.
static constexpr UnitRow kUnits[] = {UnitTile<Bfloat16Dot, 12, 2>::row(DType::kBfloat16, CType::kF32, kKC)};

extern const MatrixKernels kKernels;
const MatrixKernels kKernels = {{kUnits, 1}, without_subnormals};

}  // namespace accel::ACCEL_ISA
