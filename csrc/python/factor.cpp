// Factorisations of blocks.
#include "../factor.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "../isa.hpp"
#include "contract.hpp"
#include "prepared.hpp"

namespace accel {

namespace {

MatrixStrides to_matrix_strides(py::handle list, const char* what) {
  const Extents strides = to_strides(list, 3, what);
  return {strides[0], strides[1], strides[2]};
}

Prepared prepare_factor(py::object kernel, int64_t count, int64_t m, int64_t n, py::handle out_strides,
                        py::handle in_strides, int threads, int64_t length) {
  const Factor& self = kernel.cast<const Factor&>();
  const bool lu = self.kind() == Factor::Kind::kLu, qr = self.kind() == Factor::Kind::kQr, both = self.has_beside();
  const bool jacobi = self.kind() == Factor::Kind::kJacobi;
  if (count < 0 || m < 0 || n < 0) fail("count, m and n must not be negative");
  if (jacobi) {
    if (m % 2) fail("expected an even number of rows");
    if (length < 0 || length > n) fail("length must not be negative, or more than there are columns");
    if (length > int64_t{kBlock} * kBlock) fail("the problem is too large");
  }
  if (!jacobi && (both ? n : m) > kFactor) fail("a block has at most " + std::to_string(kFactor) + " columns");
  if (self.kind() == Factor::Kind::kCholesky && m != n) fail("expected square blocks");
  if (qr && m < n) fail("expected as many rows as columns");
  if (m > 0 && n > 0 && count > kMaxElements / m / n) fail("the problem is too large");
  const int parts = self.parts(), given = self.solves() ? 2 * parts : parts, made = both ? parts + 1 : parts;
  const py::tuple ins = to_items(in_strides, given, "in_strides");
  const py::tuple outs = to_items(out_strides, made, "out_strides");
  FactorProblem problem{count, m, n, {}, {}, {}, {}, length};
  for (int part = 0; part < parts; ++part) {
    problem.a[part] = to_matrix_strides(ins[part], "in");
    if (self.solves()) problem.b[part] = to_matrix_strides(ins[parts + part], "right-hand sides");
    problem.out[part] = to_matrix_strides(outs[part], "out");
  }
  if (both) problem.beside = to_matrix_strides(outs[parts], "last output");
  threads = to_threads(threads);
  Prepared prepared;
  prepared.dtypes.assign(given + made, self.dtype());
  if (lu) prepared.dtypes.back() = DType::kInt64;
  prepared.outputs = made;
  prepared.empty.assign(prepared.dtypes.size(), count == 0 || m == 0 || n == 0);
  prepared.work = static_cast<double>(count) * static_cast<double>(m) * static_cast<double>(n) *
                  (jacobi          ? 16.0 * static_cast<double>(m)
                   : self.solves() ? 8
                                   : 4);
  prepared.runner = [=, &self, alive = std::move(kernel)](char* const* inputs, char* const* outputs,
                                                          Interrupt& interrupt) {
    self.run(problem, inputs, outputs, threads, interrupt);
  };
  return prepared;
}

}  // namespace

void bind_factor(py::module_& m) {
  py::class_<Factor> factor(m, "Factor", "Factorisations of blocks, and solutions with them, in the canonical order.");
  factor.def(py::init([](const std::string& isa, const std::string& kind, const std::string& dtype, bool pairs) {
               return Factor(find_isa(isa), kind, parse_dtype(dtype), pairs);
             }),
             py::arg("isa"), py::arg("kind"), py::arg("dtype"), py::arg("pairs") = false);
  add_launch(factor, &prepare_factor, py::arg("count"), py::arg("m"), py::arg("n"), py::arg("out_strides"),
             py::arg("in_strides"), py::arg("threads"), py::arg("length") = 0);
}

}  // namespace accel
