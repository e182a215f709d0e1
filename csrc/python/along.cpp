// Kernels along one axis: sorts and scans.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "../isa.hpp"
#include "../scan.hpp"
#include "../sort.hpp"
#include "prepared.hpp"

namespace accel {

namespace {

Prepared prepare_sort(py::object kernel, py::handle kept_shape, py::handle out_strides, py::handle in_strides,
                      int64_t length, int64_t out_step, int64_t in_step, int threads) {
  const Sort& self = kernel.cast<const Sort&>();
  SortProblem problem{to_shape(kept_shape, "kept_shape"), {}, {}, length, in_step, out_step};
  if (problem.kept.rank == kMaxRank) fail("kept_shape has too many dimensions");
  problem.in_kept = to_strides(in_strides, problem.kept.rank, "in");
  problem.out_kept = to_strides(out_strides, problem.kept.rank, "out");
  if (length < 0) fail("length must not be negative");
  const int64_t rows = problem.kept.product();
  if (length > 0 && rows > kMaxElements / length) fail("the input is too large");
  threads = to_threads(threads);
  Prepared prepared;
  prepared.dtypes = {self.dtype(), self.output()};
  prepared.empty = {rows == 0 || length == 0, rows == 0 || length == 0};
  prepared.work = static_cast<double>(rows) * static_cast<double>(length) * 8;
  prepared.runner = [=, &self, alive = std::move(kernel)](char* const* inputs, char* const* outputs,
                                                          Interrupt& interrupt) {
    self.run(problem, inputs[0], outputs[0], threads, interrupt);
  };
  return prepared;
}

Prepared prepare_scan(py::object kernel, py::handle kept_shape, py::handle out_strides, py::handle in_strides,
                      int64_t length, int64_t out_step, int64_t in_step, int threads) {
  const Scan& self = kernel.cast<const Scan&>();
  ScanProblem problem{to_shape(kept_shape, "kept_shape"), {}, {}, length, in_step, out_step};
  problem.in_kept = to_strides(in_strides, problem.kept.rank, "in");
  problem.out_kept = to_strides(out_strides, problem.kept.rank, "out");
  if (length < 0) fail("length must not be negative");
  const int64_t rows = problem.kept.product();
  if (rows > kMaxElements / (length + 1)) fail("the input is too large");
  threads = to_threads(threads);
  Prepared prepared;
  prepared.dtypes = {self.dtype(), self.output()};
  prepared.empty = {rows == 0 || length == 0, rows == 0 || (length == 0 && !self.initial())};
  prepared.work = static_cast<double>(rows) * static_cast<double>(length + 1);
  prepared.runner = [=, &self, alive = std::move(kernel)](char* const* inputs, char* const* outputs,
                                                          Interrupt& interrupt) {
    self.run(problem, inputs[0], outputs[0], threads, interrupt);
  };
  return prepared;
}

}  // namespace

void bind_along(py::module_& m) {
  py::class_<Sort> sort(m, "Sort", "Sorted values, or the indices that sort, along one axis.");
  sort.def(py::init([](const std::string& isa, const std::string& dtype, bool indices, bool descending, int64_t count) {
             if (count < 0) fail("count must not be negative");
             return Sort(find_isa(isa), parse_dtype(dtype), indices, descending, count);
           }),
           py::arg("isa"), py::arg("dtype"), py::arg("indices"), py::arg("descending"), py::arg("count"));
  add_launch(sort, &prepare_sort, py::arg("kept_shape"), py::arg("out_strides"), py::arg("in_strides"),
             py::arg("length"), py::arg("out_step"), py::arg("in_step"), py::arg("threads"));
  py::class_<Scan> scan(m, "Scan", "sum prod max min logaddexp of all elements up to each, in the canonical order.");
  scan.def(py::init([](const std::string& isa, const std::string& kind, const std::string& dtype,
                       const std::string& output, bool initial) {
             return Scan(find_isa(isa), kind, parse_dtype(dtype), parse_dtype(output), initial);
           }),
           py::arg("isa"), py::arg("kind"), py::arg("dtype"), py::arg("output"), py::arg("initial") = false);
  add_launch(scan, &prepare_scan, py::arg("kept_shape"), py::arg("out_strides"), py::arg("in_strides"),
             py::arg("length"), py::arg("out_step"), py::arg("in_step"), py::arg("threads"));
}

}  // namespace accel
