// Launches of kernels on NVIDIA's and AMD's GPUs: parameters, grid and attributes, handed to the driver's own function.
#pragma once

#include <Python.h>

namespace accel::core {

/// accel._core.GpuLaunch. Null with an exception set.
PyTypeObject* make_gpu_launch_type();

}  // namespace accel::core
