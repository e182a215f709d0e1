// Short ways to an array's elements: a number written to one of them, a look at all, and views of it without Python in
// between.
#pragma once

#include <Python.h>

namespace accel::core {

/// store(array, key, value): writes a Python number to the one element that integers name, where the array is in host
/// memory that may be written and its dtype holds the number; returns whether it did. What it declines, for whatever
/// reason, is left to the caller, who also says what is wrong with it.
PyObject* store(PyObject*, PyObject* const* args, Py_ssize_t count);

/// load(array): the one element of an array in host memory as a Python number; None for any other array, also one that
/// this is not simple for.
PyObject* load(PyObject*, PyObject* array);

/// What a look at positions finds: nothing that is known, that all are in range, that none of them is below 0 besides.
enum class Found { kRaised, kNothing, kInside, kForward };

/// A look at the elements of an int64 array in host memory, or in such that its device maps. kNothing where one is
/// below `least`, which is 0 or less, or not below `length`, and where this is not so simple that it is known. kRaised:
/// with an exception set.
Found look(PyObject* array, long long least, long long length);

/// within(array, least, length): `look` for Python: whether no element is below 0, or None.
PyObject* within(PyObject*, PyObject* const* args, Py_ssize_t count);

/// view(buffer, offset, layout): an accel.Array.
PyObject* view(PyObject*, PyObject* const* args, Py_ssize_t count);

}  // namespace accel::core
