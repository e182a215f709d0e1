// The extension module accel._cpu: argument checking, the GIL, and Ctrl-C.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "../factor.hpp"
#include "../float_environment.hpp"
#include "../gather.hpp"
#include "../isa.hpp"
#include "../join.hpp"
#include "../matmul.hpp"
#include "../pointwise.hpp"
#include "../probe.hpp"
#include "../reduce.hpp"
#include "../row.hpp"
#include "../scan.hpp"
#include "../scatter.hpp"
#include "../search.hpp"
#include "../sort.hpp"
#include "contract.hpp"
#include "gil.hpp"
#include "launch.hpp"

namespace py = pybind11;

namespace accel {
namespace {

constexpr int64_t kMaxElements = int64_t{1} << 60;

[[noreturn]] void fail(const std::string& message) { throw py::value_error(message); }

int64_t to_int(py::handle item, const char* what) {
  const Py_ssize_t value = PyNumber_AsSsize_t(item.ptr(), PyExc_OverflowError);
  if (value == -1 && PyErr_Occurred()) {
    if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
      PyErr_Clear();
      fail(std::string(what) + " is out of range");
    }
    throw py::error_already_set();
  }
  return value;
}

/// A list or tuple of integers.
Extents to_extents(py::handle list, const char* what) {
  if (!PyList_Check(list.ptr()) && !PyTuple_Check(list.ptr())) {
    throw py::type_error(std::string(what) + " must be a list or tuple of integers");
  }
  // A copy where it is a list: another thread could change it.
  const py::tuple items = py::reinterpret_steal<py::tuple>(PySequence_Tuple(list.ptr()));
  if (!items) throw py::error_already_set();
  if (items.size() > static_cast<size_t>(kMaxRank)) fail(std::string(what) + " has too many dimensions");
  Extents extents;
  for (const py::handle item : items) extents.append(to_int(item, what));
  return extents;
}

Extents to_shape(py::handle list, const char* what) {
  const Extents shape = to_extents(list, what);
  int64_t elements = 1;
  bool empty = false;
  for (int d = 0; d < shape.rank; ++d) {
    if (shape[d] < 0) fail(std::string(what) + " has a negative extent");
    empty |= shape[d] == 0;
  }
  for (int d = 0; d < shape.rank && !empty; ++d) {
    if (shape[d] > kMaxElements / elements) fail(std::string(what) + " is too large");
    elements *= shape[d];
  }
  return shape;
}

void check_strides(const Extents& strides, int rank, const char* what) {
  if (strides.rank != rank) {
    fail(std::string(what) + " has " + std::to_string(strides.rank) + " strides for " + std::to_string(rank) +
         " dimensions");
  }
}

/// The address of an operand's first element, in bytes; `empty`: of none.
char* to_address(py::handle pointer, DType dtype, bool empty, const char* what) {
  const size_t address = PyLong_AsSize_t(pointer.ptr());
  if (address == static_cast<size_t>(-1) && PyErr_Occurred()) {
    if (!PyErr_ExceptionMatches(PyExc_OverflowError)) throw py::error_already_set();
    PyErr_Clear();
    fail(std::string(what) + ": no address");
  }
  if (empty) return nullptr;
  if (address == 0) fail(std::string(what) + ": a null pointer");
  if (address % size_of(dtype) != 0) fail(std::string(what) + ": not aligned to its dtype");
  return reinterpret_cast<char*>(address);
}

Extents to_strides(py::handle list, int rank, const char* what) {
  const Extents strides = to_extents(list, what);
  check_strides(strides, rank, what);
  return strides;
}

/// The items of a list or tuple of `count`.
py::tuple to_items(py::handle list, size_t count, const char* what) {
  if (!PyList_Check(list.ptr()) && !PyTuple_Check(list.ptr())) {
    throw py::type_error(std::string(what) + " must be a list or tuple");
  }
  py::tuple items = py::reinterpret_steal<py::tuple>(PySequence_Tuple(list.ptr()));
  if (!items) throw py::error_already_set();
  if (items.size() != count) {
    fail("there are " + std::to_string(items.size()) + " " + what + ", not " + std::to_string(count));
  }
  return items;
}

/// Operands without addresses yet, from the strides of each.
std::vector<Operand> to_operands(py::handle list, size_t count, int rank, const char* what) {
  std::vector<Operand> operands;
  operands.reserve(count);
  for (const py::handle strides : to_items(list, count, what)) {
    operands.push_back({nullptr, to_strides(strides, rank, what)});
  }
  return operands;
}

int to_threads(int threads) {
  if (threads < 1) fail("threads must be at least 1");
  return std::min(threads, 1024);
}

/// Runs a kernel without the GIL; a signal's exception goes on as Python's.
template <class Body>
void without_gil(Body&& body) {
  const StandardFloats standard;
  try {
    WithoutGil::run(body);
  } catch (const PythonError&) {
    throw py::error_already_set();
  }
}

std::vector<DType> to_dtypes(const std::vector<std::string>& names) {
  std::vector<DType> dtypes;
  for (const std::string& name : names) dtypes.push_back(parse_dtype(name));
  return dtypes;
}

std::vector<ProgramStep> to_steps(
    const std::vector<std::tuple<std::string, std::string, std::vector<int64_t>>>& steps) {
  std::vector<ProgramStep> program;
  for (const auto& [function, dtype, args] : steps) program.push_back({function, dtype, args});
  return program;
}

Pointwise make_pointwise(const std::string& isa, const std::vector<std::string>& inputs,
                         const std::vector<std::tuple<std::string, std::string, std::vector<int64_t>>>& steps,
                         const std::string& output) {
  return Pointwise(find_isa(isa), to_dtypes(inputs), to_steps(steps), parse_dtype(output));
}

/// A kernel with all but its operands' addresses: what `launch` calls, and what `run` does for addresses given at once.
struct Prepared {
  Runner runner;
  std::vector<DType> dtypes;  // of the inputs, then of the outputs
  std::vector<bool> empty;    // whether each has no elements
  double work = 0;            // roughly nanoseconds
  size_t outputs = 1;

  py::object launch() && {
    std::vector<int> sizes;
    for (const DType dtype : dtypes) sizes.push_back(size_of(dtype));
    PyObject* const made = make_launch(std::move(runner), std::move(sizes), outputs, work);
    if (!made) throw py::error_already_set();
    return py::reinterpret_steal<py::object>(made);
  }

  void run(py::handle in_ptrs, py::handle out_ptrs) const {
    const size_t inputs = dtypes.size() - outputs;
    std::vector<char*> at;
    const auto add = [&](py::handle pointers, size_t count, const char* what) {
      for (const py::handle pointer : to_items(pointers, count, what)) {
        at.push_back(to_address(pointer, dtypes[at.size()], empty[at.size()], what));
      }
    };
    add(in_ptrs, inputs, "inputs");
    add(out_ptrs, outputs, "outputs");
    without_gil([&](Interrupt& interrupt) { runner(at.data(), at.data() + inputs, interrupt); });
  }
};

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

Row make_row(const std::string& isa, const std::vector<std::tuple<std::string, bool>>& inputs,
             const std::vector<std::tuple<std::string, std::string, std::vector<int64_t>>>& steps,
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
  GatherProblem problem;
  problem.shape = to_shape(shape_list, "shape");
  const int rank = problem.shape.rank;
  problem.out = to_strides(out_strides, rank, "out");
  problem.in = to_strides(in_strides, rank, "in");
  const Extents lengths = to_shape(length_list, "lengths"), steps = to_strides(step_list, lengths.rank, "steps");
  for (const Operand& index : to_operands(index_strides, static_cast<size_t>(lengths.rank), rank, "indices")) {
    problem.indices.push_back(index.strides);
  }
  for (int k = 0; k < lengths.rank; ++k) {
    problem.lengths.push_back(lengths[k]);
    problem.steps.push_back(steps[k]);
  }
  threads = to_threads(threads);
  const bool none = problem.shape.product() == 0, no_input = none || lengths.product() == 0;
  Prepared prepared;
  prepared.dtypes = {of_size(self.size())};
  prepared.empty = {no_input};
  for (int k = 0; k < lengths.rank; ++k) {
    prepared.dtypes.push_back(DType::kInt64);
    prepared.empty.push_back(none);
  }
  prepared.dtypes.push_back(of_size(self.size()));
  prepared.empty.push_back(none);
  prepared.work = static_cast<double>(problem.shape.product()) * (lengths.rank + 1);
  prepared.runner = [=, &self, alive = std::move(kernel)](char* const* inputs, char* const* outputs,
                                                          Interrupt& interrupt) {
    const int64_t* indices[kMaxRank];
    for (size_t k = 0; k < problem.lengths.size(); ++k) indices[k] = reinterpret_cast<const int64_t*>(inputs[1 + k]);
    self.run(problem, inputs[0], indices, outputs[0], threads, interrupt);
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

MatrixStrides to_matrix_strides(py::handle list, const char* what) {
  const Extents strides = to_strides(list, 3, what);
  return {strides[0], strides[1], strides[2]};
}

Prepared prepare_factor(py::object kernel, int64_t count, int64_t m, int64_t n, py::handle out_strides,
                        py::handle in_strides, int threads) {
  const Factor& self = kernel.cast<const Factor&>();
  const bool lu = self.kind() == Factor::Kind::kLu, qr = self.kind() == Factor::Kind::kQr, both = lu || qr;
  if (count < 0 || m < 0 || n < 0) fail("count, m and n must not be negative");
  if ((both ? n : m) > kFactor) fail("a block has at most " + std::to_string(kFactor) + " columns");
  if (self.kind() == Factor::Kind::kCholesky && m != n) fail("expected square blocks");
  if (qr && m < n) fail("expected as many rows as columns");
  if (m > 0 && n > 0 && count > kMaxElements / m / n) fail("the problem is too large");
  const py::tuple ins = to_items(in_strides, self.solves() ? 2 : 1, "in_strides");
  const py::tuple outs = to_items(out_strides, both ? 2 : 1, "out_strides");
  FactorProblem problem{count, m, n, to_matrix_strides(ins[0], "in"), {}, to_matrix_strides(outs[0], "out"), {}};
  if (self.solves()) problem.b = to_matrix_strides(ins[1], "right-hand sides");
  if (both) problem.beside = to_matrix_strides(outs[1], "second output");
  threads = to_threads(threads);
  Prepared prepared;
  prepared.dtypes = {self.dtype()};
  if (self.solves()) prepared.dtypes.push_back(self.dtype());
  prepared.dtypes.push_back(self.dtype());
  if (both) prepared.dtypes.push_back(lu ? DType::kInt64 : self.dtype());
  prepared.outputs = both ? 2 : 1;
  prepared.empty.assign(prepared.dtypes.size(), count == 0 || m == 0 || n == 0);
  prepared.work =
      static_cast<double>(count) * static_cast<double>(m) * static_cast<double>(n) * (self.solves() ? 8 : 4);
  prepared.runner = [=, &self, alive = std::move(kernel)](char* const* inputs, char* const* outputs,
                                                          Interrupt& interrupt) {
    self.run(problem, inputs, outputs, threads, interrupt);
  };
  return prepared;
}

Prepared prepare_scatter(py::object kernel, int64_t count, py::handle length_list, py::handle step_list,
                         py::handle row_list, py::handle out_rows, py::handle value_rows, int64_t value_step,
                         int64_t cell_step, int threads) {
  const Scatter& self = kernel.cast<const Scatter&>();
  ScatterProblem problem{count, value_step, cell_step, to_shape(length_list, "lengths"), {}, {}, {}, {}};
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
  if (self.add()) prepared.dtypes.push_back(DType::kInt64);
  prepared.dtypes.push_back(self.dtype());
  prepared.empty.assign(prepared.dtypes.size(), count == 0 || columns == 0 || problem.lengths.product() == 0);
  prepared.work = static_cast<double>(count) * static_cast<double>(columns) * 2;
  prepared.runner = [=, &self, alive = std::move(kernel)](char* const* inputs, char* const* outputs,
                                                          Interrupt& interrupt) {
    const auto numbers = [&](int i) { return reinterpret_cast<const int64_t*>(inputs[i]); };
    self.run(problem, inputs[0], numbers(1), self.add() ? numbers(2) : nullptr, outputs[0], threads, interrupt);
  };
  return prepared;
}

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

}  // namespace
}  // namespace accel

PYBIND11_MODULE(_cpu, m, py::mod_gil_not_used()) {
  using namespace accel;
  m.doc() = "Native CPU kernels. Strides are in elements; pointers are integers; every call releases the GIL.";
  m.def(
      "isas",
      [] {
        std::vector<std::string> names;
        for (const KernelTable* table : supported_isas()) names.emplace_back(table->isa);
        return names;
      },
      "Instruction sets compiled in and supported by this CPU, best first.");
#ifdef __clang__
  m.attr("compiler") = __VERSION__;
#else
  m.attr("compiler") = "GCC " __VERSION__;
#endif
  if (!make_launch_type()) throw py::error_already_set();
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
  py::class_<Row> row(m, "Row", "Scalar steps and folds over rows, in stages.");
  row.def(py::init(&make_row), py::arg("isa"), py::arg("inputs"), py::arg("steps"), py::arg("outputs"));
  add_launch(row, &prepare_row, py::arg("kept_shape"), py::arg("reduced_shape"), py::arg("out_strides"),
             py::arg("in_strides"), py::arg("threads"));
  py::class_<Sort> sort(m, "Sort", "Sorted values, or the indices that sort, along one axis.");
  sort.def(py::init([](const std::string& dtype, bool indices, bool descending, int64_t count) {
             if (count < 0) fail("count must not be negative");
             return Sort(parse_dtype(dtype), indices, descending, count);
           }),
           py::arg("dtype"), py::arg("indices"), py::arg("descending"), py::arg("count"));
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
  py::class_<Join> join(m, "Join", "Copies of arrays, each to its own box of one.");
  join.def(py::init(&make_join), py::arg("isa"), py::arg("dtype"), py::arg("shapes"), py::arg("offsets"),
           py::arg("out_strides"), py::arg("in_strides"));
  add_launch(join, &prepare_join, py::arg("threads"));
  py::class_<Gather> gather(m, "Gather", "Elements that index arrays select; 0 where an index is out of range.");
  gather.def(py::init<int>(), py::arg("size"));
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
  py::class_<Factor> factor(m, "Factor", "Factorisations of blocks, and solutions with them, in the canonical order.");
  factor.def(py::init([](const std::string& isa, const std::string& kind, const std::string& dtype) {
               return Factor(find_isa(isa), kind, parse_dtype(dtype));
             }),
             py::arg("isa"), py::arg("kind"), py::arg("dtype"));
  add_launch(factor, &prepare_factor, py::arg("count"), py::arg("m"), py::arg("n"), py::arg("out_strides"),
             py::arg("in_strides"), py::arg("threads"));
  py::class_<Scatter> scatter(m, "Scatter",
                              "Rows stored, or added in the canonical order, where numbers of cells say.");
  scatter.def(
      py::init([](const std::string& dtype, bool add, bool apart) { return Scatter(parse_dtype(dtype), add, apart); }),
      py::arg("dtype"), py::arg("add"), py::arg("apart"));
  add_launch(scatter, &prepare_scatter, py::arg("count"), py::arg("lengths"), py::arg("steps"), py::arg("rows"),
             py::arg("out_rows"), py::arg("value_rows"), py::arg("value_step"), py::arg("cell_step"),
             py::arg("threads"));
  m.def(
      "probe",
      [](const std::string& isa, const std::string& kind, int threads, double milliseconds, int64_t bytes) {
        const KernelTable& table = find_isa(isa);
        threads = to_threads(threads);
        const StandardFloats standard;  // subnormal numbers would cost what they do not elsewhere
        const py::gil_scoped_release released;
        return probe(table, kind, threads, milliseconds, bytes);
      },
      py::arg("isa"), py::arg("kind"), py::arg("threads") = 1, py::arg("milliseconds") = 20.0, py::arg("bytes") = 0,
      "Gigaoperations or gigabytes per second of all threads; None where the CPU has no such instruction.");
}
