// Matrix multiply by packed panels and register tiles.
#include <atomic>

#include "matmul_call.hpp"

namespace accel {

namespace {

constexpr int64_t kPackABytes = 192 << 10;      // packed rows of A, in L2
constexpr int64_t kPackBBytes = 4 << 20;        // packed columns of B, in the last-level cache
constexpr double kTaskWork = 1 << 26;           // multiply-adds of a task: of fewer, packing is too large a part
constexpr int64_t kPackWholeBytes = 512 << 10;  // one block of A with all of k
constexpr int64_t kPackRows = 16;               // of B at a time, where they are contiguous: a multiple of every group
constexpr int64_t kPackFewBytes = 256 << 10;    // the same for one block of rows, in L2

template <class T>
void merge_tile(int64_t rows, int64_t columns, const T* tile, int64_t ld, T* c, int64_t ldc, bool add) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) c[i * ldc + j] = add ? c[i * ldc + j] + tile[i * ld + j] : tile[i * ld + j];
  }
}

void merge_tile(CType type, int64_t rows, int64_t columns, const void* tile, int64_t ld, void* c, int64_t ldc,
                bool add) {
  with_type(type, [&](auto zero) {
    using T = decltype(zero);
    merge_tile(rows, columns, static_cast<const T*>(tile), ld, static_cast<T*>(c), ldc, add);
  });
}

}  // namespace

void Matmul::run_packed(const Call& call, int threads, Interrupt& interrupt) const {
  // Matrix units first: packing looks whether the elements allow them.
  if (matrix_ && repeatable(call) && run_packed(call, matrix_panels_, threads, interrupt)) return;
  run_packed(call, panels_, threads, interrupt);
}

/// Returns whether the panels could be packed; where not, the output holds anything.
bool Matmul::run_packed(const Call& call, const Panels& panels, int threads, Interrupt& interrupt) const {
  // One task computes a region of one entry's output, over all of k: the bits do not depend on the division.
  const int64_t mr = panels.mr, nr = panels.nr;
  int64_t columns = std::max(nr, kPackBBytes / (panels.b_size(panels.depth) * size_) / nr * nr);
  int64_t rows = call.m;
  if (!call.in_place) {
    columns = std::min(columns, 16 * nr);
    rows = std::max(mr, kTileBytes / (columns * size_) / mr * mr);
  }
  columns = std::min(columns, round_up(call.n, nr));
  rows = std::min(rows, round_up(call.m, mr));
  const auto parts = [](int64_t whole, int64_t part) { return (whole + part - 1) / part; };
  if (threads > 1) {
    rows = round_up(parts(call.m, parts(call.m, rows)), mr);  // of about the same size
    columns = round_up(parts(call.n, parts(call.n, columns)), nr);
    const int64_t wanted = tasks_of(static_cast<double>(call.entries) * call.m * call.n * call.k, kTaskWork, threads);
    while (call.entries * parts(call.m, rows) * parts(call.n, columns) < wanted) {
      if (rows >= columns && rows > 4 * mr) {
        rows = round_up((rows + 1) / 2, mr);
      } else if (columns > 2 * nr) {
        columns = round_up((columns + 1) / 2, nr);
      } else {
        break;
      }
    }
  }
  const int64_t down = parts(call.m, rows), across = parts(call.n, columns);
  std::atomic<bool> sound{true};
  parallel_for(call.entries * down * across, threads, interrupt, [&](int64_t task, Worker& worker) {
    const int64_t e = task / (down * across), row = task / across % down * rows, column = task % across * columns;
    const Region region{row, std::min(rows, call.m - row), column, std::min(columns, call.n - column)};
    for_entries(call, e, e + 1, [&](const Entry& entry) {
      if (sound && !packed(call, panels, entry, region, worker)) sound = false;
    });
  });
  return sound;
}

bool Matmul::packed(const Call& call, const Panels& panels, const Entry& entry, const Region& region,
                    Worker& worker) const {
  const int64_t mr = panels.mr, nr = panels.nr, depth = panels.depth, in_size = size_of(dtype_);
  const int64_t columns = round_up(region.columns, nr);
  const int64_t block =
      std::min(round_up(region.rows, mr), std::max(mr, kPackABytes / (panels.a_size(depth) * size_) / mr * mr));
  // Several blocks of rows meet all of B's panels. One block meets each of them once: these need not outlive L2; and if
  // its rows fit with all of k, it goes along k first, so that its sums stay in L2 too.
  const bool one = region.rows <= block;
  const int64_t slice = block * panels.a_size(depth) * size_;  // of packed A, a chunk of k
  const int64_t slices = one ? (call.k + depth - 1) / depth : 1;
  const bool whole = one && slices * slice <= kPackWholeBytes;
  const int64_t few = std::max(nr, kPackFewBytes / (panels.b_size(depth) * size_) / nr * nr);
  const int64_t group = one ? std::min(columns, few) : columns;
  char* const packed_a = static_cast<char*>(scratch(ScratchUse::kPackA, (whole ? slices : 1) * slice + 64));
  char* const packed_b = static_cast<char*>(scratch(ScratchUse::kPackB, group * panels.b_size(depth) * size_ + 64));
  char* c = entry.out + (region.row * call.out_row + region.column) * size_;
  int64_t ldc = call.out_row;
  if (!call.in_place) {
    c = static_cast<char*>(scratch(ScratchUse::kTile, round_up(region.rows, mr) * columns * size_));
    ldc = columns;
  }
  if (call.k == 0) {
    for (int64_t i = 0; i < region.rows; ++i) std::memset(c + i * ldc * size_, 0, region.columns * size_);
    finish(call, entry, region, c, ldc, worker);
  }
  /// A chunk of k for a group of columns.
  const auto multiply = [&](int64_t p, int64_t j) {
    const int64_t k = std::min(depth, call.k - p), a_size = panels.a_size(k) * size_;
    const int64_t width = std::min(group, region.columns - j);
    // Where B's rows are contiguous, some of them go to all panels before the next do: a row is read from end to end.
    const int64_t step = call.b_col == 1 ? kPackRows : k;
    for (int64_t r = 0; r < k; r += step) {
      for (int64_t q = 0; q < width; q += nr) {
        const char* const source = entry.b + ((p + r) * call.b_row + (region.column + j + q) * call.b_col) * in_size;
        char* const target = packed_b + (q * panels.b_size(k) + panels.b_size(r) * nr) * size_;
        if (!panels.b(std::min(step, k - r), std::min(nr, width - q), source, call.b_col, call.b_row, target)) {
          return false;
        }
      }
    }
    char* const panels_a = packed_a + (whole ? p / depth * slice : 0);
    for (int64_t i = 0; i < region.rows; i += block) {
      const int64_t rows = std::min(block, region.rows - i);
      for (int64_t r = 0; r < rows && j == 0; r += mr) {  // for further groups the one block is there
        const char* const source = entry.a + ((region.row + i + r) * call.a_row + p * call.a_col) * in_size;
        if (!panels.a(k, std::min(mr, rows - r), source, call.a_row, call.a_col, panels_a + r * a_size)) return false;
      }
      char* const out = c + (i * ldc + j) * size_;
      macro_tile(panels, k, rows, width, panels_a, packed_b, out, ldc, p > 0, !call.in_place, worker);
      if (p + k == call.k) finish(call, entry, {region.row + i, rows, region.column + j, width}, out, ldc, worker);
    }
    return true;
  };
  const int64_t stretch = whole ? group : region.columns;  // columns that go through all of k before the next do
  for (int64_t begin = 0; begin < region.columns; begin += stretch) {
    const int64_t end = std::min(region.columns, begin + stretch);
    for (int64_t p = 0; p < call.k; p += depth) {
      for (int64_t j = begin; j < end; j += group) {
        if (!multiply(p, j)) return false;
      }
    }
  }
  return true;
}

/// Multiplies packed panels. Where `padded`, c has room for whole tiles.
void Matmul::macro_tile(const Panels& panels, int64_t k, int64_t rows, int64_t columns, const char* a, const char* b,
                        char* c, int64_t ldc, bool add, bool padded, Worker& worker) const {
  const int64_t mr = panels.mr, nr = panels.nr;
  const int64_t a_size = panels.a_size(k) * size_, b_size = panels.b_size(k) * size_;
  alignas(64) char edge[kMaxTileBytes];
  // A panel of A stays in L1 while B's pass, which are in L2 or beyond: its rows of C are written from end to end.
  for (int64_t i = 0; i < rows; i += mr) {
    for (int64_t j = 0; j < columns; j += nr) {
      char* const tile = c + (i * ldc + j) * size_;
      // Needed at the end of the tile, thousands of cycles from now.
      for (int64_t r = 0; r < std::min(mr, rows - i); ++r) {
        for (int64_t at = 0; at < nr * size_; at += 64) __builtin_prefetch(tile + r * ldc * size_ + at, 1);
      }
      if (padded || (i + mr <= rows && j + nr <= columns)) {
        panels.tile(k, std::min(mr, rows - i), a + i * a_size, b + j * b_size, tile, ldc, add);
      } else {
        panels.tile(k, std::min(mr, rows - i), a + i * a_size, b + j * b_size, edge, nr, false);
        merge_tile(kernel_->type, std::min(mr, rows - i), std::min(nr, columns - j), edge, nr, tile, ldc, add);
      }
    }
    worker.checkpoint(mr * columns * k / 8);
  }
}

}  // namespace accel
