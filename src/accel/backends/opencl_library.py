"""pyopencl, kept from its first use on: while the interpreter shuts down, even what was imported cannot be."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def library() -> Any:
    """The module pyopencl."""
    import pyopencl

    return pyopencl
