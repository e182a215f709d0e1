// A kernel made ready for operands of fixed layouts, and how a kernel's class comes to have one.
#pragma once

#include <pybind11/pybind11.h>

#include <utility>
#include <vector>

#include "arguments.hpp"
#include "launch.hpp"

namespace accel {

/// A kernel with all but its operands' addresses: what `launch` calls, and what `run` does for addresses given at once.
struct Prepared {
  Runner runner;
  std::vector<DType> dtypes;  // of the inputs, then of the outputs
  std::vector<bool> empty;    // whether each has no elements
  double work = 0;            // roughly nanoseconds
  size_t outputs = 1;

  py::object launch() &&;

  void run(py::handle in_ptrs, py::handle out_ptrs) const;
};

/// Adds `launch`, which makes a kernel ready for operands of fixed layouts, and `run`, which also runs it on addresses.
template <class Class, class... Args, class... Names>
void add_launch(Class& type, Prepared (*prepare)(py::object, Args...), Names... names) {
  type.def(
      "launch", [prepare](py::object self, Args... args) { return prepare(std::move(self), args...).launch(); },
      names...);
  type.def(
      "run",
      [prepare](py::object self, py::handle in_ptrs, py::handle out_ptrs, Args... args) {
        prepare(std::move(self), args...).run(in_ptrs, out_ptrs);
      },
      py::arg("in_ptrs"), py::arg("out_ptrs"), names...);
}

// Each adds its kernels' classes to the module.
void bind_compute(py::module_& m);
void bind_along(py::module_& m);
void bind_convolution(py::module_& m);
void bind_movement(py::module_& m);
void bind_attention(py::module_& m);
void bind_factor(py::module_& m);
void bind_quantized(py::module_& m);
void bind_butterfly(py::module_& m);

}  // namespace accel
