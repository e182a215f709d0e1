// An array loop over each of the generated scalar functions, for ctypes.
#include "scalar_array_loops.hpp"
