// One row problem as its driver sees it: how the rows lie, and the groups of them that go through the stages together.
#pragma once

#include <algorithm>
#include <vector>

#include "contract.hpp"
#include "layout.hpp"
#include "row.hpp"

namespace accel {

/// Whole cache lines.
inline constexpr int64_t whole_lines(int64_t bytes) { return (bytes + 63) / 64 * 64; }

/// Room for the results of all levels, from that of the blocks on.
inline constexpr int64_t row_partials(int64_t blocks) { return blocks + blocks / kBlock + 8; }

/// An operand as its rows are walked.
struct Side {
  int size;       // bytes of an element
  bool each;      // of each element
  bool direct;    // a row's elements are neighbours
  bool far;       // more than caches hold
  Nest walk;      // of the reduced dimensions
  int64_t apart;  // elements between the rows of a group
};

/// A problem as all threads see it.
struct Row::Call {
  const Plan* plan;
  std::vector<Side> sides;  // inputs, then outputs
  Nest nest;                // of the kept dimensions, over all sides
  int64_t n, blocks;
  int64_t tile;  // elements of a row in a tile
  int64_t width, segments, groups;
  bool across;                   // every stage only folds operands, of which the rows of a group are neighbours
  std::vector<int64_t> kept_at;  // where each kept value is in a group's memory
  int64_t kept_bytes;

  int64_t value_bytes() const { return whole_lines(width * 8); }
  int64_t partial_bytes() const { return row_partials(blocks) * value_bytes(); }
};

/// Rows that go through the stages together, and what they need from stage to stage.
struct Row::Group {
  int64_t count;
  std::vector<char*> rows;  // of each side: the first row's address
  char* values;             // of each row's value: for every row
  char* repeated;           // the same, each kRepeatBytes times over
  char* partials;           // of each fold of a stage: the results of blocks
  char* kept;

  static int64_t bytes_of_values(const Row& row, const Call& call) {
    return row.row_values_ * (call.value_bytes() + call.width * kRepeatBytes);
  }
  static int64_t bytes_of_partials(const Call& call) {
    size_t folds = 0;
    for (const Stage& stage : call.plan->stages) folds = std::max(folds, stage.folds.size());
    return call.blocks > 1 ? static_cast<int64_t>(folds) * call.partial_bytes() : 0;
  }
  void place(const Row& row, const Call& call, char* values_at, char* partials_at, char* kept_at) {
    values = values_at;
    repeated = values + row.row_values_ * call.value_bytes();
    partials = partials_at;
    kept = kept_at;
  }
  void move(const Call& call, char* const* operands, const RowCursor& cursor, int64_t segment) {
    const int64_t first = segment * call.width;
    count = std::min(call.width, call.nest.inner() - first);
    rows.resize(call.sides.size());
    for (size_t k = 0; k < rows.size(); ++k) {
      rows[k] = operands[k] + (cursor.offset(k) + first * call.sides[k].apart) * call.sides[k].size;
    }
  }
};

}  // namespace accel
