// The short way of a repeated call whose arguments are arrays and, between them, others.
#pragma once

#include "objects.hpp"

namespace accel::core {

/// A callable (*arguments), made of (enter, table, slow, libraries, dtype):
///   enter      called as enter(spec, arrays, params), with the arguments that are arrays
///   table      dict: (which arguments are arrays, as bits, then the other arguments) -> (that key, spec, params,
///              finish); finish: None, or called with (result, arrays) for what the call returns
///   slow       called as slow(key, *arguments) where the table has no entry of these values and types, to make it one;
///              with None for the key where the arguments do not make one
///   libraries  dict: types of arrays, beside accel's and NumPy's -> anything
///   dtype      the class DType
PyTypeObject* make_memo_type();

}  // namespace accel::core
