// The end of the interpreter, which daemon threads outlive.
//
// Until 3.13 CPython ends such a thread where it next asks for the GIL: by pthread_exit, which unwinds it through
// destructors that need the GIL or must not throw, ours and those of drivers' bindings. So no thread is inside a call
// when the interpreter begins to end: an exit handler waits until all have left theirs, and those that come later wait
// at the entry.
#pragma once

#include <Python.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace accel::core {

inline bool is_finalizing() {
#if PY_VERSION_HEX >= 0x030d0000
  return Py_IsFinalizing();
#else
  return _Py_IsFinalizing();
#endif
}

inline void wait_for_the_end() { std::this_thread::sleep_for(std::chrono::hours(1)); }

/// Takes the GIL back. A thread that outlives the interpreter waits here for the process to end, as CPython lets it do
/// from 3.14 on.
inline void take_gil(PyThreadState* state) {
  while (is_finalizing()) wait_for_the_end();
  try {
    PyEval_RestoreThread(state);
  } catch (...) {  // the interpreter began to end in between, and CPython unwinds this thread
    for (;;) wait_for_the_end();
  }
}

/// The thread that ends the interpreter. It is never inside a call then, and so its calls are not counted.
/// As threading.get_ident() has it.
extern std::atomic<unsigned long> main_thread;

inline bool in_main_thread() { return PyThread_get_thread_ident() == main_thread.load(std::memory_order_relaxed); }

/// Begins a call of another thread, perhaps inside one that it is in already.
void begin_call();
void end_call();

/// A call into this module, or through it into a driver.
class Call {
 public:
  Call() : counted_(!in_main_thread()) {
    if (counted_) begin_call();
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() {
    if (counted_) end_call();
  }

 private:
  const bool counted_;
};

/// For an exit handler: waits until no other thread is inside a call, for a minute at most. From then on other threads
/// wait before each call: for the end, or a second, as another exit handler may wait for what they compute. False with
/// an exception set where a signal's handler raised.
bool end_calls();

}  // namespace accel::core
