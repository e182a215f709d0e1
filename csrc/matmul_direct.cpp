// Matrix multiply of small problems, read as they lie, and dot products.
#include "matmul_call.hpp"

namespace accel {

namespace {

constexpr int64_t kPairs = 64;       // chunks of dot products side by side
constexpr int64_t kDotChunks = 256;  // chunks of one task of a long dot product
constexpr int64_t kStep = 64 * kKC;  // k between checkpoints of the direct kernel

/// Factors whose product, -0, leaves every sum as it is.
void fill_identity(CType type, int64_t n, void* a, void* b) {
  with_type(type, [&](auto zero) {
    using T = decltype(zero);
    std::fill_n(static_cast<T*>(a), n, static_cast<T>(-0.0));
    std::fill_n(static_cast<T*>(b), n, T(0));
  });
}

/// Adds each entry's chunk results to its total in ascending order; the first begins it unless `add`.
void add_chunks(CType type, int64_t entries, int64_t chunks, const void* sums, void* totals, bool add) {
  with_type(type, [&](auto zero) {
    using T = decltype(zero);
    const T* sum = static_cast<const T*>(sums);
    T* const total = static_cast<T*>(totals);
    for (int64_t e = 0; e < entries; ++e) {
      for (int64_t c = 0; c < chunks; ++c, ++sum) total[e] = add || c > 0 ? total[e] + *sum : *sum;
    }
  });
}

}  // namespace

/// Whether the products are one chunk each, of operands as they lie, in even steps.
bool Matmul::batches(const Call& call) const {
  return native_ && !finish_ && call.in_place && call.entries > 1 && call.batch.rank() == 1 && call.k <= kKC &&
         (call.b_col == 1 || call.n == 1);
}

/// Many small products: the loop over them is in the kernel.
void Matmul::run_batch(const Call& call, int threads, Interrupt& interrupt) const {
  const int64_t wanted = threads == 1 ? 1 : int64_t{4} * threads;
  const int64_t most = std::max<int64_t>(1, kRegionWork / (call.m * call.n * call.k));
  const int64_t per_task = std::min(most, (call.entries + wanted - 1) / wanted);
  const auto step = [&](int operand) { return call.batch.inner_stride(operand); };
  parallel_for((call.entries + per_task - 1) / per_task, threads, interrupt, [&](int64_t task, Worker& worker) {
    const int64_t begin = task * per_task, count = std::min(per_task, call.entries - begin);
    kernel_->batch({count, call.m, call.n, call.k, call.a + begin * step(0) * size_, step(0), call.a_row, call.a_col,
                    call.b + begin * step(1) * size_, step(1), call.b_row, call.out + begin * step(2) * size_, step(2),
                    call.out_row});
    worker.checkpoint(count * call.m * call.n * call.k / 8);
  });
}

void Matmul::run_direct(const Call& call, int threads, Interrupt& interrupt) const {
  // Many entries share out by entries, few by columns.
  const int64_t wanted = threads == 1 ? 1 : int64_t{4} * threads;
  const int64_t per_task = std::max<int64_t>(1, call.entries / wanted);
  const int64_t groups = (call.entries + per_task - 1) / per_task;
  const int64_t strips = std::clamp<int64_t>(call.n / 256, 1, std::max<int64_t>(1, wanted / groups));
  int64_t width = round_up((call.n + strips - 1) / strips, 128);
  // Bounds what is kept aside, and the time between checkpoints.
  if (!call.in_place) width = std::min(width, kTileBytes / (call.m * size_));
  width = std::min(width, kRegionWork / (call.m * std::min(call.k, kStep)));
  width = std::max<int64_t>(width / 128 * 128, 128);
  const int64_t parts = (call.n + width - 1) / width;
  parallel_for(groups * parts, threads, interrupt, [&](int64_t task, Worker& worker) {
    const int64_t begin = task / parts * per_task, column = task % parts * width;
    const Region region{0, call.m, column, std::min(width, call.n - column)};
    for_entries(call, begin, std::min(call.entries, begin + per_task),
                [&](const Entry& entry) { direct(call, entry, region, worker); });
  });
}

void Matmul::direct(const Call& call, const Entry& entry, const Region& region, Worker& worker) const {
  const int in_size = size_of(dtype_);
  const int64_t m = region.rows, n = region.columns;
  char* c = entry.out + (region.row * call.out_row + region.column) * size_;
  int64_t ldc = call.out_row;
  if (!call.in_place) {
    c = static_cast<char*>(scratch(ScratchUse::kTile, m * n * size_));
    ldc = n;
  }
  for (int64_t p = 0; p < call.k; p += kStep) {
    const int64_t k = std::min(kStep, call.k - p);
    const char* a = entry.a + p * call.a_col * in_size;
    const char* b = entry.b + (p * call.b_row + region.column * call.b_col) * in_size;
    int64_t a_row = call.a_row, a_col = call.a_col, b_row = call.b_row;
    if (!native_) {
      char* const widened = static_cast<char*>(scratch(ScratchUse::kPackA, m * k * size_));
      for (int64_t i = 0; i < m; ++i) pack_->row(k, a + i * a_row * in_size, a_col, widened + i * k * size_);
      a = widened;
      a_row = k;
      a_col = 1;
    }
    if (native_ && call.b_row == 1 && call.b_col != 1 && n > 1) {
      direct_panels(call, m, n, k, a, b, c, ldc, p > 0);
      worker.checkpoint(m * n * k / 8);
      continue;
    }
    if (!native_ || (call.b_col != 1 && n > 1)) {
      char* const widened = static_cast<char*>(scratch(ScratchUse::kPackB, k * n * size_));
      for (int64_t q = 0; q < k; ++q) pack_->row(n, b + q * b_row * in_size, call.b_col, widened + q * n * size_);
      b = widened;
      b_row = n;
    }
    kernel_->direct(m, n, k, a, a_row, a_col, b, b_row, c, ldc, p > 0);
    worker.checkpoint(m * n * k / 8);
  }
  finish(call, entry, region, c, ldc, worker);
}

/// The same for a B that is contiguous along k, which is transposed panel by panel.
void Matmul::direct_panels(const Call& call, int64_t m, int64_t n, int64_t k, const char* a, const char* b, char* c,
                           int64_t ldc, bool add) const {
  const int64_t nr = kernel_->nr;
  char* const panel = static_cast<char*>(scratch(ScratchUse::kPackB, nr * std::min<int64_t>(k, kKC) * size_ + 64));
  for (int64_t p = 0; p < k; p += kKC, add = true) {
    const int64_t depth = std::min<int64_t>(kKC, k - p);
    for (int64_t j = 0; j < n; j += nr) {
      const int64_t columns = std::min(nr, n - j);
      pack_->b(depth, columns, b + (j * call.b_col + p) * size_, call.b_col, 1, panel);
      kernel_->direct(m, columns, depth, a + p * call.a_col * size_, call.a_row, call.a_col, panel, nr, c + j * size_,
                      ldc, add);
    }
  }
}

/// Long dot products of operands that are read as they lie: chunks side by side, then added in order.
void Matmul::run_dots(const Call& call, int threads, Interrupt& interrupt) const {
  const int64_t chunks = (call.k + kKC - 1) / kKC, whole = call.k / kKC;
  char* const sums = static_cast<char*>(scratch(ScratchUse::kPartials, chunks * size_));
  for_entries(call, 0, call.entries, [&](const Entry& entry) {
    parallel_for((chunks + kDotChunks - 1) / kDotChunks, threads, interrupt, [&](int64_t task, Worker& worker) {
      const int64_t first = task * kDotChunks, last = std::min(first + kDotChunks, whole), p = first * kKC;
      if (first < last) {
        kernel_->pairs(last - first, kKC, entry.a + p * size_, kKC, entry.b + p * size_, kKC, sums + first * size_);
      }
      if (whole < chunks && first + kDotChunks >= chunks) {
        const int64_t at = whole * kKC;
        kernel_->pairs(1, call.k - at, entry.a + at * size_, 0, entry.b + at * size_, 0, sums + whole * size_);
      }
      worker.checkpoint(kDotChunks * kKC / 4);
      if (chunks > kDotChunks) return;
      finish_dot(call, entry, chunks, sums, worker);
    });
    if (chunks <= kDotChunks) return;
    parallel_for(1, 1, interrupt, [&](int64_t, Worker& worker) { finish_dot(call, entry, chunks, sums, worker); });
  });
}

void Matmul::finish_dot(const Call& call, const Entry& entry, int64_t chunks, char* sums, Worker& worker) const {
  add_chunks(kernel_->type, 1, chunks, sums, sums, false);
  if (call.in_place) std::memcpy(entry.out, sums, size_);
  finish(call, entry, {0, 1, 0, 1}, call.in_place ? entry.out : sums, 1, worker);
}

/// Dot products: the chunks of all entries are independent chains, and are computed side by side.
void Matmul::run_pairs(const Call& call, int threads, Interrupt& interrupt) const {
  const int64_t chunks = (call.k + kKC - 1) / kKC;
  const int64_t per_entry = std::min(chunks, kPairs);                 // chunks at a time
  const int64_t together = std::max<int64_t>(1, kPairs / per_entry);  // entries at a time
  parallel_for((call.entries + together - 1) / together, threads, interrupt, [&](int64_t task, Worker& worker) {
    const int64_t begin = task * together, end = std::min(call.entries, begin + together);
    const int64_t row = std::min<int64_t>(kKC, call.k);  // elements of a chunk's row
    char* const a = static_cast<char*>(scratch(ScratchUse::kPackA, kPairs * kKC * size_));
    char* const b = static_cast<char*>(scratch(ScratchUse::kPackB, kPairs * kKC * size_));
    char* const sums = static_cast<char*>(scratch(ScratchUse::kPartials, 2 * kPairs * size_));
    char* const totals = sums + kPairs * size_;
    for (int64_t first = 0; first < chunks; first += per_entry) {
      const int64_t p = first * kKC, k = std::min(per_entry * row, call.k - p), count = (k + row - 1) / row;
      int64_t at = 0;  // of an entry's rows
      for_entries(call, begin, end, [&](const Entry& entry) {
        pack_->row(k, entry.a + p * call.a_col * size_of(dtype_), call.a_col, a + at * size_);
        pack_->row(k, entry.b + p * call.b_row * size_of(dtype_), call.b_row, b + at * size_);
        fill_identity(kernel_->type, count * row - k, a + (at + k) * size_, b + (at + k) * size_);
        at += count * row;
      });
      kernel_->pairs((end - begin) * count, row, a, row, b, row, sums);
      add_chunks(kernel_->type, end - begin, count, sums, totals, first > 0);
      worker.checkpoint((end - begin) * k);
    }
    char* total = totals;
    for_entries(call, begin, end, [&](const Entry& entry) {
      if (call.in_place) std::memcpy(entry.out, total, size_);
      finish(call, entry, {0, 1, 0, 1}, call.in_place ? entry.out : total, 1, worker);
      total += size_;
    });
  });
}

}  // namespace accel
