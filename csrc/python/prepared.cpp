#include "prepared.hpp"

#include "../float_environment.hpp"
#include "gil.hpp"

namespace accel {

namespace {

/// Runs a kernel without the GIL; a signal's exception goes on as Python's.
template <class Body>
void without_gil(Body&& body) {
  const StandardFloats standard;
  try {
    WithoutGil::run(body);
  } catch (const PythonError&) {
    throw py::error_already_set();
  }
}

}  // namespace

py::object Prepared::launch() && {
  std::vector<int> sizes;
  for (const DType dtype : dtypes) sizes.push_back(size_of(dtype));
  PyObject* const made = make_launch(std::move(runner), std::move(sizes), outputs, work);
  if (!made) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(made);
}

void Prepared::run(py::handle in_ptrs, py::handle out_ptrs) const {
  const size_t inputs = dtypes.size() - outputs;
  std::vector<char*> at;
  const auto add = [&](py::handle pointers, size_t count, const char* what) {
    for (const py::handle pointer : to_items(pointers, count, what)) {
      at.push_back(to_address(pointer, dtypes[at.size()], empty[at.size()], what));
    }
  };
  add(in_ptrs, inputs, "inputs");
  add(out_ptrs, outputs, "outputs");
  without_gil([&](Interrupt& interrupt) { runner(at.data(), at.data() + inputs, interrupt); });
}

}  // namespace accel
