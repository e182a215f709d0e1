// The contract between the driver of products with quantised weights and its kernels, compiled once per instruction
// set. Weights lie in panels of kPanel columns (docs/quantization.md):
//
//        column of the panel ->
//      +---------------------+
//    k | codes: kPanel bytes |   of 4 bits, the bytes hold two steps of k: the even one in their low half
//    | | for each step       |
//    v +---------------------+   scales and minors: kPanel for each group of steps, or as the format says
#pragma once

#include <cstdint>

namespace accel {

inline constexpr int kPanel = 64;
inline constexpr int kQuantizedRows = 8;  // of A that are multiplied at once

/// What the codes of a panel are: integers less a zero, times a scale; integers times a scale less a minimum; floats
/// times a scale; weights in float32, from the chunk's first.
enum class Codes : uint8_t { kInt8, kInt4, kUint8, kUint4, kE4m3, kE5m2, kE2m1, kFloat };

/// How scales are stored: as float32, beside zeros or not; as float16; as exponents; as float16 of a super-block, which
/// an int8 of each group multiplies, or a byte of each group, beside those of minima.
enum class Scales : uint8_t { kFloat, kZeros, kHalf, kExponent, kLevels, kMinima };

/// Groups [first, first + count) of one panel.
struct ScaleRows {
  Scales kind;
  int64_t first, count, per;  // per: groups of a super-block
  const void* scales;
  const void* minors;  // from the panel's first on
};

/// Steps [begin, end) of k, at most KC from a multiple of KC on, of one panel.
struct QuantizedChunk {
  int64_t begin, end, group;  // group: steps that share a scale; of 4-bit codes even
  int64_t stop;               // where the first group ends, which may be behind the chunk's end
  const void* codes;
  const float* scales;  // of the group of `begin`, then of the next ones
  const float* shifts;  // likewise, shift_step apart: zeros, or minima less than 0; of float codes not read
  int64_t shift_step;   // kPanel, or 0 where all are the same
  const float* a;       // [k][rows]
  float* c;             // [rows][kPanel]: the chunk's sums are added, or stored where begin is 0
};

struct QuantizedKernels {
  void (*multiply[8][4])(const QuantizedChunk& chunk);            // by codes, and rows: 1, 2, 4, 8
  void (*widen[7])(const QuantizedChunk& chunk, float* weights);  // weights[end - begin][kPanel]
  void (*scale)(const ScaleRows& rows, float* scales,
                float* shifts);  // [count][kPanel]; of float32 scales only shifts, of formats without zeros and minima
                                 // only scales
};

}  // namespace accel
