// The contract between the driver of attention and its kernels, which are compiled once per instruction set.
#pragma once

#include "kernels.hpp"

namespace accel {

/// One call: docs/numerics.md, rule 8. Strides in elements, of the batch, the head, the row and the column.
struct AttentionProblem {
  DType dtype, mask_dtype;
  int64_t batch, heads, shared;  // shared: heads of queries to a head of keys
  int64_t queries, keys, d, dv;  // queries: of all sequences together, where they are packed
  int64_t pages, page;           // how many, and keys of a page (then key[0] and value[0] are from page to page); or 0
  int64_t query[4], key[4], value[4], out[4], mask[4];
  int64_t sink, slope;  // from head to head
  double scale, softcap;
  bool from_end;
  int64_t before, after;  // -1: all
  uint32_t dropped;       // of 2^24 probabilities, how many are dropped
  double kept;            // what the others are multiplied by
  int64_t dropout[2];     // from sequence to sequence, from head to head
  int64_t chunk;          // keys, a multiple of kLanes
};

/// Rows of one sequence and one head of keys: row r is query r % queries of the head's r / queries-th head of queries.
struct AttentionPart {
  const AttentionProblem* problem;
  const char *query, *key, *value;    // of the first row's head, and of the sequence's first key, or the first page
  const char *mask, *sinks, *slopes;  // null where there is none
  const uint64_t* dropout;            // the heads' keys of random bits, or null
  const int64_t* table;               // the sequence's pages, each `step` behind the one before, or null
  int64_t step, start;                // start: the first key of a sequence in pages
  char* out;
  int64_t queries;     // of the sequence
  int64_t length;      // keys of the sequence
  int64_t row, rows;   // the first one, and how many
  int64_t begin, end;  // keys: whole chunks, or the last one
};

/// Rows of a part at most.
inline constexpr int64_t kAttentionRows = 96;

/// Attention of operands that are computed in one type.
struct AttentionRow {
  CType type;
  /// Bytes that `run` needs, and elements of the state of a row: maximum, sum, accumulator.
  int64_t (*room)(const AttentionProblem& problem);
  int64_t (*state)(const AttentionProblem& problem);
  /// The rows' states after the part's chunks: of each row at states + r * state.
  void (*run)(const AttentionPart& part, void* room, void* states);
  /// Joins the state of what comes behind to that of what comes before.
  void (*join)(const AttentionPart& part, void* states, const void* behind);
  /// Writes the rows' results.
  void (*finish)(const AttentionPart& part, void* states);
};

}  // namespace accel
