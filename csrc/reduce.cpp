#include "reduce.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "contract.hpp"
#include "reduce_call.hpp"

namespace accel {

namespace {

constexpr int64_t kLaneBytes =
    1 << 20;  // accumulators of one group of columns, of which each takes eight rows at a time
constexpr int64_t kShortBytes = 1 << 16;   // the same of at most 64 rows, which need eight accumulators
constexpr int64_t kGatherBytes = 1 << 17;  // gathered elements of a group, in L2
constexpr int64_t kMinWidth = 64;          // columns in a group, where there are so many
constexpr int64_t kWideBytes = 2048;       // of a row of columns, up to which narrower groups are slower
constexpr int64_t kFewColumns = 8;         // fewer columns are gathered, unless they are adjacent
constexpr int64_t kGrain = 1 << 18;        // elements of a task
constexpr double kThreadWork = 1 << 20;    // elements that are worth a thread
constexpr int64_t kFarBytes = 32 << 20;    // of an operand that no cache holds

/// Room for the results of all levels, from that of the blocks on.
constexpr int64_t partial_results(int64_t blocks) { return blocks + blocks / kBlock + 8; }

}  // namespace

ArrayKernel find_cast(const KernelTable& table, DType from, DType to) {
  if (from == to) return nullptr;
  for (const CastRow& row : table.casts) {
    if (row.from == std::string(info(from).name) && row.to == std::string(info(to).name)) return row.kernel;
  }
  throw std::invalid_argument(std::string("no cast from ") + info(from).name + " to " + info(to).name);
}

const FoldRow& find_fold(const KernelTable& table, const std::string& kind, DType from) {
  for (const Rows<FoldRow>& rows : table.folds) {
    for (const FoldRow& row : rows) {
      if (row.kind == kind && row.from == from) return row;
    }
  }
  throw std::invalid_argument("there is no reduction " + kind + " of " + info(from).name);
}

Reduce::Reduce(const KernelTable& table, const std::string& kind, DType dtype, DType output)
    : kind_(kind), dtype_(dtype), output_(output) {
  std::string fold = kind;
  bool fits = output == dtype;
  accumulator_ = is_half(dtype) ? DType::kFloat32 : dtype;
  if (kind == "sum" || kind == "prod") {
    if (dtype == DType::kBool || is_integer(dtype)) {
      accumulator_ = DType::kInt64;
      fits = is_integer(output);
    } else if (is_half(dtype)) {
      fits |= output == DType::kFloat32;
    }
  } else if (kind == "any" || kind == "all") {
    accumulator_ = DType::kBool;
    fits = output == DType::kBool;
  } else if (kind == "argmax" || kind == "argmin") {
    fold = kind.substr(3);
    fits = output == DType::kInt64;
    for (const Rows<ArgRow>& rows : table.args) {
      for (const ArgRow& row : rows) {
        if (row.kind == kind && row.from == dtype) arg_ = &row;
      }
    }
  } else if (kind != "max" && kind != "min") {
    throw std::invalid_argument("there is no reduction " + kind);
  }
  if (!fits) throw std::invalid_argument(kind + " of " + info(dtype).name + " does not give " + info(output).name);
  first_ = &find_fold(table, fold, dtype);
  next_ = &find_fold(table, fold, accumulator_);
  if (!arg_) narrow_ = find_cast(table, accumulator_, output);
}

void Reduce::run(const Extents& kept, const Operand& out, const char* in, const Extents& in_kept,
                 const Extents& reduced, const Extents& in_reduced, int threads, Interrupt& interrupt) const {
  if (kept.product() == 0) return;
  Call call;
  call.length = reduced.product();
  if (call.length == 0) return write_empty(kept, out, interrupt);
  call.in = in;
  call.out = out.data;
  call.kept = {kept, {in_kept, out.strides}};
  call.kept.sort_and_collapse();
  call.reduced = {reduced, {in_reduced}};
  call.reduced.collapse();
  call.blocks = (call.length + kBlock - 1) / kBlock;
  const int64_t elements = kept.product() * call.length;
  call.far = elements * size_of(dtype_) > kFarBytes;
  threads = worthwhile(static_cast<double>(elements), kThreadWork, threads);
  choose_groups(call, threads);
  if (threads > 1 && settled_early(call, interrupt)) return;

  const int64_t tasks = tasks_of(static_cast<double>(elements), kGrain, threads);
  if (call.groups < std::min<int64_t>(tasks, int64_t{2} * threads) && call.blocks > 1) {
    run_split(call, threads, tasks, interrupt);
  } else {
    run_groups(call, threads, std::min(tasks, call.groups), interrupt);
  }
}

/// Whether any's or all's one output is settled by the first elements, as it mostly is: no other thread is needed.
bool Reduce::settled_early(const Call& whole, Interrupt& interrupt) const {
  if ((kind_ != "any" && kind_ != "all") || whole.groups != 1 || whole.length <= kRowElements) return false;
  Call call = whole;
  call.length = kRowElements;
  call.blocks = kRowElements / kBlock;
  run_groups(call, 1, 1, interrupt);
  return (*call.out != 0) == (kind_ == "any");
}

/// The way of the elements, and outputs in a group: as many as cache and threads allow. No result depends on either.
void Reduce::choose_groups(Call& call, int threads) const {
  const int64_t apart = call.kept.inner_stride(0), columns = call.kept.inner();
  const bool regular = call.reduced.rank() <= 1;
  const bool adjacent = regular && call.reduced.inner_stride(0) == columns;
  const int64_t size = size_of(dtype_), acc_size = size_of(accumulator_);
  if (call.reduced.rank() == 0 || (regular && call.reduced.inner_stride(0) == 1)) {
    call.along = Along::kRows;
    call.width = call.blocks > 1 ? 1 : std::max<int64_t>(kMinWidth, kRowElements / call.length);
  } else if (regular && apart == 1 && (columns >= kFewColumns || adjacent)) {
    call.along = Along::kColumns;
    const int64_t rows = std::min<int64_t>(call.length, kBlock);
    call.width = rows <= kLanes ? kShortBytes / (8 * acc_size) : kLaneBytes / (kLanes * acc_size);
  } else {
    call.along = Along::kGathered;
    call.width = std::max<int64_t>(1, kGatherBytes / (std::min<int64_t>(call.length, kBlock) * size));
  }
  if (call.along == Along::kColumns || (call.along == Along::kRows && call.width > 1)) {
    if (threads > 1) {
      const int64_t outputs = call.kept.shape.product();
      const int64_t fair = std::max(outputs / (int64_t{4} * threads) + 1, kWideBytes / size);
      call.width = std::min({call.width, fair, outputs / threads + 1});
    }
    call.width = std::max(call.width, kMinWidth);
  }
  call.width = std::min(columns, call.width);
  call.segments = (columns + call.width - 1) / call.width;
  call.groups = call.kept.shape.product() / columns * call.segments;
}

void Reduce::write_empty(const Extents& kept, const Operand& out, Interrupt& interrupt) const {
  if (kind_ == "max" || kind_ == "min" || arg_) throw std::invalid_argument(kind_ + " of no elements");
  // The identity of each kind, except that an empty sum is +0.0.
  const bool one = kind_ == "prod" || kind_ == "all";
  alignas(8) char value[8] = {}, narrowed[8];
  if (one) {
    switch (storage(accumulator_)) {
      case CType::kF32:
        *reinterpret_cast<float*>(value) = 1;
        break;
      case CType::kF64:
        *reinterpret_cast<double*>(value) = 1;
        break;
      case CType::kI64:
        *reinterpret_cast<int64_t*>(value) = 1;
        break;
      default:
        value[0] = 1;
    }
  }
  const void* const args[] = {value};
  if (narrow_) narrow_(1, narrowed, args);
  Nest nest{kept, {out.strides}};
  nest.sort_and_collapse();
  const int64_t rows = kept.product() / nest.inner();
  parallel_for(1, 1, interrupt, [&](int64_t, Worker& worker) {
    RowCursor cursor(nest, 0);
    const int size = size_of(output_);
    for (int64_t r = 0; r < rows; ++r, cursor.next()) {
      for (int64_t c = 0; c < nest.inner(); ++c) {
        std::memcpy(out.data + (cursor.offset(0) + c * nest.inner_stride(0)) * size, narrow_ ? narrowed : value, size);
      }
      worker.checkpoint(nest.inner());
    }
  });
}

/// Tasks are ranges of groups.
void Reduce::run_groups(const Call& call, int threads, int64_t tasks, Interrupt& interrupt) const {
  const int64_t share = (call.groups + tasks - 1) / tasks;
  parallel_for((call.groups + share - 1) / share, threads, interrupt, [&](int64_t task, Worker& worker) {
    Walk walk(*this, call, task * share);
    const int64_t end = std::min(call.groups, (task + 1) * share);
    char* const partials =
        static_cast<char*>(scratch(ScratchUse::kPartials, (arg_ ? 2 : partial_results(call.blocks)) * call.width * 8));
    for (int64_t g = task * share; g < end; ++g, walk.next()) {
      const Group group = walk.group();
      const bool direct = group.out_stride == 1 || group.width == 1;
      if (arg_) {
        int64_t* const index = reinterpret_cast<int64_t*>(direct ? group.out : partials + call.width * 8);
        search(call, group, 0, call.length, {partials, index}, worker);
        if (!direct) scatter(8, group.width, group.out, group.out_stride, index);
      } else if (call.blocks == 1 && !narrow_ && direct) {
        fold_blocks(call, group, 0, 1, group.out, worker);
      } else {
        fold_blocks(call, group, 0, call.blocks, partials, worker);
        finish(call, group, partials);
      }
    }
  });
}

/// Tasks are ranges of blocks of one group, for few outputs of many elements each.
void Reduce::run_split(const Call& whole, int threads, int64_t tasks, Interrupt& interrupt) const {
  std::atomic<bool> found{false};
  Call call = whole;
  if (call.groups == 1) call.found = &found;
  const int64_t per_group = std::min(call.blocks, (tasks + call.groups - 1) / call.groups);
  const int64_t share = (call.blocks + per_group - 1) / per_group;  // blocks
  const int64_t parts = (call.blocks + share - 1) / share;
  const int64_t size = size_of(accumulator_);
  const int64_t results = (arg_ ? parts : partial_results(call.blocks)) * call.width;  // per group
  const std::unique_ptr<char[]> values(new char[call.groups * results * size]);
  const std::unique_ptr<int64_t[]> indices(new int64_t[arg_ ? call.groups * results : 0]);
  parallel_for(call.groups * parts, threads, interrupt, [&](int64_t task, Worker& worker) {
    const int64_t g = task / parts, part = task % parts;
    const Group group = Walk(*this, call, g).group();
    const int64_t first = part * share, last = std::min(call.blocks, first + share);
    if (arg_) {
      const int64_t at = g * results + part * group.width;
      search(call, group, first * kBlock, std::min(call.length, last * kBlock), {&values[at * size], &indices[at]},
             worker);
    } else {
      fold_blocks(call, group, first, last, &values[g * results * size], worker);
    }
  });
  Walk walk(*this, call, 0);
  for (int64_t g = 0; g < call.groups; ++g, walk.next()) {
    if (arg_) {
      merge_parts(walk.group(), parts, &values[g * results * size], &indices[g * results]);
    } else {
      finish(call, walk.group(), &values[g * results * size]);
    }
  }
}

/// Elements [begin, end) of every output of a group, one output after the other.
const char* Reduce::gather_block(const Call& call, const Group& group, int64_t begin, int64_t end) const {
  const int64_t n = end - begin, size = size_of(dtype_);
  const int64_t inner = call.reduced.inner(), stride = call.reduced.inner_stride(0);
  const int64_t apart = call.kept.inner_stride(0);
  char* const gathered = static_cast<char*>(scratch(ScratchUse::kGather, n * group.width * size));
  RowCursor cursor(call.reduced, begin / inner);
  int64_t column = begin % inner, count;
  for (int64_t at = 0; at < n; at += count, column = 0) {
    count = std::min(n - at, inner - column);
    // Runs of the innermost reduced dimension, several at once; of all outputs in turn, since those are near each
    // other.
    const int64_t runs = count == inner ? std::min(cursor.run(), (n - at) / inner) : 1;
    const int64_t run_stride = call.reduced.rank() > 1 ? call.reduced.strides[0][call.reduced.rank() - 2] : 0;
    const char* const source = group.in + (cursor.offset(0) + column * stride) * size;
    for (int64_t c = 0; c < group.width; ++c) {
      gather(static_cast<int>(size), runs, count, gathered + (c * n + at) * size, source + c * apart * size, run_stride,
             stride);
    }
    count *= runs;
    if (call.reduced.rank() > 1 && at + count < n) cursor.advance(runs);
  }
  return gathered;
}

/// partials[b * width + c] = the result of block b in [first, last).
void Reduce::fold_blocks(const Call& call, const Group& group, int64_t first, int64_t last, char* partials,
                         Worker& worker) const {
  const int64_t size = size_of(dtype_), row = group.width * size_of(accumulator_);
  if (call.along == Along::kRows) {
    if (call.blocks > 1) return fold_long_row(call, group, first, last, partials, worker);
    first_->rows(group.width, call.length, group.in, call.kept.inner_stride(0), call.far, partials);
    worker.checkpoint(group.width * call.length / 4);
    return;
  }
  for (int64_t b = first; b < last; ++b) {
    const int64_t begin = b * kBlock, n = std::min<int64_t>(call.length - begin, kBlock);
    if (call.along == Along::kColumns) {
      void* const lanes = scratch(ScratchUse::kLanes, columns_scratch(n, group.width) * 8);
      const int64_t stride = call.reduced.inner_stride(0);
      first_->columns(n, group.width, group.in + begin * stride * size, stride, lanes, partials + b * row);
    } else {
      first_->rows(group.width, n, gather_block(call, group, begin, begin + n), n, false, partials + b * row);
    }
    worker.checkpoint(n * group.width / 4);
    if (group.width == 1 && settled(call, partials, b, b + 1, last)) return;
  }
}

/// Whether any's or all's output is settled by the results of blocks [first, end) or by another thread's; those up to
/// `last` are then filled in.
bool Reduce::settled(const Call& call, char* partials, int64_t first, int64_t end, int64_t last) const {
  const bool any = kind_ == "any";
  if (!any && kind_ != "all") return false;
  const char value = any;
  const bool here = std::find(partials + first, partials + end, value) != partials + end;
  if (here && call.found) call.found->store(true, std::memory_order_relaxed);
  if (!here && !(call.found && call.found->load(std::memory_order_relaxed))) return false;
  std::fill(partials + end, partials + last, value);
  return true;
}

/// The blocks of one output whose elements are neighbours.
void Reduce::fold_long_row(const Call& call, const Group& group, int64_t first, int64_t last, char* partials,
                           Worker& worker) const {
  constexpr int64_t kBatch = kRowElements / kBlock;
  const int64_t size = size_of(dtype_), acc_size = size_of(accumulator_);
  const int64_t whole = call.length / kBlock;
  for (int64_t b = first, count; b < last; b += count) {
    count = b < whole ? std::min({kBatch, last - b, whole - b}) : 1;
    const int64_t n = std::min<int64_t>(call.length - b * kBlock, kBlock);
    first_->rows(count, n, group.in + b * kBlock * size, kBlock, call.far, partials + b * acc_size);
    worker.checkpoint(count * n / 4);
    if (settled(call, partials, b, b + count, last)) return;
  }
}

/// Reduces block results to one, level by level, and writes it as the group's output.
void Reduce::finish(const Call& call, const Group& group, char* partials) const {
  int64_t count = call.blocks;
  const int64_t width = group.width, row = width * size_of(accumulator_);
  while (count > 1) {
    char* const results = partials + count * row;
    const int64_t blocks = (count + kBlock - 1) / kBlock;
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t n = std::min<int64_t>(count - b * kBlock, kBlock);
      const char* const source = partials + b * kBlock * row;
      if (width == 1) {
        next_->rows(1, n, source, n, false, results + b * row);
      } else {
        void* const lanes = scratch(ScratchUse::kLanes, columns_scratch(n, width) * 8);
        next_->columns(n, width, source, width, lanes, results + b * row);
      }
    }
    partials = results;
    count = blocks;
  }
  const void* result = partials;
  if (narrow_) {
    void* const narrowed = scratch(ScratchUse::kRows, width * size_of(output_));
    narrow_(width, narrowed, &result);
    result = narrowed;
  }
  scatter(size_of(output_), width, group.out, group.out_stride, result);
}

}  // namespace accel
