// The Python objects that every call touches: accel's arrays, their layouts and buffers, read without attribute
// lookups.
#pragma once

#include <Python.h>

#include <cstddef>

namespace accel::core {

/// accel.backends.base.HostBuffer: memory that the process addresses itself.
struct HostBuffer {
  PyObject_HEAD char* address;
  Py_ssize_t nbytes;
  PyObject* owner;  // keeps the memory alive; null where it is the pool's
  size_t pooled;    // bytes to release to the pool; 0 where there is an owner
  char readonly;
};

/// What this module shares with accel's kernels, through a capsule of this name.
inline constexpr const char* kApiName = "accel._core._api";

struct Api {
  PyTypeObject* host_buffer;
  PyTypeObject* array;                                  // accel.Array; null until `register`
  Py_ssize_t array_buffer, array_offset, array_layout;  // where its slots are
};

/// A slot of an object, borrowed; null where it was never set.
inline PyObject* slot(PyObject* object, Py_ssize_t at) {
  return *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(object) + at);
}

/// One reference, dropped at the end of its scope.
class Ref {
 public:
  Ref() = default;
  explicit Ref(PyObject* owned) : object_(owned) {}
  Ref(const Ref&) = delete;
  Ref& operator=(const Ref&) = delete;
  Ref(Ref&& other) noexcept : object_(other.release()) {}
  Ref& operator=(Ref&& other) noexcept {
    PyObject* const old = object_;
    object_ = other.release();
    Py_XDECREF(old);
    return *this;
  }
  ~Ref() { Py_XDECREF(object_); }
  static Ref borrowed(PyObject* object) { return Ref(Py_XNewRef(object)); }

  PyObject* get() const { return object_; }
  PyObject* release() {
    PyObject* const object = object_;
    object_ = nullptr;
    return object;
  }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  PyObject* object_ = nullptr;
};

/// dict[key]; null without an exception where it is absent.
inline Ref lookup(PyObject* dict, PyObject* key) {
#if PY_VERSION_HEX >= 0x030d0000
  PyObject* found = nullptr;
  PyDict_GetItemRef(dict, key, &found);
  return Ref(found);
#else
  return Ref::borrowed(PyDict_GetItemWithError(dict, key));
#endif
}

}  // namespace accel::core
