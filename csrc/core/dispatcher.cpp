#include "dispatcher.hpp"

#include "../float_environment.hpp"
#include "callable.hpp"
#include "ending.hpp"

namespace accel::core {

Api api = {};

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

namespace {

enum DispatcherPart { kRecorder, kScope, kSettings, kPlans, kSlow, kDispatcherParts };

/// An array's layout, borrowed; null for anything that is no array.
PyObject* layout_of(PyObject* array) { return Py_TYPE(array) == api.array ? slot(array, api.array_layout) : nullptr; }

/// The key of a call's plan; null where the call is to be recorded or is no proper one.
Ref make_key(const Callable& self, PyObject* spec, PyObject* inputs, PyObject* params, PyObject* out) {
  PyObject* value = nullptr;
  if (PyContextVar_Get(self.parts[kRecorder], nullptr, &value) < 0) return Ref();
  const Ref recorder(value);
  if (recorder.get() != Py_None) return Ref();
  const Ref settings = current_settings(self.parts[kScope], self.parts[kSettings]);
  PyObject* const target = out == Py_None ? Py_None : layout_of(out);
  const bool sequence = PyTuple_CheckExact(inputs) || PyList_CheckExact(inputs);
  if (!settings || !target || !sequence) return Ref();
  const Py_ssize_t count = PySequence_Fast_GET_SIZE(inputs);
  Ref key(PyTuple_New(4 + count));
  if (!key) return Ref();
  const auto set = [&](Py_ssize_t at, PyObject* part) { PyTuple_SET_ITEM(key.get(), at, Py_NewRef(part)); };
  set(0, spec);
  set(1, settings.get());
  set(2, params);
  set(3, target);
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

enum PlanPart { kAllocate, kBytes, kLayout, kLaunch, kInto, kPlanParts };

PyObject* run_plan(PyObject* object, PyObject* const* args, size_t flagged, PyObject* keywords) {
  PyObject* given[2];  // inputs, out
  if (!unpack("plan", args, flagged, keywords, 2, 2, given)) return nullptr;
  PyObject* const* const parts = as_callable(object).parts;
  if (given[1] != Py_None) return PyObject_Vectorcall(parts[kInto], given, 2, nullptr);
  const Ref buffer(PyObject_CallOneArg(parts[kAllocate], parts[kBytes]));
  if (!buffer) return nullptr;
  const Ref zero(PyLong_FromLong(0));
  Ref array(make_array(buffer.get(), zero.get(), parts[kLayout]));
  if (!array) return nullptr;
  const Ref outputs(PyTuple_Pack(1, array.get()));
  if (!outputs) return nullptr;
  PyObject* const operands[] = {given[0], outputs.get()};
  const Ref done(PyObject_Vectorcall(parts[kLaunch], operands, 2, nullptr));
  return done ? array.release() : nullptr;
}

}  // namespace

PyTypeObject* make_dispatcher_type() {
  return make_callable_type("accel._core.Dispatcher",
                            "Dispatcher(recorder, scope, settings, plans, slow): finds the plan of a call and runs it.",
                            construct<dispatch, kDispatcherParts>);
}

PyTypeObject* make_plan_type() {
  return make_callable_type("accel._core.Plan",
                            "Plan(allocate, nbytes, layout, launch, into): runs a kernel's launch on a fresh output.",
                            construct<run_plan, kPlanParts>);
}

}  // namespace accel::core
