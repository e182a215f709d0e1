#include "memo.hpp"

#include <cstring>
#include <utility>

#include "callable.hpp"
#include "dispatcher.hpp"
#include "door.hpp"

namespace accel::core {

namespace {

enum MemoPart { kEnter, kTable, kSlow, kLibraries, kDType, kMemoParts };
enum EntryPart { kKey, kSpec, kParams, kFinish, kEntryParts };

constexpr Py_ssize_t kMost = 30;  // arguments whose kinds the bits of a small number hold

/// Whether what equals a value and has its type, and its bits where it is a float, is the same to every function.
bool is_number(PyObject* x) {
  return x == Py_None || PyLong_CheckExact(x) || PyFloat_CheckExact(x) || PyBool_Check(x) || PyUnicode_CheckExact(x);
}

/// The same of values that are no numbers: dtypes, tuples of numbers, and what equals nothing but itself. No value of
/// another kind is hashed, as that may go as deep as the value does.
bool is_plain(PyObject* x, PyObject* dtype) {
  if (is_number(x)) return true;
  PyTypeObject* const type = Py_TYPE(x);
  if (type == reinterpret_cast<PyTypeObject*>(dtype)) return true;
  if (PyTuple_CheckExact(x)) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(x); ++i) {
      if (!is_number(PyTuple_GET_ITEM(x, i))) return false;
    }
    return true;
  }
  return type->tp_hash == PyBaseObject_Type.tp_hash && type->tp_richcompare == PyBaseObject_Type.tp_richcompare;
}

/// Whether two plain values that are equal are the same.
bool same(PyObject* a, PyObject* b) {
  if (a == b) return true;
  if (Py_TYPE(a) != Py_TYPE(b)) return false;
  if (PyFloat_CheckExact(a)) {
    const double x = PyFloat_AS_DOUBLE(a), y = PyFloat_AS_DOUBLE(b);
    return std::memcmp(&x, &y, sizeof x) == 0;
  }
  if (PyTuple_CheckExact(a)) {
    if (PyTuple_GET_SIZE(a) != PyTuple_GET_SIZE(b)) return false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(a); ++i) {
      if (!same(PyTuple_GET_ITEM(a, i), PyTuple_GET_ITEM(b, i))) return false;
    }
  }
  return true;
}

/// A call's arguments: the arrays, and the key of all others. key: null, perhaps with an exception set, where there are
/// too many, or others than plain ones.
struct Taken {
  Ref key, arrays;
};

Taken take(const Callable& self, PyObject* const* args, Py_ssize_t count) {
  if (count > kMost) return {};
  long bits = 0;
  Py_ssize_t arrays = 0;
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* const x = args[i];
    if (is_number(x)) continue;
    int found = is_array(x);
    if (!found) found = PyDict_Contains(self.parts[kLibraries], reinterpret_cast<PyObject*>(Py_TYPE(x)));
    if (found < 0) return {};
    if (found) {
      bits |= 1L << i;
      ++arrays;
    } else if (!is_plain(x, self.parts[kDType])) {
      return {};
    }
  }
  Taken taken{Ref(PyTuple_New(1 + count - arrays)), Ref(PyTuple_New(arrays))};
  Ref number(PyLong_FromLong(bits));
  if (!taken.key || !taken.arrays || !number) return {};
  PyTuple_SET_ITEM(taken.key.get(), 0, number.release());
  Py_ssize_t others = 1;
  arrays = 0;
  for (Py_ssize_t i = 0; i < count; ++i) {
    const bool array = bits >> i & 1;
    PyTuple_SET_ITEM(array ? taken.arrays.get() : taken.key.get(), array ? arrays++ : others++, Py_NewRef(args[i]));
  }
  return taken;
}

/// The entry of a key. Null, perhaps with an exception set, where there is none of the same values.
Ref find(const Callable& self, PyObject* key) {
  Ref entry = lookup(self.parts[kTable], key);
  if (!entry || !PyTuple_CheckExact(entry.get()) || PyTuple_GET_SIZE(entry.get()) != kEntryParts) return Ref();
  return same(PyTuple_GET_ITEM(entry.get(), kKey), key) ? std::move(entry) : Ref();
}

PyObject* repeat(const Callable& self, PyObject* entry, PyObject* arrays) {
  PyObject* const call[] = {PyTuple_GET_ITEM(entry, kSpec), arrays, PyTuple_GET_ITEM(entry, kParams)};
  Ref result(PyObject_Vectorcall(self.parts[kEnter], call, 3, nullptr));
  PyObject* const finish = PyTuple_GET_ITEM(entry, kFinish);
  if (!result || finish == Py_None) return result.release();
  PyObject* const made[] = {result.get(), arrays};
  return PyObject_Vectorcall(finish, made, 2, nullptr);
}

PyObject* recall(PyObject* object, PyObject* const* args, size_t flagged, PyObject* keywords) {
  if (keywords && PyTuple_GET_SIZE(keywords)) {
    PyErr_SetString(PyExc_TypeError, "memo: expected positional arguments");
    return nullptr;
  }
  const Callable& self = as_callable(object);
  const Py_ssize_t count = PyVectorcall_NARGS(flagged);
  const Taken taken = take(self, args, count);
  if (taken.key) {
    if (const Ref entry = find(self, taken.key.get())) return repeat(self, entry.get(), taken.arrays.get());
  }
  if (PyErr_Occurred()) return nullptr;
  const Ref all(PyTuple_New(1 + count));
  if (!all) return nullptr;
  PyTuple_SET_ITEM(all.get(), 0, Py_NewRef(taken.key ? taken.key.get() : Py_None));
  for (Py_ssize_t i = 0; i < count; ++i) PyTuple_SET_ITEM(all.get(), 1 + i, Py_NewRef(args[i]));
  return PyObject_Call(self.parts[kSlow], all.get(), nullptr);
}

}  // namespace

PyTypeObject* make_memo_type() {
  return make_callable_type("accel._core.Memo",
                            "Memo(enter, table, slow, libraries, dtype): enters an op with the arguments that are "
                            "arrays, and what was found out before of all others.",
                            construct<recall, kMemoParts>);
}

}  // namespace accel::core
