// Matrix multiply of few rows: A is prepared once, and B read once, as it is stored.
#include "matmul_call.hpp"

namespace accel {

namespace {

constexpr int64_t kFactorBytes = 256 << 10;  // of A that one pass over columns multiplies by, in L2
constexpr int64_t kCallColumns = 2048;       // columns of a call of the kernel

}  // namespace

void Matmul::run_few(const Call& call, int threads, Interrupt& interrupt) const {
  // Several entries share out by entries, one by columns.
  const int64_t wanted = threads == 1 ? 1 : int64_t{4} * threads;
  int64_t parts = std::max<int64_t>(1, wanted / call.entries);
  if (!call.in_place) parts = std::max(parts, call.m * call.n * size_ / kTileBytes);
  const int64_t width = round_up((call.n + parts - 1) / parts, 256);
  parts = (call.n + width - 1) / width;
  const int64_t bytes = few_rows_padded(call.m) * few_->row_size(call.k) * size_;
  const bool prepared = call.entries == 1 && parts > 1;
  char* const factors = prepared ? static_cast<char*>(scratch(ScratchUse::kFactors, bytes)) : nullptr;
  if (prepared) few_->prepare(call.m, call.k, call.a, call.a_row, call.a_col, factors);
  parallel_for(call.entries * parts, threads, interrupt, [&](int64_t task, Worker& worker) {
    const int64_t e = task / parts, column = task % parts * width;
    const Region region{0, call.m, column, std::min(width, call.n - column)};
    char* const own = prepared ? factors : static_cast<char*>(scratch(ScratchUse::kFactors, bytes));
    for_entries(call, e, e + 1, [&](const Entry& entry) { few(call, entry, region, own, prepared, worker); });
  });
}

void Matmul::few(const Call& call, const Entry& entry, const Region& region, char* factors, bool prepared,
                 Worker& worker) const {
  const int in_size = size_of(dtype_);
  if (!prepared) few_->prepare(call.m, call.k, entry.a, call.a_row, call.a_col, factors);
  char* c = entry.out + region.column * size_;
  int64_t ldc = call.out_row;
  if (!call.in_place) {
    c = static_cast<char*>(scratch(ScratchUse::kTile, call.m * region.columns * size_));
    ldc = region.columns;
  }
  const bool across = call.b_col == 1;
  FewProblem problem{call.m, 0, call.k, 0, 0, factors, nullptr, across ? call.b_row : call.b_col, nullptr, ldc};
  const int64_t step = std::max<int64_t>(kFactorBytes / (call.m * size_) / kKC, 1) * kKC;
  for (int64_t p = 0; p < call.k; p += step) {
    problem.k_begin = p;
    problem.k_end = std::min(call.k, p + step);
    for (int64_t j = 0; j < region.columns; j += kCallColumns) {
      problem.n = std::min(kCallColumns, region.columns - j);
      problem.b = entry.b + (region.column + j) * call.b_col * in_size;
      problem.c = c + j * size_;
      (across ? few_->across : few_->along)(problem);
      worker.checkpoint(call.m * problem.n * (problem.k_end - p) / 16);
    }
  }
  finish(call, entry, region, c, ldc, worker);
}

}  // namespace accel
