// Launches of OpenCL kernels: arguments set and kernels queued by the loader's own functions.
#pragma once

#include <Python.h>

namespace accel::core {

/// accel._core.OpenCLQueue. Null with an exception set.
PyTypeObject* make_opencl_queue_type();

/// accel._core.OpenCLLaunch, to be made after the other. Null with an exception set.
PyTypeObject* make_opencl_launch_type();

}  // namespace accel::core
