// The instruction sets compiled in.
#pragma once

#include <string>
#include <vector>

#include "kernels.hpp"

namespace accel {

/// Names of those compiled in, of which this CPU need not support each, the lowest first.
const std::vector<std::string>& compiled_isas();

/// Those that this CPU supports, best first. Throws std::runtime_error where it supports none.
const std::vector<const KernelTable*>& supported_isas();

/// Throws std::invalid_argument for a name that is unknown, not compiled in or not supported.
const KernelTable& find_isa(const std::string& name);

}  // namespace accel
