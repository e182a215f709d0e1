// What runs for one call or one composition on operands of fixed layouts.
#pragma once

#include "objects.hpp"

namespace accel::core {

/// An immutable callable plan(inputs, out), made of (allocate, outputs, scratch, steps, into, description):
///   allocate  called with a number of bytes, gives a buffer
///   outputs   tuple of (bytes, layout)
///   scratch   bytes of the one allocation of all scratch; 0 for none
///   steps     tuple of (run, operands): run is called with a tuple of the arrays that the operands stand for, each
///             ("input" or "output", its number, offset in elements, layout, scale): of a view; 0 and None: as it is.
///             scale: elements of the view that one of the array's is, 2 where it sees parts of complex numbers, else 1
///             ("scratch", 0, offset in elements of the layout, layout, 1)
///             ("constant", array, 0, None, 1)
///   into      called with (inputs, out) where out is given; None: the steps run on it, else that is the result
///   description  what all this was made of, kept as an attribute
/// out is None, an array, or a tuple of arrays where there are several outputs. The result is an array or such a tuple.
PyTypeObject* make_plan_type();

}  // namespace accel::core
