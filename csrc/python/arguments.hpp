// Arguments of kernels as Python gives them, checked: ValueError, TypeError or another error where they are wrong.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "../pointwise.hpp"

namespace accel {

namespace py = pybind11;

inline constexpr int64_t kMaxElements = int64_t{1} << 60;

[[noreturn]] void fail(const std::string& message);

int64_t to_int(py::handle item, const char* what);

/// Lengths, none negative, of fewer than kMaxElements elements.
Extents to_shape(py::handle list, const char* what);

/// As many strides as there are axes.
Extents to_strides(py::handle list, int rank, const char* what);

/// The address of an operand's first element, in bytes; `empty`: of none.
char* to_address(py::handle pointer, DType dtype, bool empty, const char* what);

/// The items of a list or tuple of `count`.
py::tuple to_items(py::handle list, size_t count, const char* what);

/// Operands without addresses yet, from the strides of each.
std::vector<Operand> to_operands(py::handle list, size_t count, int rank, const char* what);

int to_threads(int threads);

std::vector<DType> to_dtypes(const std::vector<std::string>& names);

/// Steps as function, dtype and arguments.
using Steps = std::vector<std::tuple<std::string, std::string, std::vector<int64_t>>>;

std::vector<ProgramStep> to_steps(const Steps& steps);

}  // namespace accel
