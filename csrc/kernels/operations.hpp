// What the generated functions and casts are written in. They are included by name, in the instruction set's namespace:
// functions/exp.hpp, casts/float16.hpp. To read all of them takes a compiler seconds.
#pragma once

#include "ieee.hpp"
#if defined(__AVX2__)
#include "lanes.hpp"
#endif
