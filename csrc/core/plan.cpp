#include "plan.hpp"

#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "callable.hpp"
#include "dispatcher.hpp"

namespace accel::core {

namespace {

enum class Kind { kInput, kOutput, kScratch, kConstant };

/// What stands for one array of a step.
struct Operand {
  Kind kind;
  Py_ssize_t which;   // number of an input or output
  Py_ssize_t offset;  // in elements of the view
  Py_ssize_t scale;   // of them in one of the array's elements
  Ref object;         // the layout of a view, null where it is the array's own; a constant's array
  bool as_it_is;      // an input or output, and no view of it
};

struct Step {
  Ref run;
  std::vector<Operand> operands;
};

struct Output {
  Ref bytes, layout;
};

struct Parts {
  Ref allocate, scratch, into;  // scratch: null for none
  std::vector<Output> outputs;
  std::vector<Step> steps;
};

struct Plan {
  PyObject_HEAD vectorcallfunc vectorcall;
  Parts* parts;  // owned
  PyObject* description;
};

Plan& as_plan(PyObject* object) { return *reinterpret_cast<Plan*>(object); }

bool is_array(PyObject* object) { return Py_TYPE(object) == api.array; }

/// An array behind another one's first element. Null with an exception set.
Ref viewed(const Operand& operand, PyObject* array) {
  PyObject* const buffer = is_array(array) ? slot(array, api.array_buffer) : nullptr;
  PyObject* const first = buffer ? slot(array, api.array_offset) : nullptr;
  PyObject* const own = first ? slot(array, api.array_layout) : nullptr;
  if (!own) {
    PyErr_Format(PyExc_TypeError, "plan: expected an accel.Array, got %s", Py_TYPE(array)->tp_name);
    return Ref();
  }
  const Py_ssize_t offset = PyLong_AsSsize_t(first);
  if (offset == -1 && PyErr_Occurred()) return Ref();
  const Ref moved(PyLong_FromSsize_t(offset * operand.scale + operand.offset));
  return moved ? Ref(make_array(buffer, moved.get(), operand.object ? operand.object.get() : own)) : Ref();
}

/// What one run works on. outputs: as many as the plan has.
struct Run {
  PyObject* inputs;  // a tuple or list
  PyObject* const* outputs;
  PyObject* scratch;
};

/// The array that an operand stands for, where it is no input or output as it is. Null with an exception set.
PyObject* made(const Operand& operand, const Run& run, PyObject* array) {
  if (operand.kind == Kind::kConstant) return Py_NewRef(operand.object.get());
  if (operand.kind != Kind::kScratch) return viewed(operand, array).release();
  const Ref offset(PyLong_FromSsize_t(operand.offset));
  return offset ? make_array(run.scratch, offset.get(), operand.object.get()) : nullptr;
}

/// A tuple of a step's arrays. Null with an exception set.
Ref arrays_of(const Step& step, const Run& run) {
  const Py_ssize_t inputs = PySequence_Fast_GET_SIZE(run.inputs);
  PyObject* const* const given = PySequence_Fast_ITEMS(run.inputs);
  Ref arrays(PyTuple_New(static_cast<Py_ssize_t>(step.operands.size())));
  if (!arrays) return arrays;
  Py_ssize_t i = 0;
  for (const Operand& operand : step.operands) {
    PyObject* array = nullptr;
    if (operand.kind == Kind::kInput) {
      if (operand.which >= inputs) {
        PyErr_Format(PyExc_TypeError, "plan: there are %zd inputs, input %zd is wanted", inputs, operand.which);
        return Ref();
      }
      array = given[operand.which];
    } else if (operand.kind == Kind::kOutput) {
      array = run.outputs[operand.which];
    }
    array = array && operand.as_it_is ? Py_NewRef(array) : made(operand, run, array);
    if (!array) return Ref();
    PyTuple_SET_ITEM(arrays.get(), i++, array);
  }
  return arrays;
}

/// A fresh output. Null with an exception set.
inline Ref fresh(const Parts& parts, const Output& output) {
  const Ref buffer(PyObject_CallOneArg(parts.allocate.get(), output.bytes.get()));
  if (!buffer) return Ref();
  const Ref zero(PyLong_FromLong(0));
  return Ref(make_array(buffer.get(), zero.get(), output.layout.get()));
}

/// A tuple of fresh outputs. Null with an exception set.
Ref fresh_outputs(const Parts& parts) {
  Ref outputs(PyTuple_New(static_cast<Py_ssize_t>(parts.outputs.size())));
  for (Py_ssize_t i = 0; outputs && i < PyTuple_GET_SIZE(outputs.get()); ++i) {
    Ref array = fresh(parts, parts.outputs[static_cast<size_t>(i)]);
    if (!array) return Ref();
    PyTuple_SET_ITEM(outputs.get(), i, array.release());
  }
  return outputs;
}

PyObject* const* items(const Ref& tuple) { return reinterpret_cast<PyTupleObject*>(tuple.get())->ob_item; }

/// The given outputs as a tuple. Null with TypeError set where they are not as many arrays as the plan has outputs.
Ref given_outputs(const Parts& parts, PyObject* out) {
  const Py_ssize_t count = static_cast<Py_ssize_t>(parts.outputs.size());
  if (count == 1 && is_array(out)) return Ref(PyTuple_Pack(1, out));
  bool arrays = count != 1 && PyTuple_CheckExact(out) && PyTuple_GET_SIZE(out) == count;
  for (Py_ssize_t i = 0; arrays && i < count; ++i) arrays = is_array(PyTuple_GET_ITEM(out, i));
  if (arrays) return Ref::borrowed(out);
  PyErr_Format(PyExc_TypeError, "plan: out: expected %zd arrays, got %s", count, Py_TYPE(out)->tp_name);
  return Ref();
}

/// The addresses of a step's operands, where all are elements of arrays in host memory that need no array to say so.
/// False, without an exception, where that is not plain.
bool addresses_of(const Step& step, const Run& run, const HostLaunch& launch, char** addresses) {
  const Py_ssize_t count = static_cast<Py_ssize_t>(step.operands.size());
  if (count != launch.count || count > kMostOperands || !PyTuple_CheckExact(run.inputs)) return false;
  for (Py_ssize_t i = 0; i < count; ++i) {
    const Operand& operand = step.operands[static_cast<size_t>(i)];
    const int size = launch.sizes[i];
    if (operand.kind == Kind::kScratch) {
      if (Py_TYPE(run.scratch) != api.host_buffer) return false;
      addresses[i] = reinterpret_cast<HostBuffer*>(run.scratch)->address + operand.offset * size;
      continue;
    }
    if (operand.kind == Kind::kInput && operand.which >= PyTuple_GET_SIZE(run.inputs)) return false;
    PyObject* const array = operand.kind == Kind::kInput    ? PyTuple_GET_ITEM(run.inputs, operand.which)
                            : operand.kind == Kind::kOutput ? run.outputs[operand.which]
                                                            : operand.object.get();
    if (!find_element(api, array, operand.offset, size, addresses[i], operand.scale)) return false;
  }
  return true;
}

/// Runs a step. False with an exception set.
bool run_step(const Step& step, const Run& run) {
  PyObject* const launch = step.run.get();
  if (Py_TYPE(launch) == api.host_launch.load(std::memory_order_relaxed)) {
    const HostLaunch& host = *reinterpret_cast<HostLaunch*>(launch);
    char* addresses[kMostOperands];
    if (addresses_of(step, run, host, addresses)) return host.run(launch, addresses);
  }
  const Ref arrays = arrays_of(step, run);
  if (!arrays) return false;
  PyObject* const operands[] = {arrays.get()};
  return static_cast<bool>(Ref(PyObject_Vectorcall(launch, operands, 1, nullptr)));
}

bool run_steps(const Parts& parts, PyObject* inputs, PyObject* const* outputs) {
  Ref scratch;
  if (parts.scratch) {
    scratch = Ref(PyObject_CallOneArg(parts.allocate.get(), parts.scratch.get()));
    if (!scratch) return false;
  }
  const Run run{inputs, outputs, scratch.get()};
  for (const Step& step : parts.steps) {
    if (!run_step(step, run)) return false;
  }
  return true;
}

PyObject* run_plan(PyObject* object, PyObject* const* args, size_t flagged, PyObject* keywords) {
  PyObject* given[2];  // inputs, out
  if (!unpack("plan", args, flagged, keywords, 2, 2, given)) return nullptr;
  const Parts& parts = *as_plan(object).parts;
  if (!PyTuple_CheckExact(given[0]) && !PyList_CheckExact(given[0])) {
    return PyErr_Format(PyExc_TypeError, "plan: inputs: expected a tuple or list, got %s", Py_TYPE(given[0])->tp_name);
  }
  if (given[1] != Py_None) {
    const Ref outputs = given_outputs(parts, given[1]);
    if (!outputs) return nullptr;
    if (parts.into.get() != Py_None) {
      Ref result(PyObject_Vectorcall(parts.into.get(), given, 2, nullptr));
      if (!result || result.get() != Py_None) return result.release();
    }
    return run_steps(parts, given[0], items(outputs)) ? Py_NewRef(given[1]) : nullptr;
  }
  if (parts.outputs.size() == 1) {  // with no tuple, as most calls have one
    Ref output = fresh(parts, parts.outputs.front());
    PyObject* const outputs[] = {output.get()};
    return output && run_steps(parts, given[0], outputs) ? output.release() : nullptr;
  }
  Ref outputs = fresh_outputs(parts);
  return outputs && run_steps(parts, given[0], items(outputs)) ? outputs.release() : nullptr;
}

/// Takes a tuple apart. False with TypeError set where it is none, or has other parts.
template <class... Parts>
bool parse(PyObject* item, const char* format, Parts... parts) {
  if (PyTuple_Check(item)) return PyArg_ParseTuple(item, format, parts...) != 0;
  PyErr_Format(PyExc_TypeError, "Plan: expected a tuple, got %s", Py_TYPE(item)->tp_name);
  return false;
}

/// One operand's description. False with an exception set.
bool add_operand(std::vector<Operand>& operands, PyObject* item, size_t outputs, bool has_scratch) {
  const char* kind;
  PyObject *which, *layout;
  Py_ssize_t offset, scale;
  if (!parse(item, "sOnOn", &kind, &which, &offset, &layout, &scale)) return false;
  const std::string name = kind;
  Ref object = layout == Py_None ? Ref() : Ref::borrowed(layout);
  const bool as_it_is = !object && offset == 0 && scale == 1;
  if (name == "constant" && is_array(which)) {
    operands.push_back({Kind::kConstant, 0, 0, 1, Ref::borrowed(which), false});
    return true;
  }
  if (name == "scratch" && has_scratch && object && offset >= 0) {
    operands.push_back({Kind::kScratch, 0, offset, 1, std::move(object), false});
    return true;
  }
  const bool input = name == "input";
  if ((input || name == "output") && (scale == 1 || object)) {
    const Py_ssize_t number = PyNumber_AsSsize_t(which, PyExc_OverflowError);
    if (number == -1 && PyErr_Occurred()) return false;
    if (number >= 0 && (input || static_cast<size_t>(number) < outputs)) {
      operands.push_back({input ? Kind::kInput : Kind::kOutput, number, offset, scale, std::move(object), as_it_is});
      return true;
    }
  }
  PyErr_Format(PyExc_TypeError, "Plan: %R is no operand", item);
  return false;
}

bool add_step(Parts& parts, PyObject* item) {
  PyObject *run, *operands;
  if (!parse(item, "OO!", &run, &PyTuple_Type, &operands)) return false;
  Step step{Ref::borrowed(run), {}};
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(operands); ++i) {
    PyObject* const operand = PyTuple_GET_ITEM(operands, i);
    if (!add_operand(step.operands, operand, parts.outputs.size(), static_cast<bool>(parts.scratch))) return false;
  }
  parts.steps.push_back(std::move(step));
  return true;
}

bool add_output(Parts& parts, PyObject* item) {
  PyObject *bytes, *layout;
  if (!parse(item, "O!O", &PyLong_Type, &bytes, &layout)) return false;
  parts.outputs.push_back({Ref::borrowed(bytes), Ref::borrowed(layout)});
  return true;
}

/// Null with an exception set.
std::unique_ptr<Parts> make_parts(PyObject* allocate, PyObject* outputs, Py_ssize_t scratch, PyObject* steps,
                                  PyObject* into) {
  auto parts = std::make_unique<Parts>();
  parts->allocate = Ref::borrowed(allocate);
  parts->into = Ref::borrowed(into);
  if (scratch < 0) {
    PyErr_Format(PyExc_ValueError, "Plan: scratch: expected at least 0, got %zd", scratch);
    return nullptr;
  }
  if (scratch > 0 && !(parts->scratch = Ref(PyLong_FromSsize_t(scratch)))) return nullptr;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(outputs); ++i) {
    if (!add_output(*parts, PyTuple_GET_ITEM(outputs, i))) return nullptr;
  }
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(steps); ++i) {
    if (!add_step(*parts, PyTuple_GET_ITEM(steps, i))) return nullptr;
  }
  return parts;
}

PyObject* construct(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  static const char* names[] = {"allocate", "outputs", "scratch", "steps", "into", "description", nullptr};
  PyObject *allocate, *outputs, *steps, *into, *description;
  Py_ssize_t scratch;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO!nO!OO:Plan", const_cast<char**>(names), &allocate, &PyTuple_Type,
                                   &outputs, &scratch, &PyTuple_Type, &steps, &into, &description)) {
    return nullptr;
  }
  try {
    std::unique_ptr<Parts> parts = make_parts(allocate, outputs, scratch, steps, into);
    if (!parts) return nullptr;
    PyObject* const self = type->tp_alloc(type, 0);
    if (!self) return nullptr;
    as_plan(self).vectorcall = run_plan;
    as_plan(self).parts = parts.release();
    as_plan(self).description = Py_NewRef(description);
    return self;
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  }
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_plan(self).description);
  const Parts* const parts = as_plan(self).parts;
  if (!parts) return 0;
  Py_VISIT(parts->allocate.get());
  Py_VISIT(parts->into.get());
  for (const Output& output : parts->outputs) Py_VISIT(output.layout.get());
  for (const Step& step : parts->steps) {
    Py_VISIT(step.run.get());
    for (const Operand& operand : step.operands) Py_VISIT(operand.object.get());
  }
  return 0;
}

/// Of a cycle: what keeps a plan alive while it runs is no part of one.
int clear(PyObject* self) {
  Parts* const parts = as_plan(self).parts;
  as_plan(self).parts = nullptr;
  as_plan(self).vectorcall = nullptr;
  delete parts;
  Py_CLEAR(as_plan(self).description);
  return 0;
}

constexpr char kDoc[] =
    "Plan(allocate, outputs, scratch, steps, into, description): allocates outputs and "
    "scratch and runs launches in order.";

}  // namespace

PyTypeObject* make_plan_type() {
  return make_called_type("accel._core.Plan", kDoc, sizeof(Plan), construct, deallocate<clear>, traverse, clear,
                          {"description", T_OBJECT_EX, offsetof(Plan, description), READONLY, "What it was made of."});
}

}  // namespace accel::core
