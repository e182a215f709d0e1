// The type HostBuffer.
#pragma once

#include "objects.hpp"

namespace accel::core {

/// Makes the type; null with an exception set.
PyTypeObject* make_host_buffer_type();

/// A buffer of fresh memory from the pool; null with MemoryError set.
PyObject* allocate(PyTypeObject* type, Py_ssize_t nbytes);

/// A buffer over memory that `owner` keeps alive.
PyObject* wrap(PyTypeObject* type, char* address, Py_ssize_t nbytes, PyObject* owner, bool readonly);

}  // namespace accel::core
