"""The functions of NVIDIA's and AMD's drivers that launches are handed to: of the library that torch has loaded."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple


class Driver(NamedTuple):
    """cuda: whether NVIDIA's. entry: the address of cuLaunchKernelEx or hipModuleLaunchKernel. describe: an error's
    code in words."""

    cuda: bool
    entry: int
    describe: Callable[[int], str]


@cache
def driver(rocm: bool) -> Driver | None:
    """The driver's functions; None where its library has none of that name, as CUDA's before 11.8."""
    path = _loaded("libamdhip64.so") if rocm else "libcuda.so.1"
    try:
        library = ctypes.CDLL(path)
        entry = library.hipModuleLaunchKernel if rocm else library.cuLaunchKernelEx
        describe = _hip_error(library) if rocm else _cuda_error(library)
    except (OSError, AttributeError):
        return None
    return Driver(not rocm, ctypes.cast(entry, ctypes.c_void_p).value or 0, describe)


def _loaded(name: str) -> str:
    """The path of a library of this process, of which there may be several on the machine."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        return next((line.split(maxsplit=5)[5].rstrip("\n") for line in maps if f"/{name}" in line), name)


def _cuda_error(library: Any) -> Callable[[int], str]:
    words_of = library.cuGetErrorString
    words_of.argtypes = [ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)]

    def describe(code: int) -> str:
        words = ctypes.c_char_p()
        words_of(code, ctypes.byref(words))
        return f"CUDA error {code} at a launch: {_text(words.value)}"

    return describe


def _hip_error(library: Any) -> Callable[[int], str]:
    words_of = library.hipGetErrorString
    words_of.argtypes, words_of.restype = [ctypes.c_int], ctypes.c_char_p
    return lambda code: f"HIP error {code} at a launch: {_text(words_of(code))}"


def _text(words: bytes | None) -> str:
    return words.decode(errors="replace") if words else "unknown"
