// The table of plans.
#pragma once

#include "objects.hpp"

namespace accel::core {

/// What accel's arrays look like; set by the module.
extern Api api;

/// The buffer of arrays that have no memory, accel.array.Symbol; set by the module.
extern PyTypeObject* symbol_type;

/// The settings in force: the dict's value for the context variable's. Null, perhaps without an exception, where they
/// must be worked out first.
Ref current_settings(PyObject* scope, PyObject* settings);

/// A new accel.Array; null with an exception set.
PyObject* make_array(PyObject* buffer, PyObject* offset, PyObject* layout);

/// An array's layout, borrowed; null for anything that is no array, and for one that has no memory, which no launch may
/// be given.
PyObject* layout_of(PyObject* array);

/// A callable (spec, inputs, params=None, out=None), made of
/// (recorder, scope, settings, plans, slow):
///   recorder  ContextVar: whether calls are recorded
///   scope     ContextVar: the key of the settings in force in...
///   settings  ...this dict
///   plans     dict: (spec, settings, params, layout of out, a tuple of
///             them or None, layouts of the inputs...) -> plan(inputs, out)
///   slow      called with all four where there is no plan yet, or the call is to be recorded
PyTypeObject* make_dispatcher_type();

}  // namespace accel::core
