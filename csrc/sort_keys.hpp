// Elements as unsigned integers in the order of their values (docs/numerics.md).
#pragma once

#include <cstdint>

#include "dtypes.hpp"

namespace accel {

/// Elements of U's width as unsigned keys in the order of their values, and back.
template <class U>
struct Keys {
  U sign, infinity, flip;  // infinity: bits of a float's, 0 for integers; flip: all bits where descending

  Keys(DType dtype, bool descending) : sign(0), infinity(0), flip(descending ? static_cast<U>(~U{0}) : U{0}) {
    const bool floats = dtype == DType::kFloat32 || dtype == DType::kFloat64 || is_half(dtype);
    const bool is_signed =
        dtype == DType::kInt8 || dtype == DType::kInt16 || dtype == DType::kInt32 || dtype == DType::kInt64;
    if (floats || is_signed) sign = static_cast<U>(U{1} << (8 * sizeof(U) - 1));
    const uint64_t of = dtype == DType::kFloat16    ? 0x7c00
                        : dtype == DType::kBfloat16 ? 0x7f80
                        : dtype == DType::kFloat32  ? 0x7f800000
                        : dtype == DType::kFloat64  ? 0x7ff0000000000000
                                                    : 0;
    infinity = static_cast<U>(of);
  }

  U key(U bits) const {
    U made = static_cast<U>(bits ^ sign);
    if (infinity) {
      if (bits & sign) made = static_cast<U>(~bits);
      if (static_cast<U>(bits & ~sign) > infinity) made = static_cast<U>(~U{0});
    }
    return static_cast<U>(made ^ flip);
  }

  U bits(U key) const {
    key = static_cast<U>(key ^ flip);
    return infinity && !(key & sign) ? static_cast<U>(~key) : static_cast<U>(key ^ sign);
  }
};

}  // namespace accel
