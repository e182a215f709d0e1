#include "gather.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <stdexcept>
#include <string>

#include "isas.hpp"

namespace accel {

ACCEL_IN_EACH_ISA(extern const SelectKernels kSelects[4])

namespace {

constexpr int64_t kBlock = 512;              // elements whose offsets are worked out together, in L1
constexpr int64_t kRun = 1 << 15;            // elements of a row with one index that are copied between two checkpoints
constexpr int64_t kGrain = 1 << 15;          // elements of a task
constexpr double kThreadElements = 1 << 17;  // elements that are worth a thread
constexpr int64_t kAheadBytes = 1 << 12;     // how far before its copy a row is asked for
constexpr int64_t kAskedBytes = 1 << 10;     // of a row; what follows, the CPU asks for by itself
constexpr int64_t kFarBytes = 40 << 20;      // of elements that are read and written, and of positions

/// Operand 0 of `nest` is the output, operand 1 the input, the others are the index arrays.
struct Call {
  const Nest& nest;
  const GatherProblem& problem;
  const char* in;
  const int64_t* const* indices;
  char* out;
  bool nothing;  // an indexed axis has no elements, so that none may be read
  const SelectKernels& kernels;
  bool far;  // more than the caches hold
};

/// The position that an index stands for, and whether it is in range; position 0 where it is not.
inline int64_t position(int64_t index, int64_t length, bool& good) {
  index += index < 0 ? length : 0;
  good = static_cast<uint64_t>(index) < static_cast<uint64_t>(length);
  return good ? index : 0;
}

// What follows moves elements, and returns whether all of their positions are in range.

/// n elements from `column` on of the cursor's row, where no index changes along the row: a copy.
template <class T>
bool copy_run(const Call& call, const RowCursor& cursor, int64_t column, int64_t n) {
  const int64_t out_step = call.nest.inner_stride(0), in_step = call.nest.inner_stride(1);
  T* const to = reinterpret_cast<T*>(call.out) + cursor.offset(0) + column * out_step;
  int64_t at = cursor.offset(1) + column * in_step;
  bool every = !call.nothing;
  for (size_t k = 0; every && k < call.problem.lengths.size(); ++k) {
    bool good;
    at += position(call.indices[k][cursor.offset(2 + k)], call.problem.lengths[k], good) * call.problem.steps[k];
    every &= good;
  }
  const T* const from = reinterpret_cast<const T*>(call.in) + at;
  if (!every) {
    for (int64_t i = 0; i < n; ++i) to[i * out_step] = 0;
  } else if (out_step == 1 && in_step == 1) {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(T));
  } else {
    for (int64_t i = 0; i < n; ++i) to[i * out_step] = from[i * in_step];
  }
  return every;
}

/// Whether every row is a copy of a whole row that one index names.
bool names_rows(const Call& call) {
  return call.nest.rank() == 2 && call.problem.lengths.size() == 1 && !call.nothing && call.nest.inner_stride(0) == 1 &&
         call.nest.inner_stride(1) == 1 && call.nest.inner_stride(2) == 0;
}

/// That many whole rows from the cursor on, of those that names_rows. They lie anywhere, so that no CPU foresees them.
template <class T>
bool copy_rows(const Call& call, const RowCursor& cursor, int64_t rows) {
  const int64_t columns = call.nest.inner(), bytes = columns * int64_t{sizeof(T)};
  const int64_t out_row = call.nest.strides[0][0], in_row = call.nest.strides[1][0], apart = call.nest.strides[2][0];
  const int64_t length = call.problem.lengths[0], step = call.problem.steps[0];
  const int64_t ahead = std::max<int64_t>(1, kAheadBytes / bytes), asked = std::min(bytes, kAskedBytes);
  T* to = reinterpret_cast<T*>(call.out) + cursor.offset(0);
  const T* const from = reinterpret_cast<const T*>(call.in) + cursor.offset(1);
  const int64_t* const index = call.indices[0] + cursor.offset(2);
  const auto row = [&](int64_t r, bool& good) {
    return from + r * in_row + position(index[r * apart], length, good) * step;
  };
  bool every = true;
  for (int64_t r = 0; r < rows; ++r, to += out_row) {
    bool good;
    if (r + ahead < rows) {
      const char* const next = reinterpret_cast<const char*>(row(r + ahead, good));
      for (int64_t at = 0; at < asked; at += 64) __builtin_prefetch(next + at);
    }
    const T* const x = row(r, good);
    every &= good;
    if (good) {
      std::memcpy(to, x, static_cast<size_t>(bytes));
    } else {
      std::memset(to, 0, static_cast<size_t>(bytes));
    }
  }
  return every;
}

/// n <= kBlock elements from `column` on of the cursor's row.
template <class T>
bool select(const Call& call, const RowCursor& cursor, int64_t column, int64_t n) {
  const int64_t out_step = call.nest.inner_stride(0), in_step = call.nest.inner_stride(1);
  T* const to = reinterpret_cast<T*>(call.out) + cursor.offset(0) + column * out_step;
  if (call.nothing) {
    for (int64_t i = 0; i < n; ++i) to[i * out_step] = 0;
    return false;
  }
  const T* const from = reinterpret_cast<const T*>(call.in) + cursor.offset(1);
  bool every = true;
  if (call.problem.lengths.size() == 1) {  // offsets need not wait in memory for further indices
    const int64_t index_step = call.nest.inner_stride(2), length = call.problem.lengths[0];
    const int64_t step = call.problem.steps[0];
    const int64_t* const index = call.indices[0] + cursor.offset(2) + column * index_step;
    const bool plain = out_step == 1 && in_step == 0 && index_step == 1 && step == 1;  // three multiplications less
    const auto each = [=, &every](int64_t begin, int64_t end, int64_t out_by, int64_t in_by, int64_t index_by,
                                  int64_t by) __attribute__((always_inline)) {
      for (int64_t i = begin; i < end; ++i) {
        bool good;
        const int64_t at = position(index[i * index_by], length, good) * by;
        const T value = from[(column + i) * in_by + at];
        to[i * out_by] = good ? value : T{0};
        every &= good;
      }
    };
    const auto kernel = call.far ? call.kernels.far : call.kernels.select;
    int64_t its[kLook];
    for (int64_t i = 0; i < n;) {
      if (plain) i += kernel(n - i, length, index + i, from, to + i);
      const int64_t end = std::min(n, i + kLook);
      if (plain) {
        each(i, end, 1, 0, 1, 1);  // one of them is out of range
      } else if (index_step != 1 || !call.kernels.look(index + i, end - i, length, its)) {
        each(i, end, out_step, in_step, index_step, step);
      } else {
        for (int64_t k = i; k < end; ++k) to[k * out_step] = from[(column + k) * in_step + its[k - i] * step];
      }
      i = end;
    }
    return every;
  }
  int64_t offsets[kBlock];
  bool goods[kBlock];
  for (int64_t i = 0; i < n; ++i) {
    offsets[i] = (column + i) * in_step;
    goods[i] = true;
  }
  for (size_t k = 0; k < call.problem.lengths.size(); ++k) {
    const int64_t index_step = call.nest.inner_stride(2 + k), length = call.problem.lengths[k];
    const int64_t step = call.problem.steps[k];
    const int64_t* const index = call.indices[k] + cursor.offset(2 + k) + column * index_step;
    for (int64_t i = 0; i < n; ++i) {
      bool good;
      offsets[i] += position(index[i * index_step], length, good) * step;
      goods[i] &= good;
    }
  }
  for (int64_t i = 0; i < n; ++i) {
    const T value = from[offsets[i]];  // in bounds also where an index is not: position 0 took its place
    to[i * out_step] = goods[i] ? value : T{0};
    every &= goods[i];
  }
  return every;
}

/// Whether every row has elements of a row of its own, at the same positions.
bool names_columns(const Call& call) {
  return call.nest.rank() == 2 && call.problem.lengths.size() == 1 && !call.nothing && call.nest.strides[2][0] == 0;
}

/// That many whole rows from the cursor on, of those that names_columns, after one look at the positions.
template <class T>
bool select_columns(const Call& call, const RowCursor& cursor, int64_t rows) {
  const int64_t columns = call.nest.inner(), out_row = call.nest.strides[0][0], in_row = call.nest.strides[1][0];
  const int64_t out_step = call.nest.inner_stride(0), in_step = call.nest.inner_stride(1);
  const int64_t index_step = call.nest.inner_stride(2);
  int64_t offsets[kBlock];
  bool goods[kBlock], all = true;
  for (int64_t column = 0; column < columns; column += kBlock) {
    const int64_t n = std::min(kBlock, columns - column);
    const int64_t* const index = call.indices[0] + cursor.offset(2) + column * index_step;
    bool every = true;
    for (int64_t i = 0; i < n; ++i) {
      const int64_t at = position(index[i * index_step], call.problem.lengths[0], goods[i]);
      offsets[i] = (column + i) * in_step + at * call.problem.steps[0];
      every &= goods[i];
    }
    all &= every;
    T* to = reinterpret_cast<T*>(call.out) + cursor.offset(0) + column * out_step;
    const T* from = reinterpret_cast<const T*>(call.in) + cursor.offset(1);
    for (int64_t r = 0; r < rows; ++r, to += out_row, from += in_row) {
      if (every && out_step == 1) {
        call.kernels.pick(n, to, from, offsets);
      } else {
        for (int64_t i = 0; i < n; ++i) {
          const T value = from[offsets[i]];  // in bounds also where an index is not: position 0 took its place
          to[i * out_step] = goods[i] ? value : T{0};
        }
      }
    }
  }
  return all;
}

/// Whether all positions are in range. Tasks are ranges of elements in the order of the nest.
template <class T>
bool run_all(const Call& call, const StreamKernels& stream, int threads, Interrupt& interrupt) {
  const int64_t elements = call.problem.elements;
  bool alike = true;
  for (size_t k = 0; k < call.problem.lengths.size(); ++k) alike &= call.nest.inner_stride(2 + k) == 0;
  const int64_t columns = call.nest.inner(), most = alike ? kRun : kBlock;
  const bool whole = names_rows(call), shared = !whole && names_columns(call);
  const int64_t tasks = std::min(elements, tasks_of(static_cast<double>(elements), kGrain, threads));
  const int64_t share = (elements + tasks - 1) / tasks;
  std::atomic<bool> inside{true};
  parallel_for((elements + share - 1) / share, threads, interrupt, [&](int64_t task, Worker& worker) {
    bool every = true;
    int64_t at = task * share, column = at % columns;
    const int64_t end = std::min(elements, at + share);
    RowCursor cursor(call.nest, at / columns);
    while (at < end) {
      if ((whole || shared) && column == 0 && columns <= kRun && end - at >= columns) {
        const int64_t rows = std::min((end - at) / columns, kRun / columns);
        every &= whole ? copy_rows<T>(call, cursor, rows) : select_columns<T>(call, cursor, rows);
        worker.checkpoint(rows * (columns + 8));
        at += rows * columns;
        if (at < end) cursor.advance(rows);
        continue;
      }
      const int64_t n = std::min({end - at, columns - column, most});
      every &= alike ? copy_run<T>(call, cursor, column, n) : select<T>(call, cursor, column, n);
      worker.checkpoint(n + 8);
      at += n;
      column += n;
      if (column == columns) {
        column = 0;
        if (at < end) cursor.next();
      }
    }
    if (call.far) stream.fence();
    if (!every) inside.store(false, std::memory_order_relaxed);
  });
  return inside.load(std::memory_order_relaxed);
}

}  // namespace

Gather::Gather(const KernelTable& table, int size)
    : size_(size), kernels_(ACCEL_OF_ISA(table.isa, kSelects)[row_of_size(size)]), stream_(table.stream) {
  if (size != 1 && size != 2 && size != 4 && size != 8) {
    throw std::invalid_argument("there are no elements of " + std::to_string(size) + " bytes");
  }
}

GatherProblem::GatherProblem(const Extents& shape, const Extents& out, const Extents& in,
                             const std::vector<Extents>& indices, const Extents& lengths_, const Extents& steps_)
    : nest{shape, {out, in}}, elements(shape.product()), nothing(false) {
  nest.strides.insert(nest.strides.end(), indices.begin(), indices.end());
  for (int k = 0; k < lengths_.rank; ++k) {
    lengths.push_back(lengths_[k]);
    steps.push_back(steps_[k]);
    nothing |= lengths_[k] == 0;
  }
  if (elements > 0) nest.sort_and_collapse();
}

bool Gather::run(const GatherProblem& problem, const char* in, const int64_t* const* indices, char* out, int threads,
                 Interrupt& interrupt) const {
  const int64_t elements = problem.elements;
  if (elements == 0) return true;
  const bool far = elements * (8 + 2 * size_) > kFarBytes;
  const Call call{problem.nest, problem, in, indices, out, problem.nothing, kernels_, far};
  threads = worthwhile(static_cast<double>(elements), kThreadElements, threads);
  switch (size_) {
    case 1:
      return run_all<uint8_t>(call, stream_, threads, interrupt);
    case 2:
      return run_all<uint16_t>(call, stream_, threads, interrupt);
    case 4:
      return run_all<uint32_t>(call, stream_, threads, interrupt);
    default:
      return run_all<uint64_t>(call, stream_, threads, interrupt);
  }
}

}  // namespace accel
