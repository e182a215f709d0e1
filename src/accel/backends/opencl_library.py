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


def loaded(name: str) -> Any:
    """A function of the OpenCL loader that pyopencl has opened. Raises BackendUnavailableError."""
    own = library()._cl.__file__
    try:  # on Windows by its name; else pyopencl's library finds what it needs, too
        return getattr(ctypes.CDLL("OpenCL" if sys.platform == "win32" else own), name)
    except (OSError, AttributeError) as error:
        raise BackendUnavailableError(
            f"backend 'opencl': no OpenCL loader is found by way of {own} ({error}); reinstall pyopencl"
        ) from error


FUNCTIONS = ("clEnqueueNDRangeKernel", "clSetKernelArg", "clEnqueueMapBuffer", "clEnqueueUnmapMemObject")


@cache
def functions() -> tuple[int, ...]:
    """The addresses of what an OpenCLQueue calls."""
    return tuple(ctypes.cast(loaded(name), ctypes.c_void_p).value or 0 for name in FUNCTIONS)
