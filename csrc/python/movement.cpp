// Kernels that move elements, or find their places.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <utility>

#include "../gather.hpp"
#include "../isa.hpp"
#include "../join.hpp"
#include "../scatter.hpp"
#include "../search.hpp"
#include "prepared.hpp"

namespace accel {

namespace {

Join make_join(const std::string& isa, const std::string& dtype, py::handle shapes, py::handle offsets,
               py::handle out_strides, py::handle in_strides) {
  const size_t count = py::len(shapes);
  const py::tuple boxes = to_items(shapes, count, "shapes"), starts = to_items(offsets, count, "offsets");
  const py::tuple outs = to_items(out_strides, count, "out_strides");
  const py::tuple ins = to_items(in_strides, count, "in_strides");
  std::vector<JoinPart> parts;
  for (size_t i = 0; i < count; ++i) {
    const Extents shape = to_shape(boxes[i], "shapes");
    const Operand out{nullptr, to_strides(outs[i], shape.rank, "out_strides")};
    const Operand in{nullptr, to_strides(ins[i], shape.rank, "in_strides")};
    if (shape.rank == kMaxRank) fail("shapes has too many dimensions");
    parts.push_back({shape, out, in, to_int(starts[i], "offsets")});
  }
  return Join(find_isa(isa), parse_dtype(dtype), std::move(parts));
}

Prepared prepare_join(py::object kernel, int threads) {
  const Join& self = kernel.cast<const Join&>();
  threads = to_threads(threads);
  Prepared prepared;
  for (const JoinPart& part : self.parts()) {
    prepared.dtypes.push_back(self.dtype());
    prepared.empty.push_back(part.shape.product() == 0);
    prepared.work += static_cast<double>(part.shape.product()) / 4;
  }
  prepared.dtypes.push_back(self.dtype());
  prepared.empty.push_back(prepared.work == 0);
  prepared.runner = [=, &self, alive = std::move(kernel)](char* const* inputs, char* const* outputs,
                                                          Interrupt& interrupt) {
    self.run(inputs, outputs[0], threads, interrupt);
  };
  return prepared;
}

DType of_size(int size) {
  return size == 1 ? DType::kUint8 : size == 2 ? DType::kUint16 : size == 4 ? DType::kUint32 : DType::kUint64;
}

Prepared prepare_gather(py::object kernel, py::handle shape_list, py::handle out_strides, py::handle in_strides,
                        py::handle index_strides, py::handle length_list, py::handle step_list, int threads) {
  const Gather& self = kernel.cast<const Gather&>();
  const Extents shape = to_shape(shape_list, "shape"), lengths = to_shape(length_list, "lengths");
  const Extents steps = to_strides(step_list, lengths.rank, "steps");
  std::vector<Extents> indices;
  for (const Operand& index : to_operands(index_strides, static_cast<size_t>(lengths.rank), shape.rank, "indices")) {
    indices.push_back(index.strides);
  }
  GatherProblem problem(shape, to_strides(out_strides, shape.rank, "out"), to_strides(in_strides, shape.rank, "in"),
                        indices, lengths, steps);
  threads = to_threads(threads);
  const bool none = problem.elements == 0;
  Prepared prepared;
  prepared.dtypes = {of_size(self.size())};
  prepared.empty = {none || problem.nothing};
  for (int k = 0; k < lengths.rank; ++k) {
    prepared.dtypes.push_back(DType::kInt64);
    prepared.empty.push_back(none);
  }
  prepared.dtypes.push_back(of_size(self.size()));
  prepared.empty.push_back(none);
  prepared.work = static_cast<double>(problem.elements) * (lengths.rank + 1);
  prepared.runner = [=, &self, problem = std::move(problem), alive = std::move(kernel)](
                        char* const* inputs, char* const* outputs, Interrupt& interrupt) {
    const int64_t* indices[kMaxRank];
    for (size_t k = 0; k < problem.lengths.size(); ++k) indices[k] = reinterpret_cast<const int64_t*>(inputs[1 + k]);
    const bool inside = self.run(problem, inputs[0], indices, outputs[0], threads, interrupt);
    if (problem.elements > 0) tell_positions(inside);
  };
  return prepared;
}

Prepared prepare_search(py::object kernel, py::handle shape_list, py::handle out_strides, py::handle value_strides,
                        int64_t length, int64_t step, int threads) {
  const Search& self = kernel.cast<const Search&>();
  SearchProblem problem{length, step, to_shape(shape_list, "shape"), {}, {}};
  problem.out = to_strides(out_strides, problem.shape.rank, "out");
  problem.values = to_strides(value_strides, problem.shape.rank, "values");
  if (length < 0 || length > kMaxElements) fail("length is out of range");
  threads = to_threads(threads);
  const bool none = problem.shape.product() == 0;
  Prepared prepared;
  prepared.dtypes = {self.dtype(), self.dtype(), DType::kInt64};
  prepared.empty = {length == 0 || none, none, none};
  prepared.work = static_cast<double>(problem.shape.product()) * 16;
  prepared.runner = [=, &self, alive = std::move(kernel)](char* const* inputs, char* const* outputs,
                                                          Interrupt& interrupt) {
    self.run(problem, inputs[0], inputs[1], reinterpret_cast<int64_t*>(outputs[0]), threads, interrupt);
  };
  return prepared;
}

Prepared prepare_compact(py::object kernel, int64_t length, int64_t step, int64_t block, int64_t before_step,
                         int64_t count, int64_t out_step, int threads) {
  const Compact& self = kernel.cast<const Compact&>();
  if (length < 0 || length > kMaxElements) fail("length is out of range");
  if (block < 1) fail("block must be at least 1");
  if (count < 0 || count > length) fail("count is out of range");
  const CompactProblem problem{length, step, block, before_step, count, out_step};
  threads = to_threads(threads);
  Prepared prepared;
  prepared.dtypes = {DType::kBool, DType::kInt64, DType::kInt64};
  prepared.empty = {length == 0, length == 0, count == 0};
  prepared.work = static_cast<double>(length);
  prepared.runner = [=, &self, alive = std::move(kernel)](char* const* inputs, char* const* outputs,
                                                          Interrupt& interrupt) {
    self.run(problem, reinterpret_cast<const uint8_t*>(inputs[0]), reinterpret_cast<const int64_t*>(inputs[1]),
             reinterpret_cast<int64_t*>(outputs[0]), threads, interrupt);
  };
  return prepared;
}

/// The same kernel's count of each block.
Prepared prepare_block_counts(py::object kernel, int64_t length, int64_t step, int64_t block, int64_t out_step,
                              int threads) {
  const Compact& self = kernel.cast<const Compact&>();
  if (length < 0 || length > kMaxElements) fail("length is out of range");
  if (block < 1) fail("block must be at least 1");
  const CompactProblem problem{length, step, block, 0, 0, out_step};
  threads = to_threads(threads);
  Prepared prepared;
  prepared.dtypes = {DType::kBool, DType::kInt64};
  prepared.empty = {length == 0, length == 0};
  prepared.work = static_cast<double>(length) / 8;
  prepared.runner = [=, &self, alive = std::move(kernel)](char* const* inputs, char* const* outputs,
                                                          Interrupt& interrupt) {
    self.count(problem, reinterpret_cast<const uint8_t*>(inputs[0]), reinterpret_cast<int64_t*>(outputs[0]), threads,
               interrupt);
  };
  return prepared;
}

ScatterKind to_scatter_kind(const std::string& name) {
  if (name == "set") return ScatterKind::kSet;
  if (name == "add") return ScatterKind::kAdd;
  if (name == "multiply") return ScatterKind::kMultiply;
  if (name == "max") return ScatterKind::kMax;
  if (name == "min") return ScatterKind::kMin;
  fail("kind must be set, add, multiply, max or min");
}

Prepared prepare_scatter(py::object kernel, int64_t count, py::handle length_list, py::handle step_list,
                         py::handle row_list, py::handle out_rows, py::handle value_rows, int64_t value_step,
                         int64_t cell_step, bool order, std::optional<std::pair<int64_t, int64_t>> sources, bool start,
                         int threads) {
  const Scatter& self = kernel.cast<const Scatter&>();
  const auto [source_length, source_step] = sources.value_or(std::pair<int64_t, int64_t>{0, 0});
  ScatterProblem problem{count, value_step, cell_step, source_length, source_step, to_shape(length_list, "lengths"), {},
                         {},    {},         {}};
  if ((order || start) && !self.folds()) fail("order and start are of sums and products");
  if (source_length < 0 || source_length > kMaxElements) fail("sources: length is out of range");
  if (count < 0 || problem.lengths.rank == 0) fail("count must not be negative, and lengths must have one at least");
  problem.steps = to_strides(step_list, problem.lengths.rank, "steps");
  problem.rows = to_shape(row_list, "rows");
  problem.out_rows = to_strides(out_rows, problem.rows.rank, "out_rows");
  problem.value_rows = to_strides(value_rows, problem.rows.rank, "value_rows");
  const int64_t columns = problem.rows.product();
  if (count > 0 && columns > kMaxElements / count) fail("there are too many values");
  threads = to_threads(threads);
  Prepared prepared;
  prepared.dtypes = {self.dtype(), DType::kInt64};
  if (order) prepared.dtypes.push_back(DType::kInt64);
  if (sources) prepared.dtypes.push_back(DType::kInt64);
  if (start) prepared.dtypes.push_back(self.dtype());
  prepared.dtypes.push_back(self.dtype());
  prepared.empty.assign(prepared.dtypes.size(), count == 0 || columns == 0 || problem.lengths.product() == 0);
  prepared.work = static_cast<double>(count) * static_cast<double>(columns) * 2;
  prepared.runner = [=, &self, alive = std::move(kernel)](char* const* inputs, char* const* outputs,
                                                          Interrupt& interrupt) {
    const auto numbers = [&](int i) { return reinterpret_cast<const int64_t*>(inputs[i]); };
    ScatterOperands operands{inputs[0], numbers(1), nullptr, nullptr, nullptr, outputs[0]};
    int next = 2;
    if (order) operands.order = numbers(next++);
    if (sources) operands.sources = numbers(next++);
    if (start) operands.start = inputs[next];
    self.run(problem, operands, threads, interrupt);
  };
  return prepared;
}

}  // namespace

void bind_movement(py::module_& m) {
  py::class_<Join> join(m, "Join", "Copies of arrays, each to its own box of one.");
  join.def(py::init(&make_join), py::arg("isa"), py::arg("dtype"), py::arg("shapes"), py::arg("offsets"),
           py::arg("out_strides"), py::arg("in_strides"));
  add_launch(join, &prepare_join, py::arg("threads"));
  py::class_<Gather> gather(m, "Gather", "Elements that index arrays select; 0 where an index is out of range.");
  gather.def(py::init([](const std::string& isa, int size) { return Gather(find_isa(isa), size); }), py::arg("isa"),
             py::arg("size"));
  add_launch(gather, &prepare_gather, py::arg("shape"), py::arg("out_strides"), py::arg("in_strides"),
             py::arg("index_strides"), py::arg("lengths"), py::arg("steps"), py::arg("threads"));
  py::class_<Search> search(m, "Search", "Places of values in a sorted vector.");
  search.def(py::init([](const std::string& dtype, bool right) { return Search(parse_dtype(dtype), right); }),
             py::arg("dtype"), py::arg("right"));
  add_launch(search, &prepare_search, py::arg("shape"), py::arg("out_strides"), py::arg("value_strides"),
             py::arg("length"), py::arg("step"), py::arg("threads"));
  py::class_<Compact> compact(m, "Compact", "Places of the true elements of a vector.");
  compact.def(py::init<>());
  add_launch(compact, &prepare_compact, py::arg("length"), py::arg("step"), py::arg("block"), py::arg("before_step"),
             py::arg("count"), py::arg("out_step"), py::arg("threads"));
  compact.def(
      "counts",
      [](py::object self, int64_t length, int64_t step, int64_t block, int64_t out_step, int threads) {
        return prepare_block_counts(std::move(self), length, step, block, out_step, threads).launch();
      },
      py::arg("length"), py::arg("step"), py::arg("block"), py::arg("out_step"), py::arg("threads"));
  py::class_<Scatter> scatter(m, "Scatter",
                              "Rows stored, or combined in the canonical order, where numbers of cells say.");
  scatter.def(py::init([](const std::string& isa, const std::string& dtype, const std::string& kind, bool apart) {
                return Scatter(find_isa(isa), parse_dtype(dtype), to_scatter_kind(kind), apart);
              }),
              py::arg("isa"), py::arg("dtype"), py::arg("kind"), py::arg("apart"));
  add_launch(scatter, &prepare_scatter, py::arg("count"), py::arg("lengths"), py::arg("steps"), py::arg("rows"),
             py::arg("out_rows"), py::arg("value_rows"), py::arg("value_step"), py::arg("cell_step"), py::arg("order"),
             py::arg("sources"), py::arg("start"), py::arg("threads"));
}

}  // namespace accel
