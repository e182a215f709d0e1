// A stage of a row program over the elements of a group of rows: in tiles, of which batches go through all steps in L1.
#pragma once

#include <algorithm>
#include <cstring>

#include "pairs.hpp"
#include "row_call.hpp"

namespace accel {

inline constexpr int64_t kBatch = 1024;  // elements that go through all steps together, in L1
inline constexpr int64_t kSlotBytes =
    kBatch * 8 + 3 * 64;               // skewed, so that slots do not share the low bits of addresses
inline constexpr int64_t kShort = 48;  // shorter rows are put one after another
inline constexpr int64_t kSpan = 16;   // blocks that are taken at once, where nothing of a tile is kept in cache

/// A stage's work on the elements, tile by tile; one thread's.
class Row::Tiles {
 public:
  Tiles(const Row& row, const Call& call) : row_(row), call_(call), sizes_(row.sizes_.data()) {
    const Plan& plan = *call.plan;
    const int64_t values = static_cast<int64_t>(row.values_.size()), sides = static_cast<int64_t>(call.sides.size());
    const int64_t places = whole_lines(2 * values * int64_t{sizeof(Where)} + sides * int64_t{sizeof(Gathered)});
    slots_ = static_cast<char*>(scratch(ScratchUse::kBlocks, plan.slots * kSlotBytes));
    wide_bytes_ = whole_lines(call.width * call.tile * 8) + 192;
    int64_t bytes = places + plan.wides * wide_bytes_ + whole_lines(call.tile * 8);
    for (size_t k = 0; k < call.sides.size(); ++k) bytes += buffer_bytes(k);
    char* at = static_cast<char*>(scratch(ScratchUse::kTile, bytes));
    tile_ = reinterpret_cast<Where*>(at);
    here_ = tile_ + values;
    gathered_ = reinterpret_cast<Gathered*>(here_ + values);
    at += places;
    wides_ = at;
    at += plan.wides * wide_bytes_;
    index_ = reinterpret_cast<int64_t*>(at);
    at += whole_lines(call.tile * 8);
    for (size_t k = 0; k < call.sides.size(); ++k) {
      gathered_[k] = {at, nullptr, 0, 0, 0};
      at += buffer_bytes(k);
    }
  }

  /// Blocks [first, last) of a group's rows.
  void run(const Stage& stage, Group& group, int64_t first, int64_t last, Worker& worker) {
    if (call_.across) return fold_columns(stage, group, first, last, worker);
    if (straight(stage, group)) {
      for (int64_t b = first, end; b < last; b = end) {
        end = std::min(last, b + kSpan);
        run_tile(stage, group, b, b * kBlock, std::min(call_.n, end * kBlock) - b * kBlock, worker);
      }
      return;
    }
    const bool only_folds = stage.steps.empty() && stage.stored.empty() && stage.fills.empty() && group.count == 1;
    const int64_t whole = call_.n / kBlock;
    int64_t spans = 1;
    for (int64_t b = first; b < last; b += spans) {
      if (only_folds) spans = b < whole ? std::min({kSpan, last - b, whole - b}) : 1;
      const int64_t begin = b * kBlock, count = std::min<int64_t>(call_.n - begin, kBlock);
      if (spans > 1 && fold_spans(stage, group, b, spans)) {
        worker.checkpoint(spans * kBlock / 4);
        continue;
      }
      spans = 1;
      run_tile(stage, group, b, begin, count, worker);
    }
  }

  void fence() const { row_.table_.stream.fence(); }

 private:
  /// Where the elements of a value are: of the first row and column, and bytes from there on; columns that are 0 bytes
  /// apart are one element, kRepeatBytes of which lie there.
  struct Where {
    char* data;
    int64_t row, column;
  };
  struct Gathered {
    char* data;
    const char* source;
    int64_t begin, length, count;
  };

  int64_t buffer_bytes(size_t k) const {
    const Side& side = call_.sides[k];
    if (!side.each || side.direct || call_.across) return 0;
    return whole_lines((side.apart == 0 && k < row_.inputs_.size() ? 1 : call_.width) * call_.tile * side.size) + 192;
  }

  /// Whether a stage is one step that goes from operands of one row to another where they are.
  bool straight(const Stage& stage, const Group& group) const {
    if (!stage.simple || !stage.folds.empty() || !stage.stored.empty() || group.count > 1) return false;
    const auto there = [&](int value) {
      const Place& place = stage.places[value];
      const bool out = place.home == Home::kOut;
      if (!out && place.home != Home::kInput) return place.home != Home::kIndex;
      return call_.sides[static_cast<size_t>(place.number) + (out ? row_.inputs_.size() : 0)].direct;
    };
    return there(stage.steps[0].result) && std::all_of(stage.leaves.begin(), stage.leaves.end(), there);
  }

  /// Several blocks of one row, where only operands are folded. False where one is not contiguous.
  bool fold_spans(const Stage& stage, Group& group, int64_t block, int64_t spans) const {
    for (const Item& fold : stage.folds) {
      const Place& place = stage.places[fold.args[0]];
      if (place.home != Home::kInput || !call_.sides[place.number].direct) return false;
    }
    for (size_t f = 0; f < stage.folds.size(); ++f) {
      const Item& fold = stage.folds[f];
      const int k = stage.places[fold.args[0]].number;
      const Side& side = call_.sides[k];
      fold.fold->rows(spans, kBlock, group.rows[k] + block * kBlock * side.size, kBlock, side.far,
                      partials(group, f) + block * sizes_[fold.result]);
    }
    return true;
  }

  /// Blocks [first, last) of rows that are neighbours, where only operands are folded.
  void fold_columns(const Stage& stage, const Group& group, int64_t first, int64_t last, Worker& worker) const {
    for (int64_t b = first; b < last; ++b) {
      const int64_t begin = b * kBlock, n = std::min<int64_t>(call_.n - begin, kBlock);
      void* const lanes = scratch(ScratchUse::kLanes, columns_scratch(n, group.count) * 8);
      for (size_t f = 0; f < stage.folds.size(); ++f) {
        const Item& fold = stage.folds[f];
        const int k = stage.places[fold.args[0]].number;
        const Side& side = call_.sides[k];
        const int64_t stride = side.walk.inner_stride(0);
        const char* const from = group.rows[k] + begin * stride * side.size;
        fold.fold->columns(n, group.count, from, stride, lanes, folded(stage, group, f, b));
      }
      worker.checkpoint(n * group.count * static_cast<int64_t>(stage.folds.size()) / 4);
    }
  }

  /// Where a block's results of a stage's fold belong.
  char* folded(const Stage& stage, const Group& group, size_t f, int64_t block) const {
    const int value = stage.folds[f].result;
    if (call_.blocks == 1) return group.values + row_.row_numbers_[value] * call_.value_bytes();
    return partials(group, f) + block * group.count * sizes_[value];
  }

  char* partials(const Group& group, size_t fold) const {
    return group.partials + static_cast<int64_t>(fold) * call_.partial_bytes();
  }

  Where operand(const Group& group, int k, int64_t begin) const {
    const Side& side = call_.sides[k];
    return {group.rows[k] + begin * side.size, side.apart * side.size, side.size};
  }
  Where leaf(const Stage& stage, const Group& group, int value, int64_t begin, int64_t count) {
    const Place& place = stage.places[value];
    const int64_t size = sizes_[value];
    switch (place.home) {
      case Home::kInput:
        if (call_.sides[place.number].direct) return operand(group, place.number, begin);
        return gather_tile(group, place.number, begin, count);
      case Home::kKept:
        return {group.kept + call_.kept_at[place.number] + begin * size, call_.n * size, size};
      case Home::kRow:
        return {group.repeated + place.number * call_.width * kRepeatBytes, kRepeatBytes, 0};
      default:
        number(begin, count);
        return {reinterpret_cast<char*>(index_), 0, 8};
    }
  }
  Where result(const Stage& stage, const Group& group, int value, int64_t begin, int64_t count) const {
    const Place& place = stage.places[value];
    const int64_t size = sizes_[value];
    switch (place.home) {
      case Home::kKept:
        return {group.kept + call_.kept_at[place.number] + begin * size, call_.n * size, size};
      case Home::kWide:
        return {wides_ + place.number * wide_bytes_, count * size, size};
      case Home::kOut: {
        const int k = static_cast<int>(row_.inputs_.size()) + place.number;
        if (call_.sides[k].direct) return operand(group, k, begin);
        return {gathered_[k].data, count * size, size};
      }
      default:
        return {slots_ + place.number * kSlotBytes, 0, 0};
    }
  }

  void number(int64_t begin, int64_t count) {
    if (numbered_ && first_number_ == begin && numbers_ >= count) return;
    for (int64_t i = 0; i < count; ++i) index_[i] = begin + i;
    numbered_ = true;
    first_number_ = begin;
    numbers_ = count;
  }

  /// body(offset, at, runs, count, run_stride, stride): elements [begin, end) of a row, as runs of `count` elements,
  /// of which the first is `offset` elements from the row's first, and element `at` of those asked for.
  template <class Body>
  static void walk(const Nest& walk, int64_t begin, int64_t n, Body&& body) {
    const int64_t inner = walk.inner(), stride = walk.inner_stride(0);
    if (walk.rank() < 2) return body(begin * stride, 0, 1, n, 0, stride);
    RowCursor cursor(walk, begin / inner);
    const int64_t run_stride = walk.strides[0][walk.rank() - 2];
    int64_t column = begin % inner, count;
    for (int64_t at = 0; at < n; at += count, column = 0) {
      count = std::min(n - at, inner - column);
      // Whole runs of the innermost dimension, several at once.
      const int64_t runs = count == inner ? std::min(cursor.run(), (n - at) / inner) : 1;
      body(cursor.offset(0) + column * stride, at, runs, count, run_stride, stride);
      count *= runs;
      if (at + count < n) cursor.advance(runs);
    }
  }

  /// Whether the elements of side j are each right after one of side k, all of them in pairs: as the real and imaginary
  /// parts of complex numbers lie.
  bool are_pairs(const Group& group, size_t k, size_t j) const {
    const Side &first = call_.sides[k], &second = call_.sides[j];
    return group.rows[j] == group.rows[k] + first.size && first.size == second.size && first.apart == second.apart &&
           first.each && second.each && first.walk.rank() == 1 && second.walk.rank() == 1 &&
           first.walk.inner_stride(0) == 2 && second.walk.inner_stride(0) == 2;
  }

  /// Gathers an input of pairs together with the other one's; false where there is none.
  bool gather_both(const Group& group, int k, int64_t begin, int64_t n, int64_t rows) {
    const size_t its = static_cast<size_t>(k);
    for (size_t other = 0; other < row_.inputs_.size(); ++other) {
      const bool ahead = are_pairs(group, its, other);
      if (!ahead && !are_pairs(group, other, its)) continue;
      Gathered& mate = gathered_[other];
      mate = {mate.data, group.rows[other], begin, n, rows};
      char *const mine = gathered_[its].data, *const theirs = mate.data;
      const Side& side = call_.sides[its];
      gather_pairs(side.size, rows, n, ahead ? mine : theirs, ahead ? theirs : mine,
                   group.rows[ahead ? its : other] + 2 * begin * side.size, side.apart);
      return true;
    }
    return false;
  }

  /// Columns [begin, begin + n) of a group's rows, one row after the other.
  Where gather_tile(const Group& group, int k, int64_t begin, int64_t n) {
    const Side& side = call_.sides[k];
    Gathered& gathered = gathered_[k];
    const int64_t size = side.size, rows = side.apart == 0 ? 1 : group.count;
    const Where where{gathered.data, side.apart == 0 ? 0 : n * size, size};
    const bool one = side.walk.rank() == 1 && side.walk.inner_stride(0) == 0;  // element, wherever a tile begins
    if (gathered.source == group.rows[k] && (one || gathered.begin == begin) && gathered.length == n &&
        gathered.count == rows) {
      return where;
    }
    gathered = {gathered.data, group.rows[k], begin, n, rows};
    if (gather_both(group, k, begin, n, rows)) return where;
    walk(side.walk, begin, n,
         [&](int64_t offset, int64_t at, int64_t runs, int64_t count, int64_t run_stride, int64_t stride) {
           const char* const source = group.rows[k] + offset * size;
           if (runs == 1 && count == n) {
             return gather(side.size, rows, n, gathered.data, source, side.apart, stride);
           }
           for (int64_t r = 0; r < rows; ++r) {
             gather(side.size, runs, count, gathered.data + (r * n + at) * size, source + r * side.apart * size,
                    run_stride, stride);
           }
         });
    return where;
  }

  /// The same from the tile to an output.
  void scatter_tile(const Group& group, int k, int64_t begin, int64_t n, const Where& from) const {
    const Side& side = call_.sides[k];
    const int64_t size = side.size;
    const bool dense = from.row == n * size;
    if (side.direct) {
      for (int64_t r = 0; r < group.count; ++r) {
        char* const to = group.rows[k] + (r * side.apart + begin) * size;
        if (side.far) {
          row_.table_.stream.copy(static_cast<size_t>(n * size), to, from.data + r * from.row);
        } else {
          std::memcpy(to, from.data + r * from.row, static_cast<size_t>(n * size));
        }
      }
      return;
    }
    walk(side.walk, begin, n,
         [&](int64_t offset, int64_t at, int64_t runs, int64_t count, int64_t run_stride, int64_t stride) {
           char* const to = group.rows[k] + offset * size;
           if (runs == 1 && count == n && dense) {
             return scatter(side.size, group.count, n, to, side.apart, stride, from.data);
           }
           for (int64_t r = 0; r < group.count; ++r) {
             scatter(side.size, runs, count, to + r * side.apart * size, run_stride, stride,
                     from.data + r * from.row + at * size);
           }
         });
  }

  /// All of a stage's results that are in tiles, to their outputs.
  void scatter_tiles(const Stage& stage, const Group& group, int64_t begin, int64_t n) {
    const int inputs = static_cast<int>(row_.inputs_.size());
    bool done[kMaxOperands] = {};
    for (const int k : stage.scattered) {
      const Side& side = call_.sides[inputs + k];
      if (side.direct || done[k]) continue;
      const Where& from = tile_[row_.results_[k]];
      const auto mate = std::find_if(stage.scattered.begin(), stage.scattered.end(), [&](int j) {
        return are_pairs(group, inputs + k, inputs + j) || are_pairs(group, inputs + j, inputs + k);
      });
      if (mate == stage.scattered.end()) {
        scatter_tile(group, inputs + k, begin, n, from);
        continue;
      }
      done[*mate] = true;
      const char *first = from.data, *second = tile_[row_.results_[*mate]].data;
      const bool ahead = group.rows[inputs + *mate] > group.rows[inputs + k];
      char* const to = group.rows[inputs + (ahead ? k : *mate)] + 2 * begin * side.size;
      scatter_pairs(side.size, group.count, n, to, side.apart, ahead ? first : second, ahead ? second : first);
    }
  }

  /// Whether a stage has choices, none of which is among a tile's elements.
  bool chooses_none(const Stage& stage, const Group& group, int64_t begin, int64_t n) const {
    const auto values = [&](int value) { return group.values + row_.row_numbers_[value] * call_.value_bytes(); };
    for (const Choice& choice : stage.choices) {
      const int64_t* const numbers = reinterpret_cast<const int64_t*>(values(choice.number));
      const char* const zeros = values(choice.zero);
      for (int64_t r = 0; r < group.count; ++r) {
        if (numbers[r] >= begin && numbers[r] < begin + n) return false;
      }
      const int64_t bytes = group.count * sizes_[choice.zero];
      if (std::any_of(zeros, zeros + bytes, [](char byte) { return byte != 0; })) return false;
    }
    return !stage.choices.empty();
  }

  void run_tile(const Stage& stage, Group& group, int64_t block, int64_t begin, int64_t n, Worker& worker) {
    const bool others = chooses_none(stage, group, begin, n);
    const std::vector<int>& leaves = others ? stage.other_leaves : stage.leaves;
    const std::vector<Item>& steps = others ? stage.other_steps : stage.steps;
    for (const int value : leaves) tile_[value] = leaf(stage, group, value, begin, n);
    for (const Item& step : steps) tile_[step.result] = result(stage, group, step.result, begin, n);
    if (stage.simple && n >= kShort) {
      run_batch(stage, leaves, steps, 0, 0, group.count, n);
      worker.checkpoint(group.count * n / 4);
    } else if (!steps.empty()) {
      const int64_t rows = n <= kBatch ? std::min(group.count, kBatch / n) : 1;
      for (int64_t r = 0; r < group.count; r += rows) {
        for (int64_t c = 0; c < n; c += kBatch) {
          const int64_t columns = std::min(n - c, kBatch), its_rows = std::min(rows, group.count - r);
          run_batch(stage, leaves, steps, r, c, its_rows, columns);
          worker.checkpoint(its_rows * columns * static_cast<int64_t>(steps.size()) / 4);
        }
      }
    }
    for (const Fill& fill : stage.fills) {
      const int64_t size = sizes_[fill.value];
      const char* const values = group.values + row_.row_numbers_[fill.value] * call_.value_bytes();
      tile_[fill.value] = {wides_ + fill.wide * wide_bytes_, n * size, size};
      gather(static_cast<int>(size), group.count, n, tile_[fill.value].data, values, 1, 0);
    }
    size_t choice = 0;
    for (size_t f = 0; f < stage.folds.size(); ++f) {
      const Item& fold = stage.folds[f];
      if (others && choice < stage.choices.size() && stage.choices[choice].fold == f) {
        ++choice;
        std::memset(folded(stage, group, f, block), 0, static_cast<size_t>(group.count * sizes_[fold.result]));
        continue;
      }
      const Where& x = tile_[fold.args[0]];
      const Place& place = stage.places[fold.args[0]];
      const bool far = stage.steps.empty() && place.home == Home::kInput && call_.sides[place.number].far;
      fold.fold->rows(group.count, n, x.data, x.row / sizes_[fold.args[0]], far, folded(stage, group, f, block));
    }
    worker.checkpoint(group.count * n * static_cast<int64_t>(stage.folds.size()) / 4);
    const int inputs = static_cast<int>(row_.inputs_.size());
    scatter_tiles(stage, group, begin, n);
    for (const int k : stage.stored) scatter_tile(group, inputs + k, begin, n, tile_[row_.results_[k]]);
  }

  /// `rows` rows from row r on, of which each has `columns` columns from column c on: several only where those are all.
  void run_batch(const Stage& stage, const std::vector<int>& leaves, const std::vector<Item>& steps, int64_t r,
                 int64_t c, int64_t rows, int64_t columns) {
    for (const int value : leaves) {
      const Place& place = stage.places[value];
      if (place.flat < 0) continue;
      const Where& tile = tile_[value];
      Where& here = here_[value];
      here = {tile.data + r * tile.row + c * tile.column, tile.row, tile.column};
      const int64_t size = sizes_[value];
      const bool apart = here.column == 0 || here.row != columns * size;
      if (here.column == 0 ? !place.repeats || (rows > 1 && columns < kShort) : apart && rows > 1 && columns < kShort) {
        char* const slot = slots_ + place.flat * kSlotBytes;
        gather(static_cast<int>(size), rows, columns, slot, here.data, here.row / size, here.column / size);
        here = {slot, columns * size, size};
      }
    }
    for (const Item& step : steps) {
      const Where& tile = tile_[step.result];
      const bool slot = tile.column == 0;
      const int64_t size = sizes_[step.result];
      Where& here = here_[step.result];
      here = slot ? Where{tile.data, columns * size, size}
                  : Where{tile.data + r * tile.row + c * tile.column, tile.row, tile.column};
      run_step(stage, step, rows, columns);
    }
  }

  void run_step(const Stage& stage, const Item& step, int64_t rows, int64_t columns) const {
    const Where& out = here_[step.result];
    const Place& place = stage.places[step.result];
    const void* args[kMaxArity];
    unsigned options = 0;
    bool dense = rows == 1 || out.row == columns * out.column;
    for (int a = 0; a < step.arity; ++a) {
      const Where& arg = here_[step.args[a]];
      args[a] = arg.data;
      if (arg.column == 0) options |= 1u << a;
      dense &= rows == 1 || (arg.column != 0 && arg.row == columns * arg.column);
    }
    if (place.home == Home::kOut && !place.read_again && step.with_options) {
      const Side& side = call_.sides[row_.inputs_.size() + static_cast<size_t>(place.number)];
      if (side.far && side.direct) options |= kStream;
    }
    if (step.only && (options & ~kStream) != step.only) options = 0;
    if (dense) return call_kernel(step, rows * columns, out.data, args, options);
    for (int64_t i = 0; i < rows; ++i) {
      for (int a = 0; a < step.arity; ++a) {
        const Where& arg = here_[step.args[a]];
        args[a] = arg.data + i * arg.row;
      }
      call_kernel(step, columns, out.data + i * out.row, args, options);
    }
  }

  static void call_kernel(const Item& step, int64_t n, void* out, const void* const* args, unsigned options) {
    if (options) {
      step.with_options(n, out, args, options);
    } else {
      step.kernel(n, out, args);
    }
  }

  const Row& row_;
  const Call& call_;
  const int64_t* const sizes_;
  Where *tile_, *here_;  // of each value: in the tile, and in the batch
  Gathered* gathered_;   // of each side that is not contiguous
  char *slots_, *wides_;
  int64_t wide_bytes_;
  int64_t* index_;
  bool numbered_ = false;
  int64_t first_number_ = 0, numbers_ = 0;
};

}  // namespace accel
