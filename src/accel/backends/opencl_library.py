"""pyopencl, kept from its first use on: while the interpreter shuts down, even what was imported cannot be."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

from ..errors import BackendUnavailableError


@cache
def library() -> Any:
    """The module pyopencl."""
    import pyopencl

    return pyopencl


FUNCTIONS = ("clEnqueueNDRangeKernel", "clSetKernelArg", "clEnqueueMapBuffer", "clEnqueueUnmapMemObject")


@cache
def entries() -> tuple[int, ...]:
    """The addresses of the functions that an OpenCLQueue wants, in the loader that pyopencl has opened."""
    own = library()._cl.__file__
    loader = ctypes.CDLL("OpenCL" if sys.platform == "win32" else own)  # else one finds what a library needs, too
    try:
        found = tuple(getattr(loader, name) for name in FUNCTIONS)
    except AttributeError as error:
        raise BackendUnavailableError(
            f"backend 'opencl': no OpenCL loader is found by way of {own} ({error}); reinstall pyopencl"
        ) from error
    return tuple(ctypes.cast(function, ctypes.c_void_p).value or 0 for function in found)
