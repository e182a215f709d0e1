// Steps of scalar programs, and the array kernels that they are resolved to.
#pragma once

#include <string>
#include <vector>

#include "kernels.hpp"

namespace accel {

/// One step of a program: a scalar function at a compute dtype, or "cast" to a dtype. Values are numbered: the inputs,
/// then one per step.
struct ProgramStep {
  std::string function;
  std::string dtype;
  std::vector<int64_t> args;
};

struct ResolvedStep {
  ArrayKernel kernel;         // null where a cast changes nothing
  OptionKernel with_options;  // null where there is none
  DType result;
};

/// The kernel of step number `index` of a program, whose values before it have these dtypes. Throws
/// std::invalid_argument, naming the step, for what the table does not have or what does not fit together.
ResolvedStep resolve(const KernelTable& table, size_t index, const ProgramStep& step, const std::vector<DType>& dtypes);

/// Names a step in an error message.
std::string describe(size_t index, const ProgramStep& step);

/// The row of a function at a dtype; null where there is none.
const FunctionRow* find_row(const Rows<FunctionRow>& rows, const std::string& function, const std::string& dtype);

}  // namespace accel
