// Tensors of other libraries in and out, by the table of functions that their class has (DLPack 1.2).
#pragma once

#include "objects.hpp"

namespace accel::core {

/// What is known of a library's tensors. Python makes one of (capsule, end_of_storage, dtypes, restore):
///   capsule         the class's __dlpack_c_exchange_api__
///   end_of_storage  callable (tensor): the address behind the tensor's storage; None where the tensor is no plain
///                   memory of the host, or something records what is computed of it
///   dtypes          dict: code << 8 | bits of DLPack -> DType, and DType -> the same number
///   restore         callable (array): a result as a tensor where that is not simple
struct Exchange;

/// Makes the type; null with an exception set.
PyTypeObject* make_exchange_type();

/// The elements of a tensor of the host.
struct HostTensor {
  char* address;
  int64_t nbytes;  // from the first element to the last
  Ref dtype;
  int rank;
  const int64_t *shape, *strides;  // the tensor's own; strides null where it is row-major
};

/// False, perhaps without an exception, for a tensor that is not simple.
bool read_tensor(PyObject* exchange, PyObject* tensor, HostTensor& found);

/// A tensor on the memory of `buffer`, row-major. Null, perhaps without an exception, for a dtype that it has not.
PyObject* make_tensor(PyObject* exchange, PyObject* buffer, PyObject* dtype, PyObject* shape);

/// The same for an array, by the library's `restore`. Null with an exception set.
PyObject* restore_tensor(PyObject* exchange, PyObject* array);

}  // namespace accel::core
