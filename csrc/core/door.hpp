// NumPy arrays and tensors in and out without Python code on the way, and the entry of public functions.
#pragma once

#include "objects.hpp"

namespace accel::core {

/// A callable (spec, operands, params=None) for public functions: arrays go to the dispatcher, plain NumPy arrays
/// and tensors of one library are wrapped and the result (each of a tuple of them) turned back, Python scalars beside
/// either take the arrays' dtype where the op takes scalars; anything else goes to slow(spec, operands, params). Made
/// of (dispatcher, slow, to_numpy, scope, settings, devices, dtypes, layouts, scalars, exchanges):
///   to_numpy  turns a result back where it is not simple
///   scope, settings   as in Dispatcher
///   devices   dict: settings -> the device of host arrays
///   dtypes    dict: numpy.dtype -> DType
///   layouts   dict: (dtype, shape, strides or None, device) -> Layout
///   scalars   dict: (value, its type, dtype of the arrays, device) -> accel.Array
///   exchanges dict: type of tensors -> Exchange; what is once in it stays
PyTypeObject* make_door_type();

/// Whether an object is an array of accel's, or exactly NumPy's.
bool is_array(PyObject* object);

/// Loads NumPy's C API. False with an exception set.
bool load_numpy();

}  // namespace accel::core
