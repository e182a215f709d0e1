// A program's way through its operands: a nest of loops, in blocks.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "pointwise.hpp"

namespace accel {

namespace {

constexpr int64_t kBatch = 1024;                     // elements that go through all steps together, in L1
constexpr int64_t kSlotBytes = kBatch * 8 + 3 * 64;  // skewed, so that slots do not share the low bits of addresses
constexpr int64_t kMinRow = 80;                      // shorter rows are gathered, several to a block
constexpr int64_t kDirect = 1 << 16;                 // elements between checkpoints where no block is in L1
constexpr int64_t kSharedBytes = 1 << 16;            // of one operand, past which a thread that is awake may help
constexpr int64_t kTile = 32;                        // elements by elements of a block that crosses two dimensions
// Bytes of all operands past which the output is stored around the caches: it would not be found there afterwards, and
// a store into a line that is not in the cache first reads it. A last-level cache as one core has it, since what the
// system reports (384 MiB on a Zen 5 of 32 MiB) may be that of several sockets or slices.
constexpr int64_t kStreamBytes = 32 << 20;
constexpr int64_t kGrain = 1 << 18;      // elements x steps of a task
constexpr double kThreadWork = 1 << 19;  // the same that are worth a thread

template <class Step>
void run_step(const Step& step, int64_t n, void* out, const void* const* args, unsigned options) {
  if (options) {
    step.with_options(n, out, args, options);
  } else {
    step.kernel(n, out, args);
  }
}

}  // namespace

/// A nest of loops and its operands: 0 is the output, i + 1 input i.
struct Pointwise::Region {
  struct Side {
    char* data;
    int size;       // bytes of an element
    bool dense;     // row-major contiguous over the whole nest
    bool constant;  // every stride is 0
  };

  Nest nest;
  std::vector<Side> sides;
  int64_t elements;
  bool by_row;   // a block is a part of one row; else it covers several short ones
  bool streams;  // the output is stored around the caches

  Region(const Pointwise& program, const Extents& shape, const Operand& out, const std::vector<Operand>& in,
         int threads) {
    nest.shape = shape;
    nest.strides.reserve(in.size() + 1);
    sides.reserve(in.size() + 1);
    const auto add = [this](const Operand& operand, DType dtype) {
      nest.strides.push_back(operand.strides);
      sides.push_back({operand.data, size_of(dtype), false, false});
    };
    add(out, program.output_);
    for (size_t i = 0; i < in.size(); ++i) add(in[i], program.inputs_[i]);
    nest.sort_and_collapse();
    classify();
    int64_t bytes = 0;
    bool in_place = false;
    for (size_t k = 0; k < sides.size(); ++k) {
      if (!sides[k].constant) bytes += elements * sides[k].size;
      in_place |= k > 0 && sides[k].data == sides[0].data;
    }
    const int64_t run = nest.inner() * sides[0].size;
    const bool far = program.steps_.empty() ? streams_copy(bytes, run, threads) : bytes > kStreamBytes;
    streams = far && !in_place && program.streams();
  }

  /// Where an operand's short strides lie along another dimension than the innermost, makes tiles of the two, so that
  /// a block uses the whole of each cache line it touches. Returns what the last tiles leave over of the innermost.
  std::optional<Region> tile() {
    const int last = nest.rank() - 1, other = crossing_dimension();
    if (other < 0) return std::nullopt;
    const int64_t whole = nest.inner() / kTile * kTile;
    std::optional<Region> rest;
    if (whole < nest.inner()) {
      rest.emplace(*this);
      rest->nest.shape[last] -= whole;
      for (size_t k = 0; k < sides.size(); ++k) rest->sides[k].data += whole * nest.inner_stride(k) * sides[k].size;
      rest->nest.move(other, last - 1);
      rest->classify();
    }
    nest.shape[last] = whole;
    nest.split_inner(kTile);
    nest.move(other, last);
    classify();
    return rest;
  }

 private:
  void classify() {
    elements = nest.shape.product();
    by_row = nest.inner() >= kMinRow || nest.rank() <= 1;
    for (size_t k = 0; k < sides.size(); ++k) {
      int64_t step = 1;
      bool zero = true;
      sides[k].dense = true;
      for (int d = nest.rank() - 1; d >= 0; --d) {
        sides[k].dense &= nest.strides[k][d] == step;
        zero &= nest.strides[k][d] == 0;
        step *= nest.shape[d];
      }
      sides[k].constant = zero && !sides[k].dense;
    }
  }

  int crossing_dimension() const {
    const int last = nest.rank() - 1;
    if (last < 1 || elements < kTile * kBatch || nest.inner() < kTile) return -1;
    for (const Extents& strides : nest.strides) {
      int shortest = last;
      for (int d = 0; d < last; ++d) {
        if (strides[d] == 0 || nest.shape[d] < kTile) continue;
        if (std::abs(strides[d]) < std::abs(strides[shortest])) shortest = d;
      }
      if (shortest != last) return shortest;
    }
    return -1;
  }
};

/// One task's way through a region, in blocks of at most kBatch elements.
class Pointwise::Pass {
 public:
  Pass(const Pointwise& program, const Region& region, int64_t begin, int64_t end)
      : program_(program),
        region_(region),
        inner_(region.nest.inner()),
        values_(program.slots_.size(), nullptr),
        repeated_(region.sides.size(), false),
        filled_(region.sides.size(), nullptr),
        cursor_(region.nest, begin / inner_),
        column_(begin % inner_),
        at_(begin),
        end_(end) {
    const int64_t slot_bytes = program.slot_count_ * kSlotBytes;
    const int64_t row_bytes = kBatch * int64_t{sizeof(Rows)};
    slots_ = static_cast<char*>(scratch(ScratchUse::kBlocks, slot_bytes + kSlotBytes + row_bytes));
    out_slot_ = slots_ + slot_bytes;
    out_rows_ = reinterpret_cast<Rows*>(out_slot_ + kSlotBytes);
    for (size_t k = 1; k < region.sides.size(); ++k) {
      const Region::Side& side = region.sides[k];
      repeated_[k] = program.repeatable_[k - 1] && (side.constant || (region.by_row && stride(k) == 0));
      if (!side.constant) continue;
      splat(k, std::min(kBatch, end - begin), side.data);
      values_[k - 1] = slot(k - 1);
    }
    longest_ = longest();
    direct_ = longest_ == kDirect && program.steps_.size() == 1;
  }

  void run(Worker& worker) {
    while (at_ < end_) {
      const int64_t n = !region_.by_row     ? next_rows()
                        : copied_rows() > 1 ? next_copied_rows()
                        : whole_rows()      ? next_whole_rows()
                                            : next_in_row();
      at_ += n;
      worker.checkpoint(n * static_cast<int64_t>(program_.steps_.size() + 1));
    }
    if (region_.streams) program_.stream_.fence();
  }

 private:
  /// A block has no need of L1 where nothing but a kernel's operands and result is touched.
  int64_t longest() const {
    if (!region_.by_row || program_.steps_.size() > 1 || stride(0) != 1) return kBatch;
    const bool copies = program_.steps_.empty();
    for (size_t k = 1; k < region_.sides.size(); ++k) {
      if (copies && static_cast<int>(k) != program_.result_ + 1) continue;
      if (copies ? region_.sides[k].constant : stride(k) != 1 && !repeated_[k]) return kBatch;
    }
    return kDirect;
  }

  /// Fills an input's slot with n times one element, or with as much of it as a kernel repeats.
  void splat(size_t k, int64_t n, const char* element) {
    const int size = region_.sides[k].size;
    gather(size, repeated_[k] ? kRepeatBytes / size : n, slot(k - 1), element, 0);
  }

  char* slot(size_t value) const { return slots_ + program_.slots_[value] * kSlotBytes; }
  int64_t stride(size_t k) const { return region_.nest.inner_stride(k); }
  char* address(size_t k) const {
    return region_.sides[k].data + (cursor_.offset(k) + column_ * stride(k)) * region_.sides[k].size;
  }

  bool whole_rows() const { return direct_ && column_ == 0 && inner_ < kDirect && end_ - at_ >= inner_; }

  /// Whole rows from here on that are only copied, to rows that follow each other.
  int64_t copied_rows() const {
    const int outer = region_.nest.rank() - 2;
    if (!program_.steps_.empty() || column_ > 0 || outer < 0 || region_.streams || stride(0) != 1) return 0;
    if (region_.nest.strides[0][outer] != inner_ || region_.sides[program_.result_ + 1].constant) return 0;
    return std::min({cursor_.run(), (end_ - at_) / inner_, kDirect / inner_});
  }

  /// What `gather` does, in reverse by the vectors of the instruction set.
  void move_rows(int size, int64_t rows, int64_t n, char* dst, const char* src, int64_t apart, int64_t step) const {
    if (step != -1 || n == 1) return gather(size, rows, n, dst, src, apart, step);
    for (int64_t r = 0; r < rows; ++r) {
      program_.reverse_(size, n, dst + r * n * size, src + r * apart * size, region_.streams);
    }
  }

  int64_t next_copied_rows() {
    const size_t copied = static_cast<size_t>(program_.result_) + 1;
    const int64_t rows = copied_rows();
    const int64_t apart = region_.nest.strides[copied][region_.nest.rank() - 2];
    move_rows(region_.sides[copied].size, rows, inner_, address(0), address(copied), apart, stride(copied));
    cursor_.advance(rows);
    return rows * inner_;
  }

  /// Several rows of a single step whose operands are read and written where they are: a call of the kernel for each.
  int64_t next_whole_rows() {
    const Step& step = program_.steps_[0];
    const int64_t rows = std::min({cursor_.run(), (end_ - at_) / inner_, kDirect / inner_});
    const auto row_bytes = [&](size_t k) {
      return rows > 1 ? region_.nest.strides[k][region_.nest.rank() - 2] * region_.sides[k].size : 0;
    };
    char* out = address(0);
    const char* sources[kMaxArity];  // of each argument
    const void* args[kMaxArity];
    int64_t moves[kMaxArity];
    bool fills[kMaxArity];
    unsigned options = region_.streams ? kStream : 0;
    for (int a = 0; a < step.arity; ++a) {
      const size_t k = static_cast<size_t>(step.args[a]) + 1;
      if (repeated_[k]) options |= 1u << a;
      fills[a] = repeated_[k] && !region_.sides[k].constant;
      sources[a] = address(k);
      moves[a] = row_bytes(k);
      args[a] = repeated_[k] ? slot(k - 1) : sources[a];
    }
    const int64_t out_move = row_bytes(0);
    for (int64_t r = 0; r < rows; ++r, out += out_move) {
      for (int a = 0; a < step.arity; ++a) {
        const char* const source = sources[a] + r * moves[a];
        if (fills[a]) {
          if (r == 0 || moves[a] != 0) splat(static_cast<size_t>(step.args[a]) + 1, inner_, source);
        } else if (!(options >> a & 1)) {
          args[a] = source;
        }
      }
      run_step(step, inner_, out, args, options);
    }
    if (region_.nest.rank() > 1) cursor_.advance(rows);
    return rows * inner_;
  }

  /// A block that is a part of one row.
  int64_t next_in_row() {
    char* const target = address(0);
    const bool direct = stride(0) == 1 || inner_ == 1;
    const bool copies = program_.steps_.empty();
    const size_t copied = static_cast<size_t>(program_.result_) + 1;
    const int64_t n = std::min({longest_, end_ - at_, inner_ - column_});
    char* const out = direct ? target : out_slot_;
    for (size_t k = 1; k < region_.sides.size(); ++k) {
      const Region::Side& side = region_.sides[k];
      if (side.constant || (copies && k != copied)) continue;
      const char* const source = address(k);
      if (stride(k) == 1) {
        values_[k - 1] = source;
      } else if (copies) {
        move_rows(side.size, 1, n, out, source, 0, stride(k));
        values_[k - 1] = out;
      } else {
        values_[k - 1] = slot(k - 1);
        if (stride(k) != 0) {
          gather(side.size, n, slot(k - 1), source, stride(k));
        } else if (filled_[k] != source) {
          splat(k, std::min(kBatch, inner_), source);
          filled_[k] = source;
        }
      }
    }
    compute(n, out, direct && region_.streams);
    if (!direct) scatter(region_.sides[0].size, n, target, stride(0), out);
    column_ += n;
    if (column_ == inner_) {
      column_ = 0;
      cursor_.next();
    }
    return n;
  }

  /// A block of several rows, the first and the last of a task perhaps in part.
  int64_t next_rows() {
    int64_t n = std::min(kBatch, end_ - at_);
    const int64_t over = (column_ + n) % inner_;
    if (over < n) n -= over;  // whole rows
    const int64_t outer = region_.nest.rank() - 2;
    const Region::Side& target = region_.sides[0];
    // Rows of one address throughout, as a row that is broadcast has.
    const bool plain = column_ == 0 && n == kBatch / inner_ * inner_ && cursor_.run() * inner_ >= n;
    unsigned skipped = 0;
    for (size_t k = 1; k < region_.sides.size(); ++k) {
      const Region::Side& side = region_.sides[k];
      if (side.constant) continue;
      values_[k - 1] = side.dense ? side.data + at_ * side.size : slot(k - 1);
      if (side.dense || k >= 32) continue;
      const char* const row = plain && region_.nest.strides[k][outer] == 0 ? address(k) : nullptr;
      if (row && filled_[k] == row) skipped |= 1u << k;
      filled_[k] = row;
    }
    Rows* out_rows = out_rows_;
    for (int64_t done = 0; done < n;) {
      const bool part = column_ > 0 || n - done < inner_;
      const int64_t rows = part ? 1 : std::min((n - done) / inner_, cursor_.run());
      const int64_t count = std::min(n - done, inner_ - column_);
      *out_rows++ = {cursor_.offset(0) + column_ * stride(0), rows, count};
      for (size_t k = 1; k < region_.sides.size(); ++k) {
        const Region::Side& side = region_.sides[k];
        if (side.dense || side.constant || (k < 32 && skipped >> k & 1)) continue;
        gather(side.size, rows, count, slot(k - 1) + done * side.size, address(k), region_.nest.strides[k][outer],
               stride(k));
      }
      done += rows * count;
      column_ += count;
      if (column_ < inner_) break;
      column_ = 0;
      cursor_.advance(rows);
    }
    char* out = target.dense ? target.data + at_ * target.size : out_slot_;
    compute(n, out, target.dense && region_.streams);
    if (target.dense) return n;
    for (const Rows* r = out_rows_; r != out_rows; ++r) {
      scatter(target.size, r->rows, r->count, target.data + r->offset * target.size, region_.nest.strides[0][outer],
              stride(0), out);
      out += r->rows * r->count * target.size;
    }
    return n;
  }

  void compute(int64_t n, char* out, bool streams) {
    for (const Step& step : program_.steps_) {
      const void* args[kMaxArity];
      const bool last = step.result == program_.result_;
      unsigned options = last && streams ? kStream : 0;
      for (int a = 0; a < step.arity; ++a) {
        const int value = step.args[a];
        args[a] = values_[value];
        if (value + 1 < static_cast<int>(repeated_.size()) && repeated_[value + 1]) options |= 1u << a;
      }
      char* const result = last ? out : slot(step.result);
      run_step(step, n, result, args, options);
      values_[step.result] = result;
    }
    const void* const result = values_[program_.result_];
    const size_t bytes = static_cast<size_t>(n) * region_.sides[0].size;
    if (result == out) return;
    if (streams) {
      program_.stream_.copy(bytes, out, result);
    } else {
      std::memmove(out, result, bytes);
    }
  }

  /// Equal rows, or a part of one, that follow one another in the output.
  struct Rows {
    int64_t offset;
    int64_t rows, count;
  };

  const Pointwise& program_;
  const Region& region_;
  const int64_t inner_;  // elements of a row
  char* slots_;
  char* out_slot_;  // the result of a block whose output is not contiguous
  Rows* out_rows_;  // where it goes
  std::vector<const void*> values_;
  std::vector<bool> repeated_;       // inputs of which a kernel repeats one element
  std::vector<const char*> filled_;  // the element, or row, that fills an input's slot
  RowCursor cursor_;
  int64_t column_;
  int64_t at_, end_;
  int64_t longest_ = kBatch;  // elements of a block
  bool direct_ = false;       // a single step, whose operands need no slot but for repeated elements
};

/// A call of one block of operands that are contiguous or one element, which needs no way through them. False where it
/// is none.
bool Pointwise::run_block(const Extents& shape, const Operand& out, const std::vector<Operand>& in, int threads) const {
  constexpr size_t kValues = 16;
  const auto dense = [&shape](const Operand& operand) {
    int64_t step = 1;
    for (int d = shape.rank - 1; d >= 0; step *= shape[d--]) {
      if (operand.strides[d] != step && shape[d] != 1) return false;
    }
    return true;
  };
  const auto one_element = [&shape](const Operand& operand) {
    for (int d = 0; d < shape.rank; ++d) {
      if (operand.strides[d] != 0 && shape[d] != 1) return false;
    }
    return true;
  };
  const int64_t n = shape.product();
  int64_t longest = steps_.size() > 1 ? kBatch : kDirect;
  if (threads > 1) {
    int widest = size_of(output_);
    for (DType input : inputs_) widest = std::max(widest, size_of(input));
    longest = std::min(longest, kSharedBytes / widest);
  }
  if (n == 0 || n > longest || slots_.size() > kValues || !dense(out)) return false;
  unsigned constants = 0;  // inputs of one element
  for (size_t i = 0; i < in.size(); ++i) {
    if (dense(in[i])) continue;
    if (!one_element(in[i]) || (n > kBatch && !repeatable_[i])) return false;
    constants |= 1u << i;
  }
  char* const slots = steps_.size() > 1 || constants
                          ? static_cast<char*>(scratch(ScratchUse::kBlocks, slot_count_ * kSlotBytes))
                          : nullptr;
  const void* values[kValues];
  unsigned repeated = 0;  // inputs of which a kernel repeats one element
  for (size_t i = 0; i < in.size(); ++i) {
    values[i] = in[i].data;
    if (!(constants >> i & 1)) continue;
    const int size = size_of(inputs_[i]);
    char* const filled = slots + slots_[i] * kSlotBytes;
    gather(size, repeatable_[i] ? kRepeatBytes / size : n, filled, in[i].data, 0);
    values[i] = filled;
    if (repeatable_[i]) repeated |= 1u << i;
  }
  for (const Step& step : steps_) {
    const void* args[kMaxArity];
    unsigned options = 0;
    for (int a = 0; a < step.arity; ++a) {
      args[a] = values[step.args[a]];
      options |= (repeated >> step.args[a] & 1) << a;
    }
    char* const result = step.result == result_ ? out.data : slots + slots_[step.result] * kSlotBytes;
    run_step(step, n, result, args, options);
    values[step.result] = result;
  }
  if (values[result_] != out.data) std::memmove(out.data, values[result_], static_cast<size_t>(n) * size_of(output_));
  return true;
}

void Pointwise::run(const Extents& shape, const Operand& out, const std::vector<Operand>& in, int threads,
                    Interrupt& interrupt) const {
  if (run_block(shape, out, in, threads)) return;
  Region region(*this, shape, out, in, threads);
  const auto run_one = [&](const Region& part) {
    const double work = static_cast<double>(part.elements) * static_cast<double>(steps_.size() + 1);
    const int used = worthwhile(work, kThreadWork, threads);
    const int64_t tasks = tasks_of(work, kGrain, used);
    const int64_t share = ((part.elements + tasks - 1) / tasks + kBatch - 1) / kBatch * kBatch;
    parallel_for((part.elements + share - 1) / share, used, interrupt, [&](int64_t task, Worker& worker) {
      Pass(*this, part, task * share, std::min(part.elements, (task + 1) * share)).run(worker);
    });
  };
  if (region.elements == 0) return;
  const std::optional<Region> rest = region.tile();
  run_one(region);
  if (rest) run_one(*rest);
}

void Pointwise::run(const Extents& shape, const Operand& out, const std::vector<Operand>& in, Worker& worker) const {
  const Region region(*this, shape, out, in, 1);
  if (region.elements > 0) Pass(*this, region, 0, region.elements).run(worker);
}

}  // namespace accel
