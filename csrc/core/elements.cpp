#include "elements.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "../float_environment.hpp"
#include "dispatcher.hpp"
#include "ending.hpp"
#include "names.hpp"

#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include <numpy/ndarraytypes.h>

namespace accel::core {

namespace {

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

/// What is needed of a layout. A thread keeps the last one that it met, as stores come in loops.
struct Known {
  PyObject* layout = nullptr;       // kept for good
  PyObject* synchronize = nullptr;  // of its device
  PyObject* mapped = nullptr;       // of its device
  Py_ssize_t rank, extents[kMaxRank], steps[kMaxRank];
  int type;       // NumPy's; one of no size where elements are not stored here
  bool repeated;  // several elements are one
};

bool fill(Known& known, PyObject* layout) {
  const Ref shape = attribute(layout, names.shape), strides = attribute(layout, names.strides);
  const Ref dtype = attribute(layout, names.dtype), device = attribute(layout, names.device);
  if (!shape || !strides || !dtype || !device) return false;
  const Ref descr = attribute(dtype.get(), names.numpy);
  Ref synchronize = attribute(device.get(), names.synchronize);
  Ref mapped = attribute(device.get(), names.mapped);
  if (!descr || !synchronize || !mapped) return false;
  const Known old = known;
  known.rank = PyTuple_GET_SIZE(shape.get());
  known.type = known.rank <= kMaxRank ? reinterpret_cast<PyArray_Descr*>(descr.get())->type_num : NPY_NOTYPE;
  known.repeated = false;
  for (Py_ssize_t axis = 0; axis < std::min(known.rank, kMaxRank); ++axis) {
    known.extents[axis] = PyLong_AsSsize_t(PyTuple_GET_ITEM(shape.get(), axis));
    known.steps[axis] = PyLong_AsSsize_t(PyTuple_GET_ITEM(strides.get(), axis));
    known.repeated |= known.steps[axis] == 0 && known.extents[axis] > 1;
  }
  known.layout = Py_NewRef(layout);
  known.synchronize = synchronize.release();
  known.mapped = mapped.release();
  Py_XDECREF(old.layout);
  Py_XDECREF(old.synchronize);
  Py_XDECREF(old.mapped);
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

/// The host memory of an array and its first element's place there; null, perhaps with an exception, where there is
/// none. Known is the array's layout then.
const HostBuffer* host_memory(PyObject* array, Known& known, Py_ssize_t& offset) {
  PyObject* const layout = slot(array, api.array_layout);
  PyObject* const owner = slot(array, api.array_buffer);
  PyObject* const first = slot(array, api.array_offset);
  if (!layout || !owner || !first || Py_TYPE(owner) != api.host_buffer) return nullptr;
  if (known.layout != layout && !fill(known, layout)) return nullptr;
  offset = PyLong_AsSsize_t(first);
  return reinterpret_cast<HostBuffer*>(owner);
}

/// The element's address; null, perhaps with an exception, where it is not that simple. Sets its NumPy type.
char* address(PyObject* array, PyObject* key, int& type) {
  static thread_local Known known;
  Py_ssize_t offset;
  const HostBuffer* const memory = host_memory(array, known, offset);
  if (!memory || memory->readonly || known.repeated) return nullptr;
  const HostBuffer& buffer = *memory;
  type = known.type;
  const Py_ssize_t size = size_of(type);
  if (size == 0 || !locate(known, key, offset) || offset < 0 || offset >= buffer.nbytes / size) return nullptr;
  const Ref done(PyObject_CallNoArgs(known.synchronize));  // work on the array may still be queued
  return done ? buffer.address + offset * size : nullptr;
}

/// Axes of an array of several elements: without those along which an element is repeated, merged where one goes on
/// where the next one ends.
struct Walk {
  Py_ssize_t rank = 0, extents[kMaxRank], steps[kMaxRank], low = 0, high = 0;  // low, high: offsets of elements

  explicit Walk(const Known& known) {
    for (Py_ssize_t axis = 0; axis < known.rank; ++axis) {
      const Py_ssize_t n = known.extents[axis], step = known.steps[axis];
      if (n == 1 || step == 0) continue;
      (step < 0 ? low : high) += (n - 1) * step;
      if (rank > 0 && steps[rank - 1] == n * step) {
        extents[rank - 1] *= n;
        steps[rank - 1] = step;
      } else {
        extents[rank] = n;
        steps[rank++] = step;
      }
    }
    if (rank == 0) extents[rank] = 1, steps[rank++] = 1;
  }
};

/// Signs of elements, and of how far they are behind the least one allowed and before the last one: negative where any
/// is. With a least one of 0 or less nothing wraps around for what is out of range.
struct Signs {
  int64_t below = 0, out = 0;

  void look(const int64_t* x, Py_ssize_t n, Py_ssize_t step, uint64_t least, uint64_t last);
};

constexpr Py_ssize_t kLanes = 32;  // so many chains, as each instruction waits for the one before it in its own

/// Signs of as many elements as whole rows of lanes have, which lie side by side.
[[gnu::always_inline]] inline void add_signs(const int64_t* x, Py_ssize_t n, uint64_t least, uint64_t last,
                                             Signs& signs) {
  uint64_t negative[kLanes] = {}, beyond[kLanes] = {};
  for (Py_ssize_t i = 0; i < n; i += kLanes) {
    for (Py_ssize_t lane = 0; lane < kLanes; ++lane) {
      const uint64_t its = static_cast<uint64_t>(x[i + lane]);
      negative[lane] |= its;
      beyond[lane] |= (its - least) | (last - its);
    }
  }
  for (Py_ssize_t lane = 0; lane < kLanes; ++lane) {
    signs.below |= static_cast<int64_t>(negative[lane]);
    signs.out |= static_cast<int64_t>(beyond[lane]);
  }
}

void add_signs_as_built(const int64_t* x, Py_ssize_t n, uint64_t least, uint64_t last, Signs& signs) {
  add_signs(x, n, least, last, signs);
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] void add_signs_avx2(const int64_t* x, Py_ssize_t n, uint64_t least, uint64_t last,
                                            Signs& signs) {
  add_signs(x, n, least, last, signs);
}

const auto add_whole_signs = __builtin_cpu_supports("avx2") ? add_signs_avx2 : add_signs_as_built;
#else
const auto add_whole_signs = add_signs_as_built;
#endif

void Signs::look(const int64_t* x, Py_ssize_t n, Py_ssize_t step, uint64_t least, uint64_t last) {
  const Py_ssize_t whole = step == 1 ? n - n % kLanes : 0;
  if (whole > 0) add_whole_signs(x, whole, least, last, *this);
  for (Py_ssize_t i = whole; i < n; ++i) {
    const uint64_t its = static_cast<uint64_t>(x[i * step]);
    below |= static_cast<int64_t>(its);
    out |= static_cast<int64_t>((its - least) | (last - its));
  }
}

Signs signs_of(const Walk& walk, const int64_t* first, int64_t least, int64_t last) {
  Signs signs;
  Py_ssize_t at[kMaxRank] = {};
  const Py_ssize_t inner = walk.rank - 1;
  for (;;) {
    signs.look(first, walk.extents[inner], walk.steps[inner], static_cast<uint64_t>(least),
               static_cast<uint64_t>(last));
    Py_ssize_t axis = inner - 1;
    for (; axis >= 0; --axis) {
      first += walk.steps[axis];
      if (++at[axis] < walk.extents[axis]) break;
      first -= walk.extents[axis] * walk.steps[axis];
      at[axis] = 0;
    }
    if (axis < 0) return signs;
  }
}

constexpr Py_ssize_t kWithGil = 1 << 14;  // elements that are looked at before another thread could have run

/// Bytes of an array's memory, and what holds them where the host may look: once no work on the array is queued.
struct Seen {
  Ref holder;  // null where there is no such memory, perhaps with an exception
  const char* bytes;
};

/// The bytes from `begin` to `end` of an array's buffer. They are not of an array that is being traced.
Seen see(const Known& known, PyObject* owner, Py_ssize_t begin, Py_ssize_t end) {
  if (Py_TYPE(owner) == api.host_buffer) {
    const HostBuffer& buffer = *reinterpret_cast<HostBuffer*>(owner);
    if (begin < 0 || end > buffer.nbytes) return {Ref(), nullptr};
    const Ref synchronize = Ref::borrowed(known.synchronize), done(PyObject_CallNoArgs(synchronize.get()));
    return {done ? Ref::borrowed(owner) : Ref(), buffer.address + begin};
  }
  const Ref first(PyLong_FromSsize_t(begin)), nbytes(PyLong_FromSsize_t(end - begin));
  if (!first || !nbytes) return {Ref(), nullptr};
  PyObject* const given[] = {owner, first.get(), nbytes.get()};
  const Ref mapped = Ref::borrowed(known.mapped);
  Ref found(PyObject_Vectorcall(mapped.get(), given, 3, nullptr));
  if (!found || Py_TYPE(found.get()) != api.host_buffer) return {Ref(), nullptr};
  const char* const bytes = reinterpret_cast<HostBuffer*>(found.get())->address;
  return {std::move(found), bytes};
}

}  // namespace

Found look(PyObject* array, long long least, long long length) {
  PyObject* const layout = layout_of(array);
  PyObject* const owner = layout ? slot(array, api.array_buffer) : nullptr;
  if (!owner || least > 0 || length < 0) return Found::kNothing;
  static thread_local Known known;
  if (known.layout != layout && !fill(known, layout)) return Found::kRaised;
  const Py_ssize_t offset = PyLong_AsSsize_t(slot(array, api.array_offset));
  Py_ssize_t size = known.type == NPY_INT64 ? 1 : 0;
  for (Py_ssize_t axis = 0; axis < std::min(known.rank, kMaxRank); ++axis) size *= known.extents[axis];
  if (size == 0) return Found::kNothing;
  const Walk walk(known);
  const Seen seen = see(known, owner, 8 * (offset + walk.low), 8 * (offset + walk.high + 1));
  if (!seen.holder) return PyErr_Occurred() ? Found::kRaised : Found::kNothing;
  const auto* const first = reinterpret_cast<const int64_t*>(seen.bytes) - walk.low;
  Signs signs;
  if (size <= kWithGil) {
    signs = signs_of(walk, first, least, length - 1);
  } else {
    const Call call;
    PyThreadState* const state = PyEval_SaveThread();
    signs = signs_of(walk, first, least, length - 1);
    take_gil(state);
  }
  return signs.out < 0 ? Found::kNothing : signs.below < 0 ? Found::kInside : Found::kForward;
}

PyObject* within(PyObject*, PyObject* const* args, Py_ssize_t count) {
  if (count != 3) return PyErr_Format(PyExc_TypeError, "within: expected array, least and length");
  const long long least = PyLong_AsLongLong(args[1]), length = PyLong_AsLongLong(args[2]);
  if (PyErr_Occurred()) return nullptr;
  const Found found = look(args[0], least, length);
  if (found == Found::kRaised) return nullptr;
  return found == Found::kNothing ? Py_NewRef(Py_None) : PyBool_FromLong(found == Found::kForward);
}

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

PyObject* load(PyObject*, PyObject* array) {
  if (Py_TYPE(array) != api.array) Py_RETURN_NONE;
  static thread_local Known known;
  Py_ssize_t offset;
  const HostBuffer* const buffer = host_memory(array, known, offset);
  if (!buffer) return PyErr_Occurred() ? nullptr : Py_NewRef(Py_None);
  const Py_ssize_t size = size_of(known.type);
  bool one = size > 0;
  for (Py_ssize_t axis = 0; axis < std::min(known.rank, kMaxRank); ++axis) one &= known.extents[axis] == 1;
  if (!one || offset < 0 || offset >= buffer->nbytes / size) Py_RETURN_NONE;
  const Ref done(PyObject_CallNoArgs(known.synchronize));  // work on the array may still be queued
  if (!done) return nullptr;
  const char* const at = buffer->address + offset * size;
  const auto is = [at](auto x) {
    std::memcpy(&x, at, sizeof x);
    return x;
  };
  const StandardFloats standard;  // for subnormals, which become doubles
  switch (known.type) {
    case NPY_BOOL:
      return PyBool_FromLong(is(uint8_t{}));
    case NPY_INT8:
      return PyLong_FromLong(is(int8_t{}));
    case NPY_INT16:
      return PyLong_FromLong(is(int16_t{}));
    case NPY_INT32:
      return PyLong_FromLong(is(int32_t{}));
    case NPY_INT64:
      return PyLong_FromLongLong(is(int64_t{}));
    case NPY_UINT8:
      return PyLong_FromLong(is(uint8_t{}));
    case NPY_UINT16:
      return PyLong_FromLong(is(uint16_t{}));
    case NPY_UINT32:
      return PyLong_FromLongLong(is(uint32_t{}));
    case NPY_UINT64:
      return PyLong_FromUnsignedLongLong(is(uint64_t{}));
    case NPY_FLOAT32:
      return PyFloat_FromDouble(static_cast<double>(is(float{})));
    default:
      return PyFloat_FromDouble(is(double{}));
  }
}

PyObject* view(PyObject*, PyObject* const* args, Py_ssize_t count) {
  if (count != 3) return PyErr_Format(PyExc_TypeError, "view: expected buffer, offset and layout");
  return make_array(args[0], args[1], args[2]);
}

}  // namespace accel::core
