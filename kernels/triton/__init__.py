"""Rows of the Triton backend; the kernels themselves are in device/."""
