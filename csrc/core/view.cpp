#include "view.hpp"

#include "callable.hpp"
#include "dispatcher.hpp"

namespace accel::core {

namespace {

enum ViewPart { kTable, kSlow, kIndexing, kViewParts };
enum EntryPart { kLayout, kOffset, kAxes };

constexpr Py_ssize_t kMost = 48;  // items of a key

/// A key and the indices that are no part of it.
struct Key {
  PyObject* items[kMost];  // borrowed
  Py_ssize_t count = 0;
  Py_ssize_t indices[kMost];
  Py_ssize_t indexed = 0;
  bool indexing;

  bool add(PyObject* item) {
    if (count == kMost) return false;
    items[count++] = item;
    return true;
  }

  /// In a slice: an integer or None.
  bool add_bound(PyObject* x) { return (x == Py_None || PyLong_CheckExact(x)) && add(x); }

  /// False for what is not told apart by its value. Slices and tuples begin with their types, and tuples with their
  /// lengths, so that no two arguments make one key.
  bool take(PyObject* x, bool nested = false) {
    if (PyLong_CheckExact(x)) {
      if (!indexing) return add(x);
      const Py_ssize_t index = PyLong_AsSsize_t(x);
      if (index == -1 && PyErr_Occurred()) {
        PyErr_Clear();
        return false;
      }
      if (!add(reinterpret_cast<PyObject*>(&PyLong_Type))) return false;
      indices[indexed++] = index;
      return true;
    }
    if (x == Py_None || x == Py_Ellipsis) return add(x);
    if (PySlice_Check(x)) {
      const auto* const slice = reinterpret_cast<PySliceObject*>(x);
      return add(reinterpret_cast<PyObject*>(&PySlice_Type)) && add_bound(slice->start) && add_bound(slice->stop) &&
             add_bound(slice->step);
    }
    if (!PyTuple_CheckExact(x) || nested) return false;
    if (!add(reinterpret_cast<PyObject*>(&PyTuple_Type))) return false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(x); ++i) {
      if (!take(PyTuple_GET_ITEM(x, i), true)) return false;
    }
    return add(reinterpret_cast<PyObject*>(&PyTuple_Type));
  }
};

/// Where the view begins, from where the array does. False, perhaps with an exception set, for an index out of range
/// and an entry of another form.
bool place(PyObject* entry, const Key& key, Py_ssize_t& offset) {
  if (!PyTuple_CheckExact(entry) || PyTuple_GET_SIZE(entry) != kAxes + 2 * key.indexed) return false;
  const auto number = [entry](Py_ssize_t i) { return PyLong_AsSsize_t(PyTuple_GET_ITEM(entry, i)); };
  offset += number(kOffset);
  for (Py_ssize_t i = 0; i < key.indexed; ++i) {
    const Py_ssize_t length = number(kAxes + 2 * i);
    Py_ssize_t index = key.indices[i];
    if (index < -length || index >= length) return false;
    if (index < 0) index += length;
    offset += index * number(kAxes + 2 * i + 1);
  }
  return !PyErr_Occurred();
}

PyObject* view_again(PyObject* object, PyObject* const* args, size_t flagged, PyObject* keywords) {
  const Py_ssize_t count = PyVectorcall_NARGS(flagged);
  if (count < 1 || (keywords && PyTuple_GET_SIZE(keywords))) {
    PyErr_SetString(PyExc_TypeError, "view: expected an array and positional arguments");
    return nullptr;
  }
  const Callable& self = as_callable(object);
  PyObject* const array = args[0];
  Ref found;  // the key
  if (PyObject* const layout = layout_of(array)) {
    Key key;
    key.indexing = self.parts[kIndexing] == Py_True;
    bool whole = key.add(layout);
    for (Py_ssize_t i = 1; i < count && whole; ++i) whole = key.take(args[i]);
    if (whole) {
      found = Ref(PyTuple_New(key.count));
      if (!found) return nullptr;
      for (Py_ssize_t i = 0; i < key.count; ++i) PyTuple_SET_ITEM(found.get(), i, Py_NewRef(key.items[i]));
      const Ref entry = lookup(self.parts[kTable], found.get());
      Py_ssize_t offset = entry ? PyLong_AsSsize_t(slot(array, api.array_offset)) : 0;
      if (entry && place(entry.get(), key, offset)) {
        const Ref begin(PyLong_FromSsize_t(offset));
        if (!begin) return nullptr;
        return make_array(slot(array, api.array_buffer), begin.get(), PyTuple_GET_ITEM(entry.get(), kLayout));
      }
      if (PyErr_Occurred()) return nullptr;
    }
  }
  const Ref all(PyTuple_New(1 + count));
  if (!all) return nullptr;
  PyTuple_SET_ITEM(all.get(), 0, Py_NewRef(found ? found.get() : Py_None));
  for (Py_ssize_t i = 0; i < count; ++i) PyTuple_SET_ITEM(all.get(), 1 + i, Py_NewRef(args[i]));
  return PyObject_Call(self.parts[kSlow], all.get(), nullptr);
}

}  // namespace

PyTypeObject* make_view_type() {
  return make_callable_type("accel._core.View", "View(table, slow, indexing): views that were made before are found.",
                            construct<view_again, kViewParts>);
}

}  // namespace accel::core
