// What launches through a driver's own functions have in common: the Python object that is called with arrays, and
// where an array lies.
#pragma once

#include <cstdint>
#include <memory>

#include "callable.hpp"
#include "dispatcher.hpp"
#include "objects.hpp"

namespace accel::core {

/// Whether arguments are a tuple or list of so many arrays. False with TypeError set where not. who: the type's name.
inline bool are_arrays(const char* who, PyObject* arrays, size_t count) {
  if (!PyTuple_CheckExact(arrays) && !PyList_CheckExact(arrays)) {
    PyErr_Format(PyExc_TypeError, "%s: arrays: expected a tuple or list, got %s", who, Py_TYPE(arrays)->tp_name);
    return false;
  }
  if (static_cast<size_t>(PySequence_Fast_GET_SIZE(arrays)) == count) return true;
  PyErr_Format(PyExc_TypeError, "%s: expected %zu arrays, got %zd", who, count, PySequence_Fast_GET_SIZE(arrays));
  return false;
}

/// An array's buffer, by an attribute that is an integer, and its offset in elements. False with an exception set.
inline bool find_buffer(const char* who, PyObject* array, PyObject* attribute, uint64_t& buffer, Py_ssize_t& offset) {
  if (Py_TYPE(array) != api.array) {
    PyErr_Format(PyExc_TypeError, "%s: expected an accel.Array, got %s", who, Py_TYPE(array)->tp_name);
    return false;
  }
  PyObject* const owner = slot(array, api.array_buffer);
  PyObject* const first = slot(array, api.array_offset);
  const Ref number(owner && first ? PyObject_GetAttr(owner, attribute) : nullptr);
  if (!number) {
    if (!PyErr_Occurred()) PyErr_Format(PyExc_TypeError, "%s: an array without a buffer", who);
    return false;
  }
  buffer = PyLong_AsUnsignedLongLong(number.get());
  offset = PyLong_AsSsize_t(first);
  return !PyErr_Occurred();
}

/// A callable object that owns a T, which has `references()`: pointers to its Refs, of which cycles may be.
template <class T>
struct Launch {
  PyObject_HEAD vectorcallfunc vectorcall;
  T* owned;

  static Launch& of(PyObject* object) { return *reinterpret_cast<Launch*>(object); }

  /// Null with an exception set.
  static PyObject* make(PyTypeObject* type, std::unique_ptr<T> owned, vectorcallfunc call) {
    PyObject* const self = type->tp_alloc(type, 0);
    if (!self) return nullptr;
    of(self).vectorcall = call;
    of(self).owned = owned.release();
    return self;
  }

  static int traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    if (!of(self).owned) return 0;
    for (const Ref* reference : of(self).owned->references()) Py_VISIT(reference->get());
    return 0;
  }

  /// Of a cycle: what keeps a launch alive while it runs is no part of one.
  static int clear(PyObject* self) {
    T* const owned = of(self).owned;
    of(self).owned = nullptr;
    of(self).vectorcall = nullptr;
    delete owned;
    return 0;
  }

  /// name: with its module. Null with an exception set.
  static PyTypeObject* make_type(const char* name, const char* doc, newfunc construct) {
    return make_called_type(name, doc, sizeof(Launch), construct, deallocate<clear>, traverse, clear);
  }
};

}  // namespace accel::core
