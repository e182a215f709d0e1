#include "threads.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

namespace accel {

using Clock = std::chrono::steady_clock;

constexpr auto kPollInterval = std::chrono::milliseconds(50);

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

/// Threads that sleep until a job is posted. A pool is never destroyed: its threads may be asleep in it while the
/// process exits, and after a fork the child abandons its copy, whose threads do not exist there.
class Pool {
 public:
  /// Runs the job on the calling thread and up to threads - 1 of the pool's.
  void run(Job& job, int threads) {
    std::unique_lock busy(busy_, std::try_to_lock);
    if (!busy) {
      job.work(true);
      return;
    }
    {
      const std::lock_guard lock(mutex_);
      grow(threads - 1);
      job_ = &job;
      seats_ = threads - 1;
    }
    if (threads == 2) {
      posted_.notify_one();
    } else {
      posted_.notify_all();
    }
    const Posted posted{*this, job};
    job.work(true);
  }

 private:
  /// Keeps a job until no thread works on it, even where the calling thread is unwound from within it.
  struct Posted {
    Pool& pool;
    Job& job;

    ~Posted() {
      std::unique_lock lock(pool.mutex_);
      pool.job_ = nullptr;  // a thread that wakes only now has nothing to join
      if (!job.finished()) job.stop();
      pool.left_.wait(lock, [this] { return pool.working_ == 0; });
    }
  };

  /// Fewer threads than asked for, or none, is not an error: the calling thread does what they do not.
  void grow(int count) {
    if (started_ >= count) return;
    // A signal must reach a thread of Python's.
    sigset_t all, previous;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &previous);
    try {
      for (; started_ < count; ++started_) std::thread([this] { serve(); }).detach();
    } catch (const std::system_error&) {
    } catch (const std::bad_alloc&) {
    }
    pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  }

  [[noreturn]] void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      posted_.wait(lock, [this] { return job_ != nullptr && seats_ > 0; });
      Job& job = *job_;
      --seats_;
      ++working_;
      lock.unlock();
      job.work(false);
      lock.lock();
      if (--working_ == 0) left_.notify_one();
    }
  }

  std::mutex busy_;  // held by the thread whose job it is
  std::mutex mutex_;
  std::condition_variable posted_, left_;
  Job* job_ = nullptr;
  int seats_ = 0;    // threads that may still join the job
  int working_ = 0;  // threads that have joined it and not left
  int started_ = 0;
};

std::atomic<Pool*> current_pool{nullptr};

// Registered while the module is loaded: a lazy registration could itself be under way in another thread at the fork.
[[maybe_unused]] const int fork_handler = pthread_atfork(nullptr, nullptr, [] { current_pool.store(nullptr); });

Pool& pool() {
  Pool* existing = current_pool.load(std::memory_order_acquire);
  if (existing) return *existing;
  Pool* created = new Pool;
  if (current_pool.compare_exchange_strong(existing, created, std::memory_order_acq_rel)) return *created;
  delete created;  // another thread was first; this one has no threads yet
  return *existing;
}

struct Buffer {
  void* data = nullptr;
  int64_t bytes = 0;
  ~Buffer() { std::free(data); }
};

}  // namespace

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
    std::free(buffer.data);
    buffer.bytes = 0;
    const int64_t page = bytes < kHugePage ? kGranule : kHugePage;
    const int64_t rounded = (bytes + page - 1) / page * page;
    buffer.data = std::aligned_alloc(static_cast<size_t>(page), static_cast<size_t>(rounded));
    if (!buffer.data) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
    if (page == kHugePage) madvise(buffer.data, static_cast<size_t>(rounded), MADV_HUGEPAGE);
#endif
    buffer.bytes = rounded;
  }
  return buffer.data;
}

}  // namespace accel
