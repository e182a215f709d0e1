// The type FloatEnvironment.
#pragma once

#include <Python.h>

namespace accel::core {

/// Makes the type; null with an exception set.
PyTypeObject* make_float_environment_type();

}  // namespace accel::core
