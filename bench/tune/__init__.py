"""Kernels made ready for a device: tiles measured, programs compiled, machine code written to a folder."""
