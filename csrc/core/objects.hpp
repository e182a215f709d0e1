// The Python objects that every call touches: accel's arrays, their layouts and buffers, read without attribute
// lookups.
#pragma once

#include <Python.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace accel::core {

/// accel.backends.base.HostBuffer: memory that the process addresses itself.
struct HostBuffer {
  PyObject_HEAD char* address;
  Py_ssize_t nbytes;
  PyObject* owner;  // keeps the memory alive; null where it is the pool's
  size_t pooled;    // bytes to release to the pool; 0 where there is an owner
  char readonly;
};

/// What a launch on host memory begins with: a plan gives it addresses, with no array for each.
struct HostLaunch {
  PyObject_HEAD vectorcallfunc vectorcall;
  /// Runs on the addresses of the operands' first elements, of which each has so many bytes. False with an exception
  /// set.
  bool (*run)(PyObject* self, char* const* operands);
  const int* sizes;
  Py_ssize_t count;
};

/// Operands of a launch at most.
inline constexpr Py_ssize_t kMostOperands = 128;

/// What this module shares with accel's kernels, through a capsule of this name.
inline constexpr const char* kApiName = "accel._core._api";

struct Api {
  PyTypeObject* host_buffer;
  PyTypeObject* array;                                  // accel.Array; null until `register`
  Py_ssize_t array_buffer, array_offset, array_layout;  // where its slots are
  std::atomic<PyTypeObject*> host_launch;  // accel._cpu's, whose objects are HostLaunch; null until it is loaded
  void (*tell_positions)(bool inside);     // by kernels that gather, to the call: whether all positions were in range
};

/// A slot of an object, borrowed; null where it was never set.
inline PyObject* slot(PyObject* object, Py_ssize_t at) {
  return *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(object) + at);
}

/// The address of an array's element number `more` behind its first, of `size` bytes. scale: how many such elements one
/// of the array's own is, 2 where it is complex. False, without an exception, where that is not plain: no array in host
/// memory, or one that is not aligned.
inline bool find_element(const Api& api, PyObject* array, Py_ssize_t more, int size, char*& found,
                         Py_ssize_t scale = 1) {
  if (Py_TYPE(array) != api.array) return false;
  PyObject* const buffer = slot(array, api.array_buffer);
  PyObject* const first = slot(array, api.array_offset);
  if (!buffer || !first || Py_TYPE(buffer) != api.host_buffer) return false;
  const Py_ssize_t offset = PyLong_AsSsize_t(first);
  if (offset == -1 && PyErr_Occurred()) {
    PyErr_Clear();
    return false;
  }
  found = reinterpret_cast<HostBuffer*>(buffer)->address + (offset * scale + more) * size;
  return reinterpret_cast<uintptr_t>(found) % static_cast<unsigned>(size) == 0;
}

/// The tp_dealloc of a type that the garbage collector knows, by its tp_clear.
template <int (*Clear)(PyObject*)>
void deallocate(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  Clear(self);
  type->tp_free(self);
  Py_DECREF(type);
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
