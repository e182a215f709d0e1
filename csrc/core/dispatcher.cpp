#include "dispatcher.hpp"

#include "../float_environment.hpp"
#include "callable.hpp"
#include "ending.hpp"

namespace accel::core {

Api api = {};
PyTypeObject* symbol_type = nullptr;

Ref current_settings(PyObject* scope, PyObject* settings) {
  PyObject* value = nullptr;
  if (PyContextVar_Get(scope, nullptr, &value) < 0) return Ref();
  const Ref key(value);
  return lookup(settings, key.get());
}

PyObject* make_array(PyObject* buffer, PyObject* offset, PyObject* layout) {
  PyObject* const array = api.array->tp_alloc(api.array, 0);
  if (!array) return nullptr;
  const auto set = [array](Py_ssize_t at, PyObject* value) {
    *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(array) + at) = Py_NewRef(value);
  };
  set(api.array_buffer, buffer);
  set(api.array_offset, offset);
  set(api.array_layout, layout);
  return array;
}

PyObject* layout_of(PyObject* array) {
  if (Py_TYPE(array) != api.array) return nullptr;
  PyObject* const buffer = slot(array, api.array_buffer);
  const bool symbol = buffer && Py_TYPE(buffer) != api.host_buffer && PyObject_TypeCheck(buffer, symbol_type);
  return symbol ? nullptr : slot(array, api.array_layout);
}

namespace {

enum DispatcherPart { kRecorder, kScope, kSettings, kPlans, kSlow, kDispatcherParts };

/// The layout of an output that is given, None where none is, a tuple of layouts for a tuple of outputs. Null, perhaps
/// without an exception, for anything else.
Ref target_of(PyObject* out) {
  if (out == Py_None) return Ref::borrowed(out);
  if (!PyTuple_CheckExact(out)) return Ref::borrowed(layout_of(out));
  const Py_ssize_t count = PyTuple_GET_SIZE(out);
  Ref layouts(PyTuple_New(count));
  for (Py_ssize_t i = 0; layouts && i < count; ++i) {
    PyObject* const its_layout = layout_of(PyTuple_GET_ITEM(out, i));
    if (!its_layout) return Ref();
    PyTuple_SET_ITEM(layouts.get(), i, Py_NewRef(its_layout));
  }
  return layouts;
}

/// The key of a call's plan; null where the call is to be recorded or is no proper one.
Ref make_key(const Callable& self, PyObject* spec, PyObject* inputs, PyObject* params, PyObject* out) {
  PyObject* value = nullptr;
  if (PyContextVar_Get(self.parts[kRecorder], nullptr, &value) < 0) return Ref();
  const Ref recorder(value);
  if (recorder.get() != Py_None) return Ref();
  const Ref settings = current_settings(self.parts[kScope], self.parts[kSettings]);
  const Ref target = target_of(out);
  const bool sequence = PyTuple_CheckExact(inputs) || PyList_CheckExact(inputs);
  if (!settings || !target || !sequence) return Ref();
  const Py_ssize_t count = PySequence_Fast_GET_SIZE(inputs);
  Ref key(PyTuple_New(4 + count));
  if (!key) return Ref();
  const auto set = [&](Py_ssize_t at, PyObject* part) { PyTuple_SET_ITEM(key.get(), at, Py_NewRef(part)); };
  set(0, spec);
  set(1, settings.get());
  set(2, params);
  set(3, target.get());
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* const its_layout = layout_of(PySequence_Fast_GET_ITEM(inputs, i));
    if (!its_layout) return Ref();
    set(4 + i, its_layout);
  }
  return key;
}

PyObject* dispatch(PyObject* object, PyObject* const* args, size_t flagged, PyObject* keywords) {
  PyObject* given[4];  // spec, inputs, params, out
  if (!unpack("call", args, flagged, keywords, 2, 4, given)) return nullptr;
  const Call counted;
  const Callable& self = as_callable(object);
  if (const Ref key = make_key(self, given[0], given[1], given[2], given[3])) {
    if (const Ref plan = lookup(self.parts[kPlans], key.get())) {
      const StandardFloats standard;
      PyObject* const operands[] = {given[1], given[3]};
      return PyObject_Vectorcall(plan.get(), operands, 2, nullptr);
    }
  }
  if (PyErr_Occurred()) return nullptr;
  const StandardFloats standard;
  return PyObject_Vectorcall(self.parts[kSlow], given, 4, nullptr);
}

}  // namespace

PyTypeObject* make_dispatcher_type() {
  return make_callable_type("accel._core.Dispatcher",
                            "Dispatcher(recorder, scope, settings, plans, slow): finds the plan of a call and runs it.",
                            construct<dispatch, kDispatcherParts>);
}

}  // namespace accel::core
