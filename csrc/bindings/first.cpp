// Sources of csrc/python that are compiled as one: each by itself would read pybind11 again, which takes a compiler
// longer than what they say.
#include "../python/arguments.cpp"
#include "../python/attention.cpp"
#include "../python/bind.cpp"
#include "../python/compute.cpp"
#include "../python/prepared.cpp"
