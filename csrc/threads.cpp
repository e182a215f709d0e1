#include "threads.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

#include "float_environment.hpp"
#include "openmp.hpp"
#include "platform.hpp"

namespace accel {

using Clock = std::chrono::steady_clock;

constexpr auto kPollInterval = std::chrono::milliseconds(50);
constexpr auto kLinger = std::chrono::microseconds(300);  // how long a thread looks out before it sleeps
constexpr auto kStay = std::chrono::seconds(1);           // how long a thread that OpenMP counts sleeps before it ends
constexpr int kLooks = 32;                                // looks, about 0.5 us, before it lets others run
constexpr double kAwakeShare = 0.1;  // of a sleeping thread's break-even that one needs that is awake

static inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

class Job {
 public:
  Job(int64_t tasks, Interrupt& interrupt, Task task, void* context)
      : tasks_(tasks), interrupt_(interrupt), task_(task), context_(context) {}

  /// Takes tasks until none is left or the job has stopped. Throws nothing.
  void work(bool is_caller) {
    Worker worker(*this, is_caller);
    try {
      for (int64_t i; !stopped() && (i = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_;) {
        task_(context_, i, worker);
      }
    } catch (const Interrupted&) {
      stop();
    } catch (const std::exception&) {
      fail(std::current_exception());
    }
  }

  void poll(bool is_caller) {
    if (stopped()) throw Interrupted{};
    if (!is_caller) return;
    const auto now = Clock::now();
    if (last_poll_ == Clock::time_point{}) last_poll_ = now;
    if (now - last_poll_ < kPollInterval) return;
    last_poll_ = now;
    if (interrupt_.pending()) throw Interrupted{};
  }

  /// No task is left to take.
  bool finished() const { return next_.load(std::memory_order_relaxed) >= tasks_; }
  void stop() { stopped_.store(true, std::memory_order_relaxed); }

  void finish() const {
    if (error_) std::rethrow_exception(error_);
    if (stopped()) throw Interrupted{};
  }

 private:
  bool stopped() const { return stopped_.load(std::memory_order_relaxed); }

  void fail(std::exception_ptr error) {
    const std::lock_guard lock(error_mutex_);
    if (!error_) error_ = std::move(error);
    stop();
  }

  const int64_t tasks_;
  Interrupt& interrupt_;
  const Task task_;
  void* const context_;
  std::atomic<int64_t> next_{0};
  std::atomic<bool> stopped_{false};
  Clock::time_point last_poll_;  // of the calling thread; 0 until it polls, as most jobs are over before
  std::mutex error_mutex_;
  std::exception_ptr error_;
};

void Worker::poll() {
  since_poll_ = 0;
  job_.poll(is_caller_);
}

namespace {

/// Nobody's interrupt.
class Never : public Interrupt {
  bool pending() override { return false; }
};

/// Looks for so long whether a condition holds, and gives the core to whoever else could run on it meanwhile.
template <class Condition>
bool look_out(Condition&& condition) {
  const auto end = Clock::now() + kLinger;
  do {
    for (int i = 0; i < kLooks; ++i) {
      if (condition()) return true;
      pause();
    }
    std::this_thread::yield();
  } while (Clock::now() < end);
  return condition();
}

/// Threads that join a job when it is posted. After it they look out for the next one for a while, then they sleep. A
/// pool is never destroyed: its threads may be asleep in it while the process exits, and after a fork the child
/// abandons its copy, whose threads do not exist there.
///
/// Where another library computes with an OpenMP runtime, that one starts them, for a parallel region that does not end
/// while there is work. The runtime then counts them among its own: after a region of the other library its threads
/// spin for milliseconds, on the cores that this pool's need next, but hardly where it counts more than there are
/// cores.
class Pool {
 public:
  explicit Pool(const OpenMp& openmp) : openmp_(openmp) {}

  bool counted() const { return openmp_.start; }

  /// Ends its threads: from now on the calling thread does what there is to do.
  void retire() {
    const std::lock_guard lock(mutex_);
    retired_ = true;
    posted_.notify_all();
  }

  /// Runs the job on the calling thread and up to threads - 1 of the pool's.
  void run(Job& job, int threads) {
    std::unique_lock busy(busy_, std::try_to_lock);
    if (!busy) {
      job.work(true);
      return;
    }
    post(job, threads - 1);
    const Posted posted{*this, job};
    job.work(true);
  }

  /// How many threads, `wanted` at most, would join a job at once. Where calls follow one another so soon that threads
  /// would still look out, but fewer do than are wanted, wakes others for the next call.
  int awake(int wanted) {
    const int found = std::min(wanted, looking_.load(std::memory_order_relaxed));
    const int64_t now = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
    const int64_t before = asked_.exchange(now, std::memory_order_relaxed);
    if (found < wanted && now - before < std::chrono::nanoseconds(kLinger).count()) {
      const std::unique_lock busy(busy_, std::try_to_lock);
      if (busy) post(nothing_, wanted);
    }
    return found;
  }

 private:
  /// Keeps a job until no thread works on it, even where the calling thread is unwound from within it.
  struct Posted {
    Pool& pool;
    Job& job;

    ~Posted() {
      {
        const std::lock_guard lock(pool.mutex_);
        pool.seats_.store(0, std::memory_order_relaxed);  // a thread that comes only now has nothing to join
      }
      if (!job.finished()) job.stop();
      const auto left = [this] { return pool.working_.load(std::memory_order_acquire) == 0; };
      if (look_out(left)) return;
      std::unique_lock lock(pool.mutex_);
      pool.left_.wait(lock, left);
    }
  };

  void post(Job& job, int seats) {
    {
      const std::lock_guard lock(mutex_);
      grow(seats);
      job_ = &job;
      seats_.store(seats, std::memory_order_relaxed);
    }
    if (seats == 1) {
      posted_.notify_one();
    } else {
      posted_.notify_all();
    }
  }

  /// Fewer threads than asked for, or none, is not an error: the calling thread does what they do not. OpenMP ends the
  /// process where it cannot start a thread, so it starts no more than it has for itself: one for each core.
  void grow(int count) {
    if (started_ >= count || retired_) return;
    const platform::SignalsBlocked blocked;
    try {
      const int counted = this->counted() && !limited_ ? std::min(count, openmp_.processors()) : 0;
      if (const int more = counted - started_; more > 0) {
        std::thread([this, more] { lead(more); }).detach();
        started_ = counted;
      }
      for (; started_ < count; ++started_) std::thread([this] { serve(); }).detach();
    } catch (const std::system_error&) {
    } catch (const std::bad_alloc&) {
    }
  }

  /// A thread whose team of OpenMP's serves here, and which waits until all of that have ended.
  void lead(int count) {
    openmp_.start([](void* pool) { static_cast<Pool*>(pool)->serve(); }, this, static_cast<unsigned>(count) + 1);
    if (const int missing = count + 1 - openmp_.size(); missing > 0) {  // OMP_THREAD_LIMIT, OMP_DYNAMIC
      const std::lock_guard lock(mutex_);
      started_ -= missing;
      limited_ = true;
    }
    openmp_.end();
  }

  void serve() {
    FloatControl::standard().write();  // it began in its creator's
    const auto called = [this] { return seats_.load(std::memory_order_relaxed) > 0; };
    const auto awaken = [&] { return called() || retired_; };
    for (;;) {
      looking_.fetch_add(1, std::memory_order_relaxed);
      look_out(called);
      looking_.fetch_sub(1, std::memory_order_relaxed);
      std::unique_lock lock(mutex_);
      if (counted()) {  // it ends where no more work comes: OpenMP's own threads may spin again then
        posted_.wait_for(lock, kStay, awaken);
      } else {
        posted_.wait(lock, awaken);
      }
      if (!called()) {
        --started_;
        return;
      }
      Job& job = *job_;
      seats_.fetch_sub(1, std::memory_order_relaxed);
      working_.fetch_add(1, std::memory_order_relaxed);
      lock.unlock();
      job.work(false);
      lock.lock();
      if (working_.fetch_sub(1, std::memory_order_release) == 1) left_.notify_one();
    }
  }

  const OpenMp openmp_;  // null functions: threads are this process's alone
  std::mutex busy_;      // held by the thread whose job it is
  std::mutex mutex_;
  std::condition_variable posted_, left_;
  Job* job_ = nullptr;
  // Changed with the mutex held:
  std::atomic<int> seats_{0};    // threads that may still join the job
  std::atomic<int> working_{0};  // threads that have joined a job and not left it
  int started_ = 0;
  bool limited_ = false;  // whether OpenMP started fewer than asked for
  bool retired_ = false;
  // Changed without:
  std::atomic<int> looking_{0};    // threads that would join at once
  std::atomic<int64_t> asked_{0};  // when `awake` was last called, in nanoseconds
  Never never_;
  Job nothing_{0, never_, nullptr, nullptr};  // a job only to be awake for
};

std::atomic<Pool*> current_pool{nullptr};
std::atomic<bool> forked{false};

// Registered while the module is loaded: a lazy registration could itself be under way in another thread at the fork.
[[maybe_unused]] const int fork_handler = platform::at_fork(nullptr, nullptr, [] {
  current_pool.store(nullptr);
  forked.store(true);
});

Pool& pool() {
  Pool* existing = current_pool.load(std::memory_order_acquire);
  if (existing) return *existing;
  Pool* created = new Pool(OpenMp{});
  if (current_pool.compare_exchange_strong(existing, created, std::memory_order_acq_rel)) return *created;
  delete created;  // another thread was first; this one has no threads yet
  return *existing;
}

struct Buffer {
  void* data = nullptr;
  int64_t bytes = 0;
  ~Buffer() { platform::free_aligned(data); }
};

}  // namespace

int worthwhile(double work, double share, int threads) {
  const auto limited = [&](double count) { return static_cast<int>(std::clamp(count, 1.0, double(threads))); };
  const int called = limited(work / share), awake = limited(work / (share * kAwakeShare));
  return awake <= called ? called : std::max(called, 1 + pool().awake(awake - 1));
}

void join_openmp(const OpenMp& openmp) {
  if (forked.load()) return;
  Pool* const before = current_pool.exchange(new Pool(openmp), std::memory_order_acq_rel);
  if (before) before->retire();
}

bool joined_openmp() {
  const Pool* const existing = current_pool.load(std::memory_order_acquire);
  return existing && existing->counted();
}

void run_tasks(int64_t tasks, int threads, Interrupt& interrupt, Task task, void* context) {
  Job job(tasks, interrupt, task, context);
  if (threads > tasks) threads = static_cast<int>(tasks);
  if (threads <= 1) {
    job.work(true);
  } else {
    pool().run(job, threads);
  }
  job.finish();
}

void* scratch(ScratchUse use, int64_t bytes) {
  constexpr int64_t kGranule = 4096, kHugePage = 2 << 20;
  thread_local Buffer buffers[static_cast<int>(ScratchUse::kCount)];
  Buffer& buffer = buffers[static_cast<int>(use)];
  if (buffer.bytes < bytes) {
    platform::free_aligned(buffer.data);
    buffer.bytes = 0;
    const int64_t page = bytes < kHugePage ? kGranule : kHugePage;
    const int64_t rounded = (bytes + page - 1) / page * page;
    buffer.data = platform::allocate_aligned(static_cast<size_t>(page), static_cast<size_t>(rounded));
    if (!buffer.data) throw std::bad_alloc();
    if (page == kHugePage) platform::prefer_huge_pages(buffer.data, static_cast<size_t>(rounded));
    buffer.bytes = rounded;
  }
  return buffer.data;
}

}  // namespace accel
