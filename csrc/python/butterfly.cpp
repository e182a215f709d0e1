// Stages of Fourier transforms.
#include "../butterfly.hpp"

#include <pybind11/pybind11.h>

#include <string>

#include "../isa.hpp"
#include "prepared.hpp"

namespace accel {

namespace {

Prepared prepare_butterfly(py::object kernel, py::handle shape, py::handle x_strides, py::handle turn_strides,
                           py::handle out_strides, int threads) {
  const Butterfly& self = kernel.cast<const Butterfly&>();
  ButterflyProblem problem{to_shape(shape, "shape"), {}, {}, {}};
  const int rank = problem.shape.rank;
  problem.x = to_strides(x_strides, rank, "x");
  problem.turns = to_strides(turn_strides, rank, "turns");
  problem.y = to_strides(out_strides, rank, "out");
  threads = to_threads(threads);
  const int64_t count = problem.shape.product();
  Prepared prepared;
  prepared.dtypes.assign(self.inputs() + self.outputs(), self.dtype());
  prepared.empty.assign(prepared.dtypes.size(), count == 0);
  prepared.outputs = self.outputs();
  prepared.work = static_cast<double>(count) * static_cast<double>(self.numbers());
  prepared.runner = [=, &self, alive = std::move(kernel)](char* const* inputs, char* const* outputs,
                                                          Interrupt& interrupt) {
    self.run(problem, inputs, outputs, threads, interrupt);
  };
  return prepared;
}

}  // namespace

void bind_butterfly(py::module_& m) {
  py::class_<Butterfly> butterfly(m, "Butterfly", "Butterflies of one radix, twiddled or scaled or neither.");
  butterfly.def(py::init([](const std::string& isa, const std::string& dtype, int radix, bool twiddled, bool scaled) {
                  return Butterfly(find_isa(isa), parse_dtype(dtype), radix, twiddled, scaled);
                }),
                py::arg("isa"), py::arg("dtype"), py::arg("radix"), py::arg("twiddled"), py::arg("scaled"));
  add_launch(butterfly, &prepare_butterfly, py::arg("shape"), py::arg("x_strides"), py::arg("turn_strides"),
             py::arg("out_strides"), py::arg("threads"));
}

}  // namespace accel
