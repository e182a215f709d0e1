#include "environment.hpp"

#include <new>

#include "../float_environment.hpp"

namespace accel::core {

namespace {

struct FloatEnvironment {
  PyObject_HEAD bool entered;
  alignas(StandardFloats) char standard[sizeof(StandardFloats)];  // a StandardFloats while it is entered
};

FloatEnvironment& as_environment(PyObject* object) { return *reinterpret_cast<FloatEnvironment*>(object); }

PyObject* construct(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  if (PyTuple_GET_SIZE(args) || (keywords && PyDict_GET_SIZE(keywords))) {
    return PyErr_Format(PyExc_TypeError, "FloatEnvironment: expected no arguments");
  }
  return type->tp_alloc(type, 0);
}

PyObject* enter(PyObject* object, PyObject*) {
  FloatEnvironment& self = as_environment(object);
  if (self.entered) return PyErr_Format(PyExc_RuntimeError, "FloatEnvironment: entered already; make another");
  new (self.standard) StandardFloats(true);
  self.entered = true;
  Py_RETURN_NONE;
}

PyObject* leave(PyObject* object, PyObject* const*, Py_ssize_t) {
  FloatEnvironment& self = as_environment(object);
  if (self.entered) std::launder(reinterpret_cast<StandardFloats*>(self.standard))->~StandardFloats();
  self.entered = false;
  Py_RETURN_NONE;
}

void deallocate(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyMethodDef methods[] = {
    {"__enter__", enter, METH_NOARGS, nullptr},
    {"__exit__", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(leave)), METH_FASTCALL, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(construct)},
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
    {Py_tp_methods, methods},
    {Py_tp_doc, const_cast<char*>("with FloatEnvironment(): IEEE 754's default floating-point environment on this "
                                  "thread; afterwards the caller's, as it was.")},
    {0, nullptr},
};

PyType_Spec spec = {"accel._core.FloatEnvironment", sizeof(FloatEnvironment), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, slots};

}  // namespace

PyTypeObject* make_float_environment_type() { return reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec)); }

}  // namespace accel::core
