#include "take.hpp"

#include <algorithm>
#include <utility>

#include "callable.hpp"
#include "dispatcher.hpp"
#include "elements.hpp"

namespace accel::core {

namespace {

enum TakePart { kTable, kSlow, kDispatcher, kRecorder, kTakeParts };
enum EntryPart { kSpec, kParams, kLeast, kLength, kInputs, kOut, kEntryParts };

constexpr Py_ssize_t kPositions = 1;  // the number of that argument

/// What kernels told of positions in this thread since it was set to nothing.
enum class Told { kNothing, kInside, kBeyond };
thread_local Told told = Told::kNothing;

void tell(bool inside) { told = std::max(told, inside ? Told::kInside : Told::kBeyond); }

/// dispatcher(*args), and what was told during it, by no call within it.
Ref dispatched(PyObject* dispatcher, PyObject* const* args, size_t count, Told& found) {
  const Told before = std::exchange(told, Told::kNothing);
  Ref result(PyObject_Vectorcall(dispatcher, args, count, nullptr));
  found = std::exchange(told, before);
  return result;
}

/// A call's arguments.
struct Given {
  PyObject* const* items;
  Py_ssize_t count;
};

/// Null, perhaps with an exception set, where there is none.
Ref key_of(const Given& given) {
  Ref key(PyTuple_New(given.count));
  if (!key) return key;
  for (Py_ssize_t i = 0; i < given.count; ++i) {
    PyObject* const item = given.items[i];
    PyObject* part = layout_of(item);
    if (!part && i > kPositions && (item == Py_None || PyLong_CheckExact(item))) part = item;
    if (!part) return Ref();
    PyTuple_SET_ITEM(key.get(), i, Py_NewRef(part));
  }
  return key;
}

/// The argument of pair i under its layout; null, perhaps with an exception set, for what is no such pair.
Ref seen(PyObject* pairs, Py_ssize_t i, const Given& given) {
  const Py_ssize_t number = PyLong_AsSsize_t(PyTuple_GET_ITEM(pairs, 2 * i));
  if (number < 0 || number >= given.count) return Ref();
  PyObject* const array = given.items[number];
  PyObject* const layout = PyTuple_GET_ITEM(pairs, 2 * i + 1);
  PyObject* const own = layout_of(array);
  if (!own || own == layout) return Ref::borrowed(own ? array : nullptr);
  return Ref(make_array(slot(array, api.array_buffer), slot(array, api.array_offset), layout));
}

bool is_of_host(PyObject* array) { return Py_TYPE(slot(array, api.array_buffer)) == api.host_buffer; }

/// Whether an array's memory may be written. False, perhaps with an exception set, where not.
bool is_writable(PyObject* array) {
  PyObject* const owner = slot(array, api.array_buffer);
  if (is_of_host(array)) return !reinterpret_cast<HostBuffer*>(owner)->readonly;
  const Ref device(PyObject_GetAttrString(slot(array, api.array_layout), "device"));
  const Ref readonly(device ? PyObject_CallMethod(device.get(), "readonly", "O", owner) : nullptr);
  return readonly.get() == Py_False;
}

/// Whether calls are recorded, or traced, in this context; true, with an exception set, where that cannot be said.
bool is_recorded(const Callable& self) {
  PyObject* value = nullptr;
  if (PyContextVar_Get(self.parts[kRecorder], Py_None, &value) < 0) return true;
  return Ref(value).get() != Py_None;
}

/// The call of an entry. Null, perhaps without an exception, where it is not for this way.
Ref repeat(const Callable& self, PyObject* entry, const Given& given) {
  if (!PyTuple_CheckExact(entry) || PyTuple_GET_SIZE(entry) != kEntryParts) return Ref();
  const auto part = [entry](EntryPart i) { return PyTuple_GET_ITEM(entry, i); };
  const long long least = PyLong_AsLongLong(part(kLeast)), length = PyLong_AsLongLong(part(kLength));
  if (PyErr_Occurred() || !PyTuple_CheckExact(part(kInputs))) return Ref();
  PyObject* const positions = given.items[kPositions];
  const auto are_inside = [&] {
    const Found found = look(positions, least, length);
    return found == Found::kInside || found == Found::kForward;
  };
  // a recorder may not run what it is asked to, and counts what is called
  const bool tells = least == -length || !is_of_host(positions);
  const bool looks_first = part(kOut) != Py_None || !tells || is_recorded(self);
  if (PyErr_Occurred()) return Ref();
  if (looks_first && !are_inside()) return Ref();
  Ref out = Ref::borrowed(Py_None);
  if (part(kOut) != Py_None) {
    if (!PyTuple_CheckExact(part(kOut)) || PyTuple_GET_SIZE(part(kOut)) != 2) return Ref();
    out = seen(part(kOut), 0, given);
    if (!out || !is_writable(out.get())) return Ref();
  }
  const Py_ssize_t count = PyTuple_GET_SIZE(part(kInputs)) / 2;
  const Ref inputs(PyTuple_New(count));
  for (Py_ssize_t i = 0; inputs && i < count; ++i) {
    Ref input = seen(part(kInputs), i, given);
    if (!input) return Ref();
    PyTuple_SET_ITEM(inputs.get(), i, input.release());
  }
  if (!inputs) return Ref();
  PyObject* const call[] = {part(kSpec), inputs.get(), part(kParams), out.get()};
  Told found;
  Ref result = dispatched(self.parts[kDispatcher], call, 4, found);
  if (!result || looks_first || found == Told::kInside) return result;
  return found == Told::kNothing && are_inside() ? std::move(result) : Ref();
}

PyObject* take_again(PyObject* object, PyObject* const* args, size_t flagged, PyObject* keywords) {
  const Given given{args, PyVectorcall_NARGS(flagged)};
  if (given.count <= kPositions || (keywords && PyTuple_GET_SIZE(keywords))) {
    PyErr_SetString(PyExc_TypeError, "take: expected an array, positions, and positional arguments");
    return nullptr;
  }
  const Callable& self = as_callable(object);
  const Ref key = key_of(given);
  if (key) {
    if (const Ref entry = lookup(self.parts[kTable], key.get())) {
      Ref result = repeat(self, entry.get(), given);
      if (result) return result.release();
    }
  }
  if (PyErr_Occurred()) return nullptr;
  const Ref all(PyTuple_New(1 + given.count));
  if (!all) return nullptr;
  PyTuple_SET_ITEM(all.get(), 0, Py_NewRef(key ? key.get() : Py_None));
  for (Py_ssize_t i = 0; i < given.count; ++i) PyTuple_SET_ITEM(all.get(), 1 + i, Py_NewRef(given.items[i]));
  return PyObject_Call(self.parts[kSlow], all.get(), nullptr);
}

}  // namespace

PyObject* apart(PyObject*, PyObject* const* args, Py_ssize_t count) {
  if (count != 2) return PyErr_Format(PyExc_TypeError, "apart: expected inputs and out");
  const auto memory = [](PyObject* array) -> const HostBuffer* {
    PyObject* const owner = layout_of(array) ? slot(array, api.array_buffer) : nullptr;
    return owner && Py_TYPE(owner) == api.host_buffer ? reinterpret_cast<HostBuffer*>(owner) : nullptr;
  };
  const HostBuffer* const out = memory(args[1]);
  if (!out || !(PyTuple_CheckExact(args[0]) || PyList_CheckExact(args[0]))) Py_RETURN_FALSE;
  const uintptr_t first = reinterpret_cast<uintptr_t>(out->address), end = first + static_cast<uintptr_t>(out->nbytes);
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(args[0]); ++i) {
    const HostBuffer* const its = memory(PySequence_Fast_GET_ITEM(args[0], i));
    if (!its) Py_RETURN_FALSE;
    const uintptr_t begin = reinterpret_cast<uintptr_t>(its->address);
    if (begin < end && first < begin + static_cast<uintptr_t>(its->nbytes)) Py_RETURN_FALSE;
  }
  Py_RETURN_TRUE;
}

PyTypeObject* make_take_type() {
  api.tell_positions = tell;
  return make_callable_type(
      "accel._core.Take",
      "Take(table, slow, dispatcher, recorder): calls whose positions were in range are found by layouts.",
      construct<take_again, kTakeParts>);
}

}  // namespace accel::core
