// The contract between the drivers (compiled once, for any CPU) and the kernels (compiled once per instruction set).
//
// Every isa/<name>.cpp compiles the headers of kernels/ inside its own namespace, with its own -m flags, and fills one
// KernelTable. Nothing in kernels/ may instantiate a standard-library template: the linker keeps one copy of such a
// function for the whole module, and it could be the one compiled for an instruction set this CPU lacks.
#pragma once

#include <cstddef>
#include <cstdint>

#include "dtypes.hpp"

namespace accel {

/// C types that scalar functions take and return.
enum class CType : uint8_t { kI8, kI16, kI32, kI64, kU8, kU16, kU32, kU64, kF32, kF64 };

inline constexpr CType kStorage[kDTypes] = {
    CType::kU8,  CType::kI8,  CType::kI16, CType::kI32, CType::kI64, CType::kU8,  CType::kU16,
    CType::kU32, CType::kU64, CType::kU16, CType::kU16, CType::kF32, CType::kF64,
};

/// The C type that a dtype is stored as.
inline constexpr CType storage(DType dtype) { return kStorage[static_cast<int>(dtype)]; }

/// out[i] = f(args[0][i], args[1][i], ...) for i in [0, n), all contiguous. out may be one of args.
using ArrayKernel = void (*)(int64_t n, void* out, const void* const* args);

inline constexpr int kMaxArity = 4;

/// One scalar function at one compute dtype, as a loop over arrays.
struct FunctionRow {
  const char* function;
  const char* dtype;
  int arity;
  CType args[kMaxArity];
  CType result;
  ArrayKernel kernel;
};

/// One conversion between two distinct dtypes, as a loop over arrays.
struct CastRow {
  const char* from;
  const char* to;
  ArrayKernel kernel;
};

/// A fold (sum, prod, min, max, any or all) of blocks of elements of one dtype, to accumulators.
///
/// A block has at least one and at most BLOCK elements. Sums and products of a block take the canonical order, by lanes
/// and halves; the other kinds any.
struct FoldRow {
  const char* kind;
  DType from;
  CType accumulator;
  /// out[r] = the fold of x[r * row_stride + i] over i in [0, n).
  void (*rows)(int64_t count, int64_t n, const void* x, int64_t row_stride, void* out);
  /// out[c] = the fold of x[r * row_stride + c] over r in [0, rows). scratch: for
  /// columns_scratch(rows, width) accumulators. out does not overlap x.
  void (*columns)(int64_t rows, int64_t width, const void* x, int64_t row_stride, void* scratch, void* out);
};

/// Accumulators that FoldRow::columns needs, whatever their size.
inline constexpr int64_t columns_scratch(int64_t rows, int64_t width) {
  const int64_t lanes = width <= 64 || rows > 64 ? 72 : 8;
  return lanes * ((width + 63) / 64 * 64);
}

/// argmax or argmin of one dtype: a NaN beats every number, then the extreme value; the first of equals wins. Values
/// are of the accumulator type of the fold (max or min) of the same dtype.
struct ArgRow {
  const char* kind;
  DType from;
  /// Whether value a beats value b strictly.
  bool (*beats)(const void* a, const void* b);
  /// index[r] = the first i in [0, n) whose x[r * row_stride + i] equals values[r] (or is NaN where that is); n if
  /// there is none.
  void (*find)(int64_t count, int64_t n, const void* x, int64_t row_stride, const void* values, int64_t* index);
  /// Merges rows [0, rows) of x, which have indices from first_index on, into the winners (best, index) of `width`
  /// columns; `fresh`: there are none yet.
  void (*columns)(int64_t rows, int64_t width, const void* x, int64_t row_stride, int64_t first_index, bool fresh,
                  void* best, int64_t* index);
};

/// No tile is larger: where its columns do not all exist, it is computed aside in so many bytes.
inline constexpr int kMaxTileBytes = 1 << 13;

/// Matrix multiply in one compute type (float32, float64, uint32 or uint64).
///
/// A packed panel of A holds mr rows, k-major:   a[p * mr + i]
/// a packed panel of B holds nr columns, k-major: b[p * nr + j]
///
///                    nr
///               +---------+
///             k | b panel |
///               +---------+
///         k
///     +-------+ +---------+
///  mr |a panel| | c tile  |   c[i * ldc + j]
///     +-------+ +---------+
struct MatmulRow {
  CType type;
  int mr;
  int nr;
  /// One chunk (k <= KC) of the first `rows` rows of a tile: c = chunk, or c = c + chunk where `add`. Writes nr
  /// columns, and at least `rows` and at most mr rows.
  void (*tile)(int64_t k, int64_t rows, const void* a, const void* b, void* c, int64_t ldc, bool add);
  /// The same without packing, for any m, n and k > 0, in chunks of KC: a[i * a_row + p * a_col], b[p * b_row + j].
  /// The first chunk is added to c where `add`.
  void (*direct)(int64_t m, int64_t n, int64_t k, const void* a, int64_t a_row, int64_t a_col, const void* b,
                 int64_t b_row, void* c, int64_t ldc, bool add);
  /// The same with b's columns contiguous: b[j * b_col + p]. For few rows.
  void (*dots)(int64_t m, int64_t n, int64_t k, const void* a, int64_t a_row, int64_t a_col, const void* b,
               int64_t b_col, void* c, int64_t ldc, bool add);
  /// n dot products of one chunk each: out[j] = the sum of a[j * a_step + p] * b[j * b_step + p].
  void (*pairs)(int64_t n, int64_t k, const void* a, int64_t a_step, const void* b, int64_t b_step, void* out);
};

/// Conversion of A and B from a dtype to the compute type.
///
/// a and b pack one panel of `width` (mr or nr) vectors of length k:
/// dst[p * width + i] = src[i * across + p * along] for i < valid, 0 for valid <= i < width.
struct PackRow {
  DType from;
  CType to;
  void (*row)(int64_t n, const void* src, int64_t stride, void* dst);  // dst[i] = src[i * stride]
  void (*a)(int64_t k, int64_t valid, const void* src, int64_t across, int64_t along, void* dst);  // width = mr
  void (*b)(int64_t k, int64_t valid, const void* src, int64_t across, int64_t along, void* dst);  // width = nr
};

/// The steps of softmax and its kin over contiguous elements, of one operand dtype and one result dtype; A is float32,
/// or float64 for float64. Each rounds as the scalar functions do that the operation is composed of.
struct SoftmaxRow {
  DType from, to;
  /// powers[i] = exp(x[i] - shift), of type A.
  void (*powers)(int64_t n, const void* x, const void* shift, void* powers);
  /// out[i] = powers[i] / total. `stream`: past the caches, where the instruction set can.
  void (*quotients)(int64_t n, const void* powers, const void* total, bool stream, void* out);
  /// out[i] = x[i] - shift - log_total.
  void (*distances)(int64_t n, const void* x, const void* shift, const void* log_total, bool stream, void* out);
};

template <class Row>
struct Rows {
  const Row* data;
  size_t count;
  const Row* begin() const { return data; }
  const Row* end() const { return data + count; }
};

struct KernelTable {
  const char* isa;
  Rows<FunctionRow> functions;
  Rows<CastRow> casts;
  Rows<FoldRow> folds[6];  // by kind
  Rows<ArgRow> args[2];
  Rows<SoftmaxRow> softmaxes;
  Rows<MatmulRow> matmuls;
  Rows<PackRow> packs;
};

}  // namespace accel
