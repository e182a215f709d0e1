// The dtypes of the native kernels and their storage. float16 and bfloat16 are stored as their 16 bits, bool as one
// byte.
#pragma once

#include <cstdint>
#include <string>

namespace accel {

enum class DType : uint8_t {
  kBool,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kFloat16,
  kBfloat16,
  kFloat32,
  kFloat64,
};

inline constexpr int kDTypes = 13;

struct DTypeInfo {
  const char* name;
  int size;  // bytes
  bool is_integer;
};

inline constexpr DTypeInfo kDTypeInfo[kDTypes] = {
    {"bool", 1, false},     {"int8", 1, true},     {"int16", 2, true},    {"int32", 4, true},  {"int64", 8, true},
    {"uint8", 1, true},     {"uint16", 2, true},   {"uint32", 4, true},   {"uint64", 8, true}, {"float16", 2, false},
    {"bfloat16", 2, false}, {"float32", 4, false}, {"float64", 8, false},
};

inline constexpr const DTypeInfo& info(DType dtype) { return kDTypeInfo[static_cast<int>(dtype)]; }
inline constexpr int size_of(DType dtype) { return info(dtype).size; }
inline constexpr bool is_integer(DType dtype) { return info(dtype).is_integer; }
inline constexpr bool is_half(DType dtype) { return dtype == DType::kFloat16 || dtype == DType::kBfloat16; }

/// The row of a table by the size of an element: 0 to 3 for 1, 2, 4 and 8 bytes.
inline constexpr int row_of_size(int size) { return size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3; }

/// Throws std::invalid_argument for an unknown name.
DType parse_dtype(const std::string& name);

}  // namespace accel
