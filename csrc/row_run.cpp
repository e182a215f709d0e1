// A row program's way through its rows: groups of rows, and for each the stages.
#include <algorithm>
#include <memory>

#include "row_tiles.hpp"

namespace accel {

namespace {

constexpr int64_t kLeastGroup = 1 << 13;  // elements of those that a thread takes, where they are many
constexpr int64_t kGroupBytes = 1 << 18;  // of the operands and kept values of rows that go through all stages together
constexpr int64_t kKeptBytes = 1 << 20;   // of values that are kept from stage to stage; else they are computed again
constexpr int64_t kLineBytes = 64;        // of neighbouring rows, that are used together
constexpr double kGrain = 1 << 17;        // elements x steps of a task
constexpr double kThreadWork = 1 << 19;   // the same that are worth a thread
constexpr int64_t kFewColumns = 8;        // fewer neighbouring rows are gathered
constexpr int64_t kColumns = 1 << 11;     // neighbouring rows whose elements are folded where they are
constexpr int64_t kFarBytes = 32 << 20;   // of an operand or a result that no cache holds

}  // namespace

std::shared_ptr<const Row::Call> Row::prepare(const RowProblem& problem, int threads) const {
  const auto made = std::make_shared<Call>();
  Call& call = *made;
  call.n = problem.reduced.product();
  call.blocks = (call.n + kBlock - 1) / kBlock;
  call.tile = std::min<int64_t>(call.n, kBlock);
  call.nest.shape = problem.kept;
  const int kept = problem.kept.rank;
  const int64_t rows = problem.kept.product();
  const auto add = [&](const Extents& strides, const RowValue& value) {
    Side side{size_of(value.dtype), value.each, true, false, {problem.reduced, {Extents()}}, 0};
    Extents outer;
    for (int d = 0; d < kept; ++d) outer.append(strides[d]);
    call.nest.strides.push_back(outer);
    if (value.each) {
      for (int d = kept; d < strides.rank; ++d) side.walk.strides[0].append(strides[d]);
      side.walk.collapse();
      side.direct = side.walk.rank() == 0 || (side.walk.rank() == 1 && side.walk.inner_stride(0) == 1);
      side.far = rows * call.n * side.size > kFarBytes;
    }
    call.sides.push_back(side);
  };
  for (size_t i = 0; i < inputs_.size(); ++i) add(problem.in[i], inputs_[i]);
  for (size_t i = 0; i < outputs_.size(); ++i) add(problem.out[i], outputs_[i]);
  call.nest.sort_and_collapse();
  int64_t bytes = kept_.kept_bytes;  // of an element
  for (size_t k = 0; k < inputs_.size(); ++k) bytes += inputs_[k].each ? call.sides[k].size : 0;
  call.width = 1;
  if (call.blocks == 1) {
    call.width = std::max<int64_t>(1, kGroupBytes / (call.n * bytes + row_values_ * (kRepeatBytes + 8) + 1));
    const int64_t fair = rows / (int64_t{4} * threads) + 1, least = std::max<int64_t>(1, kLeastGroup / call.n);
    if (threads > 1) call.width = std::min(call.width, std::max(fair, least));
  }
  for (size_t k = 0; k < call.sides.size(); ++k) {
    Side& side = call.sides[k];
    side.apart = call.nest.inner_stride(k);
    if (side.each && !side.direct && side.apart == 1) call.width = std::max(call.width, kLineBytes / side.size);
  }
  call.across = folds_across(call);
  if (call.across) {
    call.width = kColumns;
    if (threads > 1) call.width = std::min(call.width, std::max(rows / (int64_t{4} * threads) + 1, kColumns / 4));
  }
  call.width = std::min(call.width, call.nest.inner());
  call.segments = (call.nest.inner() + call.width - 1) / call.width;
  call.groups = rows / call.nest.inner() * call.segments;
  call.plan = call.width * call.n * kept_.kept_bytes <= kKeptBytes ? &kept_ : &again_;
  call.kept_bytes = 0;
  for (const int value : call.plan->kept) {
    call.kept_at.push_back(call.kept_bytes);
    call.kept_bytes += whole_lines(call.width * call.n * sizes_[value]) + 192;  // skewed, as slots are
  }
  return made;
}

/// Whether every stage only folds operands, of which the elements of neighbouring rows are neighbours.
bool Row::folds_across(const Call& call) const {
  if (call.nest.inner() < kFewColumns) return false;
  const auto lies_across = [&](const Stage& stage, const Item& fold) {
    const Place& place = stage.places[fold.args[0]];
    if (place.home != Home::kInput) return false;
    const Side& side = call.sides[place.number];
    return !side.direct && side.walk.rank() == 1 && side.apart == 1;
  };
  return std::all_of(kept_.stages.begin(), kept_.stages.end(), [&](const Stage& stage) {
    return stage.steps.empty() && stage.stored.empty() &&
           std::all_of(stage.folds.begin(), stage.folds.end(),
                       [&](const Item& fold) { return lies_across(stage, fold); });
  });
}

void Row::run(const Call& call, char* const* in, char* const* out, int threads, Interrupt& interrupt) const {
  const double all = static_cast<double>(call.groups * call.width) * static_cast<double>(call.n * work());
  threads = worthwhile(all, kThreadWork, threads);
  const int64_t tasks = tasks_of(all, kGrain, threads);
  char* operands[kMaxOperands];
  std::copy_n(in, inputs_.size(), operands);
  std::copy_n(out, outputs_.size(), operands + inputs_.size());
  const bool split = call.groups < int64_t{2} * threads && call.blocks > 1 && threads > 1;
  const auto run = split ? &Row::run_split : &Row::run_groups;
  const auto in_place = [&](size_t i) { return std::find(out, out + outputs_.size(), in[i]) != out + outputs_.size(); };
  bool apart = true;
  for (size_t i = 0; i < inputs_.size(); ++i) apart &= !in_place(i);
  if (apart) return (this->*run)(call, operands, threads, tasks, interrupt);
  // Of an input that is an output's memory, a tile is read before any of its results is written.
  Call careful = call;
  for (size_t i = 0; i < inputs_.size(); ++i) careful.sides[i].direct &= !in_place(i);
  (this->*run)(careful, operands, threads, tasks, interrupt);
}

/// Tasks are ranges of groups.
void Row::run_groups(const Call& call, char* const* operands, int threads, int64_t tasks, Interrupt& interrupt) const {
  const int64_t share = (call.groups + tasks - 1) / tasks;
  parallel_for((call.groups + share - 1) / share, threads, interrupt, [&](int64_t task, Worker& worker) {
    const int64_t first = task * share, last = std::min(call.groups, first + share);
    Group group;
    group.place(*this, call, static_cast<char*>(scratch(ScratchUse::kRows, Group::bytes_of_values(*this, call))),
                static_cast<char*>(scratch(ScratchUse::kPartials, Group::bytes_of_partials(call))),
                static_cast<char*>(scratch(ScratchUse::kGather, call.kept_bytes)));
    Tiles tiles(*this, call);
    RowCursor cursor(call.nest, first / call.segments);
    for (int64_t g = first, segment = first % call.segments; g < last; ++g) {
      group.move(call, operands, cursor, segment);
      begin_group(call, group);
      for (const Stage& stage : call.plan->stages) {
        run_row_steps(call, stage, group);
        if (!stage.passes()) continue;
        tiles.run(stage, group, 0, call.blocks, worker);
        finish_folds(call, stage, group);
      }
      write_rows(call, group);
      if (++segment < call.segments) continue;
      segment = 0;
      cursor.next();
    }
    tiles.fence();
  });
}

/// Tasks are ranges of blocks of one group in one stage, for few rows of many elements each.
void Row::run_split(const Call& call, char* const* operands, int threads, int64_t tasks, Interrupt& interrupt) const {
  const int64_t parts = std::min(call.blocks, (tasks + call.groups - 1) / call.groups);
  const int64_t share = (call.blocks + parts - 1) / parts;
  const int64_t values = whole_lines(Group::bytes_of_values(*this, call)),
                partials = whole_lines(Group::bytes_of_partials(call));
  const int64_t each = values + partials + whole_lines(call.kept_bytes);
  const std::unique_ptr<char[]> memory(new char[call.groups * each + 64]);
  char* const start = memory.get() + (-reinterpret_cast<uintptr_t>(memory.get()) & 63);
  std::vector<Group> groups(static_cast<size_t>(call.groups));
  for (size_t g = 0; g < groups.size(); ++g) {
    const int64_t number = static_cast<int64_t>(g);
    char* const at = start + number * each;
    groups[g].place(*this, call, at, at + values, at + values + partials);
    groups[g].move(call, operands, RowCursor(call.nest, number / call.segments), number % call.segments);
    begin_group(call, groups[g]);
  }
  const int64_t pieces = (call.blocks + share - 1) / share;
  for (const Stage& stage : call.plan->stages) {
    for (Group& group : groups) run_row_steps(call, stage, group);
    if (!stage.passes()) continue;
    parallel_for(call.groups * pieces, threads, interrupt, [&](int64_t task, Worker& worker) {
      const int64_t first = task % pieces * share;
      Tiles tiles(*this, call);
      tiles.run(stage, groups[static_cast<size_t>(task / pieces)], first, std::min(call.blocks, first + share), worker);
      tiles.fence();
    });
    for (Group& group : groups) finish_folds(call, stage, group);
  }
  for (const Group& group : groups) write_rows(call, group);
}

void Row::begin_group(const Call& call, Group& group) const {
  for (size_t k = 0; k < inputs_.size(); ++k) {
    if (row_numbers_[k] < 0) continue;
    gather(call.sides[k].size, group.count, group.values + row_numbers_[k] * call.value_bytes(), group.rows[k],
           call.sides[k].apart);
  }
}

void Row::run_row_steps(const Call& call, const Stage& stage, Group& group) const {
  const auto values = [&](int value) { return group.values + row_numbers_[value] * call.value_bytes(); };
  for (const Item& step : stage.row_steps) {
    const void* args[kMaxArity];
    for (int a = 0; a < step.arity; ++a) args[a] = values(step.args[a]);
    step.kernel(group.count, values(step.result), args);
  }
  for (const int leaf : stage.leaves) {
    if (stage.places[leaf].home != Home::kRow) continue;
    const int size = size_of(values_[leaf].dtype);
    gather(size, group.count, kRepeatBytes / size, group.repeated + row_numbers_[leaf] * call.width * kRepeatBytes,
           values(leaf), 1, 0);
  }
}

/// Reduces block results to one for each row, level by level.
void Row::finish_folds(const Call& call, const Stage& stage, Group& group) const {
  if (call.blocks == 1) return;
  for (size_t f = 0; f < stage.folds.size(); ++f) {
    const Item& fold = stage.folds[f];
    const int64_t width = group.count, row = width * size_of(values_[fold.result].dtype);
    char* partials = group.partials + static_cast<int64_t>(f) * call.partial_bytes();
    char* const result = group.values + row_numbers_[fold.result] * call.value_bytes();
    for (int64_t count = call.blocks; count > 1;) {
      const int64_t blocks = (count + kBlock - 1) / kBlock;
      char* const results = blocks == 1 ? result : partials + count * row;
      for (int64_t b = 0; b < blocks; ++b) {
        const int64_t n = std::min<int64_t>(count - b * kBlock, kBlock);
        const char* const source = partials + b * kBlock * row;
        if (width == 1) {
          fold.next->rows(1, n, source, n, false, results + b * row);
        } else {
          void* const lanes = scratch(ScratchUse::kLanes, columns_scratch(n, width) * 8);
          fold.next->columns(n, width, source, width, lanes, results + b * row);
        }
      }
      partials = results;
      count = blocks;
    }
  }
}

void Row::write_rows(const Call& call, const Group& group) const {
  for (size_t k = 0; k < outputs_.size(); ++k) {
    if (outputs_[k].each) continue;
    const Side& side = call.sides[inputs_.size() + k];
    scatter(side.size, group.count, group.rows[inputs_.size() + k], side.apart,
            group.values + row_numbers_[results_[k]] * call.value_bytes());
  }
}

}  // namespace accel
