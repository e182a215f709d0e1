// The contract between the drivers (compiled once, for any CPU) and the kernels (compiled once per instruction set).
//
// Every source of families/ compiles headers of kernels/ once per instruction set, in that one's namespace and with its
// -m flags, and adds rows to its KernelTable. Nothing in kernels/ may instantiate a standard-library template: the
// linker keeps one copy of such a function for the whole module, and it could be the one compiled for an instruction
// set this CPU lacks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dtypes.hpp"

namespace accel {

/// C types that scalar functions take and return.
enum class CType : uint8_t { kI8, kI16, kI32, kI64, kU8, kU16, kU32, kU64, kF32, kF64 };

/// That of numbers of type T.
template <class T>
inline constexpr CType kCType = [] {
  constexpr int kLogBytes = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
  if (std::is_floating_point_v<T>) return sizeof(T) == 4 ? CType::kF32 : CType::kF64;
  return static_cast<CType>(static_cast<int>(std::is_signed_v<T> ? CType::kI8 : CType::kU8) + kLogBytes);
}();

inline constexpr CType kStorage[kDTypes] = {
    CType::kU8,  CType::kI8,  CType::kI16, CType::kI32, CType::kI64, CType::kU8,  CType::kU16,
    CType::kU32, CType::kU64, CType::kU16, CType::kU16, CType::kF32, CType::kF64,
};

/// The C type that a dtype is stored as.
inline constexpr CType storage(DType dtype) { return kStorage[static_cast<int>(dtype)]; }

/// out[i] = f(args[0][i], args[1][i], ...) for i in [0, n), all contiguous. out may be one of args.
using ArrayKernel = void (*)(int64_t n, void* out, const void* const* args);

/// The same with options: the sum of
///   1 << k    argument k is one element, which fills the kRepeatBytes at args[k]
///   kStream   the result is stored around the caches; other threads may read it after StreamKernels::fence
using OptionKernel = void (*)(int64_t n, void* out, const void* const* args, unsigned options);

inline constexpr int kRepeatBytes = 64;
inline constexpr unsigned kStream = 1u << 8;

inline constexpr int kMaxArity = 4;

/// One scalar function at one compute dtype, as a loop over arrays.
struct FunctionRow {
  const char* function;
  const char* dtype;
  int arity;
  CType args[kMaxArity];
  CType result;
  ArrayKernel kernel;
  OptionKernel with_options;  // null where there is none
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
  /// out[r] = the fold of x[r * row_stride + i] over i in [0, n). `far`: x is part of more than a cache holds.
  void (*rows)(int64_t count, int64_t n, const void* x, int64_t row_stride, bool far, void* out);
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

/// c = a b for each of `count` entries, which are a_step, b_step and c_step elements apart; one chunk, 0 < k <= KC:
/// a[i * a_row + p * a_col], b[p * b_row + j], c[i * ldc + j].
struct BatchProblem {
  int64_t count, m, n, k;
  const void* a;
  int64_t a_step, a_row, a_col;
  const void* b;
  int64_t b_step, b_row;
  void* c;
  int64_t c_step, ldc;
};

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
  /// The same for many products of one chunk.
  void (*batch)(const BatchProblem& problem);
  /// n dot products of one chunk each: out[j] = the sum of a[j * a_step + p] * b[j * b_step + p].
  void (*pairs)(int64_t n, int64_t k, const void* a, int64_t a_step, const void* b, int64_t b_step, void* out);
};

/// Rows of A that a kernel for few rows computes together, of which at most `m` exist: 1, 2, 4, 8 or 16.
inline constexpr int few_rows(int64_t m) { return m > 8 ? 16 : m > 4 ? 8 : m > 2 ? 4 : m > 1 ? 2 : 1; }

/// Rows with those that few_rows adds.
inline constexpr int64_t few_rows_padded(int64_t m) { return m / 16 * 16 + (m % 16 ? few_rows(m % 16) : 0); }

/// c[i * ldc + j] = the canonical product of A's prepared row i and column j of B, for k in [k_begin, k_end): added to
/// c where k_begin > 0. Both ends are multiples of FewRow::chunk, or k_end is k.
struct FewProblem {
  int64_t m, n, k;
  int64_t k_begin, k_end;
  const void* factors;
  const void* b;
  int64_t b_stride;  // in elements, between columns that are contiguous along k, or rows that are contiguous across it
  void* c;
  int64_t ldc;
};

/// Rows of A at most that any kernel of few rows takes.
inline constexpr int kFewRows = 32;

/// Matrix multiply of few rows of one dtype, which B is read in as it is stored.
struct FewRow {
  DType dtype;
  CType type;                      // of the accumulators; 32 bits of an integer's
  int chunk;                       // k that are added up before they are added to c: KC for floats
  int64_t (*row_size)(int64_t k);  // accumulators' worth of prepared factors of a row
  /// Prepares m rows of A, up to few_rows_padded(m) of factors.
  void (*prepare)(int64_t m, int64_t k, const void* a, int64_t a_row, int64_t a_col, void* factors);
  // False where an element of B could meet a number that is flushed: the results do not count (matrix units only).
  bool (*along)(const FewProblem& problem);   // b[j * b_stride + p]
  bool (*across)(const FewProblem& problem);  // b[p * b_stride + j]
  int along_rows, across_rows;                // of A, up to which each is faster than packing
};

/// Packs a panel: `valid` rows of A or columns of B, of length k; element p of the i-th is at src[i * across + p *
/// along]. False where one of them could meet a number that is flushed: the panel does not count (matrix units only).
using PackPanel = bool (*)(int64_t k, int64_t valid, const void* src, int64_t across, int64_t along, void* dst);

/// Matrix multiply of one dtype by panels of units: groups of products as wide as an accumulator.
///
/// A panel of A holds, unit by unit, `parts` times mr factors, and after them `starts` times mr values that the sums
/// start from; a panel of B holds nr units at a time. Both are written past their end by less than one vector.
struct UnitRow {
  DType dtype;
  CType type;  // of the accumulators
  int mr;
  int nr;
  int depth;  // k of a chunk
  int group;  // k of a unit
  int parts;
  int starts;
  void (*tile)(int64_t k, int64_t rows, const void* a, const void* b, void* c, int64_t ldc, bool add);
  PackPanel a, b;
};

/// Conversion of A and B from a dtype to the compute type.
///
/// a and b pack one panel of `width` (mr or nr) vectors:
/// dst[p * width + i] = src[i * across + p * along] for i < valid, 0 for valid <= i < width.
struct PackRow {
  DType from;
  CType to;
  void (*row)(int64_t n, const void* src, int64_t stride, void* dst);  // dst[i] = src[i * stride]
  PackPanel a, b;                                                      // width = mr, nr
};

/// Elements whose total ScanRow::row takes as one, how many levels of such totals there are, and bytes of its state.
inline constexpr int64_t kScanBlock = 4096;
inline constexpr int kScanLevels = 13;
inline constexpr int kScanState = 8 + kScanLevels * 4 * 8;

/// Groups that ScanRow::columns counts in so many levels, whatever their size, and elements of its state for a column.
inline constexpr int scan_levels(int64_t rows) {
  int levels = 1;
  for (int64_t groups = rows / 16; groups >= 16; groups /= 16) ++levels;
  return levels;
}
inline constexpr int64_t scan_state(int64_t rows) { return 3 + 4 * scan_levels(rows); }

/// A scan (sum, prod, max, min or logaddexp) of elements of one type, which accumulates.
struct ScanRow {
  const char* kind;
  CType type;
  /// out[i] = the scan of x at place i, after the elements that `state` has seen; out is x or apart from it. state:
  /// kScanState bytes, at first zeros. n is a multiple of kScanBlock, but of the last elements.
  void (*row)(int64_t n, const void* x, void* out, void* state);
  /// out[b] = the total of the kScanBlock elements from x[b * kScanBlock] on.
  void (*totals)(int64_t blocks, const void* x, void* out);
  /// Shows to a state a block of kScanBlock elements of this total.
  void (*push)(const void* total, void* state);
  /// out[r * out_stride + c] = the scan over r of x[r * x_stride + c], after `done` rows that `state` has seen. state:
  /// scan_state(all rows) * width elements. rows is a multiple of 16, but of the last ones.
  void (*columns)(int64_t rows, int64_t width, const void* x, int64_t x_stride, void* out, int64_t out_stride,
                  int64_t done, void* state);
};

/// Factorisations of blocks of one type, of at most kFactor columns, and solutions with them.
struct FactorRow {
  CType type;
  int vector;  // elements of a vector, which divides kFactor
  /// u[k * kFactor + j] for k <= j < n, the upper half of a symmetric matrix, becomes its upper factor; the rest of
  /// each row is overwritten.
  void (*cholesky)(int64_t n, void* u);
  /// Step k of n columns a[j * step + i], i < m: chooses a pivot, exchanges its row with row k, eliminates column k
  /// below. Returns the pivot's row. step is at least m and a vector.
  int64_t (*eliminate)(int64_t k, int64_t m, int64_t n, void* a, int64_t step);
  /// Reflects column k of the same columns to zeros below row k, where its vector v is left, and the columns behind it.
  /// tau: of I - tau v v^T. step is a multiple of kLanes, and rows beyond m are 0. room: for step elements.
  void (*reflect)(int64_t k, int64_t m, int64_t n, void* a, int64_t step, void* room, void* tau);
  /// x[i * step + c], i < n, of `vectors` vectors of columns c becomes the solution with the lower triangle
  /// l[i * kFactor + k]; unit: as if its diagonal were 1.
  void (*solve)(int64_t n, int64_t vectors, const void* l, bool unit, void* x, int64_t step);
  /// Jacobi's rotation of two rows of `step` elements, whole vectors, which makes the first `length` of them, whole
  /// lanes, orthogonal. worst: becomes the cosine of their angle where that is larger, or NaN.
  void (*rotate)(int64_t length, int64_t step, void* p, void* q, void* worst);
};

/// What the machine reaches at most, to compare kernels with.
struct ProbeRow {
  const char* kind;  // several rows may be of one kind: the best counts
  int arrays;        // how many of a, b and out a pass goes over; 0 for arithmetic
  double work;       // operations, or bytes moved, per unit of n
  /// Arithmetic: n steps. Memory: one pass over n bytes of each array, n a multiple of 4096.
  void (*run)(int64_t n, void* out, const void* a, const void* b);
};

/// Copies with stores around the caches; other threads may read what was stored after `fence`.
struct StreamKernels {
  void (*copy)(size_t bytes, void* dst, const void* src);
  void (*fence)();
};

/// dst[i] = src[-i] for elements of `size` bytes; `streams`: stored around the caches, as by StreamKernels::copy.
using ReverseKernel = void (*)(int size, int64_t n, void* dst, const void* src, bool streams);

template <class Row>
struct Rows {
  const Row* data;
  size_t count;
  const Row* begin() const { return data; }
  const Row* end() const { return data + count; }
};

/// Kernels that multiply elements as they are stored.
struct UnitKernels {
  Rows<FewRow> fews;
  Rows<UnitRow> units;
};

/// Kernels of matrix units, whose order of additions is their own.
struct MatrixKernels {
  Rows<FewRow> fews;
  Rows<UnitRow> units;
  bool (*exact)(int64_t n, const void* x);  // whether operands of these elements cannot meet a number that is flushed
};

struct KernelTable {
  const char* isa;
  Rows<FunctionRow> functions;
  Rows<FunctionRow> halves;  // functions of float32 on 16-bit floats: their dtype is what is read and written
  Rows<CastRow> casts;
  Rows<FoldRow> folds[6];  // by kind
  Rows<ArgRow> args[2];
  Rows<ScanRow> scans;
  Rows<FactorRow> factors;
  Rows<MatmulRow> matmuls;
  Rows<PackRow> packs;
  UnitKernels stored;
  const UnitKernels* integer_dots;  // instead of `stored` for the dtypes it has; null without the instructions
  const MatrixKernels* matrix;      // null without the instructions, or where they are slower than fma
  Rows<ProbeRow> probes;
  StreamKernels stream;
  ReverseKernel reverse;
  // Two functions in a pass, "subtract exp" for one: the second's first argument is the first's result, and its other
  // ones are the last. "cast" before or after is from or to a 16-bit float, which the dtype is then.
  Rows<FunctionRow> pairs;
  Rows<FunctionRow> quotients;  // divide, only with an argument 1 that is one element
};

}  // namespace accel
