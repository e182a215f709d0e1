#include "scatter.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace accel {

namespace {

constexpr int64_t kLanes = kFoldedRows, kBlock = 4096;  // of rule 2
constexpr int64_t kTile = 64;                           // elements of a row that are summed side by side
constexpr int64_t kWide = kFoldedColumns;               // the same where a cell has no more rows than lanes
constexpr int64_t kAhead = 8;                           // rows before a row is added, it is asked for
constexpr int64_t kAskedRows = 16;           // of the next cells that are asked for while one is folded, at most,
constexpr int64_t kAskedBytes = 1 << 14;     // and of them
constexpr int64_t kFound = 128;              // rows at least that are asked for or folded at a time
constexpr int64_t kLine = 64;                // bytes of a cache line
constexpr int64_t kPart = 1 << 14;           // elements between two checkpoints
constexpr int64_t kPiece = 64;               // elements of a row that one task of several moves at least
constexpr double kGrain = 1 << 15;           // elements of a task
constexpr double kThreadElements = 1 << 16;  // elements that are worth a thread

/// Whether there is a cell of that number; `at`: the offset of its first element.
inline bool place(const ScatterProblem& p, int64_t cell, int64_t& at) {
  if (cell < 0) return false;
  at = 0;
  for (int d = p.lengths.rank - 1; d > 0; --d) {
    const int64_t next = cell / p.lengths[d];
    at += (cell - next * p.lengths[d]) * p.steps[d];
    cell = next;
  }
  at += cell * p.steps[0];
  return cell < p.lengths[0];
}

/// Where rows are.
template <class T>
struct Source {
  const T* values;
  const int64_t* sources;
  int64_t step, source_step, length;

  Source(const ScatterProblem& p, const ScatterOperands& operands)
      : values(reinterpret_cast<const T*>(operands.values)),
        sources(operands.sources),
        step(p.value_step),
        source_step(p.source_step),
        length(p.source_length) {}

  /// The first element of row i; null where it is zeros.
  const T* row(int64_t i) const {
    if (!sources) return values + i * step;
    int64_t at = sources[i * source_step];
    at += at < 0 ? length : 0;
    return static_cast<uint64_t>(at) < static_cast<uint64_t>(length) ? values + at * step : nullptr;
  }
};

template <class T>
constexpr T kZeros[kWide] = {};  // of a row that is not there

/// Calls body(out offset, value offset, n) for pieces of a row's elements from `begin` to `end`, along which both have
/// the nest's inner strides.
template <class Body>
void along_row(const Nest& nest, int64_t begin, int64_t end, Body&& body) {
  const int64_t inner = nest.inner(), out_step = nest.inner_stride(0), value_step = nest.inner_stride(1);
  if (nest.rank() < 2) return body(begin * out_step, begin * value_step, end - begin);
  RowCursor cursor(nest, begin / inner);
  for (int64_t at = begin, column = begin % inner; at < end; column = 0) {
    const int64_t n = std::min(end - at, inner - column);
    body(cursor.offset(0) + column * out_step, cursor.offset(1) + column * value_step, n);
    at += n;
    if (at < end) cursor.next();
  }
}

/// What a cell holds after a row: the row.
template <class T>
struct Last {
  static T of(T, T x) { return x; }
};

/// The greater or the smaller one of two elements, by keys: signed integers in their order. kInfinity: its bits, for
/// floats, whose NaNs have the last key; else 0.
template <class T, T kInfinity, bool kSigned, bool kMax>
struct Extreme {
  using Key = std::make_signed_t<T>;
  static constexpr T kSign = static_cast<T>(T{1} << (8 * sizeof(T) - 1));

  static Key key(T bits) {
    if (kInfinity == 0) return static_cast<Key>(kSigned ? bits : bits ^ kSign);
    const T magnitude = bits & static_cast<T>(~kSign);
    if (magnitude > kInfinity) return kMax ? std::numeric_limits<Key>::max() : std::numeric_limits<Key>::min();
    return static_cast<Key>(bits & kSign ? ~magnitude : magnitude);
  }

  static T of(T held, T x) { return (kMax ? key(held) < key(x) : key(x) < key(held)) ? x : held; }
};

template <class T>
struct Sum {
  static constexpr T of(T a, T b) { return static_cast<T>(a + b); }
  template <class V>
  static V of(V a, V b) {
    return a + b;
  }
};

template <class T>
struct Product {
  using Wide = std::conditional_t<(sizeof(T) < 4), uint32_t, T>;  // as 16 bits promote to int, which overflows
  static constexpr T of(T a, T b) { return static_cast<T>(static_cast<Wide>(a) * static_cast<Wide>(b)); }
  template <class V>
  static V of(V a, V b) {
    return a * b;
  }
};

/// y[i] = y[i] combined with x[i] for n elements that lie this far apart.
template <class T, class Combine>
void combine(int64_t n, T* y, int64_t y_step, const T* x, int64_t x_step) {
  if (y_step == 1 && x_step == 1) {
    for (int64_t i = 0; i < n; ++i) y[i] = Combine::of(y[i], x[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) y[i * y_step] = Combine::of(y[i * y_step], x[i * x_step]);
  }
}

template <class T, class Combine>
inline void store_elements(int64_t i, int64_t end, int64_t length, int64_t step, int64_t cell_step, int64_t value_step,
                           const T* values, const int64_t* cells, T* out) {
  for (; i < end; ++i) {
    const int64_t cell = cells[i * cell_step];
    if (static_cast<uint64_t>(cell) >= static_cast<uint64_t>(length)) continue;
    out[cell * step] = Combine::of(out[cell * step], values[i * value_step]);
  }
}

/// In sequence. Tasks are parts of every row, or where no two rows meet, of the rows.
template <class T, class Combine>
void store_rows(const ScatterProblem& p, const Nest& nest, bool apart, const ScatterOperands& operands, int threads,
                Interrupt& interrupt) {
  const Source<T> source(p, operands);
  const int64_t* const cells = operands.cells;
  T* const out = reinterpret_cast<T*>(operands.out);
  const int64_t columns = nest.shape.product(), shared = apart ? p.count : columns;
  const double elements = static_cast<double>(p.count) * static_cast<double>(columns);
  threads = worthwhile(elements, kThreadElements, threads);
  const int64_t tasks =
      apart ? std::min(shared, tasks_of(elements, kGrain, threads)) : std::clamp<int64_t>(columns / kPiece, 1, threads);
  const int64_t share = (shared + tasks - 1) / tasks;
  const int64_t out_step = nest.inner_stride(0), value_step = nest.inner_stride(1);
  parallel_for((shared + share - 1) / share, threads, interrupt, [&](int64_t task, Worker& worker) {
    const int64_t first = task * share, last = std::min(shared, first + share);
    const int64_t begin = apart ? 0 : first, end = apart ? columns : last;
    int64_t i = apart ? first : 0;
    const int64_t stop = apart ? last : p.count;
    if (columns == 1 && p.lengths.rank == 1 &&
        !source.sources) {  // single elements, of which each is worth a few instructions
      const bool dense = p.steps[0] == 1 && p.cell_step == 1 && p.value_step == 1;
      for (; i < stop; i += kPart) {
        const int64_t until = std::min(stop, i + kPart);
        worker.checkpoint(until - i);
        if (dense) {
          store_elements<T, Combine>(i, until, p.lengths[0], 1, 1, 1, source.values, cells, out);
        } else {
          store_elements<T, Combine>(i, until, p.lengths[0], p.steps[0], p.cell_step, p.value_step, source.values,
                                     cells, out);
        }
      }
      return;
    }
    for (; i < stop; ++i) {
      int64_t at;
      if (!place(p, cells[i * p.cell_step], at)) continue;
      const T* const row = source.row(i);
      along_row(nest, begin, end, [&](int64_t to, int64_t from, int64_t n) {
        combine<T, Combine>(n, out + at + to, out_step, row ? row + from : kZeros<T>, row ? value_step : 0);
      });
      worker.checkpoint(end - begin);
    }
  });
}

/// Rows of one cell, of which n <= kTile elements from `offset` on, or of kLanes rows n <= kWide, are folded: those at
/// `order` from place `first` on.
template <class T, class Combine>
struct Rows {
  const Source<T>& source;
  const int64_t* order;
  RowFold folds;
  int64_t offset, step, n;

  /// The first element; null where the row is zeros.
  const T* row(int64_t i) const {
    const T* const its = source.row(order ? order[i] : i);
    return its ? its + offset : nullptr;
  }

  /// The fold by rule 2 of `count` rows from `first` on, whose items are single rows on level 0, and blocks of the
  /// level below on others.
  void sum(int level, int64_t size, int64_t first, int64_t count, T* total) const {
    T lanes[kLanes * kTile], part[kTile];
    if (level == 0 && count <= kLanes && step == 1) return fold(first, count, total);
    const int64_t items = (count + size - 1) / size;
    for (int64_t k = 0; k < items; ++k) {
      T* const lane = lanes + k % kLanes * n;
      const T* from = part;
      int64_t by = 1;
      if (level == 0) {
        from = row(first + k);
        by = from ? step : 0;
        if (!from) from = kZeros<T>;
        if (step == 1 && k + kAhead < items) {
          const char* const next = reinterpret_cast<const char*>(row(first + k + kAhead));
          for (int64_t at = 0; at < n * int64_t{sizeof(T)}; at += 64) __builtin_prefetch(next + at);
        }
      } else {
        sum(level - 1, size / kBlock, first + k * size, std::min(size, count - k * size), part);
      }
      if (k < kLanes) {
        for (int64_t c = 0; c < n; ++c) lane[c] = from[c * by];
      } else {
        for (int64_t c = 0; c < n; ++c) lane[c] = Combine::of(lane[c], from[c * by]);
      }
    }
    halve(lanes, kLanes / 2, std::min(items, kLanes));
    std::copy_n(lanes, n, total);
  }

 private:
  /// The same of rows that have a lane each.
  void fold(int64_t first, int64_t count, T* total) const {
    const void* rows[kLanes];
    for (int64_t l = 0; l < count; ++l) {
      const T* const its = row(first + l);
      rows[l] = its ? its : kZeros<T>;
    }
    folds(count, n, rows, total);
  }

  void halve(T* lanes, int64_t half, int64_t left) const {
    for (; half > 0; half /= 2) {
      for (int64_t l = 0; l + half < left; ++l) {
        T* const a = lanes + l * n;
        const T* const b = a + half * n;
        for (int64_t c = 0; c < n; ++c) a[c] = Combine::of(a[c], b[c]);
      }
      left = std::min(left, half);
    }
  }
};

/// Tasks are parts of the sorted order; each has the cells whose first row is in it, and where there is a start, those
/// before them that have no rows. Rows that have sources are found once, when they are asked for.
template <class T, class Combine>
void fold_rows(const ScatterProblem& p, const Nest& nest, RowFold folds, const ScatterOperands& operands, int threads,
               Interrupt& interrupt) {
  const Source<T> source(p, operands);
  const int64_t* const order = operands.order;
  const T* const start = reinterpret_cast<const T*>(operands.start);
  T* const out = reinterpret_cast<T*>(operands.out);
  const int64_t columns = nest.shape.product(), out_step = nest.inner_stride(0), value_step = nest.inner_stride(1);
  const double elements = static_cast<double>(p.count) * static_cast<double>(columns);
  threads = worthwhile(elements, kThreadElements, threads);
  const int64_t tasks = std::min(p.count, tasks_of(elements, kGrain, threads)), share = (p.count + tasks - 1) / tasks;
  const auto place_of = [&](int64_t i) { return order ? order[i] : i; };
  const auto cell_at = [&](int64_t i) { return operands.cells[place_of(i) * p.cell_step]; };
  const int64_t total = p.lengths.product();
  const auto within = [&](int64_t cell) { return std::clamp<int64_t>(cell, -1, total); };
  /// What cells hold that have no rows, from `cell` on to the one before `end`.
  const auto fill = [&](int64_t cell, int64_t end, Worker& worker) {
    for (; cell < end; ++cell) {
      int64_t at;
      place(p, cell, at);
      along_row(nest, 0, columns, [&](int64_t to, int64_t, int64_t n) {
        for (int64_t c = 0; c < n; ++c) out[at + to + c * out_step] = *start;
      });
      worker.checkpoint(columns);
    }
  };
  /// Combines n elements, which lie this far apart, with what a cell holds.
  const auto keep = [&](int64_t n, T* y, const T* x, int64_t x_step) {
    if (!start) return combine<T, Combine>(n, y, out_step, x, x_step);
    const T held = *start;
    if (out_step == 1 && x_step == 1) {
      for (int64_t i = 0; i < n; ++i) y[i] = Combine::of(held, x[i]);
    } else {
      for (int64_t i = 0; i < n; ++i) y[i * out_step] = Combine::of(held, x[i * x_step]);
    }
  };
  // Rows of the next cells, which lie anywhere, so that no CPU foresees them.
  const int64_t bytes = columns * int64_t{sizeof(T)};
  const int64_t ahead =
      nest.rank() == 1 && value_step == 1 && bytes >= 64 ? std::clamp<int64_t>(kAskedBytes / bytes, 1, kAskedRows) : 0;
  const int64_t asks = std::min(bytes, kAskedBytes);
  const bool anywhere = operands.sources, once = anywhere && ahead > 0 && columns <= kWide;
  static_assert(kFound >= kLanes + kAskedRows);
  parallel_for((p.count + share - 1) / share, threads, interrupt, [&](int64_t task, Worker& worker) {
    const int64_t stop = std::min(p.count, (task + 1) * share);
    int64_t i = task * share, asked = i;
    // What was asked for, row i at i and at kFound + i modulo kFound: those of a cell follow each other somewhere.
    const void* found[2 * kFound];
    while (i > 0 && i < stop && cell_at(i) == cell_at(i - 1)) ++i;
    while (i < stop) {
      const int64_t first = i, cell = cell_at(i);
      while (anywhere && i + 8 < p.count && cell_at(i + 8) == cell) i += 8;  // cells ascend
      while (++i < p.count && cell_at(i) == cell) {
      }
      if (start) {
        fill(first > 0 ? within(cell_at(first - 1)) + 1 : 0, within(cell), worker);
        if (i == p.count) fill(within(cell) + 1, total, worker);
      }
      int64_t at, size = 1;
      if (!place(p, cell, at)) continue;
      int level = 0;
      for (; (i - first - 1) / size >= kBlock; ++level) size *= kBlock;
      const bool known = once && i - first <= kLanes;
      for (asked = std::max(asked, known ? first : i); asked < std::min(p.count, i + ahead); ++asked) {
        const T* const its = source.row(place_of(asked));
        const char* const row = reinterpret_cast<const char*>(its);
        int64_t line = 0;
        for (; line + 4 * kLine <= asks; line += 4 * kLine) {
#pragma GCC unroll 4
          for (int64_t k = 0; k < 4; ++k) __builtin_prefetch(row + line + k * kLine);
        }
        for (; line < asks; line += kLine) __builtin_prefetch(row + line);
        if (anywhere) found[asked % kFound] = found[kFound + asked % kFound] = its ? its : kZeros<T>;
      }
      if (known && i - first > 1) {
        T folded[kWide];
        folds(i - first, columns, found + first % kFound, folded);
        keep(columns, out + at, folded, 1);
        worker.checkpoint((i - first) * columns);
        continue;
      }
      const int64_t tile = value_step == 1 && i - first <= kLanes ? kWide : kTile;
      along_row(nest, 0, columns, [&](int64_t to, int64_t from, int64_t n) {
        if (i - first == 1) {
          const T* const x = source.row(place_of(first));
          return keep(n, out + at + to, x ? x + from : kZeros<T>, x ? value_step : 0);
        }
        for (int64_t c = 0; c < n; c += tile) {
          const Rows<T, Combine> rows{source, order, folds, from + c * value_step, value_step, std::min(tile, n - c)};
          T folded[kWide];
          rows.sum(level, size, first, i - first, folded);
          keep(rows.n, out + at + to + c * out_step, folded, 1);
        }
      });
      worker.checkpoint((i - first) * columns);
    }
  });
}

RowFold fold_of(const RowFolds& folds, DType dtype, ScatterKind kind) {
  const int which = kind == ScatterKind::kMultiply;
  if (dtype == DType::kFloat32) return folds.floats[which];
  if (dtype == DType::kFloat64) return folds.doubles[which];
  return folds.integers[row_of_size(size_of(dtype))][which];
}

/// The rule of a dtype's extremes, on its bits.
template <bool kMax, class Body>
void with_extreme(DType dtype, Body&& body) {
  switch (dtype) {
    case DType::kFloat16:
      return body(uint16_t{}, Extreme<uint16_t, 0x7c00, true, kMax>{});
    case DType::kBfloat16:
      return body(uint16_t{}, Extreme<uint16_t, 0x7f80, true, kMax>{});
    case DType::kFloat32:
      return body(uint32_t{}, Extreme<uint32_t, 0x7f800000u, true, kMax>{});
    case DType::kFloat64:
      return body(uint64_t{}, Extreme<uint64_t, 0x7ff0000000000000u, true, kMax>{});
    case DType::kInt8:
      return body(uint8_t{}, Extreme<uint8_t, 0, true, kMax>{});
    case DType::kInt16:
      return body(uint16_t{}, Extreme<uint16_t, 0, true, kMax>{});
    case DType::kInt32:
      return body(uint32_t{}, Extreme<uint32_t, 0, true, kMax>{});
    case DType::kInt64:
      return body(uint64_t{}, Extreme<uint64_t, 0, true, kMax>{});
    default:
      break;
  }
  switch (size_of(dtype)) {
    case 1:
      return body(uint8_t{}, Extreme<uint8_t, 0, false, kMax>{});
    case 2:
      return body(uint16_t{}, Extreme<uint16_t, 0, false, kMax>{});
    case 4:
      return body(uint32_t{}, Extreme<uint32_t, 0, false, kMax>{});
    default:
      return body(uint64_t{}, Extreme<uint64_t, 0, false, kMax>{});
  }
}

}  // namespace

Scatter::Scatter(const KernelTable& table, DType dtype, ScatterKind kind, bool apart)
    : dtype_(dtype), kind_(kind), apart_(apart), folds_(fold_of(find_row_folds(table), dtype, kind)) {
  if (folds() && (dtype == DType::kBool || is_half(dtype))) {
    throw std::invalid_argument("there is no sum or product of " + std::string(info(dtype).name));
  }
}

void Scatter::run(const ScatterProblem& problem, const ScatterOperands& operands, int threads,
                  Interrupt& interrupt) const {
  Nest nest{problem.rows, {problem.out_rows, problem.value_rows}};
  if (problem.count == 0 || problem.lengths.product() == 0 || nest.shape.product() == 0) return;
  nest.collapse();
  const auto stored = [&](auto type, auto combine) {
    using T = decltype(type);
    store_rows<T, decltype(combine)>(problem, nest, apart_, operands, threads, interrupt);
  };
  const auto folded = [&](auto type, auto combine) {
    using T = decltype(type);
    fold_rows<T, decltype(combine)>(problem, nest, folds_, operands, threads, interrupt);
  };
  const auto by_kind = [&](auto type) {
    using T = decltype(type);
    if (kind_ == ScatterKind::kAdd) return folded(type, Sum<T>{});
    if (kind_ == ScatterKind::kMultiply) return folded(type, Product<T>{});
    if constexpr (std::is_integral_v<T>) stored(type, Last<T>{});
  };
  if (kind_ == ScatterKind::kMax) return with_extreme<true>(dtype_, stored);
  if (kind_ == ScatterKind::kMin) return with_extreme<false>(dtype_, stored);
  if (folds() && dtype_ == DType::kFloat32) return by_kind(float{});
  if (folds() && dtype_ == DType::kFloat64) return by_kind(double{});
  switch (size_of(dtype_)) {
    case 1:
      return by_kind(uint8_t{});
    case 2:
      return by_kind(uint16_t{});
    case 4:
      return by_kind(uint32_t{});
    default:
      return by_kind(uint64_t{});
  }
}

}  // namespace accel
