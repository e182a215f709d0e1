#include "butterfly.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "isas.hpp"

namespace accel {

ACCEL_IN_EACH_ISA(Rows<ButterflyRow> butterfly_rows())

namespace {

constexpr int64_t kPart = 1 << 13;       // butterflies between two questions whether to go on
constexpr double kGrain = 1 << 15;       // numbers of a task
constexpr double kThreadWork = 1 << 17;  // numbers that are worth a thread

}  // namespace

Butterfly::Butterfly(const KernelTable& table, DType dtype, int radix, bool twiddled, bool scaled)
    : row_(nullptr), dtype_(dtype), twiddled_(twiddled), scaled_(scaled) {
  for (const ButterflyRow& row : ACCEL_OF_ISA(table.isa, butterfly_rows)()) {
    if (row.radix == radix && row.type == storage(dtype) && !is_half(dtype)) row_ = &row;
  }
  if (!row_) throw std::invalid_argument("no butterfly of " + std::to_string(radix) + " " + info(dtype).name);
}

void Butterfly::run(const ButterflyProblem& problem, char* const* in, char* const* out, int threads,
                    Interrupt& interrupt) const {
  Nest nest{problem.shape, {problem.x, problem.turns, problem.y}};
  nest.collapse();
  const int64_t all = nest.shape.product(), n = nest.inner();
  if (all == 0) return;
  const double work = static_cast<double>(all) * row_->radix;
  threads = worthwhile(work, kThreadWork, threads);
  const int64_t tasks = tasks_of(work, kGrain, threads), rows = all / n;
  // A long row is cut in parts of about one length, so that none is too short for a vector.
  const int64_t parts =
      std::max((n + kPart - 1) / kPart, rows < tasks ? std::min((tasks + rows - 1) / rows, n / 64) : 1);
  const int64_t cut = std::max<int64_t>(parts, 1), pieces = rows * cut, share = (pieces + tasks - 1) / tasks;
  ButterflyPass pass{};
  pass.x = in;
  pass.turns = twiddled_ ? in + 2 * numbers() : nullptr;
  pass.constants = in + 2 * numbers() + turns();
  pass.scale = scaled_ ? in[inputs() - 1] : nullptr;
  pass.y = out;
  const auto way = [&](size_t k) {
    return ButterflyWay{nest.rank() > 1 ? nest.strides[k][nest.rank() - 2] : 0, nest.inner_stride(k), 0};
  };
  pass.of_x = way(0);
  pass.of_turns = way(1);
  pass.of_y = way(2);
  parallel_for((pieces + share - 1) / share, threads, interrupt, [&](int64_t task, Worker& worker) {
    ButterflyPass its = pass;
    const int64_t end = std::min(pieces, (task + 1) * share);
    RowCursor cursor(nest, task * share / cut);
    for (int64_t piece = task * share; piece < end;) {
      const int64_t part = piece % cut, begin = n * part / cut;
      its.n = n * (part + 1) / cut - begin;
      its.rows = cut > 1 ? 1 : std::min({cursor.run(), end - piece, std::max<int64_t>(1, kPart / n)});
      its.of_x.at = cursor.offset(0) + begin * its.of_x.step;
      its.of_turns.at = cursor.offset(1) + begin * its.of_turns.step;
      its.of_y.at = cursor.offset(2) + begin * its.of_y.step;
      row_->run(its);
      worker.checkpoint(its.rows * its.n * row_->radix);
      piece += its.rows;
      if (part + 1 == cut && piece < end) cursor.advance(its.rows);
    }
  });
}

}  // namespace accel
