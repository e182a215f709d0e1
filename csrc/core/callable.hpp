// Callable Python objects whose call is a C++ function over a few kept objects.
#pragma once

#include <Python.h>
#include <structmember.h>

#include "objects.hpp"

namespace accel::core {

/// What the objects of such types begin with.
struct Called {
  PyObject_HEAD vectorcallfunc vectorcall;
};

/// A type of callable objects that the garbage collector knows. name: with its module. more: one more member, if any.
/// Null with an exception set.
PyTypeObject* make_called_type(const char* name, const char* doc, size_t size, newfunc construct, destructor destroy,
                               traverseproc traverse, inquiry clear, const PyMemberDef& more = {});

inline constexpr int kMaxParts = 10;

struct Callable {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject* parts[kMaxParts];  // what its constructor was given, in order
};

inline Callable& as_callable(PyObject* object) { return *reinterpret_cast<Callable*>(object); }

/// Keeps the arguments, which must be `count`. For constructors of callable types.
PyObject* construct_callable(PyTypeObject* type, PyObject* args, PyObject* keywords, vectorcallfunc call, int count);

template <vectorcallfunc Call, int Count>
PyObject* construct(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  static_assert(Count <= kMaxParts);
  return construct_callable(type, args, keywords, Call, Count);
}

/// name: with its module. Null with an exception set.
PyTypeObject* make_callable_type(const char* name, const char* doc, newfunc construct);

/// As tables of methods have functions of METH_FASTCALL.
inline PyCFunction fast(PyObject* (*function)(PyObject*, PyObject* const*, Py_ssize_t)) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(function));
}

/// Positional arguments of a vectorcall, missing ones None. False with TypeError set where there are too few or many.
bool unpack(const char* name, PyObject* const* args, size_t flagged, PyObject* keywords, Py_ssize_t least,
            Py_ssize_t most, PyObject** unpacked);

}  // namespace accel::core
