#include "exchange.hpp"

#include <cstdlib>
#include <new>

namespace accel::core {

namespace {

// dlpack.h, of version 1: https://dmlc.github.io/dlpack/latest/c_api.html

constexpr int32_t kHost = 1;  // DLDeviceType
constexpr uint32_t kMajor = 1, kMinor = 2;

struct Version {
  uint32_t major, minor;
};

struct Tensor {
  void* data;
  int32_t device_type, device_id;
  int32_t rank;
  uint8_t code, bits;
  uint16_t lanes;
  int64_t *shape, *strides;  // in elements
  uint64_t offset;           // in bytes
};

struct Managed {
  Version version;
  void* context;
  void (*deleter)(Managed*);
  uint64_t flags;
  Tensor tensor;
};

struct Functions {
  Version version;
  Functions* previous;
  void* allocate;
  void* managed_from;
  int (*to_object)(Managed* stolen, void** made);
  int (*from_object)(void* object, Tensor* found);  // null where it has none
  void* current_stream;
};

constexpr const char* kCapsule = "dlpack_exchange_api";

/// A tensor's memory and what keeps it, with its shape and strides behind.
struct Owned {
  Managed managed;
  PyObject* buffer;
};

/// In any thread, with or without the GIL.
void drop(Managed* managed) {
  Owned* const owned = static_cast<Owned*>(managed->context);
  if (Py_IsInitialized()) {  // else the memory goes with the process
    const PyGILState_STATE state = PyGILState_Ensure();
    Py_DECREF(owned->buffer);
    PyGILState_Release(state);
  }
  std::free(owned);
}

}  // namespace

struct Exchange {
  PyObject_HEAD const Functions* functions;
  PyObject *capsule, *end_of_storage, *dtypes, *restore;
};

namespace {

Exchange* as_exchange(PyObject* object) { return reinterpret_cast<Exchange*>(object); }

PyObject* construct(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  static const char* names[] = {"capsule", "end_of_storage", "dtypes", "restore", nullptr};
  PyObject *capsule, *end_of_storage, *dtypes, *restore;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOO!O", const_cast<char**>(names), &capsule, &end_of_storage,
                                   &PyDict_Type, &dtypes, &restore)) {
    return nullptr;
  }
  const auto* const functions = static_cast<const Functions*>(PyCapsule_GetPointer(capsule, kCapsule));
  if (!functions) return nullptr;
  if (functions->version.major != kMajor || !functions->from_object || !functions->to_object) {
    return PyErr_Format(PyExc_BufferError, "Exchange: DLPack %u.%u has not the functions of 1.2",
                        functions->version.major, functions->version.minor);
  }
  PyObject* const self = type->tp_alloc(type, 0);
  if (!self) return nullptr;
  Exchange& made = *as_exchange(self);
  made.functions = functions;
  made.capsule = Py_NewRef(capsule);
  made.end_of_storage = Py_NewRef(end_of_storage);
  made.dtypes = Py_NewRef(dtypes);
  made.restore = Py_NewRef(restore);
  return self;
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  const Exchange& its = *as_exchange(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(its.capsule);
  Py_VISIT(its.end_of_storage);
  Py_VISIT(its.dtypes);
  Py_VISIT(its.restore);
  return 0;
}

int clear(PyObject* self) {
  Exchange& its = *as_exchange(self);
  Py_CLEAR(its.capsule);
  Py_CLEAR(its.end_of_storage);
  Py_CLEAR(its.dtypes);
  Py_CLEAR(its.restore);
  return 0;
}

PyType_Slot slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(construct)},
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate<clear>)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {Py_tp_doc, const_cast<char*>("Exchange(capsule, end_of_storage, dtypes, restore): what Door knows of a library's "
                                  "tensors.")},
    {0, nullptr},
};

PyType_Spec spec = {"accel._core.Exchange", sizeof(Exchange), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE, slots};

}  // namespace

PyTypeObject* make_exchange_type() { return reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec)); }

bool read_tensor(PyObject* exchange, PyObject* tensor, HostTensor& found) {
  const Exchange& its = *as_exchange(exchange);
  const Ref end(PyObject_CallOneArg(its.end_of_storage, tensor));
  if (!end || end.get() == Py_None) return false;
  const char* const limit = static_cast<const char*>(PyLong_AsVoidPtr(end.get()));
  if (!limit && PyErr_Occurred()) return false;
  Tensor t{};
  if (its.functions->from_object(tensor, &t) != 0) {
    PyErr_Clear();  // the slow way says it by the operand's name
    return false;
  }
  const int size = t.bits / 8;
  if (t.device_type != kHost || t.lanes != 1 || size == 0 || t.bits % 8 != 0) return false;
  const Ref number(PyLong_FromLong(t.code << 8 | t.bits));
  if (!number) return false;
  found.dtype = lookup(its.dtypes, number.get());
  if (!found.dtype) return false;
  int64_t last = 0, dense = 1;
  bool row_major = true, none = false;
  for (int d = t.rank - 1; d >= 0; --d) {
    const int64_t n = t.shape[d];
    none |= n == 0;
    if (n == 1) continue;
    if (t.strides[d] < 0) return false;
    row_major &= t.strides[d] == dense;
    dense *= n;
    last += (n - 1) * t.strides[d];
  }
  found.address = static_cast<char*>(t.data) + t.offset;
  found.nbytes = none ? 0 : (last + 1) * size;
  if (reinterpret_cast<uintptr_t>(found.address) % static_cast<unsigned>(size) != 0) return false;
  if (!none && found.address + found.nbytes > limit) return false;  // as a resize_ that fails leaves it
  found.rank = t.rank;
  found.shape = t.shape;
  found.strides = row_major || none ? nullptr : t.strides;
  return true;
}

PyObject* make_tensor(PyObject* exchange, PyObject* buffer, PyObject* dtype, PyObject* shape) {
  const Exchange& its = *as_exchange(exchange);
  const Ref number = lookup(its.dtypes, dtype);
  if (!number) return nullptr;
  const long code = PyLong_AsLong(number.get());
  const Py_ssize_t rank = PyTuple_GET_SIZE(shape);
  Owned* const owned = static_cast<Owned*>(std::malloc(sizeof(Owned) + 2 * static_cast<size_t>(rank) * 8));
  if (!owned) return PyErr_NoMemory();
  int64_t* const extents = reinterpret_cast<int64_t*>(owned + 1);
  int64_t* const strides = extents + rank;
  int64_t dense = 1;
  for (Py_ssize_t d = rank - 1; d >= 0; --d) {
    extents[d] = PyLong_AsLongLong(PyTuple_GET_ITEM(shape, d));
    strides[d] = dense;
    dense *= extents[d] > 0 ? extents[d] : 1;
  }
  Tensor tensor{reinterpret_cast<HostBuffer*>(buffer)->address,
                kHost,
                0,
                static_cast<int32_t>(rank),
                static_cast<uint8_t>(code >> 8),
                static_cast<uint8_t>(code),
                1,
                extents,
                strides,
                0};
  new (owned) Owned{{{kMajor, kMinor}, owned, drop, 0, tensor}, Py_NewRef(buffer)};
  void* made = nullptr;
  return its.functions->to_object(&owned->managed, &made) == 0 ? static_cast<PyObject*>(made) : nullptr;
}

PyObject* restore_tensor(PyObject* exchange, PyObject* array) {
  return PyObject_CallOneArg(as_exchange(exchange)->restore, array);
}

}  // namespace accel::core
