// The other sources of csrc/python that are compiled as one.
#include "../python/along.cpp"
#include "../python/butterfly.cpp"
#include "../python/convolution.cpp"
#include "../python/factor.cpp"
#include "../python/movement.cpp"
#include "../python/quantized.cpp"
