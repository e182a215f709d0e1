// Views of arrays that were made before, found by layout and arguments.
#pragma once

#include "objects.hpp"

namespace accel::core {

/// A callable (array, *arguments) made of (table, slow, indexing), for a function whose result is a view of the array:
///   table     dict: (layout, arguments...) -> (layout of the view, where it begins behind the array, then for each
///             integer that is an index the length and the stride of its axis)
///   slow      called as slow(key, array, *arguments) where the table has no entry, to make it one; with None for the
///             key where there is none: for another kind of array, one without memory, and arguments other than
///             integers, None, ellipses, slices of integers, and tuples of these
///   indexing  whether integers, but for those in slices, are indices: one entry serves all of their values
PyTypeObject* make_view_type();

}  // namespace accel::core
