// Products with quantised weights.
#include "../quantized.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "../isa.hpp"
#include "prepared.hpp"

namespace accel {

namespace {

Prepared prepare_quantized(py::object kernel, int64_t m, int64_t n, int64_t k, int64_t group, py::handle out_strides,
                           py::handle in_strides, int threads) {
  const Quantized& self = kernel.cast<const Quantized&>();
  if (m < 0 || n < 0 || k < 0) fail("m, n and k must not be negative");
  if (m > 0 && n > 0 && k > 0 && kMaxElements / m / n / k < 1) fail("the problem is too large");
  if (k > 0 && (group < 1 || k % group != 0)) fail("group must divide k");
  if (k > 0 && self.codes() == Codes::kInt4 && group % 2 != 0) fail("a group of 4-bit weights must be even");
  const Extents a = to_strides(in_strides, 2, "in_strides"), out = to_strides(out_strides, 2, "out_strides");
  const QuantizedProblem problem{m, n, k, group, a[0], a[1], out[0], out[1]};
  threads = to_threads(threads);
  Prepared prepared;
  const bool none = m == 0 || n == 0;
  prepared.dtypes = {self.dtype(), self.codes() == Codes::kInt8 ? DType::kInt8 : DType::kUint8, DType::kFloat32,
                     DType::kInt8, self.output()};
  prepared.empty = {none || k == 0, none || k == 0, none || k == 0, none || k == 0, none};
  prepared.work = static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) / 8;
  prepared.runner = [=, &self, alive = std::move(kernel)](char* const* inputs, char* const* outputs,
                                                          Interrupt& interrupt) {
    self.run(problem, inputs, outputs[0], threads, interrupt);
  };
  return prepared;
}

}  // namespace

void bind_quantized(py::module_& m) {
  py::class_<Quantized> quantized(m, "Quantized", "Products with quantised weights in panels, in the canonical order.");
  quantized.def(py::init([](const std::string& isa, int bits, const std::string& dtype, const std::string& output) {
                  return Quantized(find_isa(isa), bits, parse_dtype(dtype), parse_dtype(output));
                }),
                py::arg("isa"), py::arg("bits"), py::arg("dtype"), py::arg("output"));
  add_launch(quantized, &prepare_quantized, py::arg("m"), py::arg("n"), py::arg("k"), py::arg("group"),
             py::arg("out_strides"), py::arg("in_strides"), py::arg("threads"));
}

}  // namespace accel
