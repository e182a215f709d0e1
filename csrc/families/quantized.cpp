#include "../kernels/quantized.hpp"

namespace accel::ACCEL_ISA {

#define ACCEL_ROWS(codes)                                                                    \
  {quantized_multiply<codes, 1>, quantized_multiply<codes, 2>, quantized_multiply<codes, 4>, \
   quantized_multiply<codes, 8>}
extern const QuantizedKernels kQuantized;
const QuantizedKernels kQuantized = {
    {ACCEL_ROWS(Codes::kInt8), ACCEL_ROWS(Codes::kInt4), ACCEL_ROWS(Codes::kUint8), ACCEL_ROWS(Codes::kUint4),
     ACCEL_ROWS(Codes::kE4m3), ACCEL_ROWS(Codes::kE5m2), ACCEL_ROWS(Codes::kE2m1), ACCEL_ROWS(Codes::kFloat)},
    {quantized_widen<Codes::kInt8>, quantized_widen<Codes::kInt4>, quantized_widen<Codes::kUint8>,
     quantized_widen<Codes::kUint4>, quantized_widen<Codes::kE4m3>, quantized_widen<Codes::kE5m2>,
     quantized_widen<Codes::kE2m1>},
    quantized_scales,
};
#undef ACCEL_ROWS

}  // namespace accel::ACCEL_ISA
