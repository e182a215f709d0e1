// Kernels that compute: scalar programs, reductions, products, rows.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "../isa.hpp"
#include "../matmul_groups.hpp"
#include "../pointwise.hpp"
#include "../reduce.hpp"
#include "../row.hpp"
#include "prepared.hpp"

namespace accel {

namespace {

Pointwise make_pointwise(const std::string& isa, const std::vector<std::string>& inputs, const Steps& steps,
                         const std::string& output) {
  return Pointwise(find_isa(isa), to_dtypes(inputs), to_steps(steps), parse_dtype(output));
}

Prepared prepare_pointwise(py::object kernel, py::handle shape_list, py::handle out_strides, py::handle in_strides,
                           int threads) {
  const Pointwise& self = kernel.cast<const Pointwise&>();
  const Extents shape = to_shape(shape_list, "shape");
  const Operand out{nullptr, to_strides(out_strides, shape.rank, "out")};
  const std::vector<Operand> in = to_operands(in_strides, self.inputs().size(), shape.rank, "inputs");
  threads = to_threads(threads);
  const bool none = shape.product() == 0;
  Prepared prepared;
  prepared.dtypes = self.inputs();
  prepared.dtypes.push_back(self.output());
  prepared.empty.assign(prepared.dtypes.size(), none);
  prepared.work = static_cast<double>(shape.product()) * static_cast<double>(self.steps().size() + 1) / 4;
  prepared.runner = [=, &self, alive = std::move(kernel)](char* const* inputs, char* const* outputs,
                                                          Interrupt& interrupt) {
    if (none) return;
    Operand target = out;
    target.data = outputs[0];
    std::vector<Operand> sources = in;
    for (size_t i = 0; i < sources.size(); ++i) sources[i].data = inputs[i];
    self.run(shape, target, sources, threads, interrupt);
  };
  return prepared;
}

Prepared prepare_reduce(py::object kernel, py::handle kept_shape, py::handle out_strides, py::handle in_kept_strides,
                        py::handle reduced_shape, py::handle in_reduced_strides, int threads) {
  const Reduce& self = kernel.cast<const Reduce&>();
  const Extents kept = to_shape(kept_shape, "kept_shape"), reduced = to_shape(reduced_shape, "reduced_shape");
  const Operand out{nullptr, to_strides(out_strides, kept.rank, "out")};
  const Extents kept_strides = to_strides(in_kept_strides, kept.rank, "in_kept_strides");
  const Extents reduced_strides = to_strides(in_reduced_strides, reduced.rank, "in_reduced_strides");
  const bool nothing = kept.product() == 0, no_input = nothing || reduced.product() == 0;
  if (!no_input && kept.product() > kMaxElements / reduced.product()) fail("the input is too large");
  threads = to_threads(threads);
  Prepared prepared;
  prepared.dtypes = {self.dtype(), self.output()};
  prepared.empty = {no_input, nothing};
  prepared.work = no_input ? 0 : static_cast<double>(kept.product()) * static_cast<double>(reduced.product()) / 4;
  prepared.runner = [=, &self, alive = std::move(kernel)](char* const* inputs, char* const* outputs,
                                                          Interrupt& interrupt) {
    if (nothing) return;
    Operand target = out;
    target.data = outputs[0];
    self.run(kept, target, inputs[0], kept_strides, reduced, reduced_strides, threads, interrupt);
  };
  return prepared;
}

Matmul make_matmul(const std::string& isa, const std::string& dtype, const std::string& output,
                   const Pointwise* epilogue, bool matrix_units) {
  return Matmul(find_isa(isa), parse_dtype(dtype), parse_dtype(output), epilogue, matrix_units);
}

Prepared prepare_matmul(py::object kernel, py::handle batch_shape, int64_t m, int64_t n, int64_t k,
                        py::handle a_strides, py::handle b_strides, py::handle out_strides, py::handle extra_strides,
                        int threads) {
  const Matmul& self = kernel.cast<const Matmul&>();
  MatmulProblem problem{to_shape(batch_shape, "batch_shape"), m, n, k, {}, {}, {}, {}};
  if (m < 0 || n < 0 || k < 0) fail("m, n and k must not be negative");
  const int rank = problem.batch.rank + 2;
  if (rank > kMaxRank) fail("batch_shape has too many dimensions");
  const int64_t entries = problem.batch.product();
  const bool none = entries == 0 || m == 0 || n == 0;
  const double operations = static_cast<double>(entries) * m * n * k;
  const double outputs = static_cast<double>(entries) * m * n;
  if (!none && (operations > 1e24 || outputs > static_cast<double>(kMaxElements))) fail("the problem is too large");
  problem.a = {nullptr, to_strides(a_strides, rank, "a")};
  problem.b = {nullptr, to_strides(b_strides, rank, "b")};
  problem.out = {nullptr, to_strides(out_strides, rank, "out")};
  problem.extras = to_operands(extra_strides, self.extras(), rank, "extras");
  threads = to_threads(threads);
  Prepared prepared;
  prepared.dtypes = {self.dtype(), self.dtype()};
  prepared.empty = {none || k == 0, none || k == 0};
  for (size_t i = 0; i < self.extras(); ++i) {
    prepared.dtypes.push_back(self.extra(i));
    prepared.empty.push_back(none);
  }
  prepared.dtypes.push_back(self.output());
  prepared.empty.push_back(none);
  prepared.work = (operations + outputs) / 16;
  prepared.runner = [=, &self, alive = std::move(kernel)](char* const* inputs, char* const* outputs,
                                                          Interrupt& interrupt) {
    if (none) return;
    MatmulProblem placed = problem;
    placed.a.data = inputs[0];
    placed.b.data = inputs[1];
    for (size_t i = 0; i < placed.extras.size(); ++i) placed.extras[i].data = inputs[2 + i];
    placed.out.data = outputs[0];
    self.run(placed, threads, interrupt);
  };
  return prepared;
}

Prepared prepare_grouped(py::object kernel, int64_t groups, int64_t m, int64_t n, int64_t k, bool contracted,
                         py::handle a_strides, py::handle b_strides, py::handle out_strides, const std::string& ends,
                         int threads) {
  const GroupedMatmul& self = kernel.cast<const GroupedMatmul&>();
  MatmulGroups problem{groups, m, n, k, contracted, {}, {}, {}, parse_dtype(ends), nullptr};
  if (groups < 0 || m < 0 || n < 0 || k < 0) fail("groups, m, n and k must not be negative");
  if (problem.ends_dtype != DType::kInt32 && problem.ends_dtype != DType::kInt64) fail("ends must be int32 or int64");
  const double results = static_cast<double>(contracted ? groups : 1) * m * n, operations = double(m) * n * k;
  if (operations > 1e24 || results > static_cast<double>(kMaxElements)) fail("the problem is too large");
  const bool none = groups == 0 || m == 0 || n == 0;
  problem.a = {nullptr, to_strides(a_strides, 3, "a")};
  problem.b = {nullptr, to_strides(b_strides, 3, "b")};
  problem.out = {nullptr, to_strides(out_strides, 3, "out")};
  threads = to_threads(threads);
  Prepared prepared;
  prepared.dtypes = {self.dtype(), self.dtype(), problem.ends_dtype, self.output()};
  prepared.empty = {none || k == 0, none || k == 0, groups == 0, none};
  prepared.work = (operations + results) / 16;
  prepared.runner = [=, &self, alive = std::move(kernel)](char* const* inputs, char* const* outputs,
                                                          Interrupt& interrupt) {
    if (none) return;
    MatmulGroups placed = problem;
    placed.a.data = placed.k ? inputs[0] : nullptr;
    placed.b.data = placed.k ? inputs[1] : nullptr;
    placed.ends = inputs[2];
    placed.out.data = outputs[0];
    self.run(placed, threads, interrupt);
  };
  return prepared;
}

Row make_row(const std::string& isa, const std::vector<std::tuple<std::string, bool>>& inputs, const Steps& steps,
             std::vector<int64_t> outputs) {
  std::vector<RowValue> values;
  for (const auto& [dtype, each] : inputs) values.push_back({parse_dtype(dtype), each});
  return Row(find_isa(isa), std::move(values), to_steps(steps), std::move(outputs));
}

Prepared prepare_row(py::object kernel, py::handle kept_shape, py::handle reduced_shape, py::handle out_strides,
                     py::handle in_strides, int threads) {
  const Row& self = kernel.cast<const Row&>();
  RowProblem problem{to_shape(kept_shape, "kept_shape"), to_shape(reduced_shape, "reduced_shape"), {}, {}};
  const int kept = problem.kept.rank, all = kept + problem.reduced.rank;
  if (all > kMaxRank) fail("there are too many dimensions");
  const int64_t rows = problem.kept.product(), length = problem.reduced.product();
  if (length < 1) fail("reduced_shape has no elements");
  if (rows > kMaxElements / length) fail("the problem is too large");
  Prepared prepared;
  const auto add = [&](py::handle list, const std::vector<RowValue>& values, const char* what) {
    std::vector<Extents> operands;
    for (const py::handle strides : to_items(list, values.size(), what)) {
      const RowValue& value = values[operands.size()];
      operands.push_back(to_strides(strides, value.each ? all : kept, what));
      prepared.dtypes.push_back(value.dtype);
      prepared.empty.push_back(rows == 0);
    }
    return operands;
  };
  problem.in = add(in_strides, self.inputs(), "inputs");
  problem.out = add(out_strides, self.outputs(), "outputs");
  threads = to_threads(threads);
  prepared.outputs = self.outputs().size();
  prepared.work = static_cast<double>(rows) * static_cast<double>(length) * static_cast<double>(self.work()) / 4;
  const std::shared_ptr<const Row::Call> call = rows == 0 ? nullptr : self.prepare(problem, threads);
  prepared.runner = [=, &self, alive = std::move(kernel)](char* const* inputs, char* const* outputs,
                                                          Interrupt& interrupt) {
    if (call) self.run(*call, inputs, outputs, threads, interrupt);
  };
  return prepared;
}

}  // namespace

void bind_compute(py::module_& m) {
  py::class_<Pointwise> pointwise(m, "Pointwise", "A scalar program resolved to array kernels.");
  pointwise.def(py::init(&make_pointwise), py::arg("isa"), py::arg("inputs"), py::arg("steps"), py::arg("output"));
  pointwise.def_property_readonly("passes", &Pointwise::passes, "How many kernels go over the elements in turn.");
  add_launch(pointwise, &prepare_pointwise, py::arg("shape"), py::arg("out_strides"), py::arg("in_strides"),
             py::arg("threads"));
  py::class_<Reduce> reduce(m, "Reduce", "sum prod max min any all argmax argmin in the canonical order.");
  reduce.def(py::init([](const std::string& isa, const std::string& kind, const std::string& dtype,
                         const std::string& output) {
               return Reduce(find_isa(isa), kind, parse_dtype(dtype), parse_dtype(output));
             }),
             py::arg("isa"), py::arg("kind"), py::arg("dtype"), py::arg("output"));
  add_launch(reduce, &prepare_reduce, py::arg("kept_shape"), py::arg("out_strides"), py::arg("in_kept_strides"),
             py::arg("reduced_shape"), py::arg("in_reduced_strides"), py::arg("threads"));
  py::class_<Matmul> matmul(m, "Matmul", "Matrix multiply in the canonical order, with an epilogue.");
  matmul.def(py::init(&make_matmul), py::arg("isa"), py::arg("dtype"), py::arg("output"),
             py::arg("epilogue") = py::none(), py::arg("matrix_units") = false);
  add_launch(matmul, &prepare_matmul, py::arg("batch_shape"), py::arg("m"), py::arg("n"), py::arg("k"),
             py::arg("a_strides"), py::arg("b_strides"), py::arg("out_strides"), py::arg("extra_strides"),
             py::arg("threads"));
  py::class_<GroupedMatmul> grouped(m, "GroupedMatmul", "Matrix multiply of groups of rows, each by its own matrix.");
  grouped.def(
      py::init([](const std::string& isa, const std::string& dtype, const std::string& output, bool matrix_units) {
        return GroupedMatmul(find_isa(isa), parse_dtype(dtype), parse_dtype(output), matrix_units);
      }),
      py::arg("isa"), py::arg("dtype"), py::arg("output"), py::arg("matrix_units") = false);
  add_launch(grouped, &prepare_grouped, py::arg("groups"), py::arg("m"), py::arg("n"), py::arg("k"),
             py::arg("contracted"), py::arg("a_strides"), py::arg("b_strides"), py::arg("out_strides"),
             py::arg("ends_dtype"), py::arg("threads"));
  py::class_<Row> row(m, "Row", "Scalar steps and folds over rows, in stages.");
  row.def(py::init(&make_row), py::arg("isa"), py::arg("inputs"), py::arg("steps"), py::arg("outputs"));
  add_launch(row, &prepare_row, py::arg("kept_shape"), py::arg("reduced_shape"), py::arg("out_strides"),
             py::arg("in_strides"), py::arg("threads"));
}

}  // namespace accel
