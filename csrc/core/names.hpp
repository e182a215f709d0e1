// Names of attributes, interned when the module is made. As statics of the functions that use them they would be made
// by the first call: without the GIL another thread would wait for them where CPython, which stops all threads to look
// for garbage, cannot stop it.
#pragma once

#include <Python.h>

#include "objects.hpp"

namespace accel::core {

struct Names {
  PyObject *address, *contiguous, *device, *dtype, *host, *int_ptr, *mapped, *numpy, *scalars, *shape, *stream,
      *strides, *synchronize, *used_on;
};

/// Set by the module.
extern Names names;

/// False with an exception set.
bool make_names();

/// An attribute by one of the names. Null with an exception set.
inline Ref attribute(PyObject* object, PyObject* name) { return Ref(PyObject_GetAttr(object, name)); }

}  // namespace accel::core
