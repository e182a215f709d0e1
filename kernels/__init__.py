"""Kernels by backend: one module per stem, which holds its rows of the kernel table (``KERNELS``)."""
