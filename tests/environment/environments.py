"""Floating-point environments other than IEEE 754's default, of the thread that enters them.

Imports neither accel nor NumPy, so that these can first be imported in one."""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import platform
import struct
from collections.abc import Iterator

MACHINE = platform.machine().lower()
CONTROL = {"x86_64": (("=H", 0, 0x0F3F), ("=I", 28, 0xFFC0)), "aarch64": (("=I", 0, 0xFFFFFFFF),)}
"""Where C's fenv_t keeps x87's control word and MXCSR, or FPCR, and which of their bits are not exception flags."""

FLUSH = {"x86_64": ("=I", 28, 0x8040), "aarch64": ("=I", 0, 1 << 24)}
"""The bits by which subnormal operands and results become zeros."""

ROUNDING = {
    "x86_64": {"upward": 0x800, "downward": 0x400, "towards zero": 0xC00},
    "aarch64": {"upward": 0x400000, "downward": 0x800000, "towards zero": 0xC00000},
}
"""Arguments of fesetround."""

TRAPS = {"x86_64": 0x1D, "aarch64": 0xF}[MACHINE]
"""Argument of feenableexcept: all but inexact results, which Python's own hash of a float has."""

FOREIGN = ("flush", "upward", "downward", "towards zero")
"""What `foreign` can enter: subnormal operands and results are zeros, or a rounding mode."""

MATH = ctypes.CDLL(ctypes.util.find_library("m"))


def _get() -> ctypes.Array:
    buffer = ctypes.create_string_buffer(64)
    assert MATH.fegetenv(buffer) == 0
    return buffer


def control() -> tuple[int, ...]:
    """The bits that choose how this thread computes."""
    environment = _get()
    return tuple(struct.unpack_from(form, environment, at)[0] & mask for form, at, mask in CONTROL[MACHINE])


@contextlib.contextmanager
def foreign(name: str) -> Iterator[None]:
    """One of FOREIGN, inside a with block."""
    before = _get()
    if name == "flush":
        form, at, bits = FLUSH[MACHINE]
        changed = _get()
        (word,) = struct.unpack_from(form, changed, at)
        struct.pack_into(form, changed, at, word | bits)
        assert MATH.fesetenv(changed) == 0
    else:
        assert MATH.fesetround(ROUNDING[MACHINE][name]) == 0
    try:
        yield
    finally:
        assert MATH.fesetenv(before) == 0
