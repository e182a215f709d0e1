// Matrix multiply of few rows: A is prepared once, and B read once, as it is stored.
#include <algorithm>
#include <atomic>

#include "matmul_call.hpp"

namespace accel {

namespace {

constexpr int64_t kFactorBytes = 256 << 10;  // of A that one pass over columns multiplies by, in L2
constexpr int64_t kCallColumns = 4096;       // columns of a call of the kernel
constexpr int64_t kRowBytes = 16 << 10;      // of a row of B that a task reads at least, where threads allow

}  // namespace

void Matmul::run_few(const Call& call, int threads, Interrupt& interrupt) const {
  // Matrix units first: their kernels look whether B's elements allow them while they multiply.
  if (matrix_few_ && repeatable(call) && run_few(call, *matrix_few_, threads, interrupt)) return;
  run_few(call, *few_, threads, interrupt);
}

/// Returns whether the kernels could compute it; where not, the output holds anything.
bool Matmul::run_few(const Call& call, const FewRow& kernels, int threads, Interrupt& interrupt) const {
  // Several entries share out by entries, one by columns.
  const int64_t wanted = threads == 1 ? 1 : int64_t{4} * threads;
  int64_t parts = std::max<int64_t>(1, wanted / call.entries);
  // Rows of B are read a part at a time: short parts of them come at half of the speed.
  if (call.b_col == 1)
    parts = std::clamp<int64_t>(call.n * size_of(dtype_) / kRowBytes, std::min<int64_t>(parts, threads), parts);
  if (!call.in_place) parts = std::max(parts, call.m * call.n * size_ / kTileBytes);
  const int64_t width = round_up((call.n + parts - 1) / parts, 256);
  parts = (call.n + width - 1) / width;
  const int64_t bytes = few_rows_padded(call.m) * kernels.row_size(call.k) * size_;
  const Extents& steps = call.batch.strides[0];
  const bool one_a = std::count(steps.data.begin(), steps.data.begin() + steps.rank, 0) == steps.rank;
  const bool prepared = one_a && call.entries * parts > 1;
  char* const factors = prepared ? static_cast<char*>(scratch(ScratchUse::kFactors, bytes)) : nullptr;
  if (prepared) kernels.prepare(call.m, call.k, call.a, call.a_row, call.a_col, factors);
  std::atomic<bool> exact{true};
  parallel_for(call.entries * parts, threads, interrupt, [&](int64_t task, Worker& worker) {
    const int64_t e = task / parts, column = task % parts * width;
    const Region region{0, call.m, column, std::min(width, call.n - column)};
    char* const own = prepared ? factors : static_cast<char*>(scratch(ScratchUse::kFactors, bytes));
    for_entries(call, e, e + 1, [&](const Entry& entry) {
      if (exact && !few(call, kernels, entry, region, own, prepared, worker)) exact = false;
    });
  });
  return exact;
}

bool Matmul::few(const Call& call, const FewRow& kernels, const Entry& entry, const Region& region, char* factors,
                 bool prepared, Worker& worker) const {
  if (&kernels == matrix_few_ && !exact_a(call, entry)) return false;
  const int in_size = size_of(dtype_);
  if (!prepared) kernels.prepare(call.m, call.k, entry.a, call.a_row, call.a_col, factors);
  char* c = entry.out + region.column * size_;
  int64_t ldc = call.out_row;
  if (!call.in_place) {
    c = static_cast<char*>(scratch(ScratchUse::kTile, call.m * region.columns * size_));
    ldc = region.columns;
  }
  const bool across = call.b_col == 1;
  FewProblem problem{call.m, 0, call.k, 0, 0, factors, nullptr, across ? call.b_row : call.b_col, nullptr, ldc};
  const int64_t step = std::max<int64_t>(kFactorBytes / (call.m * size_) / kernels.chunk, 1) * kernels.chunk;
  for (int64_t p = 0; p < call.k; p += step) {
    problem.k_begin = p;
    problem.k_end = std::min(call.k, p + step);
    for (int64_t j = 0; j < region.columns; j += kCallColumns) {
      problem.n = std::min(kCallColumns, region.columns - j);
      problem.b = entry.b + (region.column + j) * call.b_col * in_size;
      problem.c = c + j * size_;
      if (!(across ? kernels.across : kernels.along)(problem)) return false;
      worker.checkpoint(call.m * problem.n * (problem.k_end - p) / 16);
    }
  }
  finish(call, entry, region, c, ldc, worker);
  return true;
}

/// Whether A's elements allow matrix units.
bool Matmul::exact_a(const Call& call, const Entry& entry) const {
  if (call.a_row != 1 && call.a_col != 1) return false;
  const bool along = call.a_col == 1;
  const int64_t rows = along ? call.m : call.k, row = (along ? call.a_row : call.a_col) * size_of(dtype_);
  for (int64_t i = 0; i < rows; ++i) {
    if (!matrix_->exact(along ? call.k : call.m, entry.a + i * row)) return false;
  }
  return true;
}

}  // namespace accel
