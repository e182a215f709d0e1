// A kernel made ready for operands of fixed layouts: a callable launch(arrays) over accel's arrays, the
// inputs and then the output.
#pragma once

#include <Python.h>

#include <functional>
#include <vector>

#include "../threads.hpp"

namespace accel {

/// Runs on the addresses of the operands' first elements.
using Runner = std::function<void(char* const* inputs, char* const* outputs, Interrupt& interrupt)>;

/// Work (roughly nanoseconds) up to which a call keeps the GIL: giving it up and taking it again costs about as much.
inline constexpr double kBriefWork = 2000;

/// sizes: bytes of an element of each input, then of each output. Null with an exception set.
PyObject* make_launch(Runner run, std::vector<int> sizes, size_t outputs, double work);

/// Tells the call whether all positions of a gather were in range.
void tell_positions(bool inside);

/// Makes the type and finds accel's arrays. Null with an exception set.
PyTypeObject* make_launch_type();

}  // namespace accel
