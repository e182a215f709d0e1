// The GIL around kernels.
#pragma once

#include <Python.h>
#include <unistd.h>

#include "../threads.hpp"

namespace accel {

/// The Python exception is set.
struct PythonError {};

/// Runs a kernel without the GIL; polls signals in between.
class WithoutGil final : public Interrupt {
 public:
  /// Throws PythonError where a signal's handler raised, and what the body throws.
  template <class Body>
  static void run(Body&& body) {
    WithoutGil released;
    try {
      body(released);
      released.acquire();  // not left to the destructor: CPython may end this thread here by unwinding it
    } catch (const Interrupted&) {
      released.acquire();
      throw PythonError{};
    }
  }

  bool pending() override {
    acquire();
    if (PyErr_CheckSignals() != 0) return true;  // the exception stays set in this thread's state
    state_ = PyEval_SaveThread();
    return false;
  }

 private:
  WithoutGil() : state_(PyEval_SaveThread()) {}
  ~WithoutGil() override { acquire(); }

  static bool is_finalizing() {
#if PY_VERSION_HEX >= 0x030d0000
    return Py_IsFinalizing();
#else
    return _Py_IsFinalizing();
#endif
  }

  void acquire() {
    if (!state_) return;
    // A daemon thread outlives the interpreter: it waits for the process to end, as CPython lets it do from 3.14 on.
    // Before, CPython would unwind it by pthread_exit from within the job that other threads still work on.
    while (is_finalizing()) pause();
    PyThreadState* const state = state_;
    state_ = nullptr;
    PyEval_RestoreThread(state);
  }

  PyThreadState* state_;  // null while the GIL is held
};

/// A brief kernel's interrupt: it is over before a signal could wait.
class Brief final : public Interrupt {
 public:
  bool pending() override { return false; }
};

}  // namespace accel
