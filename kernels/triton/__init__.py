"""Triton kernels and their rows of the kernel table. Each file is loaded in two forms: see accel.backends.triton_kernel."""
