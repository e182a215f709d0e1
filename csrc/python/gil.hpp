// The GIL around kernels.
#pragma once

#include <Python.h>

#include "../core/ending.hpp"
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
      released.acquire();
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

  void acquire() {
    if (!state_) return;
    PyThreadState* const state = state_;
    state_ = nullptr;
    core::take_gil(state);
  }

  PyThreadState* state_;  // null while the GIL is held
};

/// A brief kernel's interrupt: it is over before a signal could wait.
class Brief final : public Interrupt {
 public:
  bool pending() override { return false; }
};

}  // namespace accel
