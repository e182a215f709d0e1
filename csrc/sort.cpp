#include "sort.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "sort_counts.hpp"
#include "sort_keys.hpp"

namespace accel {

namespace {

constexpr int64_t kShort = 12;  // elements for each byte up to which comparisons are faster than counting digits
constexpr int kCounted = 16;    // bits of keys that are sorted by their digits whatever else there is
constexpr int64_t kFew = 16, kPartly = 4;  // shares of a row whose first elements are found without sorting all
constexpr int64_t kMost = 1 << 22;         // elements of such a row, which nothing interrupts
constexpr int64_t kSpare = 2;              // least keys of blocks for each of them
constexpr int64_t kBlock = 64;             // elements of such a block where there are
constexpr int64_t kMostBlocks = 1 << 12;   // and how many more are made for that
constexpr int64_t kLeastVectors = 4;       // of a row in which they are searched for
constexpr double kThreadWork = 1 << 15;
constexpr int64_t kShortRows = 1 << 9;        // rows of few elements between two questions whether to go on
constexpr int64_t kTogether = 32;             // neighbouring rows that are copied together
constexpr int64_t kApart = 64;                // bytes between them there: else rows of 4 KiB share a set of the L1
constexpr int64_t kTogetherBytes = 1 << 20;   // of their elements
constexpr double kShortThreadWork = 1 << 16;  // their elements that are worth a thread

/// Items have no equals, or equals that cannot be told apart: any sort of few is stable.
template <class Item>
Item* sort_items(Item* items, Item* other, int64_t n, int first, int end, int64_t* counts, Worker& worker) {
  if (n > kShort * ((end - first) / 8)) return radix_sort(items, other, n, first, end, counts, worker);
  std::sort(items, items + n);
  return items;
}

/// Puts the first `count` of n items in order; either of the two buffers has them.
template <class Item>
Item* sort_first(Item* items, Item* other, int64_t n, int64_t count, int first, int end, int64_t* counts,
                 Worker& worker) {
  if (count * kPartly > n || n > kMost) return sort_items(items, other, n, first, end, counts, worker);
  if (count * kFew <= n) {
    std::partial_sort(items, items + count, items + n);
  } else {
    std::nth_element(items, items + count, items + n);
    std::sort(items, items + count);  // whole items: what was moved is not in the order of the row
  }
  return items;
}

/// The two buffers of a row's items, which belong to the thread.
template <class Item>
struct Buffers {
  explicit Buffers(int64_t n)
      : items(static_cast<Item*>(scratch(ScratchUse::kPackA, n * int64_t{sizeof(Item)}))),
        other(static_cast<Item*>(scratch(ScratchUse::kPackB, n * int64_t{sizeof(Item)}))) {}
  Item *items, *other;
};

/// Calls each(i, i * step) for n elements, in a loop that vectorises where they are neighbours.
template <class Each>
inline void walk(int64_t n, int64_t step, Each&& each) {
  if (step == 1) {
    for (int64_t i = 0; i < n; ++i) each(i, i);
  } else {
    for (int64_t i = 0; i < n; ++i) each(i, i * step);
  }
}

/// What makes unsigned integers signed ones of the same order, and back.
template <class U>
constexpr U kSign = static_cast<U>(U{1} << (8 * sizeof(U) - 1));

/// The keys of LongRow and FirstRow.
template <class U>
SignedKey signed_key(const Keys<U>& keys) {
  const U most = static_cast<U>(~kSign<U>);
  return {static_cast<U>(keys.sign ^ keys.flip ^ kSign<U>), keys.infinity ? most : U{0},
          keys.infinity ? keys.infinity : most};
}

/// Keys that are what they are made of.
template <class U>
constexpr SignedKey kAsTheyAre{0, 0, static_cast<U>(~kSign<U>)};

Pause pause_of(Worker& worker) {
  return {[](void* its, int64_t work) { static_cast<Worker*>(its)->checkpoint(work); }, &worker};
}

template <class U>
void sort_row(const Keys<U>& keys, const RowSorts& by, int64_t n, int64_t count, const char* in, int64_t in_step,
              char* out, int64_t out_step, int64_t* counts, Worker& worker) {
  const U* const x = reinterpret_cast<const U*>(in);
  U* const y = reinterpret_cast<U*>(out);
  if (count == n && sort_by_counts(keys, n, x, in_step, y, out_step, worker)) return;
  if (by.values && count == n) {
    U* const spare = static_cast<U*>(scratch(ScratchUse::kPackB, n * int64_t{sizeof(U)}));
    U* items = nullptr;
    if (in_step != 1 || out_step != 1) items = static_cast<U*>(scratch(ScratchUse::kPackA, n * int64_t{sizeof(U)}));
    if (in_step != 1) {
      for (int64_t i = 0; i < n; ++i) items[i] = x[i * in_step];
    }
    by.values->run({signed_key(keys), n, n, in_step == 1 ? x : items, out_step == 1 ? y : items, spare},
                   pause_of(worker));
    if (out_step != 1) {
      for (int64_t i = 0; i < n; ++i) y[i * out_step] = items[i];
    }
    return;
  }
  const Buffers<U> row(n);
  for (int64_t i = 0; i < n; ++i) row.items[i] = keys.key(x[i * in_step]);
  const U* const made = sort_first(row.items, row.other, n, count, 0, int{8 * sizeof(U)}, counts, worker);
  for (int64_t i = 0; i < count; ++i) y[i * out_step] = keys.bits(made[i]);
}

/// Ascending places that the `count` first of n neighbouring elements are among, and how many.
template <class U>
int64_t find_first(const Keys<U>& keys, const RowSorts& by, int64_t n, int64_t count, const U* x, uint32_t* places,
                   Worker& worker) {
  using Signed = std::make_signed_t<U>;
  const int64_t lanes = by.first->lanes, vectors = n / lanes;
  const int64_t blocks = std::max({kSpare * count, std::min(n / kBlock, kMostBlocks), kLeastVectors * lanes});
  const int64_t part = std::max<int64_t>(1, vectors * lanes / blocks), found = (vectors + part - 1) / part * lanes;
  const auto room = [&](ScratchUse use) { return static_cast<Signed*>(scratch(use, found * int64_t{sizeof(U)})); };
  Signed *const least = room(ScratchUse::kLanes), *const sorted = room(ScratchUse::kPackA);
  const Pause pause = pause_of(worker);
  const FirstRow row{signed_key(keys), n, count, part, x, least};
  by.first->find_least(row, pause);
  if (by.values) {
    by.values->run({kAsTheyAre<U>, found, count, least, sorted, room(ScratchUse::kPackB)}, pause);
  } else {
    std::copy(least, least + found, sorted);
    std::nth_element(sorted, sorted + count - 1, sorted + found);
  }
  return by.first->find_places(row, sorted[count - 1], places, pause);
}

/// Sorts the elements at n places, ascending ones of a row, or at the first n where `places` is null. Where the keys go
/// over less than 2^32, these of 32 bits at most above places of as many.
template <class U>
void argsort_some(const Keys<U>& keys, const RowSorts& by, int64_t n, const uint32_t* places, int64_t count, const U* x,
                  int64_t in_step, int64_t* y, int64_t out_step, int64_t* counts, Worker& worker) {
  constexpr int kBits = 8 * sizeof(U);
  constexpr uint64_t kMost32 = std::numeric_limits<uint32_t>::max();
  const auto place = [places](int64_t i) { return places ? static_cast<int64_t>(places[i]) : i; };
  U low = keys.key(x[place(0) * in_step]), high = low, last = low;
  bool ascending = true;
  for (int64_t i = 1; i < n; ++i) {
    const U key = keys.key(x[place(i) * in_step]);
    ascending &= last <= key;
    low = std::min(low, key);
    high = std::max(high, key);
    last = key;
  }
  if (ascending) {
    for (int64_t i = 0; i < count; ++i) y[i * out_step] = place(i);
    return;
  }
  const uint64_t range = static_cast<uint64_t>(high) - low;
  if (range <= kMost32 && n <= static_cast<int64_t>(kMost32)) {
    int bits = 8;
    while (range >> bits) bits += 8;
    const Buffers<uint64_t> row(n);
    const bool long_sort = by.items && (bits > kCounted || count < n);
    const uint64_t sign = long_sort ? kSign<uint64_t> : 0;
    const auto make = [=, items = row.items](int64_t i, int64_t index, int64_t at) {
      items[i] = (static_cast<uint64_t>(keys.key(x[at]) - low) << 32 | static_cast<uint64_t>(index)) ^ sign;
    };
    if (places) {
      for (int64_t i = 0; i < n; ++i) make(i, place(i), place(i) * in_step);
    } else {
      walk(n, in_step, [=](int64_t i, int64_t at) { make(i, i, at); });
    }
    if (long_sort) by.items->run({kAsTheyAre<uint64_t>, n, count, row.items, row.items, row.other}, pause_of(worker));
    const uint64_t* const made =
        long_sort ? row.items : sort_first(row.items, row.other, n, count, 32, 32 + bits, counts, worker);
    for (int64_t i = 0; i < count; ++i) y[i * out_step] = static_cast<int64_t>(made[i] & 0xffffffff);
    return;
  }
  const Buffers<Far> row(n);
  for (int64_t i = 0; i < n; ++i) row.items[i] = {keys.key(x[place(i) * in_step]), static_cast<uint64_t>(place(i))};
  const Far* const made = sort_first(row.items, row.other, n, count, 0, kBits, counts, worker);
  for (int64_t i = 0; i < count; ++i) y[i * out_step] = static_cast<int64_t>(made[i].index);
}

template <class U>
void argsort_row(const Keys<U>& keys, const RowSorts& by, int64_t n, int64_t count, const char* in, int64_t in_step,
                 char* out, int64_t out_step, int64_t* counts, Worker& worker) {
  if (n == 0) return;
  const U* x = reinterpret_cast<const U*>(in);
  int64_t* const y = reinterpret_cast<int64_t*>(out);
  if (count > 0 && count * kFew <= n && n >= kLeastVectors * by.first->lanes && n <= kMostSortPlaces) {
    if (in_step != 1) {
      U* const copied = static_cast<U*>(scratch(ScratchUse::kGather, n * int64_t{sizeof(U)}));
      for (int64_t i = 0; i < n; ++i) copied[i] = x[i * in_step];
      x = copied;
      in_step = 1;
    }
    uint32_t* const places = static_cast<uint32_t*>(scratch(ScratchUse::kPartials, n * int64_t{sizeof(uint32_t)}));
    const int64_t found = find_first(keys, by, n, count, x, places, worker);
    // fewer only where another thread writes to the row
    if (found >= count) return argsort_some(keys, by, found, places, count, x, 1, y, out_step, counts, worker);
  }
  argsort_some(keys, by, n, static_cast<const uint32_t*>(nullptr), count, x, in_step, y, out_step, counts, worker);
}

template <class U>
void sort_rows(DType dtype, bool indices, bool descending, const RowSorts& by, int64_t count, const SortProblem& p,
               const char* in, char* out, int threads, Interrupt& interrupt) {
  const Keys<U> keys(dtype, descending);
  const int64_t rows = p.kept.product(), out_size = indices ? 8 : int64_t{sizeof(U)};
  const double work = static_cast<double>(rows) * static_cast<double>(p.length);
  threads = worthwhile(work, kThreadWork, threads);
  const int64_t tasks = std::min(rows, tasks_of(work, kSortPart, threads));
  // a nest's rows are those of its last axis: one of length 1 makes each position of `kept` a row
  Nest nest{p.kept, {p.in_kept, p.out_kept}};
  nest.shape.append(1);
  for (Extents& strides : nest.strides) strides.append(0);
  // Rows whose elements are apart, and which are neighbours themselves, share cache lines.
  const int last = p.kept.rank - 1;
  const int64_t inner = last < 0 ? 1 : p.kept[last], in_row = last < 0 ? 0 : p.in_kept[last],
                out_row = last < 0 ? 0 : p.out_kept[last];
  const bool neighbours = (in_row == 1 && p.in_step != 1) || (out_row == 1 && p.out_step != 1);
  const int64_t most = neighbours ? std::min(kTogether, kTogetherBytes / (p.length * out_size)) : 1;
  parallel_for(tasks, threads, interrupt, [&](int64_t task, Worker& worker) {
    const int64_t begin = rows * task / tasks, end = rows * (task + 1) / tasks;
    const Digits digits(p.length, int{8 * sizeof(U)});
    std::vector<int64_t> counts(digits.count * digits.values);
    RowCursor cursor(nest, begin);
    const auto sort_one = [&](const char* from, int64_t in_step, char* to, int64_t out_step) {
      (indices ? argsort_row<U> : sort_row<U>)(keys, by, p.length, count, from, in_step, to, out_step, counts.data(),
                                               worker);
      worker.checkpoint(p.length);
    };
    for (int64_t row = begin, some; row < end; row += some) {
      const char* const from = in + cursor.offset(0) * int64_t{sizeof(U)};
      char* const to = out + cursor.offset(1) * out_size;
      some = std::max<int64_t>(1, std::min({most, end - row, inner - row % inner}));
      if (some == 1) {
        sort_one(from, p.in_step, to, p.out_step);
      } else {
        const int64_t pitch = p.length + kApart / int64_t{sizeof(U)}, out_pitch = count + kApart / out_size;
        char* const rows_in = static_cast<char*>(scratch(ScratchUse::kTile, some * pitch * int64_t{sizeof(U)}));
        char* const rows_out = static_cast<char*>(scratch(ScratchUse::kRows, some * out_pitch * out_size));
        gather(sizeof(U), some, p.length, rows_in, pitch, from, in_row, p.in_step);
        for (int64_t r = 0; r < some; ++r) {
          sort_one(rows_in + r * pitch * int64_t{sizeof(U)}, 1, rows_out + r * out_pitch * out_size, 1);
        }
        scatter(static_cast<int>(out_size), some, count, to, out_row, p.out_step, rows_out, out_pitch);
      }
      for (int64_t r = 0; r < some && row + r + 1 < end; ++r) cursor.next();
    }
  });
}

}  // namespace

/// Rows of few elements, several at once.
void Sort::run_short(const SortProblem& problem, const char* in, char* out, int threads, Interrupt& interrupt) const {
  Nest nest{problem.kept, {problem.in_kept, problem.out_kept}};
  nest.collapse();
  uint64_t sign = 0, infinity = 0, flip = 0;
  const auto keys = [&](const auto& its) { sign = its.sign, infinity = its.infinity, flip = its.flip; };
  switch (size_of(dtype_)) {
    case 1:
      keys(Keys<uint8_t>(dtype_, descending_));
      break;
    case 2:
      keys(Keys<uint16_t>(dtype_, descending_));
      break;
    case 4:
      keys(Keys<uint32_t>(dtype_, descending_));
      break;
    default:
      keys(Keys<uint64_t>(dtype_, descending_));
  }
  const int64_t rows = nest.shape.product(), inner = nest.inner();
  const int64_t size = size_of(dtype_), out_size = indices_ ? 8 : size;
  const double work = static_cast<double>(rows) * static_cast<double>(problem.length);
  threads = worthwhile(work, kShortThreadWork, threads);
  // A task is some of the neighbouring rows; those of one vector are together.
  const int64_t parts = std::max<int64_t>(1, (inner + kShortRows - 1) / kShortRows), pieces = rows / inner * parts;
  const int64_t tasks = std::min(pieces, tasks_of(work, kSortPart, threads)), share = (pieces + tasks - 1) / tasks;
  parallel_for((pieces + share - 1) / share, threads, interrupt, [&](int64_t task, Worker& worker) {
    const int64_t end = std::min(pieces, (task + 1) * share);
    RowCursor cursor(nest, task * share / parts);
    for (int64_t piece = task * share; piece < end; ++piece) {
      const int64_t first = piece % parts * kShortRows, in_row = nest.inner_stride(0), out_row = nest.inner_stride(1);
      const char* const from = in + (cursor.offset(0) + first * in_row) * size;
      char* const to = out + (cursor.offset(1) + first * out_row) * out_size;
      const int64_t count = std::min(kShortRows, inner - first);
      short_->run({sign, infinity, flip, count, problem.length, std::min(count_, problem.length), from, in_row,
                   problem.in_step, to, out_row, problem.out_step});
      worker.checkpoint(count * problem.length * 2);
      if ((piece + 1) % parts == 0 && piece + 1 < end) cursor.next();
    }
  });
}

void Sort::run(const SortProblem& problem, const char* in, char* out, int threads, Interrupt& interrupt) const {
  if (problem.kept.product() == 0 || problem.length == 0) return;
  if (short_ && problem.length <= kShortRow) return run_short(problem, in, out, threads, interrupt);
  const int size = size_of(dtype_);
  const auto rows = size == 1   ? sort_rows<uint8_t>
                    : size == 2 ? sort_rows<uint16_t>
                    : size == 4 ? sort_rows<uint32_t>
                                : sort_rows<uint64_t>;
  rows(dtype_, indices_, descending_, long_, std::min(count_, problem.length), problem, in, out, threads, interrupt);
}

}  // namespace accel
