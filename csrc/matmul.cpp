#include "matmul.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "contract.hpp"

namespace accel {

namespace {

constexpr int64_t kPackABytes = 192 << 10;     // packed rows of A, in L2
constexpr int64_t kPackBBytes = 4 << 20;       // packed columns of B, in the last-level cache
constexpr int64_t kTileBytes = 1 << 20;        // accumulators that are not in the output
constexpr int64_t kDirectWork = 40 * 40 * 40;  // multiply-adds up to which packing costs more than it saves
constexpr int64_t kThreadWork = 1 << 22;       // multiply-adds that are worth a thread
constexpr int64_t kRegionWork = 1 << 26;       // multiply-adds of one call of the direct kernel
constexpr int64_t kFewRows = 4;                // of a row-major B, read as it lies
constexpr int64_t kFewDots = 8;                // the same where B is contiguous along k
constexpr int64_t kMinDot = 16;                // k that is worth reading along it
constexpr int64_t kPairs = 64;                 // chunks of dot products side by side
constexpr int64_t kStep = 64 * kKC;            // k between checkpoints of the direct kernel

int64_t round_up(int64_t x, int64_t multiple) { return (x + multiple - 1) / multiple * multiple; }

/// The dtype in which the compute type's results are stored, as a program sees them.
DType accumulator_dtype(CType type, DType output) {
  switch (type) {
    case CType::kF32:
      return DType::kFloat32;
    case CType::kF64:
      return DType::kFloat64;
    case CType::kU32:
      return output == DType::kUint32 ? DType::kUint32 : DType::kInt32;
    default:
      return output == DType::kUint64 ? DType::kUint64 : DType::kInt64;
  }
}

/// The epilogue, with the accumulator cast to its first input's dtype first.
Pointwise after_cast(const KernelTable& table, DType accumulator, const Pointwise& epilogue) {
  std::vector<DType> inputs = epilogue.inputs();
  const int64_t cast = static_cast<int64_t>(inputs.size());
  std::vector<ProgramStep> steps = {{"cast", info(inputs[0]).name, {0}}};
  for (ProgramStep step : epilogue.steps()) {
    for (int64_t& arg : step.args) arg = arg == 0 ? cast : arg < cast ? arg : arg + 1;
    steps.push_back(std::move(step));
  }
  // A program without steps, whose result is its only input, has the cast as its result now.
  inputs[0] = accumulator;
  return Pointwise(table, std::move(inputs), std::move(steps), epilogue.output());
}

template <class T>
void merge_tile(int64_t rows, int64_t columns, const T* tile, int64_t ld, T* c, int64_t ldc, bool add) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) c[i * ldc + j] = add ? c[i * ldc + j] + tile[i * ld + j] : tile[i * ld + j];
  }
}

template <class Body>
void with_type(CType type, Body&& body) {
  switch (type) {
    case CType::kF32:
      return body(float{});
    case CType::kF64:
      return body(double{});
    case CType::kU32:
      return body(uint32_t{});
    default:
      return body(uint64_t{});
  }
}

void merge_tile(CType type, int64_t rows, int64_t columns, const void* tile, int64_t ld, void* c, int64_t ldc,
                bool add) {
  with_type(type, [&](auto zero) {
    using T = decltype(zero);
    merge_tile(rows, columns, static_cast<const T*>(tile), ld, static_cast<T*>(c), ldc, add);
  });
}

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

Matmul::Matmul(const KernelTable& table, DType dtype, DType output, const Pointwise* epilogue)
    : dtype_(dtype), output_(output) {
  const auto refuse = [&](DType given) {
    throw std::invalid_argument(std::string("matmul of ") + info(dtype).name + " does not give " + info(given).name);
  };
  if (dtype == DType::kBool) throw std::invalid_argument("matmul does not take bool");
  if (epilogue) {
    if (epilogue->inputs().empty()) throw std::invalid_argument("an epilogue takes the accumulator as its first input");
    if (epilogue->output() != output) {
      throw std::invalid_argument(std::string("the epilogue gives ") + info(epilogue->output()).name + ", not " +
                                  info(output).name);
    }
  }
  const DType result = epilogue ? epilogue->inputs()[0] : output;
  CType type = CType::kF32;
  if (is_integer(dtype)) {
    if (!is_integer(result)) refuse(result);
    type = size_of(result) <= 4 ? CType::kU32 : CType::kU64;
  } else if (dtype == DType::kFloat64) {
    if (result != DType::kFloat64) refuse(result);
    type = CType::kF64;
  } else if (result != DType::kFloat32 && (epilogue || result != dtype)) {
    refuse(result);
  }
  const DType accumulator = accumulator_dtype(type, result);
  size_ = size_of(accumulator);
  native_ = size_of(dtype) == size_ && !is_half(dtype);
  for (const MatmulRow& row : table.matmuls) {
    if (row.type == type) kernel_ = &row;
  }
  for (const PackRow& row : table.packs) {
    if (row.from == dtype && row.to == type) pack_ = &row;
  }
  if (epilogue) {
    finish_.emplace(result == accumulator ? *epilogue : after_cast(table, accumulator, *epilogue));
  } else if (output != accumulator) {
    finish_.emplace(table, std::vector{accumulator}, std::vector<ProgramStep>{{"cast", info(output).name, {0}}},
                    output);
  }
}

/// The problem with strides apart for batch and matrix, transposed where that makes the output's rows contiguous.
struct Matmul::Call {
  Nest batch;  // operands: a, b, out, extras...
  int64_t entries;
  int64_t m, n, k;
  char *a, *b, *out;
  int64_t a_row, a_col, b_row, b_col, out_row, out_col;
  struct Extra {
    char* data;
    int64_t row, col;
  };
  std::vector<Extra> extras;
  bool in_place;  // accumulators live in the output

  Call(const Matmul& matmul, const MatmulProblem& problem)
      : entries(problem.batch.product()),
        m(problem.m),
        n(problem.n),
        k(problem.k),
        a(problem.a.data),
        b(problem.b.data),
        out(problem.out.data) {
    const int rank = problem.batch.rank;
    batch.shape = problem.batch;
    const auto take = [&](const Operand& operand, int64_t& row, int64_t& col) {
      batch.strides.push_back(operand.strides);
      batch.strides.back().rank = rank;
      row = operand.strides[rank];
      col = operand.strides[rank + 1];
    };
    take(problem.a, a_row, a_col);
    take(problem.b, b_row, b_col);
    take(problem.out, out_row, out_col);
    for (const Operand& operand : problem.extras) {
      extras.push_back({operand.data, 0, 0});
      take(operand, extras.back().row, extras.back().col);
    }
    if (k == 0) {  // a and b have no elements, and their addresses are not moved
      a_row = a_col = b_row = b_col = 0;
      for (int d = 0; d < rank; ++d) batch.strides[0][d] = batch.strides[1][d] = 0;
    }
    // One column, or few whose A is contiguous along k, are few rows transposed.
    const bool few_columns = n == 1 || (n <= kFewDots && a_col == 1 && k >= kMinDot);
    if ((few_columns && n < m) || (n > 1 && m > 1 && out_col != 1 && out_row == 1)) transpose();
    batch.collapse();
    fold_batch();
    in_place = (out_col == 1 || n == 1) && (!matmul.finish_ || size_of(matmul.output_) == matmul.size_);
    for (const Extra& extra : extras) in_place &= extra.data != out;
    if (n == 1 && in_place) out_col = 1;
  }

 private:
  /// out^T = b^T a^T: the same products, as multiplication commutes.
  void transpose() {
    std::swap(m, n);
    std::swap(a, b);
    std::swap(a_row, b_col);
    std::swap(a_col, b_row);
    std::swap(out_row, out_col);
    std::swap(batch.strides[0], batch.strides[1]);
    for (Extra& extra : extras) std::swap(extra.row, extra.col);
  }

  /// Where every entry multiplies the same B and the entries' rows follow one another, they are one matrix.
  void fold_batch() {
    if (batch.rank() == 0) return;
    const int d = batch.rank() - 1;
    if (batch.strides[1][d] != 0) return;
    const auto follows = [&](int operand, int64_t row) { return m == 1 || batch.strides[operand][d] == row * m; };
    bool folds = follows(0, a_row) && follows(2, out_row);
    for (size_t i = 0; i < extras.size(); ++i) folds &= follows(static_cast<int>(i) + 3, extras[i].row);
    if (!folds) return;
    if (m == 1) {
      a_row = batch.strides[0][d];
      out_row = batch.strides[2][d];
      for (size_t i = 0; i < extras.size(); ++i) extras[i].row = batch.strides[i + 3][d];
    }
    m *= batch.shape[d];
    entries /= batch.shape[d];
    --batch.shape.rank;
    for (Extents& s : batch.strides) --s.rank;
  }
};

/// One entry of the batch.
struct Matmul::Entry {
  const char *a, *b;
  char* out;
  std::vector<char*> extras;
};

/// Rows [row, row + rows) and columns [column, column + columns) of an entry's output.
struct Matmul::Region {
  int64_t row, rows, column, columns;
};

void Matmul::run(const MatmulProblem& problem, int threads, Interrupt& interrupt) const {
  const Call call(*this, problem);
  if (call.entries == 0 || call.m == 0 || call.n == 0) return;
  const double work = static_cast<double>(call.entries) * call.m * call.n * std::max<int64_t>(call.k, 1);
  threads = static_cast<int>(std::clamp(work / kThreadWork, 1.0, static_cast<double>(threads)));
  const bool small = static_cast<double>(call.m) * call.n * call.k <= kDirectWork;
  const bool few = native_ && ((call.m <= kFewRows && call.b_col == 1) || (call.m <= kFewDots && call.b_row == 1));
  if (call.m == 1 && call.n == 1 && call.k > 0) {
    run_pairs(call, threads, interrupt);
  } else if (call.k > 0 && (small || few)) {
    run_direct(call, threads, interrupt);
  } else {
    run_packed(call, threads, interrupt);
  }
}

/// Calls body(entry index, entry, worker) for the entries of [begin, end).
template <class Body>
void Matmul::for_entries(const Call& call, int64_t begin, int64_t end, Body&& body) const {
  // A row of the batch's nest is its innermost dimension.
  const int64_t inner = call.batch.inner();
  RowCursor cursor(call.batch, begin / inner);
  int64_t column = begin % inner;
  const int in_size = size_of(dtype_), out_size = size_of(output_);
  Entry entry;
  entry.extras.resize(call.extras.size());
  for (int64_t e = begin; e < end; ++e) {
    const auto offset = [&](int operand) { return cursor.offset(operand) + column * call.batch.inner_stride(operand); };
    entry.a = call.a + offset(0) * in_size;
    entry.b = call.b + offset(1) * in_size;
    entry.out = call.out + offset(2) * out_size;
    for (size_t i = 0; i < call.extras.size(); ++i) {
      entry.extras[i] = call.extras[i].data + offset(static_cast<int>(i) + 3) * size_of(extra(i));
    }
    body(entry);
    if (++column == inner) {
      column = 0;
      cursor.next();
    }
  }
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
    if (native_ && b_row == 1 && call.b_col != 1 && m <= kFewDots) {
      kernel_->dots(m, n, k, a, a_row, a_col, b, call.b_col, c, ldc, p > 0);
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

void Matmul::run_packed(const Call& call, int threads, Interrupt& interrupt) const {
  // One task computes a region of one entry's output, over all of k: the bits do not depend on the division.
  const int64_t mr = kernel_->mr, nr = kernel_->nr;
  int64_t columns = std::max(nr, kPackBBytes / (kKC * size_) / nr * nr);
  int64_t rows = call.m;
  if (!call.in_place) {
    columns = std::min(columns, 16 * nr);
    rows = std::max(mr, kTileBytes / (columns * size_) / mr * mr);
  }
  columns = std::min(columns, round_up(call.n, nr));
  rows = std::min(rows, round_up(call.m, mr));
  const auto parts = [](int64_t whole, int64_t part) { return (whole + part - 1) / part; };
  if (threads > 1) {
    while (call.entries * parts(call.m, rows) * parts(call.n, columns) < 4 * threads) {
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
  parallel_for(call.entries * down * across, threads, interrupt, [&](int64_t task, Worker& worker) {
    const int64_t e = task / (down * across), row = task / across % down * rows, column = task % across * columns;
    const Region region{row, std::min(rows, call.m - row), column, std::min(columns, call.n - column)};
    for_entries(call, e, e + 1, [&](const Entry& entry) { packed(call, entry, region, worker); });
  });
}

void Matmul::packed(const Call& call, const Entry& entry, const Region& region, Worker& worker) const {
  const int64_t mr = kernel_->mr, nr = kernel_->nr, in_size = size_of(dtype_);
  const int64_t columns = round_up(region.columns, nr);
  const int64_t block = std::min(round_up(region.rows, mr), std::max(mr, kPackABytes / (kKC * size_) / mr * mr));
  char* const packed_a = static_cast<char*>(scratch(ScratchUse::kPackA, block * kKC * size_));
  char* const packed_b = static_cast<char*>(scratch(ScratchUse::kPackB, columns * kKC * size_));
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
  for (int64_t p = 0; p < call.k; p += kKC) {
    const int64_t k = std::min<int64_t>(kKC, call.k - p);
    const bool last = p + k == call.k;
    for (int64_t j = 0; j < region.columns; j += nr) {
      const char* const source = entry.b + (p * call.b_row + (region.column + j) * call.b_col) * in_size;
      pack_->b(k, std::min(nr, region.columns - j), source, call.b_col, call.b_row, packed_b + j * k * size_);
    }
    for (int64_t i = 0; i < region.rows; i += block) {
      const int64_t rows = std::min(block, region.rows - i);
      for (int64_t r = 0; r < rows; r += mr) {
        const char* const source = entry.a + ((region.row + i + r) * call.a_row + p * call.a_col) * in_size;
        pack_->a(k, std::min(mr, rows - r), source, call.a_row, call.a_col, packed_a + r * k * size_);
      }
      char* const out = c + i * ldc * size_;
      macro_tile(k, rows, region.columns, packed_a, packed_b, out, ldc, p > 0, !call.in_place, worker);
      if (last) finish(call, entry, {region.row + i, rows, region.column, region.columns}, out, ldc, worker);
    }
  }
}

/// Multiplies packed panels. Where `padded`, c has room for whole tiles.
void Matmul::macro_tile(int64_t k, int64_t rows, int64_t columns, const char* a, const char* b, char* c, int64_t ldc,
                        bool add, bool padded, Worker& worker) const {
  const int64_t mr = kernel_->mr, nr = kernel_->nr;
  alignas(64) char edge[kMaxTileBytes];
  for (int64_t j = 0; j < columns; j += nr) {
    for (int64_t i = 0; i < rows; i += mr) {
      char* const tile = c + (i * ldc + j) * size_;
      if (padded || (i + mr <= rows && j + nr <= columns)) {
        kernel_->tile(k, std::min(mr, rows - i), a + i * k * size_, b + j * k * size_, tile, ldc, add);
      } else {
        kernel_->tile(k, std::min(mr, rows - i), a + i * k * size_, b + j * k * size_, edge, nr, false);
        merge_tile(kernel_->type, std::min(mr, rows - i), std::min(nr, columns - j), edge, nr, tile, ldc, add);
      }
    }
    worker.checkpoint(rows * nr * k / 8);
  }
}

/// Turns a region's accumulators into the output, where they are not that already.
void Matmul::finish(const Call& call, const Entry& entry, const Region& region, char* acc, int64_t ldc,
                    Worker& worker) const {
  if (!finish_ && call.in_place) return;
  Extents shape;
  shape.append(region.rows);
  shape.append(region.columns);
  const auto operand = [&](char* data, int64_t row, int64_t col, int size) {
    Operand result{data + (region.row * row + region.column * col) * size, {}};
    result.strides.append(row);
    result.strides.append(col);
    return result;
  };
  Operand accumulators{acc, {}};
  accumulators.strides.append(ldc);
  accumulators.strides.append(1);
  const Operand out = operand(entry.out, call.out_row, call.out_col, size_of(output_));
  if (!finish_) {
    // The output's columns are apart.
    for (int64_t i = 0; i < region.rows; ++i) {
      scatter(size_, region.columns, out.data + i * call.out_row * size_, call.out_col, acc + i * ldc * size_);
    }
    return;
  }
  std::vector<Operand> in = {accumulators};
  for (size_t i = 0; i < call.extras.size(); ++i) {
    in.push_back(operand(entry.extras[i], call.extras[i].row, call.extras[i].col, size_of(extra(i))));
  }
  finish_->run(shape, out, in, worker);
}

}  // namespace accel
