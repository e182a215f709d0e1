// The integer dot products of AVX-512 VNNI, beside AVX-512 F, BW, DQ, VL.
#define ACCEL_ISA avx512vnni
#define ACCEL_VECTOR_BYTES 64
#include "../kernels/few.hpp"
#include "../kernels/units.hpp"

namespace accel::ACCEL_ISA {

/// int8: four products a unit, of an unsigned and a signed byte: B plus 128, and A, whose sums times 128 come off.
struct Int8 {
  using Stored = int8_t;
  using Unit = uint32_t;
  using Factor = uint32_t;
  using Acc = uint32_t;
  using Doubt = NoDoubt;
  static constexpr int kGroup = 4, kParts = 1, kChunk = 4 * kKC, kTogether = kGroup;

  static Words units(const Stored* const (&rows)[kGroup]) { return interleave_columns(rows); }
  static void split(Words unit, Words (&factors)[kParts]) { factors[0] = unit ^ 0x80808080u; }
  static void split_a(Words unit, Words (&factors)[kParts]) { factors[0] = unit; }
  static void columns(const Stored* const (&rows)[kGroup], Words (&factors)[kTogether][kParts]) {
    split_columns<Int8>(rows, factors);
  }
  static void prepare(const Stored (&x)[kGroup], int valid, Factor (&factors)[kParts]) {
    uint32_t unit = 0;
    for (int i = 0; i < valid; ++i) unit |= static_cast<uint32_t>(static_cast<uint8_t>(x[i])) << 8 * i;
    factors[0] = unit;
  }
  static Acc start(const Factor (&factors)[kParts]) {
    int sum = 0;
    for (int i = 0; i < kGroup; ++i) sum += static_cast<int8_t>(factors[0] >> 8 * i);
    return static_cast<uint32_t>(-128 * sum);
  }
  /// The same for a vector of units, added to starts.
  static Words add_starts(Words factors, Words starts) {
    const Words sums = (Words)_mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), (__m512i)factors);
    return starts - (sums << 7);
  }
  static Words multiply(Words a, Words b, Words sum) {
    return (Words)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)b, (__m512i)a);
  }
};

static constexpr FewRow kFews[] = {
    few_row<Int8>(DType::kInt8, CType::kU32),
    few_row<Bytes<uint8_t>>(DType::kUint8, CType::kU32),
    few_row<Int16>(DType::kInt16, CType::kU32),
};
static constexpr UnitRow kUnits[] = {
    UnitTile<Int8, 12, 2>::row(DType::kInt8, CType::kU32, 4 * kKC),
    UnitTile<Bytes<uint8_t>, 12, 2>::row(DType::kUint8, CType::kU32, 4 * kKC),
    UnitTile<Int16, 12, 2>::row(DType::kInt16, CType::kU32, 2 * kKC),
};

extern const UnitKernels kKernels;
const UnitKernels kKernels = {{kFews, 3}, {kUnits, 3}};

}  // namespace accel::ACCEL_ISA
