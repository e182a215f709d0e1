#include "arguments.hpp"

#include <algorithm>

namespace accel {

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

namespace {

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

void check_strides(const Extents& strides, int rank, const char* what) {
  if (strides.rank != rank) {
    fail(std::string(what) + " has " + std::to_string(strides.rank) + " strides for " + std::to_string(rank) +
         " dimensions");
  }
}

}  // namespace

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

std::vector<DType> to_dtypes(const std::vector<std::string>& names) {
  std::vector<DType> dtypes;
  for (const std::string& name : names) dtypes.push_back(parse_dtype(name));
  return dtypes;
}

std::vector<ProgramStep> to_steps(const Steps& steps) {
  std::vector<ProgramStep> program;
  for (const auto& [function, dtype, args] : steps) program.push_back({function, dtype, args});
  return program;
}

}  // namespace accel
