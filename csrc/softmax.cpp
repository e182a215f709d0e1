#include "softmax.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "contract.hpp"
#include "reduce.hpp"

namespace accel {

namespace {

constexpr int64_t kGroup = 1 << 13;      // elements of the rows that go through all steps together, in L1 and L2
constexpr int64_t kKept = 1 << 18;       // elements of a longer row whose powers are kept; else they are computed again
constexpr int64_t kGrain = 1 << 15;      // elements of a task
constexpr double kThreadWork = 1 << 17;  // elements that are worth a thread
constexpr int64_t kFarBytes = 32 << 20;  // of an operand or a result that no cache holds

const SoftmaxRow* find_row(const KernelTable& table, DType from, DType to) {
  for (const SoftmaxRow& row : table.softmaxes) {
    if (row.from == from && row.to == to) return &row;
  }
  return nullptr;
}

}  // namespace

Softmax::Softmax(const KernelTable& table, const std::string& kind, DType dtype, DType output)
    : dtype_(dtype), output_(output), accumulator_(is_half(dtype) ? DType::kFloat32 : dtype) {
  if (kind == "softmax") {
    kind_ = Kind::kSoftmax;
  } else if (kind == "log_softmax") {
    kind_ = Kind::kLogSoftmax;
  } else if (kind == "logsumexp") {
    kind_ = Kind::kLogSumExp;
  } else {
    throw std::invalid_argument("there is no softmax " + kind);
  }
  row_ = find_row(table, dtype, output);
  if (!row_) throw std::invalid_argument(kind + " of " + info(dtype).name + " does not give " + info(output).name);
  peak_ = &find_fold(table, "max", dtype);
  next_peak_ = &find_fold(table, "max", accumulator_);
  sum_ = &find_fold(table, "sum", accumulator_);
  narrow_ = find_cast(table, accumulator_, output);
  log_ = find_function(table, "log", accumulator_);
  add_ = find_function(table, "add", accumulator_);
}

/// Rows that go through all steps together; one, where it is longer than a block.
struct Softmax::Rows {
  int64_t count, length;
  const char* in;
  int64_t in_stride;
  char* out;
  int64_t out_stride;
  bool far, stream;
  Worker& worker;
};

void Softmax::run(const Extents& kept, const Operand& out, const Operand& in, int64_t length, int threads,
                  Interrupt& interrupt) const {
  const int64_t rows = kept.product();
  if (rows == 0) return;
  Nest nest{kept, {in.strides, out.strides}};
  nest.sort_and_collapse();
  const int64_t width = std::clamp<int64_t>(kGroup / length, 1, nest.inner());
  const int64_t segments = (nest.inner() + width - 1) / width, groups = rows / nest.inner() * segments;
  const bool stream = !reduces() && rows * length * size_of(output_) > kFarBytes;
  const bool far = rows * length * size_of(dtype_) > kFarBytes;
  const double work = static_cast<double>(rows) * static_cast<double>(length);
  threads = worthwhile(work, kThreadWork, threads);
  const int64_t tasks = tasks_of(work, kGrain, threads), share = (groups + tasks - 1) / tasks;
  parallel_for((groups + share - 1) / share, threads, interrupt, [&](int64_t task, Worker& worker) {
    const int64_t first = task * share, last = std::min(groups, first + share);
    RowCursor cursor(nest, first / segments);
    for (int64_t g = first, segment = first % segments; g < last; ++g) {
      const int64_t row = segment * width, in_step = nest.inner_stride(0), out_step = nest.inner_stride(1);
      run_rows({std::min(width, nest.inner() - row), length,
                in.data + (cursor.offset(0) + row * in_step) * size_of(dtype_), in_step,
                out.data + (cursor.offset(1) + row * out_step) * size_of(output_), out_step, far, stream, worker});
      if (++segment < segments) continue;
      segment = 0;
      cursor.next();
    }
  });
}

/// result[r] = row r folded in the canonical order; several rows only where they have one block.
void Softmax::fold(const FoldRow& first, const FoldRow& next, int64_t count, int64_t n, const char* x,
                   int64_t row_stride, bool far, int64_t size, char* result) const {
  if (n <= kBlock) return first.rows(count, n, x, row_stride, far, result);
  const int64_t acc_size = size_of(accumulator_), whole = n / kBlock, rest = n % kBlock;
  char* const partials = static_cast<char*>(scratch(ScratchUse::kPartials, (whole + 1) * acc_size));
  first.rows(whole, kBlock, x, kBlock, far, partials);
  if (rest > 0) first.rows(1, rest, x + whole * kBlock * size, rest, far, partials + whole * acc_size);
  fold(next, next, 1, whole + (rest > 0), partials, 0, false, acc_size, result);
}

void Softmax::run_rows(const Rows& rows) const {
  const int64_t n = rows.length, size = size_of(dtype_), acc_size = size_of(accumulator_);
  const int64_t out_size = size_of(output_), blocks = (n + kBlock - 1) / kBlock;
  char* const shifts = static_cast<char*>(scratch(ScratchUse::kRows, 3 * rows.count * acc_size));
  char* const totals = shifts + rows.count * acc_size;
  char* const logs = totals + rows.count * acc_size;
  fold(*peak_, *next_peak_, rows.count, n, rows.in, rows.in_stride, rows.far, size, shifts);
  if (reduces()) finite_shifts(rows.count, shifts);
  rows.worker.checkpoint(rows.count * n / 8);

  // The powers and their sums. Where a row's powers are not kept, each block's take the place of the last one's.
  const bool kept = kind_ == Kind::kSoftmax && n <= kKept;
  const int64_t span = blocks == 1 ? n : kBlock;
  char* const powers =
      static_cast<char*>(scratch(ScratchUse::kLanes, (kept ? rows.count * n : rows.count * span) * acc_size));
  if (blocks == 1) {
    for (int64_t r = 0; r < rows.count; ++r) {
      row_->powers(n, rows.in + r * rows.in_stride * size, shifts + r * acc_size, powers + r * n * acc_size);
    }
    sum_->rows(rows.count, n, powers, n, false, totals);
    rows.worker.checkpoint(rows.count * n / 2);
  } else {
    char* const partials = static_cast<char*>(scratch(ScratchUse::kTile, blocks * acc_size));
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t count = std::min<int64_t>(kBlock, n - b * kBlock);
      char* const its_powers = powers + (kept ? b * kBlock * acc_size : 0);
      row_->powers(count, rows.in + b * kBlock * size, shifts, its_powers);
      sum_->rows(1, count, its_powers, count, false, partials + b * acc_size);
      rows.worker.checkpoint(count / 2);
    }
    fold(*sum_, *sum_, 1, blocks, partials, 0, false, acc_size, totals);
  }

  if (kind_ != Kind::kSoftmax) {
    const void* const total[] = {totals};
    log_(rows.count, logs, total);
  }
  if (reduces()) {
    const void* const terms[] = {logs, shifts};
    add_(rows.count, totals, terms);
    const void* result = totals;
    if (narrow_) {
      narrow_(rows.count, logs, &result);
      result = logs;
    }
    return scatter(static_cast<int>(out_size), rows.count, rows.out, rows.out_stride, result);
  }
  for (int64_t r = 0; r < rows.count; ++r) {
    const char* const in = rows.in + r * rows.in_stride * size;
    char* const out = rows.out + r * rows.out_stride * out_size;
    for (int64_t at = 0; at < n; at += kBlock) {
      const int64_t count = std::min<int64_t>(kBlock, n - at);
      if (kind_ == Kind::kLogSoftmax) {
        row_->distances(count, in + at * size, shifts + r * acc_size, logs + r * acc_size, rows.stream,
                        out + at * out_size);
      } else {
        if (!kept) row_->powers(count, in + at * size, shifts, powers);
        row_->quotients(count, kept ? powers + (r * n + at) * acc_size : powers, totals + r * acc_size, rows.stream,
                        out + at * out_size);
      }
      rows.worker.checkpoint(count / 4);
    }
  }
}

/// An infinite or NaN maximum is no shift: 0 is, and the powers give the infinity or the NaN.
void Softmax::finite_shifts(int64_t count, char* shifts) const {
  const auto clear = [count](auto* shift) {
    for (int64_t r = 0; r < count; ++r) shift[r] = std::isfinite(shift[r]) ? shift[r] : 0;
  };
  if (accumulator_ == DType::kFloat64) {
    clear(reinterpret_cast<double*>(shifts));
  } else {
    clear(reinterpret_cast<float*>(shifts));
  }
}

}  // namespace accel
