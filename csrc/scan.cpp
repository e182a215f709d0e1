#include "scan.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "contract.hpp"
#include "reduce.hpp"

namespace accel {

namespace {

constexpr int64_t kColumnBytes = 1024;     // of a row of columns that are scanned together, with their states in L1
constexpr int64_t kFewColumns = 4;         // fewer are taken one by one
constexpr int64_t kRowElements = 1 << 16;  // between two checkpoints
constexpr int64_t kGrain = 1 << 18;        // elements of a task
constexpr double kThreadWork = 1 << 19;    // elements that are worth a thread

DType accumulator_of(const std::string& kind, DType dtype) {
  if (!is_integer(dtype) && dtype != DType::kBool) return is_half(dtype) ? DType::kFloat32 : dtype;
  const bool is_unsigned =
      dtype == DType::kUint8 || dtype == DType::kUint16 || dtype == DType::kUint32 || dtype == DType::kUint64;
  return is_unsigned && kind != "sum" && kind != "prod" ? DType::kUint64 : DType::kInt64;
}

/// The cast between dtypes; none between integers of 64 bits, which wrap alike.
ArrayKernel cast_between(const KernelTable& table, DType from, DType to) {
  const bool alike = size_of(from) == 8 && size_of(to) == 8 && is_integer(from) && is_integer(to);
  return alike ? nullptr : find_cast(table, from, to);
}

}  // namespace

Scan::Scan(const KernelTable& table, const std::string& kind, DType dtype, DType output, bool initial)
    : dtype_(dtype), output_(output), initial_(initial), accumulator_(accumulator_of(kind, dtype)) {
  const bool adds = kind == "sum" || kind == "prod";
  for (const ScanRow& row : table.scans) {
    if (row.kind == kind && row.type == storage(accumulator_)) row_ = &row;
  }
  if (!row_) throw std::invalid_argument("there is no scan " + kind + " of " + info(dtype).name);
  if (initial && !adds) throw std::invalid_argument("a scan " + kind + " has no identity to begin with");
  const bool wide = adds && (is_integer(accumulator_) ? is_integer(output) : output == accumulator_);
  if (output != dtype && !wide) {
    throw std::invalid_argument("a scan " + kind + " of " + info(dtype).name + " does not give " + info(output).name);
  }
  widen_ = cast_between(table, dtype, accumulator_);
  narrow_ = cast_between(table, accumulator_, output);
  if (kind == "prod") {
    const uint8_t one = 1;
    const void* const args[] = {&one};
    const ArrayKernel cast = find_cast(table, DType::kUint8, output);
    if (cast) cast(1, identity_, args);
    if (!cast) identity_[0] = one;
  }
}

/// One row: its first elements, and its length.
struct Scan::Row {
  const char* in;
  char* out;
  int64_t in_step, out_step, length;
};

/// Operand 0 of `kept` is the input, operand 1 the output.
struct Scan::Call {
  Nest kept;
  const char* in;
  char* out;
  int64_t in_step, out_step, length, rows;

  Row row(const Scan& scan, const RowCursor& cursor, int64_t column) const {
    return {in + (cursor.offset(0) + column * kept.inner_stride(0)) * size_of(scan.dtype_),
            out + (cursor.offset(1) + column * kept.inner_stride(1)) * size_of(scan.output_), in_step, out_step,
            length};
  }
};

void Scan::run(const ScanProblem& problem, const char* in, char* out, int threads, Interrupt& interrupt) const {
  const int64_t rows = problem.kept.product();
  if (rows == 0) return;
  Call call{{problem.kept, {problem.in_kept, problem.out_kept}},
            in,
            out,
            problem.in_step,
            problem.out_step,
            problem.length,
            rows};
  call.kept.sort_and_collapse();
  threads = worthwhile(static_cast<double>(rows) * static_cast<double>(problem.length + 1), kThreadWork, threads);
  const bool adjacent = call.kept.inner_stride(0) == 1 && call.kept.inner_stride(1) == 1;
  if (!widen_ && !narrow_ && adjacent && call.kept.inner() >= kFewColumns && call.length > 1) {
    run_columns(call, threads, interrupt);
  } else if (rows < int64_t{2} * threads && call.length >= int64_t{4} * kScanBlock) {
    run_split(call, threads, interrupt);
  } else {
    run_rows(call, threads, interrupt);
  }
}

/// Writes the element before a row's, where there is one.
void Scan::begin(const Row& row) const {
  if (initial_) std::memcpy(row.out, identity_, size_of(output_));
}

/// The accumulators of elements [at, at + n) of a row, n at most kScanBlock.
const char* Scan::elements(const Row& row, int64_t at, int64_t n) const {
  const void* x = row.in + at * row.in_step * size_of(dtype_);
  if (row.in_step != 1 && n > 1) {
    void* const gathered = scratch(ScratchUse::kGather, kScanBlock * 8);
    gather(size_of(dtype_), n, gathered, x, row.in_step);
    x = gathered;
  }
  if (widen_) {
    void* const wide = scratch(ScratchUse::kBlocks, kScanBlock * 8);
    widen_(n, wide, &x);
    x = wide;
  }
  return static_cast<const char*>(x);
}

/// Elements [begin, end) of a row, begin a multiple of kScanBlock, after what `state` has seen.
void Scan::segment(const Row& row, int64_t begin, int64_t end, void* state, Worker& worker) const {
  char* const out = row.out + (initial_ ? row.out_step * size_of(output_) : 0);
  const bool direct = row.in_step == 1 && row.out_step == 1 && !widen_ && !narrow_;
  const int64_t step = direct ? kRowElements : kScanBlock;
  for (int64_t at = begin; at < end; at += step) {
    const int64_t n = std::min(end - at, step);
    char* const to = out + at * row.out_step * size_of(output_);
    if (direct) {
      row_->row(n, row.in + at * size_of(dtype_), to, state);
    } else {
      const char* const x = elements(row, at, n);
      const bool through = row.out_step != 1 && n > 1;
      void* made = narrow_ || through ? scratch(ScratchUse::kTile, kScanBlock * 8) : to;
      row_->row(n, x, made, state);
      if (narrow_) {
        const void* const args[] = {made};
        made = through ? scratch(ScratchUse::kLanes, kScanBlock * 8) : to;
        narrow_(n, made, args);
      }
      if (through) scatter(size_of(output_), n, to, row.out_step, made);
    }
    worker.checkpoint(n);
  }
}

/// Tasks are ranges of rows.
void Scan::run_rows(const Call& call, int threads, Interrupt& interrupt) const {
  const int64_t columns = call.kept.inner();
  const double work = static_cast<double>(call.rows) * static_cast<double>(call.length + 1);
  const int64_t tasks = std::min(call.rows, tasks_of(work, kGrain, threads));
  const int64_t share = (call.rows + tasks - 1) / tasks;
  parallel_for((call.rows + share - 1) / share, threads, interrupt, [&](int64_t task, Worker& worker) {
    int64_t at = task * share, column = at % columns;
    const int64_t end = std::min(call.rows, at + share);
    RowCursor cursor(call.kept, at / columns);
    alignas(8) char state[kScanState];
    for (; at < end; ++at) {
      const Row row = call.row(*this, cursor, column);
      begin(row);
      std::memset(state, 0, 8);  // of what its number of totals leaves out nothing is read
      segment(row, 0, call.length, state, worker);
      worker.checkpoint(8);
      if (++column == columns) {
        column = 0;
        if (at + 1 < end) cursor.next();
      }
    }
  });
}

/// Tasks are ranges of blocks of one row: their totals, then, with what comes before each, the scan.
void Scan::run_split(const Call& call, int threads, Interrupt& interrupt) const {
  const int64_t columns = call.kept.inner(), blocks = call.length / kScanBlock;  // whole ones
  const int64_t share = std::max<int64_t>(1, (blocks + 1 + 4 * threads - 1) / (4 * threads));
  const int64_t parts = (blocks + share) / share;  // the last part has the incomplete block
  const std::unique_ptr<char[]> totals(new char[blocks * 8]), states(new char[parts * kScanState]());
  const int64_t size = size_of(accumulator_);
  RowCursor cursor(call.kept, 0);
  for (int64_t at = 0; at < call.rows; ++at) {
    if (at > 0 && at % columns == 0) cursor.next();
    const Row row = call.row(*this, cursor, at % columns);
    begin(row);
    parallel_for(parts - 1, threads, interrupt, [&](int64_t part, Worker& worker) {  // none follow those of the last
      const bool direct = row.in_step == 1 && !widen_;
      for (int64_t b = part * share; b < (part + 1) * share; ++b) {
        const char* const x =
            direct ? row.in + b * kScanBlock * size_of(dtype_) : elements(row, b * kScanBlock, kScanBlock);
        row_->totals(1, x, &totals[b * size]);
        worker.checkpoint(kScanBlock / 4);
      }
    });
    std::memset(states.get(), 0, 8);
    for (int64_t part = 1; part < parts; ++part) {
      char* const state = &states[part * kScanState];
      std::memcpy(state, state - kScanState, kScanState);
      for (int64_t b = (part - 1) * share; b < part * share; ++b) row_->push(&totals[b * size], state);
    }
    parallel_for(parts, threads, interrupt, [&](int64_t part, Worker& worker) {
      alignas(8) char state[kScanState];
      std::memcpy(state, &states[part * kScanState], kScanState);
      segment(row, part * share * kScanBlock, std::min(call.length, (part + 1) * share * kScanBlock), state, worker);
    });
  }
}

/// Tasks are ranges of tiles of columns, which are neighbours in the input and in the output.
void Scan::run_columns(const Call& call, int threads, Interrupt& interrupt) const {
  const int64_t columns = call.kept.inner(), size = size_of(dtype_);
  const int64_t width = std::min(columns, kColumnBytes / size), tiles = (columns + width - 1) / width;
  const int64_t all = call.rows / columns * tiles;
  const double work = static_cast<double>(call.rows) * static_cast<double>(call.length);
  const int64_t tasks = std::min(all, tasks_of(work, kGrain, threads)), share = (all + tasks - 1) / tasks;
  const int64_t rows = std::max<int64_t>(kScan, kRowElements / width / kScan * kScan);
  parallel_for((all + share - 1) / share, threads, interrupt, [&](int64_t task, Worker& worker) {
    int64_t at = task * share, tile = at % tiles;
    const int64_t end = std::min(all, at + share);
    RowCursor cursor(call.kept, at / tiles);
    void* const state = scratch(ScratchUse::kLanes, scan_state(call.length) * width * size);
    for (; at < end; ++at) {
      const int64_t first = tile * width, here = std::min(width, columns - first);
      const Row row = call.row(*this, cursor, first);
      for (int64_t c = 0; initial_ && c < here; ++c) std::memcpy(row.out + c * size, identity_, size);
      char* const out = row.out + (initial_ ? call.out_step * size : 0);
      for (int64_t r = 0; r < call.length; r += rows) {
        const int64_t n = std::min(rows, call.length - r);
        row_->columns(n, here, row.in + r * call.in_step * size, call.in_step, out + r * call.out_step * size,
                      call.out_step, r, state);
        worker.checkpoint(n * here);
      }
      if (++tile == tiles) {
        tile = 0;
        if (at + 1 < end) cursor.next();
      }
    }
  });
}

}  // namespace accel
