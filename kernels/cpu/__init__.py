"""Rows of the CPU backend; the kernels themselves are C++, in csrc/."""
