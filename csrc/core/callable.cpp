#include "callable.hpp"

namespace accel::core {

namespace {

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  for (PyObject* part : as_callable(self).parts) Py_VISIT(part);
  return 0;
}

int clear(PyObject* self) {
  for (PyObject*& part : as_callable(self).parts) Py_CLEAR(part);
  return 0;
}

}  // namespace

PyObject* construct_callable(PyTypeObject* type, PyObject* args, PyObject* keywords, vectorcallfunc call, int count) {
  if (PyTuple_GET_SIZE(args) != count || (keywords && PyDict_GET_SIZE(keywords))) {
    return PyErr_Format(PyExc_TypeError, "%s: expected %d positional arguments", type->tp_name, count);
  }
  PyObject* const self = type->tp_alloc(type, 0);
  if (!self) return nullptr;
  as_callable(self).vectorcall = call;
  for (int i = 0; i < count; ++i) as_callable(self).parts[i] = Py_NewRef(PyTuple_GET_ITEM(args, i));
  return self;
}

PyTypeObject* make_called_type(const char* name, const char* doc, size_t size, newfunc construct, destructor destroy,
                               traverseproc traverse, inquiry clear, const PyMemberDef& more) {
  PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(Called, vectorcall), READONLY, nullptr},
      more,
      {nullptr, 0, 0, 0, nullptr},
  };
  PyType_Slot slots[] = {
      {Py_tp_new, reinterpret_cast<void*>(construct)},
      {Py_tp_dealloc, reinterpret_cast<void*>(destroy)},
      {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(clear)},
      {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
      {Py_tp_members, members},
      {Py_tp_doc, const_cast<char*>(doc)},
      {0, nullptr},
  };
  PyType_Spec spec = {name, static_cast<int>(size), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE,
                      slots};
  return reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
}

PyTypeObject* make_callable_type(const char* name, const char* doc, newfunc construct) {
  return make_called_type(name, doc, sizeof(Callable), construct, deallocate<clear>, traverse, clear);
}

bool unpack(const char* name, PyObject* const* args, size_t flagged, PyObject* keywords, Py_ssize_t least,
            Py_ssize_t most, PyObject** unpacked) {
  const Py_ssize_t count = PyVectorcall_NARGS(flagged);
  if (count < least || count > most || (keywords && PyTuple_GET_SIZE(keywords))) {
    PyErr_Format(PyExc_TypeError, "%s: expected %zd to %zd positional arguments, got %zd", name, least, most, count);
    return false;
  }
  for (Py_ssize_t i = 0; i < most; ++i) unpacked[i] = i < count ? args[i] : Py_None;
  return true;
}

}  // namespace accel::core
