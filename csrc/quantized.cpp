#include "quantized.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "contract.hpp"
#include "isas.hpp"
#include "layout.hpp"

namespace accel {

ACCEL_IN_EACH_ISA(extern const QuantizedKernels kQuantized)

namespace {

constexpr int64_t kSlabRows = 512;       // of A that are multiplied by all panels before the next
constexpr int64_t kSuper = 256;          // inputs of a super-block
constexpr double kThreadWork = 1 << 20;  // multiply-adds that are worth a thread

const WeightFormat kFormats[] = {
    {"int8", Codes::kInt8, Scales::kZeros},
    {"int4", Codes::kInt4, Scales::kZeros},
    {"e4m3fn", Codes::kE4m3, Scales::kFloat},
    {"e5m2", Codes::kE5m2, Scales::kFloat},
    {"mxfp8_e4m3", Codes::kE4m3, Scales::kExponent, 0, 32},
    {"mxfp8_e5m2", Codes::kE5m2, Scales::kExponent, 0, 32},
    {"mxfp4", Codes::kE2m1, Scales::kExponent, 0, 32},
    {"Q4_0", Codes::kInt4, Scales::kHalf, 8, 32},
    {"Q8_0", Codes::kInt8, Scales::kHalf, 0, 32},
    {"Q4_K", Codes::kUint4, Scales::kMinima, 0, 32, 8},
    {"Q5_K", Codes::kUint8, Scales::kMinima, 0, 32, 8},
    {"Q6_K", Codes::kInt8, Scales::kLevels, 0, 16, 16},
};

/// Rows of A from `row` on that a kernel multiplies at once, of which some may be zeros behind the last, as a power of
/// two.
int rows_log2(int64_t rows) { return rows > 4 ? 3 : rows > 2 ? 2 : rows > 1 ? 1 : 0; }

}  // namespace

Quantized::Quantized(const KernelTable& table, const std::string& format, DType dtype, DType output)
    : dtype_(dtype), output_(output), kernels_(&ACCEL_OF_ISA(table.isa, kQuantized)) {
  for (const WeightFormat& one : kFormats) {
    if (format == one.name) format_ = &one;
  }
  if (!format_) throw std::invalid_argument("no weights are stored as " + format);
  for (const PackRow& row : table.packs) {
    if (row.from == dtype && row.to == CType::kF32) widen_ = &row;
  }
  for (const CastRow& row : table.casts) {
    if (std::strcmp(row.from, "float32") == 0 && std::strcmp(row.to, info(output).name) == 0) narrow_ = row.kernel;
  }
  const bool narrows = output == DType::kFloat16 || output == DType::kBfloat16;
  if (!narrows) narrow_ = nullptr;
  if (!widen_ || (output != DType::kFloat32 && !narrow_)) {
    throw std::invalid_argument(std::string("no product of ") + info(dtype).name + " gives " + info(output).name);
  }
}

/// Blocks of rows as the kernels read them: [k][rows of the block].
void Quantized::prepare(const QuantizedProblem& x, const char* a, int64_t m, float* factors) const {
  float* const row = static_cast<float*>(scratch(ScratchUse::kPackA, x.k * int64_t{sizeof(float)}));
  for (int64_t first = 0; first < m; first += kQuantizedRows) {
    const int64_t valid = std::min<int64_t>(kQuantizedRows, m - first), rows = int64_t{1} << rows_log2(valid);
    float* const block = factors + first * x.k;
    for (int64_t r = 0; r < rows; ++r) {
      if (r >= valid) {
        for (int64_t p = 0; p < x.k; ++p) block[p * rows + r] = 0;
        continue;
      }
      widen_->row(x.k, a + (first + r) * x.a_row * size_of(dtype_), x.a_col, rows == 1 ? block : row);
      for (int64_t p = 0; rows > 1 && p < x.k; ++p) block[p * rows + r] = row[p];
    }
  }
}

/// Sets the chunk's first group, and scales and shifts to those of its groups.
void Quantized::scale(const QuantizedProblem& x, char* const* inputs, int64_t panel, QuantizedChunk& chunk) const {
  const WeightFormat& its = *format_;
  const int64_t groups = x.k / x.group, first = chunk.begin / x.group, last = (chunk.end - 1) / x.group + 1;
  const bool super = its.per_super > 0;
  chunk.stop = (first + 1) * x.group;
  const int64_t each = its.scales == Scales::kMinima ? 2 : 1;
  const int64_t scale_rows = super ? x.k / kSuper * each : groups;
  const int64_t scale_bytes = its.scales <= Scales::kZeros ? 4 : its.scales == Scales::kExponent ? 1 : 2;
  const char* const scales = inputs[2] + panel * scale_rows * kPanel * scale_bytes;
  if (its.scales == Scales::kFloat) {
    chunk.scales = reinterpret_cast<const float*>(scales) + first * kPanel;
    return;
  }
  const int64_t size = (last - first) * kPanel;
  float* const room = static_cast<float*>(scratch(ScratchUse::kRows, 2 * size * int64_t{sizeof(float)}));
  ScaleRows rows{its.scales, first, last - first, its.per_super, scales, nullptr};
  if (super || its.scales == Scales::kZeros) rows.minors = inputs[3] + panel * groups * each * kPanel;
  kernels_->scale(rows, room, room + size);
  const bool shifts = its.scales == Scales::kZeros || its.scales == Scales::kMinima;
  if (!shifts) std::fill_n(room + size, kPanel, its.zero);
  chunk.scales = its.scales == Scales::kZeros ? reinterpret_cast<const float*>(scales) + first * kPanel : room;
  chunk.shifts = room + size;
  chunk.shift_step = shifts ? kPanel : 0;
}

void Quantized::run(const QuantizedProblem& x, char* const* inputs, char* out, int threads,
                    Interrupt& interrupt) const {
  const int64_t panels = (x.n + kPanel - 1) / kPanel, panel_bytes = x.k / format_->steps() * kPanel;
  const int size = size_of(output_);
  for (int64_t slab = 0; slab < x.m; slab += kSlabRows) {
    const int64_t m = std::min(kSlabRows, x.m - slab);
    const int64_t padded = (m + kQuantizedRows - 1) / kQuantizedRows * kQuantizedRows;
    float* const factors = static_cast<float*>(scratch(ScratchUse::kFactors, padded * x.k * int64_t{sizeof(float)}));
    prepare(x, inputs[0] + slab * x.a_row * size_of(dtype_), m, factors);
    const double work = static_cast<double>(m) * static_cast<double>(x.n) * static_cast<double>(x.k);
    const int used = worthwhile(work, kThreadWork, threads);
    parallel_for(panels, used, interrupt, [&](int64_t panel, Worker& worker) {
      float* const sums =
          static_cast<float*>(scratch(ScratchUse::kTile, (padded + 1) * kPanel * int64_t{sizeof(float)}));
      const bool widens = m > kQuantizedRows;
      float* const weights =
          widens ? static_cast<float*>(scratch(ScratchUse::kPackB, kKC * kPanel * int64_t{sizeof(float)})) : nullptr;
      QuantizedChunk chunk{};
      chunk.group = x.group;
      if (x.k == 0) std::fill_n(sums, padded * kPanel, 0.0f);
      for (int64_t begin = 0; begin < x.k; begin += kKC) {
        chunk.begin = begin;
        chunk.end = std::min<int64_t>(x.k, begin + kKC);
        chunk.codes = inputs[1] + panel * panel_bytes;
        scale(x, inputs, panel, chunk);
        if (widens) {
          kernels_->widen[static_cast<int>(format_->codes)](chunk, weights);
          chunk.codes = weights;
        }
        const int codes = static_cast<int>(widens ? Codes::kFloat : format_->codes);
        for (int64_t row = 0; row < m; row += kQuantizedRows) {
          chunk.a = factors + row * x.k;
          chunk.c = sums + row * kPanel;
          kernels_->multiply[codes][rows_log2(std::min<int64_t>(kQuantizedRows, m - row))](chunk);
          worker.checkpoint((chunk.end - begin) * kPanel / 2);
        }
      }
      const int64_t columns = std::min<int64_t>(kPanel, x.n - panel * kPanel);
      char* const narrow = reinterpret_cast<char*>(sums + padded * kPanel);
      for (int64_t row = 0; row < m; ++row) {
        const void* from = sums + row * kPanel;
        if (narrow_) {
          narrow_(columns, narrow, &from);
          from = narrow;
        }
        scatter(size, columns, out + ((slab + row) * x.out_row + panel * kPanel * x.out_col) * size, x.out_col, from);
      }
    });
  }
}

}  // namespace accel
