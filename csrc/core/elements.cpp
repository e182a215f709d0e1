#include "elements.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "../float_environment.hpp"
#include "dispatcher.hpp"

#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include <numpy/ndarraytypes.h>

namespace accel::core {

namespace {

Ref attribute(PyObject* object, const char* name, PyObject*& interned) {
  if (!interned) interned = PyUnicode_InternFromString(name);
  return Ref(interned ? PyObject_GetAttr(object, interned) : nullptr);
}

/// A Python number: exactly a float, an integer that 64 bits with sign hold, or a bool.
struct Number {
  bool is_float;
  double real;
  long long whole;
};

bool read(PyObject* value, Number& number) {
  if (PyFloat_CheckExact(value)) {
    number = {true, PyFloat_AS_DOUBLE(value), 0};
    return true;
  }
  if (!PyLong_CheckExact(value) && !PyBool_Check(value)) return false;
  int beyond = 0;
  number = {false, 0, PyLong_AsLongLongAndOverflow(value, &beyond)};
  return beyond == 0;
}

template <class T>
bool store_integer(const Number& number, char* at) {
  // Of both bounds as floating-point numbers, the lower is exact and the upper one above the largest integer.
  constexpr double kLow = static_cast<double>(std::numeric_limits<T>::min());
  constexpr double kEnd = static_cast<double>(std::numeric_limits<T>::max() / 2 + 1) * 2;
  if (number.is_float) {
    const double whole = std::trunc(number.real);
    if (!(whole >= kLow && whole < kEnd)) return false;
    *reinterpret_cast<T*>(at) = static_cast<T>(whole);
    return true;
  }
  if constexpr (std::numeric_limits<T>::is_signed) {
    if (number.whole < std::numeric_limits<T>::min() || number.whole > std::numeric_limits<T>::max()) return false;
  } else {
    if (number.whole < 0 || static_cast<unsigned long long>(number.whole) > std::numeric_limits<T>::max()) return false;
  }
  *reinterpret_cast<T*>(at) = static_cast<T>(number.whole);
  return true;
}

template <class T>
bool store_real(const Number& number, char* at) {
  constexpr long long kExact = 1LL << 53;  // a double holds every integer up to it: only the step to T rounds
  if (!number.is_float && (number.whole > kExact || number.whole < -kExact)) return false;
  *reinterpret_cast<T*>(at) = static_cast<T>(number.is_float ? number.real : static_cast<double>(number.whole));
  return true;
}

/// Bytes of an element of a NumPy type; 0 for those that are not stored here.
Py_ssize_t size_of(int type) {
  switch (type) {
    case NPY_BOOL:
    case NPY_INT8:
    case NPY_UINT8:
      return 1;
    case NPY_INT16:
    case NPY_UINT16:
      return 2;
    case NPY_INT32:
    case NPY_UINT32:
    case NPY_FLOAT32:
      return 4;
    case NPY_INT64:
    case NPY_UINT64:
    case NPY_FLOAT64:
      return 8;
    default:
      return 0;
  }
}

bool store_number(int type, const Number& number, char* at) {
  switch (type) {
    case NPY_BOOL:
      *at = number.is_float ? number.real != 0 : number.whole != 0;
      return true;
    case NPY_INT8:
      return store_integer<int8_t>(number, at);
    case NPY_INT16:
      return store_integer<int16_t>(number, at);
    case NPY_INT32:
      return store_integer<int32_t>(number, at);
    case NPY_INT64:
      return store_integer<int64_t>(number, at);
    case NPY_UINT8:
      return store_integer<uint8_t>(number, at);
    case NPY_UINT16:
      return store_integer<uint16_t>(number, at);
    case NPY_UINT32:
      return store_integer<uint32_t>(number, at);
    case NPY_UINT64:
      return store_integer<uint64_t>(number, at);
    case NPY_FLOAT32:
      return store_real<float>(number, at);
    case NPY_FLOAT64:
      return store_real<double>(number, at);
    default:
      return false;
  }
}

constexpr Py_ssize_t kMaxRank = 8;

/// What storing needs to know of a layout. This thread keeps the last one that it met, as stores come in loops.
struct Known {
  PyObject* layout = nullptr;       // kept for good
  PyObject* synchronize = nullptr;  // of its device
  Py_ssize_t rank, extents[kMaxRank], steps[kMaxRank];
  int type;  // NumPy's; one of no size where elements are not stored here
};

bool fill(Known& known, PyObject* layout) {
  static PyObject *kShape, *kStrides, *kDType, *kNumpy, *kDevice, *kSynchronize;
  const Ref shape = attribute(layout, "shape", kShape), strides = attribute(layout, "strides", kStrides);
  const Ref dtype = attribute(layout, "dtype", kDType), device = attribute(layout, "device", kDevice);
  if (!shape || !strides || !dtype || !device) return false;
  const Ref descr = attribute(dtype.get(), "numpy", kNumpy);
  Ref synchronize = attribute(device.get(), "synchronize", kSynchronize);
  if (!descr || !synchronize) return false;
  const Known old = known;
  known.rank = PyTuple_GET_SIZE(shape.get());
  known.type = known.rank <= kMaxRank ? reinterpret_cast<PyArray_Descr*>(descr.get())->type_num : NPY_NOTYPE;
  for (Py_ssize_t axis = 0; axis < std::min(known.rank, kMaxRank); ++axis) {
    known.extents[axis] = PyLong_AsSsize_t(PyTuple_GET_ITEM(shape.get(), axis));
    known.steps[axis] = PyLong_AsSsize_t(PyTuple_GET_ITEM(strides.get(), axis));
    if (known.steps[axis] == 0 && known.extents[axis] > 1) known.type = NPY_NOTYPE;  // several elements are one
  }
  known.layout = Py_NewRef(layout);
  known.synchronize = synchronize.release();
  Py_XDECREF(old.layout);
  Py_XDECREF(old.synchronize);
  return true;
}

/// Where integers lead, in elements from the first; false where they are not one for each axis and within its length.
bool locate(const Known& known, PyObject* key, Py_ssize_t& offset) {
  const bool several = PyTuple_CheckExact(key);
  if (known.rank == 0 || (several ? PyTuple_GET_SIZE(key) : 1) != known.rank) return false;
  for (Py_ssize_t axis = 0; axis < known.rank; ++axis) {
    PyObject* const index = several ? PyTuple_GET_ITEM(key, axis) : key;
    if (!PyLong_CheckExact(index)) return false;
    int beyond = 0;
    const long long i = PyLong_AsLongLongAndOverflow(index, &beyond);
    const Py_ssize_t n = known.extents[axis];
    if (beyond || i < -n || i >= n) return false;
    offset += (i < 0 ? i + n : i) * known.steps[axis];
  }
  return true;
}

/// The element's address; null, perhaps with an exception, where it is not that simple. Sets its NumPy type.
char* address(PyObject* array, PyObject* key, int& type) {
  static thread_local Known known;
  PyObject* const layout = slot(array, api.array_layout);
  PyObject* const owner = slot(array, api.array_buffer);
  PyObject* const first = slot(array, api.array_offset);
  if (!layout || !owner || !first || Py_TYPE(owner) != api.host_buffer) return nullptr;
  const HostBuffer& buffer = *reinterpret_cast<HostBuffer*>(owner);
  if (buffer.readonly || (known.layout != layout && !fill(known, layout))) return nullptr;
  type = known.type;
  const Py_ssize_t size = size_of(type);
  Py_ssize_t offset = PyLong_AsSsize_t(first);
  if (size == 0 || !locate(known, key, offset) || offset < 0 || offset >= buffer.nbytes / size) return nullptr;
  const Ref done(PyObject_CallNoArgs(known.synchronize));  // work on the array may still be queued
  return done ? buffer.address + offset * size : nullptr;
}

}  // namespace

PyObject* store(PyObject*, PyObject* const* args, Py_ssize_t count) {
  if (count != 3) return PyErr_Format(PyExc_TypeError, "store: expected array, key and value");
  Number number;
  int type;
  if (Py_TYPE(args[0]) != api.array || !read(args[2], number)) Py_RETURN_FALSE;
  char* const at = address(args[0], args[1], type);
  if (!at && PyErr_Occurred()) return nullptr;
  const StandardFloats standard;
  return PyBool_FromLong(at && store_number(type, number, at));
}

PyObject* view(PyObject*, PyObject* const* args, Py_ssize_t count) {
  if (count != 3) return PyErr_Format(PyExc_TypeError, "view: expected buffer, offset and layout");
  return make_array(args[0], args[1], args[2]);
}

}  // namespace accel::core
