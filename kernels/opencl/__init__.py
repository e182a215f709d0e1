"""Rows of the OpenCL backend. A stem's .cl file holds its kernels; the module of the same stem says what is defined
before them."""
