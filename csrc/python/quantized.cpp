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
  const WeightFormat& format = self.format();
  if (k > 0 && format.group != 0 && group != format.group) fail("group must be the format's");
  if (k > 0 && group % format.steps() != 0) fail("a group of 4-bit weights must be even");
  if (k > 0 && format.per_super != 0 && k % (format.per_super * group) != 0) fail("k must be whole super-blocks");
  const Extents a = to_strides(in_strides, 2, "in_strides"), out = to_strides(out_strides, 2, "out_strides");
  const QuantizedProblem problem{m, n, k, group, a[0], a[1], out[0], out[1]};
  threads = to_threads(threads);
  Prepared prepared;
  const bool none = m == 0 || n == 0;
  const bool nothing = none || k == 0;
  const DType codes = format.codes == Codes::kInt8 ? DType::kInt8 : DType::kUint8;
  const DType scales = format.scales <= Scales::kZeros      ? DType::kFloat32
                       : format.scales == Scales::kExponent ? DType::kUint8
                                                            : DType::kFloat16;
  prepared.dtypes = {self.dtype(), codes, scales};
  if (format.scales == Scales::kMinima) prepared.dtypes.push_back(DType::kUint8);
  if (format.scales == Scales::kZeros || format.scales == Scales::kLevels) prepared.dtypes.push_back(DType::kInt8);
  prepared.empty.assign(prepared.dtypes.size(), nothing);
  prepared.dtypes.push_back(self.output());
  prepared.empty.push_back(none);
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
  quantized.def(py::init([](const std::string& isa, const std::string& format, const std::string& dtype,
                            const std::string& output) {
                  return Quantized(find_isa(isa), format, parse_dtype(dtype), parse_dtype(output));
                }),
                py::arg("isa"), py::arg("format"), py::arg("dtype"), py::arg("output"));
  add_launch(quantized, &prepare_quantized, py::arg("m"), py::arg("n"), py::arg("k"), py::arg("group"),
             py::arg("out_strides"), py::arg("in_strides"), py::arg("threads"));
}

}  // namespace accel
