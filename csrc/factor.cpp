#include "factor.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "contract.hpp"

namespace accel {

namespace {

constexpr double kThreadWork = 1 << 16;  // multiplications and additions that are worth a thread
constexpr int64_t kTileVectors = 8;      // of right-hand sides that a task solves for at once

/// Where the elements of one matrix are.
template <class T>
struct View {
  T* first;
  int64_t row, column;
  View(char* data, const MatrixStrides& strides, int64_t matrix)
      : first(reinterpret_cast<T*>(data) + matrix * strides[0]), row(strides[1]), column(strides[2]) {}
  T& operator()(int64_t i, int64_t j) const { return first[i * row + j * column]; }
};

/// Of the matrices of an operand, real and imaginary parts if there are two, one is behind the other in scratch memory.
template <class T>
struct Run {
  const FactorRow& kernels;
  const FactorProblem& p;
  const int parts;
  char* const* in;
  char* const* out;

  View<T> a(int part, int64_t matrix) const { return {in[part], p.a[part], matrix}; }
  View<T> b(int part, int64_t matrix) const { return {in[parts + part], p.b[part], matrix}; }
  View<T> result(int part, int64_t matrix) const { return {out[part], p.out[part], matrix}; }
  template <class U>
  View<U> beside(int64_t matrix) const {
    return {out[parts], p.beside, matrix};
  }

  T* room(ScratchUse use, int64_t each) const {
    return static_cast<T*>(scratch(use, parts * each * int64_t{sizeof(T)}));
  }

  void cholesky(int64_t matrix) const {
    constexpr int64_t kBlock = kFactor * kFactor;
    T* const u = room(ScratchUse::kTile, kBlock);
    std::fill(u, u + parts * kBlock, T{0});
    for (int part = 0; part < parts; ++part) {
      const View<T> from = a(part, matrix);
      for (int64_t j = 0; j < p.n; ++j) {
        for (int64_t k = 0; k <= j; ++k) u[part * kBlock + k * kFactor + j] = from(j, k);
      }
    }
    kernels.cholesky(p.n, u);
    for (int part = 0; part < parts; ++part) {
      const View<T> to = result(part, matrix);
      for (int64_t j = 0; j < p.n; ++j) {
        for (int64_t k = 0; k < p.n; ++k) to(j, k) = k <= j ? u[part * kBlock + k * kFactor + j] : T{0};
      }
    }
  }

  /// The matrix by columns of `step` elements, zeros behind its rows.
  T* columns(int64_t matrix, int64_t step) const {
    T* const made = room(ScratchUse::kPackA, step * p.n);
    for (int part = 0; part < parts; ++part) {
      const View<T> from = a(part, matrix);
      T* const to = made + part * step * p.n;
      for (int64_t j = 0; j < p.n; ++j) std::fill(to + j * step + p.m, to + (j + 1) * step, T{0});
      for (int64_t i = 0; i < p.m; ++i) {
        for (int64_t j = 0; j < p.n; ++j) to[j * step + i] = from(i, j);
      }
    }
    return made;
  }

  void finish(int64_t matrix, const T* made, int64_t step) const {
    for (int part = 0; part < parts; ++part, made += step * p.n) {
      const View<T> to = result(part, matrix);
      for (int64_t i = 0; i < p.m; ++i) {
        for (int64_t j = 0; j < p.n; ++j) to(i, j) = made[j * step + i];
      }
    }
  }

  void lu(int64_t matrix, Worker& worker) const {
    const int64_t step = (p.m + 2 * kernels.vector - 1) / kernels.vector * kernels.vector;
    T* const made = columns(matrix, step);
    const View<int64_t> order = beside<int64_t>(matrix);
    for (int64_t i = 0; i < p.m; ++i) order(i, 0) = i;
    for (int64_t k = 0; k < std::min(p.m, p.n); ++k) {
      const int64_t pivot = kernels.eliminate(k, p.m, p.n, made, step);
      std::swap(order(k, 0), order(pivot, 0));
      worker.checkpoint(p.m * p.n / 8);
    }
    finish(matrix, made, step);
  }

  void qr(int64_t matrix, Worker& worker) const {
    const int64_t step = (p.m + kLanes - 1) / kLanes * kLanes;
    T* const made = columns(matrix, step);
    T* const vector = room(ScratchUse::kPackB, step);
    const View<T> tau = beside<T>(matrix);
    for (int64_t k = 0; k < p.n; ++k) {
      kernels.reflect(k, p.m, p.n, made, step, vector, &tau(k, 0));
      worker.checkpoint(p.m * p.n / 4);
    }
    finish(matrix, made, step);
  }

  void solve(int64_t matrix, int64_t begin, int64_t columns, bool unit) const {
    constexpr int64_t kBlock = kFactor * kFactor;
    const int64_t vectors = (columns + kernels.vector - 1) / kernels.vector, step = vectors * kernels.vector;
    T* const l = room(ScratchUse::kPackA, kBlock);
    T* const x = room(ScratchUse::kPackB, p.m * step);
    for (int part = 0; part < parts; ++part) {
      const View<T> triangle = a(part, matrix), sides = b(part, matrix);
      T *const to_l = l + part * kBlock, *const to = x + part * p.m * step;
      for (int64_t i = 0; i < p.m; ++i) {
        for (int64_t k = 0; k <= i; ++k) to_l[i * kFactor + k] = triangle(i, k);
      }
      for (int64_t i = 0; i < p.m; ++i) std::fill(to + i * step + columns, to + (i + 1) * step, T{0});
      if (sides.column == 1) {
        for (int64_t i = 0; i < p.m; ++i) std::copy_n(&sides(i, begin), columns, to + i * step);
      } else {
        for (int64_t c = 0; c < columns; ++c) {
          for (int64_t i = 0; i < p.m; ++i) to[i * step + c] = sides(i, begin + c);
        }
      }
    }
    kernels.solve(p.m, vectors, l, unit, x, step);
    for (int part = 0; part < parts; ++part) {
      const View<T> to = result(part, matrix);
      const T* const from = x + part * p.m * step;
      for (int64_t i = 0; i < p.m; ++i) {
        for (int64_t c = 0; c < columns; ++c) to(i, begin + c) = from[i * step + c];
      }
    }
  }
};

/// Rows of one matrix in scratch memory, zeros behind the elements that are made orthogonal and behind the others, each
/// of whole vectors; of complex numbers imaginary parts are behind each row's real ones.
template <class T>
struct Jacobi {
  const Run<T>& run;
  const int64_t pairs = run.p.m / 2, rounds = run.p.m - 1, length = up(run.p.length, kLanes),
                step = length + up(run.p.n - run.p.length, run.kernels.vector), row = step * run.parts;
  const T enough = 2 * std::numeric_limits<T>::epsilon() * std::sqrt(static_cast<T>(run.p.length));

  static int64_t up(int64_t n, int64_t whole) { return (n + whole - 1) / whole * whole; }

  /// What is at one place of a round robin's ring of all rows but the first one.
  int64_t ring(int64_t place, int64_t round) const {
    const int64_t first = place < round ? place - round + rounds : place - round;
    return first < pairs - 1 ? first + 1 : 3 * pairs - 2 - first;
  }

  /// Pairs [begin, end) of a round. Returns the largest cosine; NaN where it met one.
  T turn(T* rows, int64_t round, int64_t begin, int64_t end) const {
    T worst = 0;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t top = i == 0 ? 0 : ring(i - 1, round), bottom = ring(2 * pairs - 2 - i, round);
      run.kernels.rotate(length, step, rows + top * row, rows + bottom * row, &worst);
    }
    return worst;
  }

  static T larger(T a, T b) { return a != a || a > b ? a : b; }

  T* begin(int64_t matrix) const {
    T* const rows = run.room(ScratchUse::kPackA, step * run.p.m);
    for (int part = 0; part < run.parts; ++part) {
      const View<T> from = run.a(part, matrix);
      for (int64_t i = 0; i < run.p.m; ++i) {
        T* const to = rows + i * row + part * step;
        std::fill(to, to + step, T{0});
        for (int64_t j = 0; j < run.p.n; ++j) to[at(j)] = from(i, j);
      }
    }
    return rows;
  }

  void end(int64_t matrix, const T* rows, T worst) const {
    for (int part = 0; part < run.parts; ++part) {
      const View<T> to = run.result(part, matrix);
      for (int64_t i = 0; i < run.p.m; ++i) {
        for (int64_t j = 0; j < run.p.n; ++j) to(i, j) = rows[i * row + part * step + at(j)];
      }
    }
    run.template beside<T>(matrix)(0, 0) = worst;
  }

  int64_t at(int64_t j) const { return j < run.p.length ? j : j - run.p.length + length; }

  /// Sweeps of one matrix, of which round(rows, number) makes one.
  template <class Round>
  void sweeps(int64_t matrix, const Round& round) const {
    T* const rows = begin(matrix);
    T worst = 0;
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      worst = 0;
      for (int64_t number = 0; number < rounds; ++number) worst = larger(worst, round(rows, number));
      if (!(worst > enough)) break;
    }
    end(matrix, rows, worst);
  }
};

template <class T>
void run_jacobi(const FactorRow& kernels, int parts, const FactorProblem& p, char* const* in, char* const* out,
                int threads, Interrupt& interrupt) {
  const Run<T> run{kernels, p, parts, in, out};
  const Jacobi<T> jacobi{run};
  const double round = static_cast<double>(jacobi.pairs) * static_cast<double>(jacobi.row) * (2 * parts);
  const int within = worthwhile(round, kThreadWork, threads);
  if (p.count < threads && within > 1) {  // pairs of rows at once, else matrices
    for (int64_t matrix = 0; matrix < p.count; ++matrix) {
      jacobi.sweeps(matrix, [&](T* rows, int64_t number) {
        T found[8];
        const int64_t tasks = std::min<int64_t>({within, 8, jacobi.pairs});
        parallel_for(tasks, within, interrupt, [&](int64_t task, Worker& worker) {
          found[task] = jacobi.turn(rows, number, jacobi.pairs * task / tasks, jacobi.pairs * (task + 1) / tasks);
          worker.checkpoint(static_cast<int64_t>(round / static_cast<double>(tasks) / 8));
        });
        T worst = 0;
        for (int64_t task = 0; task < tasks; ++task) worst = jacobi.larger(worst, found[task]);
        return worst;
      });
    }
    return;
  }
  const double all = round * static_cast<double>(jacobi.rounds * p.count);
  threads = worthwhile(all, kThreadWork, threads);
  parallel_for(p.count, threads, interrupt, [&](int64_t matrix, Worker& worker) {
    jacobi.sweeps(matrix, [&](T* rows, int64_t number) {
      const T worst = jacobi.turn(rows, number, 0, jacobi.pairs);
      worker.checkpoint(static_cast<int64_t>(round / 8));
      return worst;
    });
  });
}

template <class T>
void run_all(const FactorRow& kernels, Factor::Kind kind, int parts, const FactorProblem& p, char* const* in,
             char* const* out, int threads, Interrupt& interrupt) {
  const Run<T> run{kernels, p, parts, in, out};
  const bool solves = kind == Factor::Kind::kSolve || kind == Factor::Kind::kSolveUnit;
  const int64_t width = solves ? kTileVectors * kernels.vector : p.n;
  const int64_t tiles = solves ? (p.n + width - 1) / width : 1, pieces = p.count * tiles;
  const double each = static_cast<double>(p.m) * static_cast<double>(std::min<int64_t>(p.m, kFactor)) *
                      static_cast<double>(std::min(width, p.n)) * (parts * parts);
  threads = worthwhile(each * static_cast<double>(pieces) / 8, kThreadWork, threads);
  const int64_t tasks = std::min(pieces, tasks_of(each * static_cast<double>(pieces), kThreadWork, threads));
  parallel_for(tasks, threads, interrupt, [&](int64_t task, Worker& worker) {
    for (int64_t piece = pieces * task / tasks; piece < pieces * (task + 1) / tasks; ++piece) {
      const int64_t matrix = piece / tiles, begin = piece % tiles * width;
      if (kind == Factor::Kind::kCholesky) {
        run.cholesky(matrix);
      } else if (kind == Factor::Kind::kLu) {
        run.lu(matrix, worker);
      } else if (kind == Factor::Kind::kQr) {
        run.qr(matrix, worker);
      } else {
        run.solve(matrix, begin, std::min(width, p.n - begin), kind == Factor::Kind::kSolveUnit);
      }
      worker.checkpoint(static_cast<int64_t>(each / 8));
    }
  });
}

}  // namespace

Factor::Factor(const KernelTable& table, const std::string& kind, DType dtype, bool pairs)
    : dtype_(dtype), parts_(pairs ? 2 : 1) {
  const char* const names[] = {"cholesky", "lu", "qr", "solve", "solve_unit", "jacobi"};
  const auto* const found = std::find(std::begin(names), std::end(names), kind);
  if (found == std::end(names)) throw std::invalid_argument("unknown factorisation " + kind);
  kind_ = static_cast<Kind>(found - names);
  for (const FactorRow& row : table.factors) {
    if ((dtype == DType::kFloat32 || dtype == DType::kFloat64) && row.type == storage(dtype)) {
      if (pairs || !row_) row_ = &row;  // the first one is of numbers, the last one of pairs
    }
  }
  if (!row_) throw std::invalid_argument("factorisations take float32 and float64");
}

void Factor::run(const FactorProblem& problem, char* const* inputs, char* const* outputs, int threads,
                 Interrupt& interrupt) const {
  if (problem.count == 0 || problem.m == 0 || problem.n == 0) return;
  if (kind_ == Kind::kJacobi) {
    (dtype_ == DType::kFloat32 ? run_jacobi<float> : run_jacobi<double>)(*row_, parts_, problem, inputs, outputs,
                                                                         threads, interrupt);
    return;
  }
  (dtype_ == DType::kFloat32 ? run_all<float> : run_all<double>)(*row_, kind_, parts_, problem, inputs, outputs,
                                                                 threads, interrupt);
}

}  // namespace accel
