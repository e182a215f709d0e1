// Calls whose positions are looked at on the way, found by the layouts of their arrays.
#pragma once

#include "objects.hpp"

namespace accel::core {

/// A callable (array, positions, *arguments) made of (table, slow, dispatcher, recorder), for a function that reads or
/// writes elements of the array where the positions say:
///   table       dict: (layout or argument...) -> (spec, params, least, length, inputs, out): once all positions are
///               looked at (`look`), none below `least` and all below `length`, the dispatcher is called. Where nothing
///               is given to write to it may be called first: a kernel of the CPU tells what it saw of positions that
///               may be below 0 (`Api::tell_positions`), and a device that has to map them waits once, for the map.
///               inputs: (number of an argument, layout, number, layout...), each that array under another layout.
///               out: such a pair, whose memory may be written, or None
///   slow        called as slow(key, array, positions, *arguments) where the table has no entry, to make it one, and
///               where not all positions are in range, to say so; with None for the key where there is none: for arrays
///               of another kind or without memory, and arguments other than arrays, integers and None
///   dispatcher  called with spec, inputs, params, out
///   recorder    context variable: not None where calls are recorded, and no call is made that may not count
PyTypeObject* make_take_type();

/// apart(inputs, out): whether all are arrays in host memory, and none of the inputs' buffers shares a byte with that
/// of out. False also where this is not so simple that it is known.
PyObject* apart(PyObject*, PyObject* const* args, Py_ssize_t count);

}  // namespace accel::core
