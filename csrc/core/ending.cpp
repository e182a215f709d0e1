#include "ending.hpp"

#include <chrono>
#include <thread>

#include "../platform.hpp"

namespace accel::core {

using Clock = std::chrono::steady_clock;

constexpr auto kLongestCall = std::chrono::seconds(60);  // a blocking copy waits for all that is queued before it
constexpr auto kSignals = std::chrono::milliseconds(50);
constexpr auto kPatience = std::chrono::seconds(1);
constexpr auto kStep = std::chrono::microseconds(200);

std::atomic<unsigned long> main_thread{PyThread_get_thread_ident()};

namespace {

std::atomic<int> calls{0};             // of other threads than the main one
enum { kRunning, kWaiting, kEnding };  // the main thread: before, in and after `end_calls`
std::atomic<int> stage{kRunning};
thread_local int depth = 0;

// The thread that forks is the child's only one, and so its main one.
[[maybe_unused]] const int fork_handler = platform::at_fork(nullptr, nullptr, [] {
  main_thread.store(PyThread_get_thread_ident());
  calls.store(0);
});

/// Without the GIL, until a condition holds or the time is over. Whether it holds.
template <class Condition>
bool wait(Clock::duration longest, Condition&& condition) {
  PyThreadState* const state = PyEval_SaveThread();
  const auto end = Clock::now() + longest;
  bool holds = false;
  while (!(holds = condition()) && Clock::now() < end) std::this_thread::sleep_for(kStep);
  take_gil(state);
  return holds;
}

}  // namespace

void begin_call() {
  if (depth++ > 0) return;
  calls.fetch_add(1);
  if (stage.load() == kRunning) return;
  calls.fetch_sub(1);
  while (stage.load() == kWaiting) wait(kPatience, [] { return stage.load() != kWaiting; });
  wait(kPatience, [] { return is_finalizing(); });
  calls.fetch_add(1);
}

void end_call() {
  if (--depth == 0) calls.fetch_sub(1);
}

bool end_calls() {
  stage.store(kWaiting);
  const auto end = Clock::now() + kLongestCall;
  bool interrupted = false;
  while (!wait(kSignals, [] { return calls.load() <= 0; }) && Clock::now() < end) {
    if ((interrupted = PyErr_CheckSignals() != 0)) break;
  }
  stage.store(kEnding);
  return !interrupted;
}

}  // namespace accel::core
