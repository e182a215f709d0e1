#include "reduce.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "contract.hpp"

namespace accel {

namespace {

constexpr int64_t kLaneBytes = 1 << 17;  // accumulators of one group of columns, in L2
constexpr int64_t kRowBytes = 1 << 14;   // gathered or widened rows of columns, in L1
constexpr int64_t kPiece = 512;          // elements that are gathered and widened at a time, a multiple of LANES
constexpr int64_t kMinColumns = 8;       // fewer columns are reduced one by one
constexpr int64_t kMinWidth = 64;        // columns in a group, where there are so many
constexpr int64_t kShort = 64;           // so few contiguous elements are reduced as columns all the same
constexpr int64_t kGrain = 1 << 18;      // elements that are worth a task
static_assert(kPiece % kLanes == 0 && kBlock % kPiece == 0);

ArrayKernel find_cast(const KernelTable& table, DType from, DType to) {
  if (from == to) return nullptr;
  for (const CastRow& row : table.casts) {
    if (row.from == std::string(info(from).name) && row.to == std::string(info(to).name)) return row.kernel;
  }
  throw std::invalid_argument(std::string("no cast from ") + info(from).name + " to " + info(to).name);
}

template <class Row>
const Row* find_row(const Rows<Row>& rows, const std::string& kind, CType type) {
  for (const Row& row : rows) {
    if (row.kind == kind && row.type == type) return &row;
  }
  return nullptr;
}

}  // namespace

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
    fold = kind == "any" ? "max" : "min";
    accumulator_ = DType::kBool;
    fits = output == DType::kBool;
  } else if (kind == "argmax" || kind == "argmin") {
    fold = kind.substr(3);
    fits = output == DType::kInt64;
    arg_ = find_row(table.args, kind, storage(accumulator_));
  } else if (kind != "max" && kind != "min") {
    throw std::invalid_argument("there is no reduction " + kind);
  }
  if (!fits) throw std::invalid_argument(kind + " of " + info(dtype).name + " does not give " + info(output).name);
  fold_ = find_row(table.folds, fold, storage(accumulator_));
  widen_ = find_cast(table, dtype, accumulator_);
  if (!arg_) narrow_ = find_cast(table, accumulator_, output);
}

/// The flattened problem. Operand 0 of `kept` is the input, operand 1 the output; `reduced` moves the input.
struct Reduce::Call {
  Nest kept, reduced;
  char* in;
  char* out;
  int64_t length;    // elements reduced to one
  int64_t blocks;    // of the first level
  bool contiguous;   // the reduced elements of one output are consecutive
  bool columns;      // groups of outputs whose inputs are neighbours, else each output alone
  int64_t width;     // outputs in a group
  int64_t segments;  // groups in a row of `kept`
  int64_t groups;
};

/// Outputs that are reduced together: `width` neighbouring columns, or one output.
struct Reduce::Group {
  const char* in;
  char* out;
  int64_t out_stride;
  int64_t width;
};

/// The best value so far of each output of a group, and its index in the reduced axes; index -1: none yet.
struct Reduce::Winners {
  char* best;
  int64_t* index;
};

/// Goes from group to group.
class Reduce::Walk {
 public:
  Walk(const Reduce& reduce, const Call& call, int64_t group)
      : call_(call),
        in_size_(size_of(reduce.dtype_)),
        out_size_(size_of(reduce.output_)),
        cursor_(call.kept, group / call.segments),
        segment_(group % call.segments) {}

  Group group() const {
    const int64_t column = segment_ * call_.width;
    return {call_.in + (cursor_.offset(0) + column * call_.kept.inner_stride(0)) * in_size_,
            call_.out + (cursor_.offset(1) + column * call_.kept.inner_stride(1)) * out_size_,
            call_.kept.inner_stride(1), std::min(call_.width, call_.kept.inner() - column)};
  }

  void next() {
    if (++segment_ < call_.segments) return;
    segment_ = 0;
    cursor_.next();
  }

 private:
  const Call& call_;
  const int in_size_, out_size_;
  RowCursor cursor_;
  int64_t segment_;
};

void Reduce::run(const Extents& kept, const Operand& out, const char* in, const Extents& in_kept,
                 const Extents& reduced, const Extents& in_reduced, int threads, Interrupt& interrupt) const {
  if (kept.product() == 0) return;
  Call call;
  call.length = reduced.product();
  if (call.length == 0) return write_empty(kept, out, interrupt);
  call.in = const_cast<char*>(in);
  call.out = out.data;
  call.kept = {kept, {in_kept, out.strides}};
  call.kept.sort_and_collapse();
  call.reduced = {reduced, {in_reduced}};
  call.reduced.collapse();
  call.blocks = (call.length + kBlock - 1) / kBlock;
  call.contiguous = call.reduced.rank() == 0 || (call.reduced.rank() == 1 && call.reduced.inner_stride(0) == 1);
  const bool neighbours = call.kept.inner_stride(0) == 1 && !(call.reduced.rank() == 1 && call.contiguous);
  call.columns = call.kept.inner() >= kMinColumns && (neighbours || call.length < kShort);
  call.width = call.columns ? column_width(call, threads) : 1;
  call.segments = (call.kept.inner() + call.width - 1) / call.width;
  call.groups = kept.product() / call.kept.inner() * call.segments;

  const int64_t elements = kept.product() * call.length;
  const int64_t tasks = threads == 1 ? 1 : std::clamp<int64_t>(elements / kGrain, 1, int64_t{8} * threads);
  if (call.groups < std::min<int64_t>(tasks, int64_t{2} * threads) && call.blocks > 1) {
    run_split(call, threads, tasks, interrupt);
  } else {
    run_groups(call, threads, std::min(tasks, call.groups), interrupt);
  }
}

/// Columns in a group: as many as cache and threads allow. No result depends on it.
int64_t Reduce::column_width(const Call& call, int threads) const {
  const int64_t size = std::max(size_of(dtype_), size_of(accumulator_));
  int64_t width = kLaneBytes / (std::min<int64_t>(call.length, kLanes) * size);
  if (call.kept.inner_stride(0) != 1) width = kRowBytes / (std::min<int64_t>(call.length, kLanes) * size);
  if (threads > 1) width = std::min(width, call.kept.shape.product() / (int64_t{4} * threads) + 1);
  return std::min(call.kept.inner(), std::max(width, kMinWidth));
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
    if (arg_) {
      char* const best = static_cast<char*>(scratch(ScratchUse::kPartials, call.width * 16));
      const Winners winners{best, reinterpret_cast<int64_t*>(best + call.width * 8)};
      for (int64_t g = task * share; g < end; ++g, walk.next()) {
        const Group group = walk.group();
        search(call, group, 0, call.length, winners, worker);
        scatter(8, group.width, group.out, group.out_stride, winners.index);
      }
      return;
    }
    char* const partials =
        static_cast<char*>(scratch(ScratchUse::kPartials, call.blocks * call.width * size_of(accumulator_)));
    for (int64_t g = task * share; g < end; ++g, walk.next()) {
      const Group group = walk.group();
      fold_blocks(call, group, 0, call.blocks, partials, worker);
      finish(group, call.blocks, partials);
    }
  });
}

/// Tasks are ranges of blocks of one group, for few outputs of many elements each.
void Reduce::run_split(const Call& call, int threads, int64_t tasks, Interrupt& interrupt) const {
  const int64_t per_group = std::min(call.blocks, (tasks + call.groups - 1) / call.groups);
  const int64_t share = (call.blocks + per_group - 1) / per_group;  // blocks
  const int64_t parts = (call.blocks + share - 1) / share;
  const int64_t size = size_of(accumulator_);
  const int64_t results = arg_ ? parts : call.blocks;  // per group
  const std::unique_ptr<char[]> values(new char[call.groups * results * call.width * size]);
  const std::unique_ptr<int64_t[]> indices(new int64_t[arg_ ? call.groups * parts * call.width : 0]);
  parallel_for(call.groups * parts, threads, interrupt, [&](int64_t task, Worker& worker) {
    const int64_t g = task / parts, part = task % parts;
    const Group group = Walk(*this, call, g).group();
    const int64_t first = part * share, last = std::min(call.blocks, first + share);
    if (arg_) {
      const int64_t at = (g * parts + part) * call.width;
      search(call, group, first * kBlock, std::min(call.length, last * kBlock), {&values[at * size], &indices[at]},
             worker);
    } else {
      fold_blocks(call, group, first, last, &values[g * results * call.width * size], worker);
    }
  });
  Walk walk(*this, call, 0);
  for (int64_t g = 0; g < call.groups; ++g, walk.next()) {
    const Group group = walk.group();
    if (!arg_) {
      finish(group, call.blocks, &values[g * results * call.width * size]);
      continue;
    }
    for (int64_t c = 0; c < group.width; ++c) {
      int64_t winner = g * parts * call.width + c;
      for (int64_t part = 1; part < parts; ++part) {
        const int64_t other = (g * parts + part) * call.width + c;
        if (arg_->beats(&values[other * size], &values[winner * size])) winner = other;
      }
      std::memcpy(group.out + c * group.out_stride * 8, &indices[winner], 8);
    }
  }
}

/// partials[b * width + c] = the result of block b in [first, last).
void Reduce::fold_blocks(const Call& call, const Group& group, int64_t first, int64_t last, char* partials,
                         Worker& worker) const {
  const int64_t size = size_of(accumulator_);
  char* const acc = static_cast<char*>(scratch(ScratchUse::kLanes, std::max(kLaneBytes, kLanes * group.width * size)));
  for (int64_t b = first; b < last; ++b) {
    const int64_t begin = b * kBlock, end = std::min(call.length, begin + kBlock);
    const int64_t lanes = std::min<int64_t>(kLanes, end - begin);
    fold_->fill(lanes * group.width, acc);
    fold_block(call, group, begin, end, acc);
    fold_->fold(lanes, group.width, acc);
    std::memcpy(partials + b * group.width * size, acc, group.width * size);
    worker.checkpoint((end - begin) * group.width);
  }
}

/// Reduces `count` block results to one, level by level, and writes it as the group's output.
void Reduce::finish(const Group& group, int64_t count, char* partials) const {
  const int64_t size = size_of(accumulator_), row = group.width * size;
  char* const acc = static_cast<char*>(scratch(ScratchUse::kLanes, std::max(kLaneBytes, kLanes * row)));
  while (count > 1) {
    const int64_t blocks = (count + kBlock - 1) / kBlock;
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t n = std::min<int64_t>(kBlock, count - b * kBlock);
      const int64_t lanes = std::min<int64_t>(kLanes, n);
      fold_->fill(lanes * group.width, acc);
      if (group.width == 1) {
        fold_->lanes(n, partials + b * kBlock * row, acc);
      } else {
        fold_->rows(n, group.width, partials + b * kBlock * row, group.width, 0, acc);
      }
      fold_->fold(lanes, group.width, acc);
      std::memcpy(partials + b * row, acc, row);
    }
    count = blocks;
  }
  const void* result = partials;
  if (narrow_) {
    narrow_(group.width, acc, &result);
    result = acc;
  }
  scatter(size_of(output_), group.width, group.out, group.out_stride, result);
}

/// Calls body(address, stride, count, position) for the runs of constant stride that make up [begin, end) of a group's
/// flattened reduced axes.
template <class Body>
void Reduce::for_runs(const Call& call, const Group& group, int64_t begin, int64_t end, Body&& body) const {
  const int64_t inner = call.reduced.inner(), stride = call.reduced.inner_stride(0), size = size_of(dtype_);
  if (call.reduced.rank() <= 1) return body(group.in + begin * stride * size, stride, end - begin, begin);
  RowCursor cursor(call.reduced, begin / inner);
  int64_t column = begin % inner, count;
  for (int64_t at = begin; at < end; at += count, column = 0, cursor.next()) {
    count = std::min(end - at, inner - column);
    body(group.in + (cursor.offset(0) + column * stride) * size, stride, count, at);
  }
}

/// Elements [begin, end) of a group of one output, contiguous and in the accumulator's dtype, until the next call.
const void* Reduce::load(const Call& call, const Group& group, int64_t begin, int64_t end) const {
  const int64_t size = size_of(dtype_);
  const void* source = group.in + begin * size;
  if (!call.contiguous) {
    char* const gathered = static_cast<char*>(scratch(ScratchUse::kGather, kPiece * 8));
    for_runs(call, group, begin, end, [&](const char* address, int64_t stride, int64_t count, int64_t at) {
      gather(static_cast<int>(size), count, gathered + (at - begin) * size, address, stride);
    });
    source = gathered;
  }
  if (!widen_) return source;
  void* const widened = scratch(ScratchUse::kRows, kPiece * 8);
  widen_(end - begin, widened, &source);
  return widened;
}

/// Calls body(rows, row_stride, count, position) for the rows of [begin, end), contiguous and in the accumulator's
/// dtype.
template <class Body>
void Reduce::for_rows(const Call& call, const Group& group, int64_t begin, int64_t end, Body&& body) const {
  const int64_t apart = call.kept.inner_stride(0), width = group.width;
  const int64_t size = size_of(dtype_), acc_size = size_of(accumulator_);
  for_runs(call, group, begin, end, [&](const char* address, int64_t stride, int64_t count, int64_t at) {
    if (apart == 1 && !widen_) return body(address, stride, count, at);
    const int64_t step = std::clamp<int64_t>(kRowBytes / (width * std::max(size, acc_size)), 1, count);
    char* const gathered = static_cast<char*>(scratch(ScratchUse::kGather, step * width * size));
    char* const widened = static_cast<char*>(scratch(ScratchUse::kRows, step * width * acc_size));
    for (int64_t first = 0; first < count; first += step) {
      const int64_t rows = std::min(step, count - first);
      const char* source = address + first * stride * size;
      int64_t row_stride = stride;
      if (apart != 1) {
        gather(static_cast<int>(size), rows, width, gathered, source, stride, apart);
        source = gathered;
        row_stride = width;
      }
      if (widen_) {
        for (int64_t r = 0; r < rows; ++r) {
          const void* const row = source + r * row_stride * size;
          widen_(width, widened + r * width * acc_size, &row);
        }
        source = widened;
        row_stride = width;
      }
      body(source, row_stride, rows, at + first);
    }
  });
}

/// Folds elements [begin, end), one block, into the lanes of acc.
void Reduce::fold_block(const Call& call, const Group& group, int64_t begin, int64_t end, char* acc) const {
  if (call.columns) {
    for_rows(call, group, begin, end, [&](const char* rows, int64_t stride, int64_t count, int64_t at) {
      fold_->rows(count, group.width, rows, stride, at - begin, acc);
    });
    return;
  }
  const int64_t step = call.contiguous && !widen_ ? kBlock : kPiece;
  for (int64_t at = begin; at < end; at += step) {
    const int64_t stop = std::min(end, at + step);
    fold_->lanes(stop - at, load(call, group, at, stop), acc);
  }
}

/// Finds the winners among elements [begin, end), at least one.
void Reduce::search(const Call& call, const Group& group, int64_t begin, int64_t end, Winners winners,
                    Worker& worker) const {
  const int64_t size = size_of(accumulator_);
  if (call.columns) {
    bool empty = true;
    for (int64_t block = begin; block < end; block += kBlock) {
      const int64_t stop = std::min<int64_t>(end, block + kBlock);
      for_rows(call, group, block, stop, [&](const char* rows, int64_t stride, int64_t count, int64_t at) {
        if (empty) {
          std::memcpy(winners.best, rows, group.width * size);
          std::fill_n(winners.index, group.width, at);
          empty = false;
        }
        arg_->rows(count, group.width, rows, stride, at, winners.best, winners.index);
      });
      worker.checkpoint((stop - block) * group.width);
    }
    return;
  }
  alignas(64) char acc[kLanes * 8];
  const int64_t step = call.contiguous && !widen_ ? kBlock : kPiece;
  for (int64_t at = begin; at < end; at += step) {
    const int64_t n = std::min(end - at, step), lanes = std::min<int64_t>(kLanes, n);
    const void* const x = load(call, group, at, at + n);
    fold_->fill(lanes, acc);
    fold_->lanes(n, x, acc);
    fold_->fold(lanes, 1, acc);
    if (at == begin || arg_->beats(acc, winners.best)) {
      std::memcpy(winners.best, acc, size);
      *winners.index = at + arg_->find(n, x, acc);
    }
    worker.checkpoint(n);
  }
}

}  // namespace accel
