// The extension module accel._cpu: argument checking, the GIL, and Ctrl-C.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "isa.hpp"
#include "matmul.hpp"
#include "pointwise.hpp"
#include "reduce.hpp"

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

Operand to_operand(py::handle pointer, py::handle strides, DType dtype, int rank, bool empty, const char* what) {
  Operand operand{to_address(pointer, dtype, empty, what), to_extents(strides, what)};
  check_strides(operand.strides, rank, what);
  return operand;
}

/// (pointer, strides) for each dtype.
template <class DTypeOf>
std::vector<Operand> to_operands(py::handle list, size_t count, DTypeOf dtype_of, int rank, bool empty,
                                 const char* what) {
  if (!PyList_Check(list.ptr()) && !PyTuple_Check(list.ptr())) {
    throw py::type_error(std::string(what) + " must be a list or tuple of (pointer, strides)");
  }
  const py::tuple items = py::reinterpret_steal<py::tuple>(PySequence_Tuple(list.ptr()));
  if (!items) throw py::error_already_set();
  if (items.size() != count) {
    fail("there are " + std::to_string(items.size()) + " " + what + ", not " + std::to_string(count));
  }
  std::vector<Operand> operands;
  operands.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const py::handle item = PyTuple_GET_ITEM(items.ptr(), static_cast<Py_ssize_t>(i));
    if (!PyTuple_Check(item.ptr()) || PyTuple_GET_SIZE(item.ptr()) != 2) {
      throw py::type_error(std::string(what) + " must be pairs (pointer, strides)");
    }
    operands.push_back(
        to_operand(PyTuple_GET_ITEM(item.ptr(), 0), PyTuple_GET_ITEM(item.ptr(), 1), dtype_of(i), rank, empty, what));
  }
  return operands;
}

int to_threads(int threads) {
  if (threads < 1) fail("threads must be at least 1");
  return std::min(threads, 1024);
}

bool is_finalizing() {
#if PY_VERSION_HEX >= 0x030d0000
  return Py_IsFinalizing();
#else
  return _Py_IsFinalizing();
#endif
}

/// Runs a kernel without the GIL; polls signals in between.
class WithoutGil final : public Interrupt {
 public:
  template <class Body>
  static void run(Body&& body) {
    WithoutGil released;
    try {
      body(released);
      released.acquire();  // not left to the destructor: CPython may end this thread here by unwinding it
    } catch (const Interrupted&) {
      released.acquire();
      throw py::error_already_set();
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
    // A daemon thread outlives the interpreter: it waits for the process to end, as CPython lets it do from 3.14 on.
    // Before, CPython would unwind it by pthread_exit from within the job that other threads still work on.
    while (is_finalizing()) pause();
    PyThreadState* const state = state_;
    state_ = nullptr;
    PyEval_RestoreThread(state);
  }

  PyThreadState* state_;  // null while the GIL is held
};

std::vector<DType> to_dtypes(const std::vector<std::string>& names) {
  std::vector<DType> dtypes;
  for (const std::string& name : names) dtypes.push_back(parse_dtype(name));
  return dtypes;
}

Pointwise make_pointwise(const std::string& isa, const std::vector<std::string>& inputs,
                         const std::vector<std::tuple<std::string, std::string, std::vector<int64_t>>>& steps,
                         const std::string& output) {
  std::vector<ProgramStep> program;
  for (const auto& [function, dtype, args] : steps) program.push_back({function, dtype, args});
  return Pointwise(find_isa(isa), to_dtypes(inputs), std::move(program), parse_dtype(output));
}

void run_pointwise(const Pointwise& self, py::handle shape_list, py::handle out_ptr, py::handle out_strides,
                   py::handle operand_list, int threads) {
  const Extents shape = to_shape(shape_list, "shape");
  const bool empty = shape.product() == 0;
  const Operand out = to_operand(out_ptr, out_strides, self.output(), shape.rank, empty, "out");
  const std::vector<Operand> operands = to_operands(
      operand_list, self.inputs().size(), [&](size_t i) { return self.inputs()[i]; }, shape.rank, empty, "operands");
  threads = to_threads(threads);
  if (empty) return;
  WithoutGil::run([&](Interrupt& interrupt) { self.run(shape, out, operands, threads, interrupt); });
}

void run_reduce(const Reduce& self, py::handle kept_shape, py::handle out_ptr, py::handle out_strides,
                py::handle in_ptr, py::handle in_kept_strides, py::handle reduced_shape, py::handle in_reduced_strides,
                int threads) {
  const Extents kept = to_shape(kept_shape, "kept_shape"), reduced = to_shape(reduced_shape, "reduced_shape");
  const bool nothing = kept.product() == 0;
  const Operand out = to_operand(out_ptr, out_strides, self.output(), kept.rank, nothing, "out");
  const Extents kept_strides = to_extents(in_kept_strides, "in_kept_strides");
  const Extents reduced_strides = to_extents(in_reduced_strides, "in_reduced_strides");
  check_strides(kept_strides, kept.rank, "in_kept_strides");
  check_strides(reduced_strides, reduced.rank, "in_reduced_strides");
  const bool no_input = nothing || reduced.product() == 0;
  const char* const in = to_address(in_ptr, self.dtype(), no_input, "in");
  if (!no_input && kept.product() > kMaxElements / reduced.product()) fail("the input is too large");
  threads = to_threads(threads);
  if (nothing) return;
  WithoutGil::run([&](Interrupt& interrupt) {
    self.run(kept, out, in, kept_strides, reduced, reduced_strides, threads, interrupt);
  });
}

Matmul make_matmul(const std::string& isa, const std::string& dtype, const std::string& output,
                   const Pointwise* epilogue, bool matrix_units) {
  return Matmul(find_isa(isa), parse_dtype(dtype), parse_dtype(output), epilogue, matrix_units);
}

void run_matmul(const Matmul& self, py::handle batch_shape, int64_t m, int64_t n, int64_t k, py::handle a_ptr,
                py::handle a_strides, py::handle b_ptr, py::handle b_strides, py::handle out_ptr,
                py::handle out_strides, py::handle extras, int threads) {
  MatmulProblem problem{to_shape(batch_shape, "batch_shape"), m, n, k, {}, {}, {}, {}};
  if (m < 0 || n < 0 || k < 0) fail("m, n and k must not be negative");
  const int rank = problem.batch.rank + 2;
  if (rank > kMaxRank) fail("batch_shape has too many dimensions");
  const int64_t entries = problem.batch.product();
  const bool empty = entries == 0 || m == 0 || n == 0;
  const double operations = static_cast<double>(entries) * m * n * k;
  const double outputs = static_cast<double>(entries) * m * n;
  if (!empty && (operations > 1e24 || outputs > static_cast<double>(kMaxElements))) fail("the problem is too large");
  problem.a = to_operand(a_ptr, a_strides, self.dtype(), rank, empty || k == 0, "a");
  problem.b = to_operand(b_ptr, b_strides, self.dtype(), rank, empty || k == 0, "b");
  problem.out = to_operand(out_ptr, out_strides, self.output(), rank, empty, "out");
  problem.extras = to_operands(extras, self.extras(), [&](size_t i) { return self.extra(i); }, rank, empty, "extras");
  threads = to_threads(threads);
  if (empty) return;
  WithoutGil::run([&](Interrupt& interrupt) { self.run(problem, threads, interrupt); });
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
  py::class_<Pointwise>(m, "Pointwise", "A scalar program resolved to array kernels.")
      .def(py::init(&make_pointwise), py::arg("isa"), py::arg("inputs"), py::arg("steps"), py::arg("output"))
      .def("run", &run_pointwise, py::arg("shape"), py::arg("out_ptr"), py::arg("out_strides"), py::arg("operands"),
           py::arg("threads"));
  py::class_<Reduce>(m, "Reduce", "sum prod max min any all argmax argmin in the canonical order.")
      .def(py::init([](const std::string& isa, const std::string& kind, const std::string& dtype,
                       const std::string& output) {
             return Reduce(find_isa(isa), kind, parse_dtype(dtype), parse_dtype(output));
           }),
           py::arg("isa"), py::arg("kind"), py::arg("dtype"), py::arg("output"))
      .def("run", &run_reduce, py::arg("kept_shape"), py::arg("out_ptr"), py::arg("out_strides"), py::arg("in_ptr"),
           py::arg("in_kept_strides"), py::arg("reduced_shape"), py::arg("in_reduced_strides"), py::arg("threads"));
  py::class_<Matmul>(m, "Matmul", "Matrix multiply in the canonical order, with an epilogue.")
      .def(py::init(&make_matmul), py::arg("isa"), py::arg("dtype"), py::arg("output"),
           py::arg("epilogue") = py::none(), py::arg("matrix_units") = false)
      .def("run", &run_matmul, py::arg("batch_shape"), py::arg("m"), py::arg("n"), py::arg("k"), py::arg("a_ptr"),
           py::arg("a_strides"), py::arg("b_ptr"), py::arg("b_strides"), py::arg("out_ptr"), py::arg("out_strides"),
           py::arg("extras"), py::arg("threads"));
}
