#include "buffer.hpp"

#include <structmember.h>

#include "pool.hpp"

#ifndef Py_BEGIN_CRITICAL_SECTION  // before 3.13, always with the GIL
#define Py_BEGIN_CRITICAL_SECTION(object) {
#define Py_END_CRITICAL_SECTION() }
#endif

namespace accel::core {

namespace {

HostBuffer* as_buffer(PyObject* object) { return reinterpret_cast<HostBuffer*>(object); }

PyObject* construct(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  static const char* names[] = {"address", "nbytes", "owner", "readonly", nullptr};
  PyObject *address, *owner;
  Py_ssize_t nbytes;
  int readonly = 0;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "OnO|p", const_cast<char**>(names), &address, &nbytes, &owner,
                                   &readonly)) {
    return nullptr;
  }
  void* const data = PyLong_AsVoidPtr(address);
  if (!data && PyErr_Occurred()) return nullptr;
  if (nbytes < 0) {
    PyErr_Format(PyExc_ValueError, "HostBuffer: nbytes: expected at least 0, got %zd", nbytes);
    return nullptr;
  }
  return wrap(type, static_cast<char*>(data), nbytes, owner, readonly != 0);
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_buffer(self)->owner);
  return 0;
}

int clear(PyObject* self) {
  Py_CLEAR(as_buffer(self)->owner);
  return 0;
}

void deallocate(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (as_buffer(self)->pooled) release(as_buffer(self)->address, as_buffer(self)->pooled);
  clear(self);
  type->tp_free(self);
  Py_DECREF(type);
}

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  const HostBuffer* const buffer = as_buffer(self);
  return PyBuffer_FillInfo(view, self, buffer->address, buffer->nbytes, buffer->readonly, flags);
}

PyObject* address_of(PyObject* self, void*) { return PyLong_FromVoidPtr(as_buffer(self)->address); }

PyObject* owner_of(PyObject* self, void*) {
  PyObject* owner;
  Py_BEGIN_CRITICAL_SECTION(self);  // another thread may set it meanwhile
  owner = as_buffer(self)->owner;
  owner = Py_NewRef(owner ? owner : Py_None);
  Py_END_CRITICAL_SECTION();
  return owner;
}

int set_owner(PyObject* self, PyObject* owner, void*) {
  if (!owner || as_buffer(self)->pooled) {
    PyErr_SetString(PyExc_AttributeError, "the owner of this memory cannot be changed");
    return -1;
  }
  PyObject* old;
  Py_BEGIN_CRITICAL_SECTION(self);
  old = as_buffer(self)->owner;
  as_buffer(self)->owner = Py_NewRef(owner);
  Py_END_CRITICAL_SECTION();
  Py_XDECREF(old);
  return 0;
}

PyObject* array_interface(PyObject* self, void*) {
  const HostBuffer* const buffer = as_buffer(self);
  return Py_BuildValue("{s:i,s:s,s:(n),s:(NN)}", "version", 3, "typestr", "|u1", "shape", buffer->nbytes, "data",
                       PyLong_FromVoidPtr(buffer->address), PyBool_FromLong(buffer->readonly));
}

PyMemberDef members[] = {
    {"nbytes", T_PYSSIZET, offsetof(HostBuffer, nbytes), READONLY, "Size in bytes."},
    {"readonly", T_BOOL, offsetof(HostBuffer, readonly), 0, "Whether nobody may write."},
    {nullptr, 0, 0, 0, nullptr},
};

PyGetSetDef properties[] = {
    {"address", address_of, nullptr, "Address of the first byte.", nullptr},
    {"owner", owner_of, set_owner, "What keeps the memory alive; None where it is accel's own.", nullptr},
    {"__array_interface__", array_interface, nullptr, "The bytes, as NumPy wants them described.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(construct)},
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {Py_tp_members, members},
    {Py_tp_getset, properties},
    {Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)},
    {Py_tp_doc, const_cast<char*>("HostBuffer(address, nbytes, owner, readonly=False)\n--\n\n"
                                  "Memory that the process addresses itself: the address of its first byte, its size "
                                  "in bytes, and the object that keeps it\nalive.")},
    {0, nullptr},
};

PyType_Spec spec = {"accel._core.HostBuffer", sizeof(HostBuffer), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE, slots};

PyObject* make(PyTypeObject* type, char* address, Py_ssize_t nbytes, PyObject* owner, size_t pooled, bool readonly) {
  HostBuffer* const buffer = PyObject_GC_New(HostBuffer, type);
  if (!buffer) return nullptr;
  buffer->address = address;
  buffer->nbytes = nbytes;
  buffer->owner = Py_XNewRef(owner);
  buffer->pooled = pooled;
  buffer->readonly = readonly;
  if (owner) PyObject_GC_Track(buffer);  // without an owner it is part of no cycle
  return reinterpret_cast<PyObject*>(buffer);
}

}  // namespace

PyTypeObject* make_host_buffer_type() { return reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec)); }

PyObject* allocate(PyTypeObject* type, Py_ssize_t nbytes) {
  const size_t bytes = nbytes > 0 ? static_cast<size_t>(nbytes) : 1;
  void* const data = acquire(bytes);
  if (!data) return PyErr_NoMemory();
  PyObject* const buffer = make(type, static_cast<char*>(data), nbytes, nullptr, bytes, false);
  if (!buffer) release(data, bytes);
  return buffer;
}

PyObject* wrap(PyTypeObject* type, char* address, Py_ssize_t nbytes, PyObject* owner, bool readonly) {
  return make(type, address, nbytes, owner, 0, readonly);
}

}  // namespace accel::core
