#include "gpu_launch.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "callable.hpp"
#include "launch.hpp"
#include "names.hpp"

namespace accel::core {

namespace {

// The driver's binary interfaces, as cuda.h (12.0 and later) and hip_runtime_api.h have them. Nothing of either driver
// is linked, and its headers are not needed: the addresses of functions come from the library that torch has loaded.

struct CudaAttribute {
  int id;
  int padding;
  union {
    int number;
    struct {
      unsigned x, y, z;
    } cluster;
    char size[64];
  };
};
static_assert(sizeof(CudaAttribute) == 72);

enum : int {
  kCooperative = 2,
  kClusterDimension = 4,
  kClusterSchedulingPolicyPreference = 5,
  kProgrammaticStreamSerialization = 6,
  kSharedMemoryMode = 18,
};
constexpr int kSpread = 1;                         // of the scheduling policies of clusters
constexpr int kAllowOversized = 3;                 // of the modes of shared memory
constexpr long kLargestPlainShared = 228L * 1024;  // bytes that need no such mode

struct CudaConfig {
  unsigned grid[3], block[3], shared;
  void* stream;
  CudaAttribute* attributes;
  unsigned count;
};

using CudaLaunch = int (*)(const CudaConfig*, void* function, void** parameters, void** extra);
using HipLaunch = int (*)(void* function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned shared,
                          void* stream, void** parameters, void** extra);

/// A compiled form of a kernel: one is for addresses that are all multiples of 16, one for all others.
struct Form {
  std::atomic<void*> function{nullptr};
  std::atomic<unsigned> shared{0};   // bytes of dynamic shared memory, the same whichever thread loads it
  std::atomic<unsigned> threads{0};  // of a block, likewise
};

struct Kernel {
  void* entry = nullptr;  // the driver's function
  bool cuda = true;
  Ref describe, load;  // describe(code): the driver's words; load(aligned): (function, shared, threads)
  unsigned grid = 0, ctas = 1;
  bool cooperative = false, dependent = false;
  bool scratch = false;           // whether Triton's first piece of scratch is at the last address
  std::vector<uint64_t> values;   // of all parameters, 0 where an address comes, and of Triton's two pieces of scratch
  std::vector<size_t> pointers;   // which parameters are addresses
  std::vector<Py_ssize_t> sizes;  // bytes of an element of each operand
  Form forms[2];

  std::array<const Ref*, 2> references() const { return {&describe, &load}; }
};

constexpr const char* kName = "GpuLaunch";

/// Compiles and loads a form. False with an exception set.
bool load(Kernel& kernel, bool aligned) {
  const Ref loaded(PyObject_CallOneArg(kernel.load.get(), aligned ? Py_True : Py_False));
  unsigned long long function;
  unsigned shared, threads;
  if (!loaded) return false;
  if (!PyTuple_Check(loaded.get())) {
    PyErr_Format(PyExc_TypeError, "GpuLaunch: load: expected a tuple, got %s", Py_TYPE(loaded.get())->tp_name);
    return false;
  }
  if (!PyArg_ParseTuple(loaded.get(), "KII:load", &function, &shared, &threads)) return false;
  if (!function || !threads) {
    PyErr_SetString(PyExc_ValueError, "GpuLaunch: load gave no function or no threads");
    return false;
  }
  Form& form = kernel.forms[aligned];
  if (form.function.load(std::memory_order_acquire)) return true;  // another thread was faster
  form.shared.store(shared, std::memory_order_relaxed);
  form.threads.store(threads, std::memory_order_relaxed);
  form.function.store(reinterpret_cast<void*>(function), std::memory_order_release);
  return true;
}

int run_cuda(const Kernel& kernel, const Form& form, void* stream, void** parameters) {
  CudaAttribute attributes[5];
  std::memset(attributes, 0, sizeof attributes);
  unsigned count = 0;
  const auto add = [&](int id, int number) {
    attributes[count].id = id;
    attributes[count++].number = number;
  };
  if (form.shared > kLargestPlainShared) add(kSharedMemoryMode, kAllowOversized);
  if (kernel.dependent) add(kProgrammaticStreamSerialization, 1);
  if (kernel.cooperative) add(kCooperative, 1);
  if (kernel.ctas > 1) {
    attributes[count].id = kClusterDimension;
    attributes[count++].cluster = {kernel.ctas, 1, 1};
    add(kClusterSchedulingPolicyPreference, kSpread);
  }
  const CudaConfig config{
      {kernel.grid * kernel.ctas, 1, 1}, {form.threads, 1, 1}, form.shared, stream, attributes, count};
  void* const function = form.function.load(std::memory_order_relaxed);
  return reinterpret_cast<CudaLaunch>(kernel.entry)(&config, function, parameters, nullptr);
}

int run_hip(const Kernel& kernel, const Form& form, void* stream, void** parameters) {
  void* const function = form.function.load(std::memory_order_relaxed);
  return reinterpret_cast<HipLaunch>(kernel.entry)(function, kernel.grid, 1, 1, form.threads, 1, 1, form.shared, stream,
                                                   parameters, nullptr);
}

/// Lets a buffer know that it is used on a stream, where its memory is of another one: the allocator would give that to
/// others while a launch still needs it. A stream of None is nobody's affair. False with an exception set.
bool use_on(PyObject* array, PyObject* stream, uint64_t handle) {
  PyObject* const buffer = slot(array, api.array_buffer);
  const Ref own = attribute(buffer, names.stream);
  if (!own) return false;
  if (own.get() == Py_None) return true;
  const uint64_t its = PyLong_AsUnsignedLongLong(own.get());
  if (PyErr_Occurred()) return false;
  return its == handle || Ref(PyObject_CallMethodOneArg(buffer, names.used_on, stream));
}

/// Parameters on the caller's stack, as several threads may be in one launch; a kernel of more has them on the heap.
constexpr size_t kFew = 32;

/// False with an exception set.
bool launch(Kernel& kernel, PyObject* arrays, PyObject* stream) {
  const unsigned long long handle = PyLong_AsUnsignedLongLong(stream);
  if (PyErr_Occurred()) return false;
  if (!are_arrays(kName, arrays, kernel.pointers.size())) return false;
  uint64_t few_values[kFew];
  void* few_places[kFew];
  const size_t all = kernel.values.size();
  std::vector<uint64_t> more_values(all > kFew ? all : 0);
  std::vector<void*> more_places(all > kFew ? all : 0);
  uint64_t* const values = all > kFew ? more_values.data() : few_values;
  void** const places = all > kFew ? more_places.data() : few_places;
  for (size_t i = 0; i < all; ++i) {
    values[i] = kernel.values[i];
    places[i] = &values[i];
  }
  PyObject* const* const given = PySequence_Fast_ITEMS(arrays);
  uint64_t bits = 0;
  for (size_t i = 0; i < kernel.pointers.size(); ++i) {
    uint64_t& address = values[kernel.pointers[i]];
    Py_ssize_t offset;
    if (!find_buffer(kName, given[i], names.address, address, offset) || !use_on(given[i], stream, handle))
      return false;
    address += static_cast<uint64_t>(offset * kernel.sizes[i]);
    bits |= address;
  }
  if (kernel.scratch) values[all - 2] = values[kernel.pointers.back()];
  const bool aligned = bits % 16 == 0;
  Form& form = kernel.forms[aligned];
  if (!form.function.load(std::memory_order_acquire) && !load(kernel, aligned)) return false;
  void* const queue = reinterpret_cast<void*>(handle);
  int code = 0;
  Py_BEGIN_ALLOW_THREADS;  // a driver waits where its queue is full
  code = kernel.cuda ? run_cuda(kernel, form, queue, places) : run_hip(kernel, form, queue, places);
  Py_END_ALLOW_THREADS;
  if (code == 0) return true;
  const Ref number(PyLong_FromLong(code));
  const Ref words(number ? PyObject_CallOneArg(kernel.describe.get(), number.get()) : nullptr);
  if (words) PyErr_SetObject(PyExc_RuntimeError, words.get());
  return false;
}

PyObject* run(PyObject* object, PyObject* const* args, size_t flagged, PyObject* keywords) {
  PyObject* given[2];  // arrays, stream
  if (!unpack("GpuLaunch", args, flagged, keywords, 2, 2, given)) return nullptr;
  try {
    return launch(*Launch<Kernel>::of(object).owned, given[0], given[1]) ? Py_NewRef(Py_None) : nullptr;
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  }
}

/// False with an exception set.
bool take_parameters(Kernel& kernel, PyObject* parameters, PyObject* sizes) {
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(parameters); ++i) {
    PyObject* const value = PyTuple_GET_ITEM(parameters, i);
    if (value == Py_None) kernel.pointers.push_back(kernel.values.size());
    // 32-bit integers are read from the first half of theirs: x86-64 and AArch64 store the low one first
    kernel.values.push_back(value == Py_None ? 0 : static_cast<uint64_t>(PyLong_AsLongLong(value)));
    if (PyErr_Occurred()) return false;
  }
  kernel.values.insert(kernel.values.end(), 2, 0);
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(sizes); ++i) {
    kernel.sizes.push_back(PyLong_AsSsize_t(PyTuple_GET_ITEM(sizes, i)));
    if (PyErr_Occurred()) return false;
  }
  if (kernel.sizes.size() == kernel.pointers.size()) return true;
  PyErr_Format(PyExc_TypeError, "GpuLaunch: %zu addresses and %zu sizes", kernel.pointers.size(), kernel.sizes.size());
  return false;
}

PyObject* construct(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  static const char* names[] = {"cuda", "entry",       "describe",  "load",    "grid",       "sizes",
                                "ctas", "cooperative", "dependent", "scratch", "parameters", nullptr};
  int cuda, cooperative, dependent, scratch;
  unsigned long long entry;
  PyObject *describe, *load, *sizes, *parameters;
  unsigned grid, ctas;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "$pKOOIO!IpppO!:GpuLaunch", const_cast<char**>(names), &cuda, &entry,
                                   &describe, &load, &grid, &PyTuple_Type, &sizes, &ctas, &cooperative, &dependent,
                                   &scratch, &PyTuple_Type, &parameters)) {
    return nullptr;
  }
  if (!entry || !grid || !ctas) {
    return PyErr_Format(PyExc_ValueError, "GpuLaunch: entry, grid and ctas: expected more than 0");
  }
  try {
    auto kernel = std::make_unique<Kernel>();
    kernel->cuda = cuda;
    kernel->entry = reinterpret_cast<void*>(entry);
    kernel->describe = Ref::borrowed(describe);
    kernel->load = Ref::borrowed(load);
    kernel->grid = grid, kernel->ctas = ctas;
    kernel->cooperative = cooperative, kernel->dependent = dependent, kernel->scratch = scratch;
    if (!take_parameters(*kernel, parameters, sizes)) return nullptr;
    if (scratch && kernel->pointers.empty()) {
      return PyErr_Format(PyExc_ValueError, "GpuLaunch: scratch: expected an address among the parameters");
    }
    return Launch<Kernel>::make(type, std::move(kernel), run);
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  }
}

constexpr char kDoc[] =
    "GpuLaunch(*, cuda, entry, describe, load, grid, sizes, ctas, cooperative, dependent, scratch, parameters)\n\n"
    "A kernel's launch through CUDA's cuLaunchKernelEx or HIP's hipModuleLaunchKernel, called with arrays and a stream."
    "\n\nentry: the address of that function. describe(code): what an error's code means. load(aligned): the driver's "
    "function, its bytes of shared memory and its threads, where all addresses are multiples of 16, or not. sizes: "
    "bytes of an element of each array, whose buffer has .address, .stream (a handle or None) and .used_on(stream). "
    "ctas: of a cluster. scratch: whether the last array is what Triton's compiler keeps of its own in the device's "
    "memory. parameters: integers, None where the next array's address comes. Raises RuntimeError for an error of the "
    "driver.";

}  // namespace

PyTypeObject* make_gpu_launch_type() { return Launch<Kernel>::make_type("accel._core.GpuLaunch", kDoc, construct); }

}  // namespace accel::core
