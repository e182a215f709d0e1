#include "door.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "../float_environment.hpp"
#include "buffer.hpp"
#include "callable.hpp"
#include "dispatcher.hpp"
#include "ending.hpp"

#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include <numpy/arrayobject.h>

namespace accel::core {

bool load_numpy() { return _import_array() >= 0; }

bool is_array(PyObject* object) { return Py_TYPE(object) == api.array || Py_TYPE(object) == &PyArray_Type; }

namespace {

constexpr Py_ssize_t kMaxAxes = 64;

enum DoorPart { kDispatcher, kSlow, kToNumpy, kScope, kSettings, kDevices, kDTypes, kLayouts, kScalars, kDoorParts };

/// The row-major layout of an array's dtype and shape. Null, perhaps without an exception, for one that is new.
Ref find_layout(const Callable& self, PyArrayObject* source, PyObject* device) {
  const Ref dtype = lookup(self.parts[kDTypes], reinterpret_cast<PyObject*>(PyArray_DESCR(source)));
  if (!dtype) return Ref();
  const Ref shape(PyArray_IntTupleFromIntp(PyArray_NDIM(source), PyArray_DIMS(source)));
  if (!shape) return Ref();
  const Ref key(PyTuple_Pack(4, dtype.get(), shape.get(), Py_None, device));
  return key ? lookup(self.parts[kLayouts], key.get()) : Ref();
}

/// A layout that a thread has met: of arrays with this descriptor and these extents. Its objects are kept for good.
struct Known {
  PyArray_Descr* descr;
  PyObject *device, *layout;
  int rank;
  npy_intp extents[4];
};

/// The same, from the few that this thread met last where it is one of them: a quarter of the time.
Ref layout_of(const Callable& self, PyArrayObject* source, PyObject* device) {
  constexpr size_t kKnown = 16;
  static thread_local Known known[kKnown];
  const int rank = PyArray_NDIM(source);
  if (rank > static_cast<int>(std::size(Known{}.extents))) return find_layout(self, source, device);
  PyArray_Descr* const descr = PyArray_DESCR(source);
  const npy_intp* const extents = PyArray_DIMS(source);
  size_t hash = reinterpret_cast<uintptr_t>(descr) >> 4;
  for (int d = 0; d < rank; ++d) hash = hash * 31 + static_cast<size_t>(extents[d]);
  Known& entry = known[(hash ^ hash >> 8) % kKnown];
  if (entry.descr == descr && entry.device == device && entry.rank == rank &&
      std::equal(extents, extents + rank, entry.extents)) {
    return Ref::borrowed(entry.layout);
  }
  Ref layout = find_layout(self, source, device);
  if (layout) {
    const Known old = entry;
    entry = {descr, Py_NewRef(device), Py_NewRef(layout.get()), rank, {}};
    Py_INCREF(descr);
    std::copy_n(extents, rank, entry.extents);
    Py_XDECREF(old.descr);
    Py_XDECREF(old.device);
    Py_XDECREF(old.layout);
  }
  return layout;
}

/// A C-contiguous array as an accel.Array on a device of the host. Null, perhaps without an exception, for any other
/// array, and for a layout that is new.
Ref from_numpy(const Callable& self, PyArrayObject* source, PyObject* device) {
  if (!PyArray_IS_C_CONTIGUOUS(source) || !PyArray_ISALIGNED(source)) return Ref();
  const Ref layout = layout_of(self, source, device);
  if (!layout) return Ref();
  const Ref buffer(wrap(api.host_buffer, PyArray_BYTES(source), PyArray_NBYTES(source),
                        reinterpret_cast<PyObject*>(source), !PyArray_ISWRITEABLE(source)));
  const Ref zero(PyLong_FromLong(0));
  return buffer ? Ref(make_array(buffer.get(), zero.get(), layout.get())) : Ref();
}

/// An attribute that is one of the interned names; null with an exception set.
Ref attribute(PyObject* object, PyObject* name) { return Ref(PyObject_GetAttr(object, name)); }

/// The elements of a fresh, contiguous array of the host as a NumPy array. Null, perhaps without an exception, for any
/// other array.
PyObject* to_numpy(PyObject* array) {
  static PyObject* const kContiguous = PyUnicode_InternFromString("contiguous");
  static PyObject* const kShape = PyUnicode_InternFromString("shape");
  static PyObject* const kDType = PyUnicode_InternFromString("dtype");
  static PyObject* const kNumpy = PyUnicode_InternFromString("numpy");
  PyObject* const layout = slot(array, api.array_layout);
  PyObject* const owner = slot(array, api.array_buffer);
  if (!layout || !owner || Py_TYPE(owner) != api.host_buffer) return nullptr;
  const HostBuffer& buffer = *reinterpret_cast<HostBuffer*>(owner);
  // Nobody else's memory: it is fresh, so that the array starts where it does, and may be written to.
  PyObject* const offset = slot(array, api.array_offset);
  if (!buffer.pooled || !offset || PyLong_AsSsize_t(offset) != 0) return nullptr;
  if (attribute(layout, kContiguous).get() != Py_True) return nullptr;
  const Ref shape = attribute(layout, kShape), dtype = attribute(layout, kDType);
  if (!shape || !dtype) return nullptr;
  npy_intp extents[kMaxAxes];
  const Py_ssize_t rank = PyTuple_GET_SIZE(shape.get());
  if (rank > kMaxAxes) return nullptr;
  for (Py_ssize_t d = 0; d < rank; ++d) extents[d] = PyLong_AsSsize_t(PyTuple_GET_ITEM(shape.get(), d));
  Ref descr = attribute(dtype.get(), kNumpy);
  if (!descr) return nullptr;
  PyObject* const view =
      PyArray_NewFromDescr(&PyArray_Type, reinterpret_cast<PyArray_Descr*>(descr.release()), static_cast<int>(rank),
                           extents, nullptr, buffer.address, NPY_ARRAY_CARRAY, nullptr);
  if (!view) return nullptr;
  if (PyArray_SetBaseObject(reinterpret_cast<PyArrayObject*>(view), Py_NewRef(owner)) < 0) {
    Py_DECREF(view);
    return nullptr;
  }
  return view;
}

/// A result as a NumPy array. Null with an exception set.
PyObject* restore(const Callable& self, PyObject* result) {
  PyObject* const view = Py_TYPE(result) == api.array ? to_numpy(result) : nullptr;
  if (view || PyErr_Occurred()) return view;
  return PyObject_CallOneArg(self.parts[kToNumpy], result);
}

/// The same for several results.
PyObject* restore_each(const Callable& self, PyObject* results) {
  Ref restored(PyTuple_New(PyTuple_GET_SIZE(results)));
  for (Py_ssize_t i = 0; restored && i < PyTuple_GET_SIZE(results); ++i) {
    PyObject* const array = restore(self, PyTuple_GET_ITEM(results, i));
    if (!array) return nullptr;
    PyTuple_SET_ITEM(restored.get(), i, array);
  }
  return restored.release();
}

/// The device that NumPy arrays go to, where its memory is the host's. Null, perhaps without an exception.
Ref host_device(const Callable& self) {
  static PyObject* const kHost = PyUnicode_InternFromString("host");
  const Ref settings = current_settings(self.parts[kScope], self.parts[kSettings]);
  if (!settings) return Ref();
  Ref device = lookup(self.parts[kDevices], settings.get());
  if (!device || attribute(device.get(), kHost).get() != Py_True) return Ref();
  return device;
}

bool is_scalar(PyObject* x) { return PyFloat_CheckExact(x) || PyLong_CheckExact(x) || PyBool_Check(x); }

/// A Python scalar beside arrays of one dtype and device, as the array that it stood for before. Null, perhaps without
/// an exception, where it is new, or is -0.0, which equals 0.0.
Ref known_scalar(const Callable& self, PyObject* value, PyObject* dtype, PyObject* device) {
  const StandardFloats standard;  // where subnormals are zeros, 5e-324 would be found as 0.0
  if (PyFloat_CheckExact(value)) {
    const double x = PyFloat_AS_DOUBLE(value);
    if (x == 0 && std::signbit(x)) return Ref();
  }
  const Ref key(PyTuple_Pack(4, value, reinterpret_cast<PyObject*>(Py_TYPE(value)), dtype, device));
  return key ? lookup(self.parts[kScalars], key.get()) : Ref();
}

/// The operands as accel's arrays: arrays of one kind (`kind`, or none were given), and Python scalars beside them.
/// Null, perhaps without an exception, where that is not simple.
Ref adopt(const Callable& self, PyObject* spec, PyObject* operands, PyTypeObject* kind) {
  static PyObject* const kTakesScalars = PyUnicode_InternFromString("scalars");
  static PyObject* const kDType = PyUnicode_InternFromString("dtype");
  static PyObject* const kDevice = PyUnicode_InternFromString("device");
  const bool foreign = kind == &PyArray_Type;
  Ref device = foreign ? host_device(self) : Ref();
  if (foreign && !device) return Ref();
  const Py_ssize_t count = PyTuple_GET_SIZE(operands);
  Ref adopted(PyTuple_New(count));
  if (!adopted) return Ref();
  Ref dtype;  // of all arrays, where a scalar is to take it
  bool scalars = false;
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* const operand = PyTuple_GET_ITEM(operands, i);
    if (Py_TYPE(operand) != kind) {
      scalars = true;
      continue;
    }
    Ref array =
        foreign ? from_numpy(self, reinterpret_cast<PyArrayObject*>(operand), device.get()) : Ref::borrowed(operand);
    if (!array) return Ref();
    PyTuple_SET_ITEM(adopted.get(), i, array.release());
  }
  if (!scalars) return adopted;
  if (attribute(spec, kTakesScalars).get() != Py_True) return Ref();
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* const array = PyTuple_GET_ITEM(adopted.get(), i);
    if (!array) continue;
    PyObject* const layout = slot(array, api.array_layout);
    if (!layout) return Ref();
    Ref its_dtype = attribute(layout, kDType);
    if (!its_dtype || (dtype && dtype.get() != its_dtype.get())) return Ref();
    dtype = std::move(its_dtype);
    if (!device) device = attribute(layout, kDevice);
  }
  if (!dtype || !device) return Ref();
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (PyTuple_GET_ITEM(adopted.get(), i)) continue;
    Ref scalar = known_scalar(self, PyTuple_GET_ITEM(operands, i), dtype.get(), device.get());
    if (!scalar) return Ref();
    PyTuple_SET_ITEM(adopted.get(), i, scalar.release());
  }
  return adopted;
}

PyObject* enter(PyObject* object, PyObject* const* args, size_t flagged, PyObject* keywords) {
  PyObject* given[3];  // spec, operands, params
  if (!unpack("enter", args, flagged, keywords, 2, 3, given)) return nullptr;
  const Call counted;
  const Callable& self = as_callable(object);
  PyObject* const operands = given[1];
  if (!PyTuple_CheckExact(operands) || PyTuple_GET_SIZE(operands) == 0) {
    PyErr_SetString(PyExc_TypeError, "operands: expected a tuple with at least one operand");
    return nullptr;
  }
  PyTypeObject* kind = nullptr;  // of the arrays
  bool simple = true, scalars = false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(operands); ++i) {
    PyObject* const operand = PyTuple_GET_ITEM(operands, i);
    PyTypeObject* const its = Py_TYPE(operand);
    if (is_array(operand)) {
      simple &= !kind || kind == its;
      kind = its;
    } else {
      scalars = true;
      simple &= is_scalar(operand);
    }
  }
  simple &= kind != nullptr;
  if (simple && kind == api.array && !scalars) return PyObject_Vectorcall(self.parts[kDispatcher], given, 3, nullptr);
  if (simple) {
    if (const Ref adopted = adopt(self, given[0], operands, kind)) {
      PyObject* const call[] = {given[0], adopted.get(), given[2]};
      Ref result(PyObject_Vectorcall(self.parts[kDispatcher], call, 3, nullptr));
      if (!result || kind == api.array) return result.release();
      return PyTuple_CheckExact(result.get()) ? restore_each(self, result.get()) : restore(self, result.get());
    }
    if (PyErr_Occurred()) return nullptr;
  }
  const StandardFloats standard;  // for scalars that become constants
  return PyObject_Vectorcall(self.parts[kSlow], given, 3, nullptr);
}

}  // namespace

PyTypeObject* make_door_type() {
  return make_callable_type("accel._core.Door",
                            "Door(dispatcher, slow, to_numpy, scope, settings, devices, dtypes, layouts, scalars): the "
                            "entry of public functions.",
                            construct<enter, kDoorParts>);
}

}  // namespace accel::core
