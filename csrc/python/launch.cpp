#include "launch.hpp"

#include <structmember.h>

#include <new>
#include <stdexcept>

#include "../core/objects.hpp"
#include "gil.hpp"

namespace accel {

namespace {

core::Api* api = nullptr;
PyTypeObject* launch_type = nullptr;

constexpr Py_ssize_t kMaxOperands = core::kMostOperands;

struct Kernel {
  Runner run;
  std::vector<int> sizes;  // of the inputs' elements, then of the outputs'
  Py_ssize_t outputs;
  double work;
};

struct Launch {
  core::HostLaunch host;
  Kernel* kernel;  // owned
};

Launch& as_launch(PyObject* object) { return *reinterpret_cast<Launch*>(object); }

/// The address of an array's first element; null with an exception set.
char* address(PyObject* array, int size) {
  char* found = nullptr;
  if (core::find_element(*api, array, 0, size, found)) return found;
  if (Py_TYPE(array) != api->array) {
    PyErr_Format(PyExc_TypeError, "launch: expected an accel.Array, got %s", Py_TYPE(array)->tp_name);
    return nullptr;
  }
  PyObject* const buffer = core::slot(array, api->array_buffer);
  PyObject* const first_element = core::slot(array, api->array_offset);
  if (!buffer || !first_element || Py_TYPE(buffer) != api->host_buffer) {
    PyErr_SetString(PyExc_TypeError, "launch: expected an accel.Array in host memory");
    return nullptr;
  }
  if (PyLong_AsSsize_t(first_element) == -1 && PyErr_Occurred()) return nullptr;
  PyErr_SetString(PyExc_ValueError, "launch: an operand is not aligned to its dtype");
  return nullptr;
}

/// Calls body(); false with the exception set that its C++ exception stands for.
template <class Body>
bool translate(Body&& body) {
  try {
    body();
    return true;
  } catch (const PythonError&) {
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::invalid_argument& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return false;
}

/// Runs on the addresses of inputs and outputs. False with an exception set.
bool run_on(PyObject* object, char* const* operands) {
  const Kernel& self = *as_launch(object).kernel;
  char* const* const outputs = operands + (static_cast<Py_ssize_t>(self.sizes.size()) - self.outputs);
  return translate([&] {
    if (self.work <= kBriefWork) {
      Brief interrupt;
      self.run(operands, outputs, interrupt);
    } else {
      WithoutGil::run([&](Interrupt& interrupt) { self.run(operands, outputs, interrupt); });
    }
  });
}

PyObject* call(PyObject* object, PyObject* const* args, size_t flagged, PyObject* keywords) {
  const Kernel& self = *as_launch(object).kernel;
  const Py_ssize_t count = static_cast<Py_ssize_t>(self.sizes.size()), inputs = count - self.outputs;
  PyObject* const arrays = PyVectorcall_NARGS(flagged) == 1 ? args[0] : nullptr;
  const bool sequence = arrays && (PyTuple_CheckExact(arrays) || PyList_CheckExact(arrays));
  if (!sequence || (keywords && PyTuple_GET_SIZE(keywords)) || PySequence_Fast_GET_SIZE(arrays) != count) {
    return PyErr_Format(PyExc_TypeError, "launch: expected one sequence of %zd inputs and %zd output%s", inputs,
                        self.outputs, self.outputs == 1 ? "" : "s");
  }
  char* operands[kMaxOperands];
  for (Py_ssize_t i = 0; i < count; ++i) {
    operands[i] = address(PySequence_Fast_GET_ITEM(arrays, i), self.sizes[static_cast<size_t>(i)]);
    if (!operands[i] && PyErr_Occurred()) return nullptr;
  }
  if (!run_on(object, operands)) return nullptr;
  Py_RETURN_NONE;
}

void deallocate(PyObject* object) {
  PyTypeObject* const type = Py_TYPE(object);
  delete as_launch(object).kernel;
  type->tp_free(object);
  Py_DECREF(type);
}

PyMemberDef members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(core::HostLaunch, vectorcall), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
    {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
    {Py_tp_members, members},
    {Py_tp_doc,
     const_cast<char*>(
         "launch(arrays): a kernel made ready for operands of fixed layouts, its inputs and then its output.")},
    {0, nullptr},
};

PyType_Spec spec = {
    "accel._cpu.Launch", sizeof(Launch), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    slots};

}  // namespace

void tell_positions(bool inside) { api->tell_positions(inside); }

PyTypeObject* make_launch_type() {
  // The capsule is in accel._core, which accel has imported before this module.
  api = static_cast<core::Api*>(PyCapsule_Import(core::kApiName, 0));
  if (!api) return nullptr;
  launch_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  api->host_launch = launch_type;
  return launch_type;
}

PyObject* make_launch(Runner run, std::vector<int> sizes, size_t outputs, double work) {
  if (sizes.size() > static_cast<size_t>(kMaxOperands)) {
    return PyErr_Format(PyExc_ValueError, "a launch takes at most %zd inputs and outputs", kMaxOperands);
  }
  Launch* const launch = PyObject_New(Launch, launch_type);
  if (!launch) return nullptr;
  launch->host.vectorcall = call;
  launch->kernel = new Kernel{std::move(run), std::move(sizes), static_cast<Py_ssize_t>(outputs), work};
  launch->host.run = run_on;
  launch->host.sizes = launch->kernel->sizes.data();
  launch->host.count = static_cast<Py_ssize_t>(launch->kernel->sizes.size());
  return reinterpret_cast<PyObject*>(launch);
}

}  // namespace accel
