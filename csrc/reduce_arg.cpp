// argmax and argmin: values by the folds of max and min, then the first index that has the value.
#include <algorithm>
#include <cstring>

#include "contract.hpp"
#include "reduce_call.hpp"

namespace accel {

constexpr int64_t kSearchBytes = 16 << 10;  // of rows that are folded and then searched, half of L1
constexpr int64_t kShortRow = 256;          // elements of a row, up to which 16 rows fold together faster

/// Finds the winners among elements [begin, end), at least one.
void Reduce::search(const Call& call, const Group& group, int64_t begin, int64_t end, Winners winners,
                    Worker& worker) const {
  const int64_t size = size_of(dtype_), acc_size = size_of(accumulator_);
  const int64_t stride = call.reduced.inner_stride(0), apart = call.kept.inner_stride(0);
  if (call.along == Along::kRows && call.blocks == 1) {
    // Rows that are still in L1 to be searched; short ones fold together.
    const int64_t batch = std::max<int64_t>(call.length <= kShortRow ? 16 : 1, kSearchBytes / (call.length * size));
    for (int64_t r = 0; r < group.width; r += batch) {
      const int64_t count = std::min(batch, group.width - r);
      search_rows(count, call.length, group.in + r * apart * size, apart, call.far, 0, true,
                  {winners.best + r * acc_size, winners.index + r});
      worker.checkpoint(count * call.length / 4);
    }
    return;
  }
  if (call.along == Along::kRows) return search_long_row(call, group, begin, end, winners, worker);
  const bool columns = call.along == Along::kColumns;
  const int64_t step = columns ? std::max<int64_t>(kBlock, kRowElements / group.width) : kBlock;
  for (int64_t at = begin; at < end; at += step) {
    const int64_t n = std::min(end - at, step);
    if (columns) {
      arg_->columns(n, group.width, group.in + at * stride * size, stride, at, at == begin, winners.best,
                    winners.index);
    } else {
      search_rows(group.width, n, gather_block(call, group, at, at + n), n, false, at, at == begin, winners);
    }
    worker.checkpoint(n * group.width / 2);
  }
}

/// Elements [begin, end) of one output, which are neighbours: the best of several blocks, then the index in those that
/// have a better one.
void Reduce::search_long_row(const Call& call, const Group& group, int64_t begin, int64_t end, Winners winners,
                             Worker& worker) const {
  constexpr int64_t kBatch = kRowElements / kBlock;
  const int64_t size = size_of(dtype_), acc_size = size_of(accumulator_);
  char values[kBatch * 8];
  for (int64_t at = begin, n, count; at < end; at += n * count) {
    n = std::min<int64_t>(end - at, kBlock);
    count = std::clamp<int64_t>((end - at) / kBlock, 1, kBatch);
    first_->rows(count, n, group.in + at * size, n, call.far, values);
    for (int64_t b = 0; b < count; ++b) {
      const int64_t first = at + b * n;
      if (first > begin && !arg_->beats(values + b * acc_size, winners.best)) continue;
      std::memcpy(winners.best, values + b * acc_size, acc_size);
      arg_->find(1, n, group.in + first * size, n, winners.best, winners.index);
      *winners.index += first;
    }
    worker.checkpoint(n * count / 4);
  }
}

/// Merges rows of n elements, one block of as many outputs, into their winners.
void Reduce::search_rows(int64_t count, int64_t n, const char* x, int64_t row_stride, bool far, int64_t first_index,
                         bool fresh, Winners winners) const {
  const int64_t size = size_of(dtype_), acc_size = size_of(accumulator_);
  if (fresh) {
    first_->rows(count, n, x, row_stride, far, winners.best);
    arg_->find(count, n, x, row_stride, winners.best, winners.index);
    for (int64_t r = 0; r < count; ++r) winners.index[r] += first_index;
    return;
  }
  char* const values = static_cast<char*>(scratch(ScratchUse::kRows, count * acc_size));
  first_->rows(count, n, x, row_stride, far, values);
  for (int64_t r = 0; r < count; ++r) {
    if (!arg_->beats(values + r * acc_size, winners.best + r * acc_size)) continue;
    std::memcpy(winners.best + r * acc_size, values + r * acc_size, acc_size);
    arg_->find(1, n, x + r * row_stride * size, n, values + r * acc_size, winners.index + r);
    winners.index[r] += first_index;
  }
}

/// The winners among the winners of a group's parts, which ascend in the reduced axes.
void Reduce::merge_parts(const Group& group, int64_t parts, const char* values, const int64_t* indices) const {
  const int64_t size = size_of(accumulator_);
  for (int64_t c = 0; c < group.width; ++c) {
    int64_t winner = c;
    for (int64_t other = c + group.width; other < parts * group.width; other += group.width) {
      if (arg_->beats(values + other * size, values + winner * size)) winner = other;
    }
    std::memcpy(group.out + c * group.out_stride * 8, &indices[winner], 8);
  }
}

}  // namespace accel
