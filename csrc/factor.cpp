#include "factor.hpp"

#include <algorithm>
#include <cstring>
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

template <class T>
struct Run {
  const FactorRow& kernels;
  const FactorProblem& p;
  char* const* in;
  char* const* out;

  void cholesky(int64_t matrix) const {
    T* const u = static_cast<T*>(scratch(ScratchUse::kTile, kFactor * kFactor * int64_t{sizeof(T)}));
    const View<T> a(in[0], p.a, matrix), l(out[0], p.out, matrix);
    std::fill(u, u + p.n * kFactor, T{0});
    for (int64_t j = 0; j < p.n; ++j) {
      for (int64_t k = 0; k <= j; ++k) u[k * kFactor + j] = a(j, k);
    }
    kernels.cholesky(p.n, u);
    for (int64_t j = 0; j < p.n; ++j) {
      for (int64_t k = 0; k < p.n; ++k) l(j, k) = k <= j ? u[k * kFactor + j] : T{0};
    }
  }

  /// The matrix by columns of `step` elements, zeros behind its rows.
  T* columns(int64_t matrix, int64_t step) const {
    T* const a = static_cast<T*>(scratch(ScratchUse::kPackA, step * p.n * int64_t{sizeof(T)}));
    const View<T> from(in[0], p.a, matrix);
    for (int64_t j = 0; j < p.n; ++j) std::fill(a + j * step + p.m, a + (j + 1) * step, T{0});
    for (int64_t i = 0; i < p.m; ++i) {
      for (int64_t j = 0; j < p.n; ++j) a[j * step + i] = from(i, j);
    }
    return a;
  }

  void finish(int64_t matrix, const T* a, int64_t step) const {
    const View<T> to(out[0], p.out, matrix);
    for (int64_t i = 0; i < p.m; ++i) {
      for (int64_t j = 0; j < p.n; ++j) to(i, j) = a[j * step + i];
    }
  }

  void lu(int64_t matrix, Worker& worker) const {
    const int64_t step = (p.m + 2 * kernels.vector - 1) / kernels.vector * kernels.vector;
    T* const a = columns(matrix, step);
    const View<int64_t> order(out[1], p.beside, matrix);
    for (int64_t i = 0; i < p.m; ++i) order(i, 0) = i;
    for (int64_t k = 0; k < std::min(p.m, p.n); ++k) {
      const int64_t pivot = kernels.eliminate(k, p.m, p.n, a, step);
      std::swap(order(k, 0), order(pivot, 0));
      worker.checkpoint(p.m * p.n / 8);
    }
    finish(matrix, a, step);
  }

  void qr(int64_t matrix, Worker& worker) const {
    const int64_t step = (p.m + kLanes - 1) / kLanes * kLanes;
    T* const a = columns(matrix, step);
    T* const room = static_cast<T*>(scratch(ScratchUse::kPackB, step * int64_t{sizeof(T)}));
    const View<T> tau(out[1], p.beside, matrix);
    for (int64_t k = 0; k < p.n; ++k) {
      kernels.reflect(k, p.m, p.n, a, step, room, &tau(k, 0));
      worker.checkpoint(p.m * p.n / 4);
    }
    finish(matrix, a, step);
  }

  void solve(int64_t matrix, int64_t begin, int64_t columns, bool unit) const {
    const int64_t vectors = (columns + kernels.vector - 1) / kernels.vector, step = vectors * kernels.vector;
    T* const l = static_cast<T*>(scratch(ScratchUse::kPackA, kFactor * kFactor * int64_t{sizeof(T)}));
    T* const x = static_cast<T*>(scratch(ScratchUse::kPackB, p.m * step * int64_t{sizeof(T)}));
    const View<T> a(in[0], p.a, matrix), b(in[1], p.b, matrix), to(out[0], p.out, matrix);
    for (int64_t i = 0; i < p.m; ++i) {
      for (int64_t k = 0; k <= i; ++k) l[i * kFactor + k] = a(i, k);
    }
    for (int64_t i = 0; i < p.m; ++i) std::fill(x + i * step + columns, x + (i + 1) * step, T{0});
    if (b.column == 1) {
      for (int64_t i = 0; i < p.m; ++i) std::copy_n(&b(i, begin), columns, x + i * step);
    } else {
      for (int64_t c = 0; c < columns; ++c) {
        for (int64_t i = 0; i < p.m; ++i) x[i * step + c] = b(i, begin + c);
      }
    }
    kernels.solve(p.m, vectors, l, unit, x, step);
    for (int64_t i = 0; i < p.m; ++i) {
      for (int64_t c = 0; c < columns; ++c) to(i, begin + c) = x[i * step + c];
    }
  }
};

template <class T>
void run_all(const FactorRow& kernels, Factor::Kind kind, const FactorProblem& p, char* const* in, char* const* out,
             int threads, Interrupt& interrupt) {
  const Run<T> run{kernels, p, in, out};
  const bool solves = kind == Factor::Kind::kSolve || kind == Factor::Kind::kSolveUnit;
  const int64_t width = solves ? kTileVectors * kernels.vector : p.n;
  const int64_t tiles = solves ? (p.n + width - 1) / width : 1, parts = p.count * tiles;
  const double each = static_cast<double>(p.m) * static_cast<double>(std::min<int64_t>(p.m, kFactor)) *
                      static_cast<double>(std::min(width, p.n));
  threads = worthwhile(each * static_cast<double>(parts) / 8, kThreadWork, threads);
  const int64_t tasks = std::min(parts, tasks_of(each * static_cast<double>(parts), kThreadWork, threads));
  parallel_for(tasks, threads, interrupt, [&](int64_t task, Worker& worker) {
    for (int64_t part = parts * task / tasks; part < parts * (task + 1) / tasks; ++part) {
      const int64_t matrix = part / tiles, begin = part % tiles * width;
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

Factor::Factor(const KernelTable& table, const std::string& kind, DType dtype) : dtype_(dtype) {
  const char* const names[] = {"cholesky", "lu", "qr", "solve", "solve_unit"};
  const auto* const found = std::find(std::begin(names), std::end(names), kind);
  if (found == std::end(names)) throw std::invalid_argument("unknown factorisation " + kind);
  kind_ = static_cast<Kind>(found - names);
  for (const FactorRow& row : table.factors) {
    if ((dtype == DType::kFloat32 || dtype == DType::kFloat64) && row.type == storage(dtype)) row_ = &row;
  }
  if (!row_) throw std::invalid_argument("factorisations take float32 and float64");
}

void Factor::run(const FactorProblem& problem, char* const* inputs, char* const* outputs, int threads,
                 Interrupt& interrupt) const {
  if (problem.count == 0 || problem.m == 0 || problem.n == 0) return;
  (dtype_ == DType::kFloat32 ? run_all<float> : run_all<double>)(*row_, kind_, problem, inputs, outputs, threads,
                                                                 interrupt);
}

}  // namespace accel
