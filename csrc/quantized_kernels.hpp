// The contract between the driver of products with quantised weights and its kernels, compiled once per instruction
// set. Weights lie in panels of kPanel columns (docs/quantization.md):
//
//        column of the panel ->
//      +---------------------+
//    k | codes: kPanel bytes |   of int4, the bytes hold two steps of k: the even one in their low half
//    | | for each step       |
//    v +---------------------+   scales, zeros: kPanel for each group of steps
#pragma once

#include <cstdint>

namespace accel {

inline constexpr int kPanel = 64;
inline constexpr int kQuantizedRows = 8;  // of A that are multiplied at once

/// How a panel holds weights: as signed bytes; as two numbers of 0 to 15 a byte; as float32, from the chunk's first.
enum class Codes : uint8_t { kInt8, kInt4, kFloat };

/// Steps [begin, end) of k, at most KC from a multiple of KC on, of one panel.
struct QuantizedChunk {
  int64_t begin, end, group;  // group: steps that share a scale; of int4 even
  const void* codes;
  const float* scales;
  const int8_t* zeros;
  const float* a;  // [k][rows]
  float* c;        // [rows][kPanel]: the chunk's sums are added, or stored where begin is 0
};

struct QuantizedKernels {
  void (*multiply[3][4])(const QuantizedChunk& chunk);            // by codes, and rows: 1, 2, 4, 8
  void (*widen[2])(const QuantizedChunk& chunk, float* weights);  // weights[end - begin][kPanel]
};

}  // namespace accel
