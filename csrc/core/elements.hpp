// Short ways to an array's elements: a number written to one of them, a look at all, and views of it without Python in
// between.
#pragma once

#include <Python.h>

namespace accel::core {

/// store(array, key, value): writes a Python number to the one element that integers name, where the array is in host
/// memory that may be written and its dtype holds the number; returns whether it did. What it declines, for whatever
/// reason, is left to the caller, who also says what is wrong with it.
PyObject* store(PyObject*, PyObject* const* args, Py_ssize_t count);

/// within(array, least, length): whether no element of an int64 array in host memory is below 0; None where one is
/// below `least`, which is 0 or less, or not below `length`, and where this is not so simple that it is known.
PyObject* within(PyObject*, PyObject* const* args, Py_ssize_t count);

/// view(buffer, offset, layout): an accel.Array.
PyObject* view(PyObject*, PyObject* const* args, Py_ssize_t count);

}  // namespace accel::core
