#include "opencl_launch.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "callable.hpp"
#include "launch.hpp"
#include "names.hpp"

namespace accel::core {

namespace {

// As cl.h has them. Nothing of OpenCL is linked, and its headers are not needed: the addresses come from the loader
// that pyopencl has opened.
using EnqueueKernel = int (*)(void* queue, void* kernel, unsigned axes, const size_t* offset, const size_t* size,
                              const size_t* local, unsigned waits, const void* wait, void** event);
using SetArgument = int (*)(void* kernel, unsigned number, size_t bytes, const void* value);
using MapBuffer = void* (*)(void* queue, void* buffer, unsigned blocks, uint64_t flags, size_t offset, size_t bytes,
                            unsigned waits, const void* wait, void** event, int* code);
using Unmap = int (*)(void* queue, void* buffer, void* address, unsigned waits, const void* wait, void** event);

/// A function, or a handle of OpenCL's, as an integer.
template <class Pointer>
Pointer pointer(const std::atomic<uintptr_t>& number) {
  return reinterpret_cast<Pointer>(number.load(std::memory_order_relaxed));
}

/// What the launches of one device share.
struct Commands {
  std::mutex lock;  // held while a kernel's arguments are set and it is queued; who holds it never waits for the GIL
  std::atomic<uintptr_t> enqueue{0}, set_argument{0}, map{0}, unmap{0};  // the functions
  std::atomic<uintptr_t> queue{0}, local{0};      // queue: 0 until started; local: 0 where the device has none
  std::atomic<uintptr_t> queued{0}, finished{0};  // commands so far, and those that were waited for
  std::atomic<uintptr_t> shared{0};               // whether others may queue work, too

  bool idle() const { return queued == finished && !shared; }
};

struct Queue {
  PyObject_HEAD Commands* commands;  // owned
};

struct Kernel {
  Ref queue;          // whose Commands these are
  Ref start, failed;  // start(): makes the queue; failed(routine, code, attempt)
  Ref object;         // keeps the kernel
  void* handle;
  unsigned axes;
  size_t size[3], local[3];
  bool light;
  std::vector<Py_ssize_t> units;
  std::vector<int64_t> offsets;  // as they are set; -1 for not yet

  std::array<const Ref*, 4> references() const { return {&queue, &start, &failed, &object}; }
  Commands& commands() const { return *reinterpret_cast<Queue*>(queue.get())->commands; }
};

PyTypeObject* queue_type = nullptr;

/// What the arguments of one launch are.
struct Operands {
  uint64_t buffers[kMostOperands];
  int64_t offsets[kMostOperands];
};

constexpr const char* kName = "OpenCLLaunch";

/// A driver's error: which function said so; code 0 for none.
struct Failure {
  const char* routine;
  int code;
};

/// Without the GIL, as a driver may wait, and a light kernel runs in this call.
Failure queue_kernel(Kernel& kernel, Commands& commands, const Operands& operands) {
  const std::lock_guard<std::mutex> held(commands.lock);
  const auto set = pointer<SetArgument>(commands.set_argument);
  const auto set_argument = [&](size_t number, const void* value) {
    return Failure{"clSetKernelArg", set(kernel.handle, static_cast<unsigned>(number), 8, value)};
  };
  for (size_t i = 0; i < kernel.units.size(); ++i) {
    if (const Failure failure = set_argument(2 * i, &operands.buffers[i]); failure.code) return failure;
    if (operands.offsets[i] == kernel.offsets[i]) continue;  // mostly it is what it was at the last launch
    if (const Failure failure = set_argument(2 * i + 1, &operands.offsets[i]); failure.code) return failure;
    kernel.offsets[i] = operands.offsets[i];
  }
  const bool alone = kernel.light && commands.local && commands.idle();
  if (!alone) ++commands.queued;
  void* const queue = pointer<void*>(alone ? commands.local : commands.queue);
  return {"clEnqueueNDRangeKernel",
          pointer<EnqueueKernel>(commands.enqueue)(queue, kernel.handle, kernel.axes, nullptr, kernel.size,
                                                   kernel.local, 0, nullptr, nullptr)};
}

/// False with an exception set.
bool launch(Kernel& kernel, PyObject* arrays) {
  if (!are_arrays(kName, arrays, kernel.units.size())) return false;
  PyObject* const* const given = PySequence_Fast_ITEMS(arrays);
  Operands operands;
  for (size_t i = 0; i < kernel.units.size(); ++i) {
    Py_ssize_t offset;
    if (!find_buffer(kName, given[i], names.int_ptr, operands.buffers[i], offset)) return false;
    operands.offsets[i] = offset / kernel.units[i];
  }
  Commands& commands = kernel.commands();
  for (int attempt = 1; attempt <= 2; ++attempt) {
    if (!commands.queue && !Ref(PyObject_CallNoArgs(kernel.start.get()))) return false;
    Failure failure;
    Py_BEGIN_ALLOW_THREADS;
    failure = queue_kernel(kernel, commands, operands);
    Py_END_ALLOW_THREADS;
    if (!failure.code) return true;
    if (!Ref(PyObject_CallFunction(kernel.failed.get(), "sii", failure.routine, failure.code, attempt))) return false;
  }
  PyErr_SetString(PyExc_RuntimeError, "OpenCLLaunch: failed: expected an exception at the second attempt");
  return false;
}

PyObject* run(PyObject* object, PyObject* const* args, size_t flagged, PyObject* keywords) {
  PyObject* given[1];  // arrays
  if (!unpack("OpenCLLaunch", args, flagged, keywords, 1, 1, given)) return nullptr;
  return launch(*Launch<Kernel>::of(object).owned, given[0]) ? Py_NewRef(Py_None) : nullptr;
}

/// Integers of at least 1 of a tuple. False with an exception set.
template <class Int>
bool take_integers(PyObject* tuple, Int* taken) {
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); ++i) {
    const Py_ssize_t value = PyLong_AsSsize_t(PyTuple_GET_ITEM(tuple, i));
    if (PyErr_Occurred()) return false;
    if (value < 1) {
      PyErr_Format(PyExc_ValueError, "OpenCLLaunch: expected integers of at least 1, got %zd", value);
      return false;
    }
    taken[i] = static_cast<Int>(value);
  }
  return true;
}

PyObject* construct(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  static const char* names[] = {"queue", "start", "failed", "kernel", "handle",
                                "size",  "local", "units",  "light",  nullptr};
  PyObject *queue, *start, *failed, *object, *size, *local, *units;
  unsigned long long handle;
  int light;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "O!OOOKO!O!O!p:OpenCLLaunch", const_cast<char**>(names), queue_type,
                                   &queue, &start, &failed, &object, &handle, &PyTuple_Type, &size, &PyTuple_Type,
                                   &local, &PyTuple_Type, &units, &light)) {
    return nullptr;
  }
  const Py_ssize_t axes = PyTuple_GET_SIZE(size), count = PyTuple_GET_SIZE(units);
  if (axes < 1 || axes > 3 || PyTuple_GET_SIZE(local) != axes || count > kMostOperands || !handle) {
    return PyErr_Format(PyExc_ValueError, "OpenCLLaunch: a kernel of %zd axes in groups of %zd, with %zd arrays", axes,
                        PyTuple_GET_SIZE(local), count);
  }
  try {
    auto kernel = std::make_unique<Kernel>();
    kernel->queue = Ref::borrowed(queue), kernel->object = Ref::borrowed(object);
    kernel->start = Ref::borrowed(start), kernel->failed = Ref::borrowed(failed);
    kernel->handle = reinterpret_cast<void*>(handle), kernel->axes = static_cast<unsigned>(axes);
    kernel->light = light;
    kernel->units.resize(static_cast<size_t>(count));
    kernel->offsets.assign(static_cast<size_t>(count), -1);
    if (!take_integers(size, kernel->size) || !take_integers(local, kernel->local) ||
        !take_integers(units, kernel->units.data())) {
      return nullptr;
    }
    return Launch<Kernel>::make(type, std::move(kernel), run);
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  }
}

constexpr char kDoc[] =
    "OpenCLLaunch(queue, start, failed, kernel, handle, size, local, units, light)\n\n"
    "A kernel's launch through OpenCL's clEnqueueNDRangeKernel, called with arrays: each is two arguments, its buffer "
    "and where in it the array begins, from the first on; all others are set.\n\n"
    "queue: an OpenCLQueue. start(): sets its queue, called where that is 0. failed(routine, code, attempt): called "
    "for an error of the driver; raises, or lets the launch be tried a second time. kernel: keeps what handle is of. "
    "size, local: of the whole range and of a work-group. units: by which each array's offset is divided. light: it "
    "runs in the local queue where that is and nothing is queued.";

Commands& commands_of(PyObject* self) { return *reinterpret_cast<Queue*>(self)->commands; }

PyObject* construct_queue(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  static const char* names[] = {"enqueue", "set_argument", "map", "unmap", nullptr};
  unsigned long long enqueue, set_argument, map, unmap;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "KKKK:OpenCLQueue", const_cast<char**>(names), &enqueue,
                                   &set_argument, &map, &unmap)) {
    return nullptr;
  }
  if (!enqueue || !set_argument || !map || !unmap) {
    return PyErr_Format(PyExc_ValueError, "OpenCLQueue: expected four functions");
  }
  auto* const commands = new (std::nothrow) Commands;
  if (!commands) return PyErr_NoMemory();
  commands->enqueue = static_cast<uintptr_t>(enqueue), commands->set_argument = static_cast<uintptr_t>(set_argument);
  commands->map = static_cast<uintptr_t>(map), commands->unmap = static_cast<uintptr_t>(unmap);
  PyObject* const self = type->tp_alloc(type, 0);
  if (self) {
    reinterpret_cast<Queue*>(self)->commands = commands;
  } else {
    delete commands;
  }
  return self;
}

void destroy_queue(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  delete reinterpret_cast<Queue*>(self)->commands;
  type->tp_free(self);
  Py_DECREF(type);
}

template <std::atomic<uintptr_t> Commands::* Member>
PyObject* get(PyObject* self, void*) {
  return PyLong_FromSize_t(commands_of(self).*Member);
}

template <std::atomic<uintptr_t> Commands::* Member>
int set(PyObject* self, PyObject* value, void*) {
  if (!value) {
    PyErr_SetString(PyExc_AttributeError, "OpenCLQueue: attributes cannot be deleted");
    return -1;
  }
  const size_t number = PyLong_AsSize_t(value);
  if (PyErr_Occurred()) return -1;
  commands_of(self).*Member = number;
  return 0;
}

template <std::atomic<uintptr_t> Commands::* Member>
constexpr PyGetSetDef attribute_of(const char* name, const char* doc) {
  return {name, get<Member>, set<Member>, doc, nullptr};
}

/// Integers of a call, all of them not negative. False with an exception set.
template <size_t Count>
bool take_arguments(const char* name, PyObject* const* args, Py_ssize_t count, uintptr_t (&taken)[Count]) {
  if (count != Count) {
    PyErr_Format(PyExc_TypeError, "%s: expected %zu arguments, got %zd", name, Count, count);
    return false;
  }
  for (size_t i = 0; i < Count; ++i) {
    taken[i] = PyLong_AsSize_t(args[i]);
    if (PyErr_Occurred()) return false;
  }
  return true;
}

/// Calls a function without the GIL, and with the lock where a queue is the local one: PoCL 3.1's hangs where one
/// thread launches and another one maps. Commands of the other queue may take long, and are not waited for with the
/// lock.
template <class Function>
void call_without_gil(Commands& commands, uintptr_t queue, const Function& function) {
  Py_BEGIN_ALLOW_THREADS;
  {
    std::unique_lock held(commands.lock, std::defer_lock);
    if (queue == commands.local) held.lock();
    function();
  }
  Py_END_ALLOW_THREADS;
}

PyObject* map(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  uintptr_t given[5];  // queue, buffer, flags, offset, bytes
  if (!take_arguments("map", args, count, given)) return nullptr;
  const auto function = pointer<MapBuffer>(commands_of(self).map);
  int code = 0;
  void* address = nullptr;
  call_without_gil(commands_of(self), given[0], [&] {
    address = function(reinterpret_cast<void*>(given[0]), reinterpret_cast<void*>(given[1]), 1, given[2], given[3],
                       given[4], 0, nullptr, nullptr, &code);
  });
  return Py_BuildValue("iK", code, static_cast<unsigned long long>(reinterpret_cast<uintptr_t>(address)));
}

PyObject* unmap(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  uintptr_t given[3];  // queue, buffer, address
  if (!take_arguments("unmap", args, count, given)) return nullptr;
  const auto function = pointer<Unmap>(commands_of(self).unmap);
  int code = 0;
  call_without_gil(commands_of(self), given[0], [&] {
    code = function(reinterpret_cast<void*>(given[0]), reinterpret_cast<void*>(given[1]),
                    reinterpret_cast<void*>(given[2]), 0, nullptr, nullptr);
  });
  return PyLong_FromLong(code);
}

PyMethodDef methods[] = {
    {"map", fast(map), METH_FASTCALL,
     "map(queue, buffer, flags, offset, nbytes): (error code or 0, the address) after all that the queue holds."},
    {"unmap", fast(unmap), METH_FASTCALL, "unmap(queue, buffer, address): the error code or 0."},
    {nullptr, nullptr, 0, nullptr},
};

PyObject* get_idle(PyObject* self, void*) { return PyBool_FromLong(commands_of(self).idle()); }

PyGetSetDef attributes[] = {
    attribute_of<&Commands::enqueue>("enqueue", "The address of clEnqueueNDRangeKernel."),
    attribute_of<&Commands::set_argument>("set_argument", "The address of clSetKernelArg."),
    attribute_of<&Commands::map>("map_function", "That of clEnqueueMapBuffer."),
    attribute_of<&Commands::unmap>("unmap_function", "That of clEnqueueUnmapMemObject."),
    attribute_of<&Commands::queue>("queue", "The in-order queue's handle, 0 until it is made."),
    attribute_of<&Commands::local>("local", "That of the queue that runs in the calling thread, 0 for none."),
    attribute_of<&Commands::queued>("queued", "How many commands were queued."),
    attribute_of<&Commands::finished>("finished", "How many of them were waited for."),
    attribute_of<&Commands::shared>("shared", "Not 0 where others may queue work, too."),
    {"idle", get_idle, nullptr, "Whether nothing is queued that has not been waited for.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot queue_slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(construct_queue)},
    {Py_tp_dealloc, reinterpret_cast<void*>(destroy_queue)},
    {Py_tp_getset, attributes},
    {Py_tp_methods, methods},
    {Py_tp_doc, const_cast<char*>("OpenCLQueue(enqueue, set_argument, map, unmap): what the launches of one device "
                                  "share, and maps of buffers; of the addresses of clEnqueueNDRangeKernel, "
                                  "clSetKernelArg, clEnqueueMapBuffer and clEnqueueUnmapMemObject.")},
    {0, nullptr},
};

PyType_Spec queue_spec = {"accel._core.OpenCLQueue", sizeof(Queue), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
                          queue_slots};

}  // namespace

PyTypeObject* make_opencl_queue_type() {
  queue_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&queue_spec));
  return queue_type;
}

PyTypeObject* make_opencl_launch_type() {
  return Launch<Kernel>::make_type("accel._core.OpenCLLaunch", kDoc, construct);
}

}  // namespace accel::core
