#include "join.hpp"

#include <algorithm>

namespace accel {

namespace {

constexpr int64_t kOwnTasks = 1 << 18;   // elements of a part past which it is divided into tasks of its own
constexpr int64_t kGrain = 1 << 16;      // elements of a task of several parts
constexpr double kThreadWork = 1 << 18;  // elements that are worth a thread
constexpr int64_t kPartWork = 256;       // what a part costs beside its elements, as so many of them

}  // namespace

Join::Join(const KernelTable& table, DType dtype) : copy_(table, {dtype}, {}, dtype) {}

void Join::run(const std::vector<JoinPart>& parts, char* const* in, char* out, int threads,
               Interrupt& interrupt) const {
  const int64_t size = size_of(dtype());
  const auto copy = [&](size_t i, auto&&... how) {
    Operand target = parts[i].out;
    target.data = out + parts[i].offset * size;
    Operand source = parts[i].in;
    source.data = in[i];
    copy_.run(parts[i].shape, target, {source}, how...);
  };
  std::vector<size_t> small;
  double work = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const int64_t elements = parts[i].shape.product();
    if (elements > kOwnTasks || threads == 1) {
      copy(i, threads, interrupt);
    } else if (elements > 0) {
      small.push_back(i);
      work += static_cast<double>(elements + kPartWork);
    }
  }
  if (small.empty()) return;
  const int used = worthwhile(work, kThreadWork, threads);
  if (used == 1) {
    for (const size_t i : small) copy(i, 1, interrupt);
    return;
  }
  const int64_t count = static_cast<int64_t>(small.size()), tasks = std::min(count, tasks_of(work, kGrain, used));
  parallel_for(tasks, used, interrupt, [&](int64_t task, Worker& worker) {
    for (int64_t i = count * task / tasks; i < count * (task + 1) / tasks; ++i) copy(small[i], worker);
  });
}

}  // namespace accel
