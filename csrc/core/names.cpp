#include "names.hpp"

namespace accel::core {

Names names = {};

bool make_names() {
  const auto make = [](PyObject*& name, const char* text) { return name || (name = PyUnicode_InternFromString(text)); };
  return make(names.address, "address") && make(names.contiguous, "contiguous") && make(names.device, "device") &&
         make(names.dtype, "dtype") && make(names.host, "host") && make(names.int_ptr, "int_ptr") &&
         make(names.mapped, "mapped") && make(names.numpy, "numpy") && make(names.scalars, "scalars") &&
         make(names.shape, "shape") && make(names.stream, "stream") && make(names.strides, "strides") &&
         make(names.synchronize, "synchronize") && make(names.used_on, "used_on");
}

}  // namespace accel::core
