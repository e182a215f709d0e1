// The extension module accel._core: what every call goes through, whatever its device.

#define PY_SSIZE_T_CLEAN
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <structmember.h>

#include <cmath>

#include "buffer.hpp"
#include "callable.hpp"
#include "dispatcher.hpp"
#include "door.hpp"
#include "elements.hpp"
#include "ending.hpp"
#include "environment.hpp"
#include "exchange.hpp"
#include "gpu_launch.hpp"
#include "memo.hpp"
#include "names.hpp"
#include "opencl_launch.hpp"
#include "plan.hpp"
#include "pool.hpp"
#include "take.hpp"
#include "view.hpp"

namespace py = pybind11;

namespace accel::core {
namespace {

/// Where a class with __slots__ keeps one of them.
Py_ssize_t slot_offset(py::handle type, const char* name) {
  const py::object descriptor = type.attr(name);
  if (Py_TYPE(descriptor.ptr()) != &PyMemberDescr_Type) throw py::type_error(std::string(name) + " is no slot");
  return reinterpret_cast<PyMemberDescrObject*>(descriptor.ptr())->d_member->offset;
}

void register_array(const py::type& type, const py::type& symbol) {
  api.array_buffer = slot_offset(type, "buffer");
  api.array_offset = slot_offset(type, "offset");
  api.array_layout = slot_offset(type, "layout");
  api.array = reinterpret_cast<PyTypeObject*>(type.inc_ref().ptr());
  symbol_type = reinterpret_cast<PyTypeObject*>(symbol.inc_ref().ptr());
}

py::object take(PyObject* owned) {
  if (!owned) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(owned);
}

/// A function of C, as every call allocates its output.
PyObject* allocate_bytes(PyObject*, PyObject* size) {
  const Py_ssize_t nbytes = PyNumber_AsSsize_t(size, PyExc_OverflowError);
  if (nbytes == -1 && PyErr_Occurred()) return nullptr;
  if (nbytes >= 0) return allocate(api.host_buffer, nbytes);
  return PyErr_Format(PyExc_ValueError, "allocate: nbytes: expected at least 0, got %zd", nbytes);
}

/// Whether the current thread is inside a call that `begin_call` counted is known to who called it.
PyObject* python_begin_call(PyObject*, PyObject*) {
  const bool counted = !in_main_thread();
  if (counted) begin_call();
  return PyBool_FromLong(counted);
}

PyObject* python_end_call(PyObject*, PyObject* counted) {
  if (counted == Py_True) end_call();
  Py_RETURN_NONE;
}

PyMethodDef functions[] = {
    {"begin_call", python_begin_call, METH_NOARGS,
     "begin_call(): before a driver is called; gives what end_call takes."},
    {"end_call", python_end_call, METH_O, "end_call(begun): after a driver was called."},
    {"allocate", allocate_bytes, METH_O, "allocate(nbytes): a HostBuffer from the pool. Raises MemoryError."},
    {"store", fast(store), METH_FASTCALL,
     "store(array, key, value): writes a number to the element that integers name, where that is simple; whether it "
     "did."},
    {"load", load, METH_O,
     "load(array): the one element of an array in host memory as a Python number; None where that is not simple."},
    {"view", fast(view), METH_FASTCALL, "view(buffer, offset, layout): an accel.Array."},
    {"within", fast(within), METH_FASTCALL,
     "within(array, least, length): whether no position that the host can look at is below 0; None where one is out of "
     "range, or that is not simple."},
    {"apart", fast(apart), METH_FASTCALL,
     "apart(inputs, out): whether no array in host memory shares a byte of its buffer with out; False where that is "
     "not "
     "simple."},
    {nullptr, nullptr, 0, nullptr},
};

/// All that accel keeps is the process's.
bool in_main_interpreter() { return PyInterpreterState_Get() == PyInterpreterState_Main(); }

constexpr char kRefusal[] =
    "accel cannot be imported in a subinterpreter, only in a process's main one; use processes instead";

py::object checked(PyTypeObject* type) { return take(reinterpret_cast<PyObject*>(type)); }

}  // namespace
}  // namespace accel::core

PYBIND11_MODULE(_core_of_main_interpreter, m) {
  using namespace accel::core;
  if (!in_main_interpreter()) throw py::import_error(kRefusal);  // from 3.13 on PyInit runs in the main one first
  m.doc() = "The table of plans, buffers of host memory and their pool, and the entry of public functions.";
  // Kernels hold the types that this module makes: another set of them would make every array so far a stranger.
  if (api.host_buffer) throw py::import_error("accel._core is loaded already, under another name");
  if (!make_names() || !load_numpy()) throw py::error_already_set();
  const py::object buffer = checked(make_host_buffer_type());
  api.host_buffer = reinterpret_cast<PyTypeObject*>(buffer.ptr());
  m.attr("HostBuffer") = buffer;
  m.attr("Dispatcher") = checked(make_dispatcher_type());
  m.attr("Plan") = checked(make_plan_type());
  m.attr("GpuLaunch") = checked(make_gpu_launch_type());
  m.attr("OpenCLQueue") = checked(make_opencl_queue_type());
  m.attr("OpenCLLaunch") = checked(make_opencl_launch_type());
  m.attr("Door") = checked(make_door_type());
  m.attr("Exchange") = checked(make_exchange_type());
  m.attr("Memo") = checked(make_memo_type());
  m.attr("View") = checked(make_view_type());
  m.attr("Take") = checked(make_take_type());
  m.attr("FloatEnvironment") = checked(make_float_environment_type());
  m.attr("_api") = py::capsule(&api, kApiName);
  m.def("register_array", &register_array, py::arg("type"), py::arg("symbol"),
        "Tells where accel.Array keeps buffer, offset, layout, and what is no buffer but stands for one.");
  if (PyModule_AddFunctions(m.ptr(), functions) < 0) throw py::error_already_set();
  m.def(
      "set_idle_limit", [](size_t bytes) { set_idle_limit(bytes); }, py::arg("bytes"),
      "How many bytes may lie idle in the pool.");
  m.def("release_idle", &release_idle, "Returns what lies idle in the pool to the system; whether anything did.");
  main_thread = py::module_::import("threading").attr("main_thread")().attr("ident").cast<unsigned long>();
  m.def(
      "end_calls",
      [] {
        if (!end_calls()) throw py::error_already_set();
      },
      "For an exit handler: waits until no other thread is inside a call.");
  m.def("idle_bytes", &idle_bytes, "How many bytes lie idle in the pool.");
  m.def("fma32", py::vectorize([](float a, float b, float c) { return std::fma(a, b, c); }),
        "fma32(a, b, c): a * b + c of float32, rounded once by the C library.");
  m.def("fma64", py::vectorize([](double a, double b, double c) { return std::fma(a, b, c); }),
        "fma64(a, b, c): a * b + c of float64, rounded once by the C library.");
}

/// Asks before pybind11 does anything, as it waits for ever for the GIL of a subinterpreter.
extern "C" PYBIND11_EXPORT PyObject* PyInit__core() {
  if (accel::core::in_main_interpreter()) return PyInit__core_of_main_interpreter();
  PyErr_SetString(PyExc_ImportError, accel::core::kRefusal);
  return nullptr;
}
