// The bfloat16 dot products of AVX-512 BF16, beside AVX-512 F, BW, DQ, VL.
#define ACCEL_ISA avx512bf16
#define ACCEL_VECTOR_BYTES 64
#include "../kernels/few.hpp"
#include "../kernels/units.hpp"
#include "contract.hpp"

namespace accel::ACCEL_ISA {

// Products of numbers of at least 2**-56 are multiples of 2**-126, and so are their sums, however they round: with
// such operands no subnormal can occur.
static constexpr uint16_t kSmallest = (127 - 56) << 7;

/// Whether any element is smaller than that, and not 0.
struct Subnormals {
  Shorts most = {};

  void look(Words units) {
    // -2 x is 0 for zeros, and the greater the smaller the magnitude.
    const __m512i negated = _mm512_mullo_epi16((__m512i)units, _mm512_set1_epi16(-2));
    most = (Shorts)_mm512_max_epu16((__m512i)most, negated);
  }
  bool any() const {
    const uint16_t limit = static_cast<uint16_t>(-2 * kSmallest);
    return _mm512_cmpgt_epu16_mask((__m512i)most, _mm512_set1_epi16(static_cast<int16_t>(limit))) != 0;
  }
};

/// bfloat16: two products a unit, added to float32 in an order of the instruction's own, subnormals taken for 0.
struct Bfloat16Dot {
  using Stored = uint16_t;
  using Unit = uint32_t;
  using Factor = uint32_t;
  using Acc = float;
  using Doubt = Subnormals;
  static constexpr int kGroup = 2, kParts = 1, kChunk = kKC, kTogether = kGroup;

  static Words units(const Stored* const (&rows)[kGroup]) { return interleave_columns(rows); }
  static void split(Words unit, Words (&factors)[kParts]) { factors[0] = unit; }
  static void split_a(Words unit, Words (&factors)[kParts]) { factors[0] = unit; }
  static void columns(const Stored* const (&rows)[kGroup], Words (&factors)[kTogether][kParts]) {
    split_columns<Bfloat16Dot>(rows, factors);
  }
  static void prepare(const Stored (&x)[kGroup], int valid, Factor (&factors)[kParts]) {
    factors[0] = x[0] | static_cast<uint32_t>(valid > 1 ? x[1] : 0) << 16;
  }
  static Acc start(const Factor (&)[kParts]) { return 0; }
  static Vector<float> add_starts(Words, Vector<float> starts) { return starts; }
  static Vector<float> multiply(Words a, Words b, Vector<float> sum) {
    return (Vector<float>)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
  }
};

static bool without_subnormals(int64_t n, const void* data) {
  const uint16_t* const x = static_cast<const uint16_t*>(data);
  uint16_t found = 0;
  for (int64_t i = 0; i < n; ++i) {
    const uint16_t magnitude = x[i] & 0x7fff;
    found |= static_cast<uint16_t>(magnitude - 1) < kSmallest - 1;
  }
  return !found;
}

static constexpr FewRow kFews[] = {few_row<Bfloat16Dot>(DType::kBfloat16, CType::kF32)};
// As many products a chunk as in the canonical order, so that the same error bound holds.
static constexpr UnitRow kUnits[] = {UnitTile<Bfloat16Dot, 12, 2>::row(DType::kBfloat16, CType::kF32, kKC)};

extern const MatrixKernels kKernels;
const MatrixKernels kKernels = {{kFews, 1}, {kUnits, 1}, without_subnormals};

}  // namespace accel::ACCEL_ISA
