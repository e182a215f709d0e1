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
#include "exchange.hpp"
#include "names.hpp"

#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include <numpy/arrayobject.h>

namespace accel::core {

bool load_numpy() { return _import_array() >= 0; }

bool is_array(PyObject* object) { return Py_TYPE(object) == api.array || Py_TYPE(object) == &PyArray_Type; }

namespace {

constexpr Py_ssize_t kMaxAxes = 64;

enum DoorPart {
  kDispatcher,
  kSlow,
  kToNumpy,
  kScope,
  kSettings,
  kDevices,
  kDTypes,
  kLayouts,
  kScalars,
  kExchanges,
  kDoorParts
};

template <class Int>
Ref tuple_of(int count, const Int* values) {
  Ref made(PyTuple_New(count));
  for (int i = 0; made && i < count; ++i) {
    PyObject* const value = PyLong_FromLongLong(values[i]);
    if (!value) return Ref();
    PyTuple_SET_ITEM(made.get(), i, value);
  }
  return made;
}

/// The layout of a dtype, a shape and strides (null: row-major). Null, perhaps without an exception, for one that is
/// new.
template <class Int>
Ref find_layout(const Callable& self, PyObject* dtype, int rank, const Int* extents, const Int* strides,
                PyObject* device) {
  const Ref shape = tuple_of(rank, extents), steps = strides ? tuple_of(rank, strides) : Ref::borrowed(Py_None);
  if (!shape || !steps) return Ref();
  const Ref key(PyTuple_Pack(4, dtype, shape.get(), steps.get(), device));
  return key ? lookup(self.parts[kLayouts], key.get()) : Ref();
}

/// A row-major layout that a thread has met: of arrays with this dtype, in NumPy's words or in accel's, and these
/// extents. Its objects are kept for good.
struct Known {
  PyObject *dtype, *device, *layout;
  int rank;
  int64_t extents[4];
};

/// The same, from the few that this thread met last where it is one of them: a quarter of the time.
template <class Int, class Find>
Ref layout_of(PyObject* dtype, int rank, const Int* extents, PyObject* device, const Find& find) {
  constexpr size_t kKnown = 16;
  static thread_local Known known[kKnown];
  if (rank > static_cast<int>(std::size(Known{}.extents))) return find();
  size_t hash = reinterpret_cast<uintptr_t>(dtype) >> 4;
  for (int d = 0; d < rank; ++d) hash = hash * 31 + static_cast<size_t>(extents[d]);
  Known& entry = known[(hash ^ hash >> 8) % kKnown];
  if (entry.dtype == dtype && entry.device == device && entry.rank == rank &&
      std::equal(extents, extents + rank, entry.extents)) {
    return Ref::borrowed(entry.layout);
  }
  Ref layout = find();
  if (layout) {
    const Known old = entry;
    entry = {Py_NewRef(dtype), Py_NewRef(device), Py_NewRef(layout.get()), rank, {}};
    std::copy_n(extents, rank, entry.extents);
    Py_XDECREF(old.dtype);
    Py_XDECREF(old.device);
    Py_XDECREF(old.layout);
  }
  return layout;
}

/// An accel.Array at the beginning of a buffer, where that is there.
Ref array_at(const Ref& buffer, const Ref& layout) {
  const Ref zero(PyLong_FromLong(0));
  return buffer ? Ref(make_array(buffer.get(), zero.get(), layout.get())) : Ref();
}

/// Whether an array's elements are, and would be: NumPy says so of every array that has none.
bool is_aligned(PyArrayObject* source) {
  if (PyArray_SIZE(source) != 0) return PyArray_ISALIGNED(source);
  const size_t size = static_cast<size_t>(PyArray_ITEMSIZE(source));  // 0 of some that are no numbers
  return size && reinterpret_cast<uintptr_t>(PyArray_DATA(source)) % size == 0;
}

/// A C-contiguous array as an accel.Array on a device of the host. Null, perhaps without an exception, for any other
/// array, and for a layout that is new.
Ref from_numpy(const Callable& self, PyArrayObject* source, PyObject* device) {
  if (!PyArray_IS_C_CONTIGUOUS(source) || !is_aligned(source)) return Ref();
  PyObject* const descr = reinterpret_cast<PyObject*>(PyArray_DESCR(source));
  const int rank = PyArray_NDIM(source);
  const npy_intp* const extents = PyArray_DIMS(source);
  const Ref layout = layout_of(descr, rank, extents, device, [&] {
    const Ref dtype = lookup(self.parts[kDTypes], descr);
    return dtype ? find_layout<npy_intp>(self, dtype.get(), rank, extents, nullptr, device) : Ref();
  });
  if (!layout) return Ref();
  return array_at(Ref(wrap(api.host_buffer, PyArray_BYTES(source), PyArray_NBYTES(source),
                           reinterpret_cast<PyObject*>(source), !PyArray_ISWRITEABLE(source))),
                  layout);
}

/// A tensor of another library as an accel.Array on a device of the host. Null, perhaps without an exception, for one
/// that is not simple, and for a layout that is new.
Ref from_tensor(const Callable& self, PyObject* exchange, PyObject* source, PyObject* device) {
  HostTensor its;
  if (!read_tensor(exchange, source, its)) return Ref();
  const auto find = [&] { return find_layout(self, its.dtype.get(), its.rank, its.shape, its.strides, device); };
  const Ref layout = its.strides ? find() : layout_of(its.dtype.get(), its.rank, its.shape, device, find);
  if (!layout) return Ref();
  return array_at(Ref(wrap(api.host_buffer, its.address, its.nbytes, source, false)), layout);
}

/// A fresh, contiguous array of the host.
struct Fresh {
  PyObject* buffer;
  Ref shape, dtype;
};

/// False, perhaps with an exception set, for any other array.
bool read_fresh(PyObject* array, Fresh& found) {
  PyObject* const layout = slot(array, api.array_layout);
  found.buffer = slot(array, api.array_buffer);
  if (!layout || !found.buffer || Py_TYPE(found.buffer) != api.host_buffer) return false;
  // Nobody else's memory: it is fresh, so that the array starts where it does, and may be written to.
  PyObject* const offset = slot(array, api.array_offset);
  const size_t pooled = reinterpret_cast<HostBuffer*>(found.buffer)->pooled;
  if (!pooled || !offset || PyLong_AsSsize_t(offset) != 0) return false;
  if (attribute(layout, names.contiguous).get() != Py_True) return false;
  found.shape = attribute(layout, names.shape);
  found.dtype = attribute(layout, names.dtype);
  return found.shape && found.dtype;
}

/// Its elements as a NumPy array. Null, perhaps without an exception.
PyObject* to_numpy(const Fresh& array) {
  npy_intp extents[kMaxAxes];
  const Py_ssize_t rank = PyTuple_GET_SIZE(array.shape.get());
  if (rank > kMaxAxes) return nullptr;
  for (Py_ssize_t d = 0; d < rank; ++d) extents[d] = PyLong_AsSsize_t(PyTuple_GET_ITEM(array.shape.get(), d));
  Ref descr = attribute(array.dtype.get(), names.numpy);
  if (!descr) return nullptr;
  char* const address = reinterpret_cast<HostBuffer*>(array.buffer)->address;
  PyObject* const view =
      PyArray_NewFromDescr(&PyArray_Type, reinterpret_cast<PyArray_Descr*>(descr.release()), static_cast<int>(rank),
                           extents, nullptr, address, NPY_ARRAY_CARRAY, nullptr);
  if (!view) return nullptr;
  if (PyArray_SetBaseObject(reinterpret_cast<PyArrayObject*>(view), Py_NewRef(array.buffer)) < 0) {
    Py_DECREF(view);
    return nullptr;
  }
  return view;
}

/// A result as a NumPy array, or as a tensor of the library that an exchange is of. Null with an exception set.
PyObject* restore(const Callable& self, PyObject* exchange, PyObject* result) {
  Fresh fresh;
  if (Py_TYPE(result) == api.array && read_fresh(result, fresh)) {
    PyObject* const made =
        exchange ? make_tensor(exchange, fresh.buffer, fresh.dtype.get(), fresh.shape.get()) : to_numpy(fresh);
    if (made) return made;
  }
  if (PyErr_Occurred()) return nullptr;
  return exchange ? restore_tensor(exchange, result) : PyObject_CallOneArg(self.parts[kToNumpy], result);
}

/// The same for several results.
PyObject* restore_each(const Callable& self, PyObject* exchange, PyObject* results) {
  Ref restored(PyTuple_New(PyTuple_GET_SIZE(results)));
  for (Py_ssize_t i = 0; restored && i < PyTuple_GET_SIZE(results); ++i) {
    PyObject* const array = restore(self, exchange, PyTuple_GET_ITEM(results, i));
    if (!array) return nullptr;
    PyTuple_SET_ITEM(restored.get(), i, array);
  }
  return restored.release();
}

/// The device that arrays of the host go to, where its memory is the host's. Null, perhaps without an exception.
Ref host_device(const Callable& self) {
  const Ref settings = current_settings(self.parts[kScope], self.parts[kSettings]);
  if (!settings) return Ref();
  Ref device = lookup(self.parts[kDevices], settings.get());
  if (!device || attribute(device.get(), names.host).get() != Py_True) return Ref();
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

/// What arrays a call's operands are: accel's, NumPy's, or tensors of the library that an exchange is of.
struct Kind {
  PyTypeObject* type = nullptr;  // of arrays
  PyObject* exchange = nullptr;  // of tensors
  bool operator==(const Kind& other) const { return type == other.type && exchange == other.exchange; }
  explicit operator bool() const { return type || exchange; }
};

/// None of them for anything else. An exception may be set.
Kind kind_of(const Callable& self, PyObject* operand) {
  if (is_array(operand)) return {Py_TYPE(operand), nullptr};
  if (is_scalar(operand)) return {};
  // Borrowed: what is once in this dictionary stays there.
  return {nullptr, lookup(self.parts[kExchanges], reinterpret_cast<PyObject*>(Py_TYPE(operand))).get()};
}

/// The operands as accel's arrays: arrays of one kind, and Python scalars beside them. Null, perhaps without an
/// exception, where that is not simple.
Ref adopt(const Callable& self, PyObject* spec, PyObject* operands, const Kind& kind) {
  const bool foreign = kind.type != api.array;
  Ref device = foreign ? host_device(self) : Ref();
  if (foreign && !device) return Ref();
  const Py_ssize_t count = PyTuple_GET_SIZE(operands);
  Ref adopted(PyTuple_New(count));
  if (!adopted) return Ref();
  Ref dtype;  // of all arrays, where a scalar is to take it
  bool scalars = false;
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* const operand = PyTuple_GET_ITEM(operands, i);
    if (is_scalar(operand)) {
      scalars = true;
      continue;
    }
    Ref array = !foreign        ? Ref::borrowed(operand)
                : kind.exchange ? from_tensor(self, kind.exchange, operand, device.get())
                                : from_numpy(self, reinterpret_cast<PyArrayObject*>(operand), device.get());
    if (!array) return Ref();
    PyTuple_SET_ITEM(adopted.get(), i, array.release());
  }
  if (!scalars) return adopted;
  if (attribute(spec, names.scalars).get() != Py_True) return Ref();
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* const array = PyTuple_GET_ITEM(adopted.get(), i);
    if (!array) continue;
    PyObject* const layout = slot(array, api.array_layout);
    if (!layout) return Ref();
    Ref its_dtype = attribute(layout, names.dtype);
    if (!its_dtype || (dtype && dtype.get() != its_dtype.get())) return Ref();
    dtype = std::move(its_dtype);
    if (!device) device = attribute(layout, names.device);
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
  Kind kind;  // of the arrays
  bool simple = true, scalars = false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(operands); ++i) {
    PyObject* const operand = PyTuple_GET_ITEM(operands, i);
    if (const Kind its = kind_of(self, operand)) {
      simple &= !kind || kind == its;
      kind = its;
    } else {
      scalars = true;
      simple &= is_scalar(operand);
    }
  }
  if (PyErr_Occurred()) return nullptr;
  simple &= static_cast<bool>(kind);
  const bool own = kind.type == api.array;
  if (simple && own && !scalars) return PyObject_Vectorcall(self.parts[kDispatcher], given, 3, nullptr);
  if (simple) {
    if (const Ref adopted = adopt(self, given[0], operands, kind)) {
      PyObject* const call[] = {given[0], adopted.get(), given[2]};
      Ref result(PyObject_Vectorcall(self.parts[kDispatcher], call, 3, nullptr));
      if (!result || own) return result.release();
      return PyTuple_CheckExact(result.get()) ? restore_each(self, kind.exchange, result.get())
                                              : restore(self, kind.exchange, result.get());
    }
    if (PyErr_Occurred()) return nullptr;
  }
  const StandardFloats standard;  // for scalars that become constants
  return PyObject_Vectorcall(self.parts[kSlow], given, 3, nullptr);
}

}  // namespace

PyTypeObject* make_door_type() {
  return make_callable_type("accel._core.Door",
                            "Door(dispatcher, slow, to_numpy, scope, settings, devices, dtypes, layouts, scalars, "
                            "exchanges): the entry of public functions.",
                            construct<enter, kDoorParts>);
}

}  // namespace accel::core
