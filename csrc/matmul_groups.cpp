#include "matmul_groups.hpp"

#include <algorithm>
#include <cmath>

namespace accel {

namespace {

constexpr double kThreadWork = 1 << 22;  // multiply-adds that are worth a thread
constexpr int64_t kColumns = 256;        // of a strip at least, where a group's product is cut for threads
constexpr int64_t kWhole = 64;           // columns that strips are multiples of
constexpr int64_t kAnyWork = 1 << 20;    // nanoseconds, so that a checkpoint looks

/// Columns of a group's product.
struct Strip {
  int64_t group, first, count;  // its rows, or terms
  int64_t column, columns;
};

/// Ends a product where the job that it is part of ends.
class OfJob : public Interrupt {
 public:
  explicit OfJob(Worker& worker) : worker_(worker) {}

  bool pending() override {
    try {
      worker_.checkpoint(kAnyWork);
    } catch (const Interrupted&) {
      return true;
    }
    return false;
  }

 private:
  Worker& worker_;
};

}  // namespace

int64_t MatmulGroups::end(int64_t group) const {
  if (group == groups - 1) return rows();
  const int64_t found = ends_dtype == DType::kInt32 ? reinterpret_cast<const int32_t*>(ends)[group]
                                                    : reinterpret_cast<const int64_t*>(ends)[group];
  return std::clamp<int64_t>(found, 0, rows());
}

void GroupedMatmul::run(const MatmulGroups& problem, int threads, Interrupt& interrupt) const {
  const int64_t in_size = size_of(dtype()), out_size = size_of(output()), n = problem.n;
  const double all = static_cast<double>(problem.m) * n * std::max<int64_t>(problem.k, 1);
  threads = worthwhile(all, kThreadWork, threads);
  const auto product = [&](const Strip& strip) {
    const auto moved = [](const Operand& operand, int64_t group, int64_t row, int64_t column, int64_t size) {
      const Extents& steps = operand.strides;
      Operand result{operand.data, {}};
      if (operand.data) result.data += (group * steps[0] + row * steps[1] + column * steps[2]) * size;
      result.strides.append(steps[1]);
      result.strides.append(steps[2]);
      return result;
    };
    const bool contracted = problem.contracted;
    const int64_t row = contracted ? 0 : strip.first, term = contracted ? strip.first : 0;
    return MatmulProblem{{},
                         contracted ? problem.m : strip.count,
                         strip.columns,
                         contracted ? strip.count : problem.k,
                         moved(problem.a, 0, row, term, in_size),
                         moved(problem.b, strip.group, term, strip.column, in_size),
                         moved(problem.out, strip.group, row, strip.column, out_size),
                         {}};
  };
  std::vector<Strip> groups;
  for (int64_t g = 0, first = 0; g < problem.groups; ++g) {
    const int64_t end = problem.end(g), count = std::max<int64_t>(end - first, 0);
    if (count > 0 || problem.contracted) groups.push_back({g, first, count, 0, n});
    first = end;
  }
  if (threads == 1 || groups.size() <= 1) {
    for (const Strip& group : groups) product_.run(product(group), threads, interrupt);
    return;
  }
  // Strips of about the same work.
  std::vector<Strip> strips;
  for (const Strip& group : groups) {
    const double share = 4.0 * threads * static_cast<double>(group.count) / static_cast<double>(problem.rows());
    const int64_t parts = std::clamp<int64_t>(std::llround(share), 1, std::max<int64_t>(1, n / kColumns));
    const int64_t width = ((n + parts - 1) / parts + kWhole - 1) / kWhole * kWhole;
    for (int64_t column = 0; column < n; column += width) {
      strips.push_back({group.group, group.first, group.count, column, std::min(width, n - column)});
    }
  }
  parallel_for(static_cast<int64_t>(strips.size()), threads, interrupt, [&](int64_t task, Worker& worker) {
    OfJob of_job(worker);
    product_.run(product(strips[task]), 1, of_job);
  });
}

}  // namespace accel
