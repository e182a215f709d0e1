// A thread pool for kernels: one job at a time, tasks handed out through a counter, safe after fork.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace accel {

/// Ends a job early: thrown by Worker::checkpoint when the job was interrupted or another of its threads failed.
struct Interrupted {};

/// Asked from the calling thread of a job, about every 50 ms, whether the job should end.
class Interrupt {
 public:
  virtual ~Interrupt() = default;
  virtual bool pending() = 0;
};

class Job;

/// One thread's part in a job.
class Worker {
 public:
  Worker(Job& job, bool is_caller) : job_(job), is_caller_(is_caller) {}

  /// Throws Interrupted where the job should end. `work` is roughly the nanoseconds of work since the last call, so
  /// that the clock is read rarely; call it at least once in every few milliseconds of work.
  void checkpoint(int64_t work) {
    since_poll_ += work;
    if (since_poll_ >= kPollWork) poll();
  }

 private:
  static constexpr int64_t kPollWork = 50'000;
  void poll();

  Job& job_;
  const bool is_caller_;
  int64_t since_poll_ = 0;
};

using Task = void (*)(void* context, int64_t task, Worker& worker);

/// Runs task(context, i) once for every i in [0, tasks), on the calling thread and at most threads - 1 others.
/// Where another thread's job occupies the pool, all of it runs on the calling thread.
/// Throws what a task threw (the first), or Interrupted; no task runs any more once it has returned.
void run_tasks(int64_t tasks, int threads, Interrupt& interrupt, Task task, void* context);

/// run_tasks with a callable body(int64_t task, Worker& worker).
template <class Body>
void parallel_for(int64_t tasks, int threads, Interrupt& interrupt, Body&& body) {
  using Callable = std::remove_reference_t<Body>;
  run_tasks(
      tasks, threads, interrupt,
      [](void* context, int64_t task, Worker& worker) { (*static_cast<Callable*>(context))(task, worker); }, &body);
}

/// How many of `threads` threads to use for `work`, of which `share` keeps one busy for about 100 us: a thread that
/// sleeps is awake some 50 us after it was called. One that still looks out for work, as it does for a while after its
/// last, is worth a tenth of that.
int worthwhile(double work, double share, int threads);

inline constexpr int64_t kMostTasks = 8;  // of a thread, so that one that is held up leaves some to the others

/// How many tasks to cut `work` into: as many for each thread, of `grain` or more each, but one at least and kMostTasks
/// at most.
inline int64_t tasks_of(double work, double grain, int threads) {
  const double each = std::clamp(work / (grain * threads), 1.0, static_cast<double>(kMostTasks));
  return threads == 1 ? 1 : threads * static_cast<int64_t>(each);
}

/// A buffer of at least `bytes` bytes, 64-byte aligned, that belongs to the calling thread and to `use` until the same
/// thread asks for the same use again. Contents are not kept. Throws std::bad_alloc.
enum class ScratchUse { kBlocks, kLanes, kGather, kPartials, kPackA, kPackB, kTile, kRows, kFactors, kCount };
void* scratch(ScratchUse use, int64_t bytes);

}  // namespace accel
