#include "join.hpp"

#include <algorithm>
#include <cstring>

namespace accel {

namespace {

constexpr int64_t kGrain = 1 << 16;        // elements of a task, and between checkpoints
constexpr double kThreadWork = 1 << 18;    // elements that are worth a thread
constexpr int64_t kLineWork = 64;          // what a line or row costs beside its elements, as so many of them
constexpr int64_t kBlockBytes = 16 << 10;  // of the output, which members of rows fill in turn
constexpr int64_t kStreamRow = 1 << 10;    // bytes of a row that are worth being stored around the caches

enum class Kind { kLine, kRows, kOther };

/// How a part is copied: as one row along the memory of the output, as several, or neither. Along a row, elements of
/// the input follow each other too, forwards or backwards, or are all the same.
Kind kind_of(const JoinPart& part) {
  const int last = part.shape.rank - 1;
  if (last < 0) return Kind::kLine;
  if (part.out.strides[last] != 1) return last == 0 ? Kind::kRows : Kind::kOther;  // rows of one element
  const int64_t step = part.in.strides[last];
  if (step != 1 && step != 0 && step != -1) return Kind::kOther;
  return last == 0 ? Kind::kLine : Kind::kRows;
}

int64_t step_of(const JoinPart& part) {
  const int last = part.shape.rank - 1;
  return last < 0 || part.out.strides[last] != 1 ? 1 : part.in.strides[last];
}

bool equal(const Extents& a, const Extents& b, int rank) {
  return std::equal(a.data.begin(), a.data.begin() + rank, b.data.begin());
}

}  // namespace

Join::Join(const KernelTable& table, DType dtype, std::vector<JoinPart> parts)
    : copy_(table, {dtype}, {}, dtype), stream_(table.stream), reverse_(table.reverse), parts_(std::move(parts)) {
  int64_t elements = 0;
  for (size_t i = 0; i < parts_.size(); ++i) {
    const int64_t n = parts_[i].shape.product();
    if (n == 0) continue;
    elements += n;
    switch (kind_of(parts_[i])) {
      case Kind::kLine:
        lines_.push_back(i);
        ends_.push_back((ends_.empty() ? 0 : ends_.back()) + n);
        break;
      case Kind::kRows:
        add_rows(i);
        break;
      case Kind::kOther:
        others_.push_back(i);
    }
  }
  bytes_ = 2 * elements * size_of(dtype);
  for (Rows& rows : rows_) {
    std::sort(rows.members.begin(), rows.members.end(), [this](const Rows::Member& a, const Rows::Member& b) {
      return parts_[a.part].offset < parts_[b.part].offset;
    });
    for (const Rows::Member& member : rows.members) {
      Extents strides = parts_[member.part].in.strides;
      strides.rank = rows.nest.shape.rank - 1;
      strides.append(0);
      rows.nest.strides.push_back(strides);
    }
  }
}

void Join::add_rows(size_t i) {
  const JoinPart& part = parts_[i];
  const int last = part.shape.rank - 1;
  const bool single = part.out.strides[last] != 1;
  const int rank = single ? last + 1 : last;
  const Rows::Member member{i, single ? 1 : part.shape[last], step_of(part)};
  for (Rows& rows : rows_) {
    if (rows.nest.shape.rank == rank + 1 && equal(rows.nest.shape, part.shape, rank) &&
        equal(rows.nest.strides[0], part.out.strides, rank)) {
      rows.members.push_back(member);
      rows.width += member.n;
      return;
    }
  }
  Rows rows{{member}, {part.shape, {part.out.strides}}, member.n};
  rows.nest.shape.rank = rows.nest.strides[0].rank = rank;
  rows.nest.shape.append(1);
  rows.nest.strides[0].append(0);
  rows_.push_back(std::move(rows));
}

void Join::copy(char* to, const char* from, int64_t n, int64_t step, bool streams) const {
  const int64_t size = size_of(dtype()), bytes = n * size;
  if (step == -1) {
    reverse_(static_cast<int>(size), n, to, from, streams && bytes >= kStreamRow);
  } else if (step != 1) {
    gather(static_cast<int>(size), n, to, from, step);
  } else if (streams && bytes >= kStreamRow) {
    stream_.copy(static_cast<size_t>(bytes), to, from);
  } else {
    std::memcpy(to, from, static_cast<size_t>(bytes));
  }
}

void Join::run_lines(char* const* in, char* out, int threads, Interrupt& interrupt) const {
  if (lines_.empty()) return;
  const int64_t size = size_of(dtype()), total = ends_.back();
  const double work = static_cast<double>(total + static_cast<int64_t>(lines_.size()) * kLineWork);
  const int used = worthwhile(work, kThreadWork, threads);
  const bool streams = streams_copy(bytes_, bytes_ / static_cast<int64_t>(2 * lines_.size()), used);
  const int64_t tasks = std::min(total, tasks_of(work, kGrain, used));
  parallel_for(tasks, used, interrupt, [&](int64_t task, Worker& worker) {
    int64_t at = total / tasks * task + std::min(task, total % tasks);
    const int64_t end = at + total / tasks + (task < total % tasks ? 1 : 0);
    auto line = static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), at) - ends_.begin());
    while (at < end) {
      const JoinPart& part = parts_[lines_[line]];
      const int64_t first = at - (ends_[line] - part.shape.product()), step = step_of(part);
      const int64_t n = std::min({end - at, ends_[line] - at, kGrain});
      copy(out + (part.offset + first) * size, in[lines_[line]] + first * step * size, n, step, streams);
      at += n;
      if (at == ends_[line]) ++line;
      worker.checkpoint(n + kLineWork);
    }
    if (streams) stream_.fence();
  });
}

void Join::run_rows(const Rows& rows, char* const* in, char* out, int threads, Interrupt& interrupt) const {
  const int64_t size = size_of(dtype()), count = rows.nest.shape.product();
  const int64_t each = rows.width + static_cast<int64_t>(rows.members.size()) * kLineWork;
  const double work = static_cast<double>(count) * static_cast<double>(each);
  const int used = worthwhile(work, kThreadWork, threads);
  const int64_t tasks = std::min(count, tasks_of(work, kGrain, used));
  int64_t longest = 0;
  for (const Rows::Member& member : rows.members) longest = std::max(longest, member.n);
  const bool streams = streams_copy(bytes_, longest * size, used);
  const int outer = rows.nest.rank() - 2;
  const int64_t block = std::max<int64_t>(1, kBlockBytes / (rows.width * size));
  parallel_for(tasks, used, interrupt, [&](int64_t task, Worker& worker) {
    int64_t row = count / tasks * task + std::min(task, count % tasks);
    const int64_t end = row + count / tasks + (task < count % tasks ? 1 : 0);
    RowCursor cursor(rows.nest, row);
    while (row < end) {
      const int64_t run = std::min({end - row, cursor.run(), block});
      for (size_t k = 0; k < rows.members.size(); ++k) {
        const Rows::Member& member = rows.members[k];
        const int64_t to_step = rows.nest.strides[0][outer] * size, from_step = rows.nest.strides[k + 1][outer] * size;
        char* to = out + (parts_[member.part].offset + cursor.offset(0)) * size;
        const char* from = in[member.part] + cursor.offset(k + 1) * size;
        const auto bytes = static_cast<size_t>(member.n * size);
        if (member.step == 1 && !streams) {
          for (int64_t r = 0; r < run; ++r, to += to_step, from += from_step) std::memcpy(to, from, bytes);
        } else {
          for (int64_t r = 0; r < run; ++r, to += to_step, from += from_step)
            copy(to, from, member.n, member.step, streams);
        }
      }
      cursor.advance(run);
      row += run;
      worker.checkpoint(run * each);
    }
    if (streams) stream_.fence();
  });
}

void Join::run(char* const* in, char* out, int threads, Interrupt& interrupt) const {
  run_lines(in, out, threads, interrupt);
  for (const Rows& rows : rows_) run_rows(rows, in, out, threads, interrupt);
  for (const size_t i : others_) {
    Operand target = parts_[i].out, source = parts_[i].in;
    target.data = out + parts_[i].offset * size_of(dtype());
    source.data = in[i];
    copy_.run(parts_[i].shape, target, {source}, threads, interrupt);
  }
}

}  // namespace accel
