"""The functions of NVIDIA's and AMD's drivers that launches are handed to: of the library that torch has loaded."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

USUAL_SHARED = 48 << 10
"""Bytes of shared memory that a CUDA function takes without being told."""

MOST_SHARED = 8
"""CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES of cuda.h."""


class Driver(NamedTuple):
    """cuda: whether NVIDIA's. entry: the address of cuLaunchKernelEx or hipModuleLaunchKernel. describe: an error's
    code in words."""

    cuda: bool
    entry: int
    describe: Callable[[int], str]


@cache
def driver(rocm: bool) -> Driver | None:
    """The driver's functions; None where its library has none of that name, as CUDA's before 11.8."""
    try:
        library = _library(rocm)
        entry = library.hipModuleLaunchKernel if rocm else library.cuLaunchKernelEx
        describe = _hip_error(library) if rocm else _cuda_error(library)
    except (OSError, AttributeError):
        return None
    return Driver(not rocm, ctypes.cast(entry, ctypes.c_void_p).value or 0, describe)


@cache
def loader(rocm: bool) -> Callable[[bytes, str, int], int]:
    """load(machine code, name of the kernel in it, bytes of shared memory): the handle of its function on the current
    GPU. It is never unloaded. Raises RuntimeError in the driver's words."""
    library, loaded_by = _library(rocm), driver(rocm)
    assert loaded_by is not None
    names = ("hipModuleLoadData", "hipModuleGetFunction") if rocm else ("cuModuleLoadData", "cuModuleGetFunction")
    load_data, get_function = (getattr(library, name) for name in names)
    load_data.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p]
    get_function.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p, ctypes.c_char_p]

    def checked(code: int, name: str) -> None:
        if code:
            raise RuntimeError(f"{loaded_by.describe(code)}, of the prepared kernel {name}, which it does not load")

    def load(code: bytes, name: str, shared: int) -> int:
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        checked(load_data(ctypes.byref(module), code), name)
        checked(get_function(ctypes.byref(function), module, name.encode()), name)
        if not rocm and shared > USUAL_SHARED:
            checked(library.cuFuncSetAttribute(function, MOST_SHARED, shared), name)
        return function.value or 0

    return load


def _library(rocm: bool) -> ctypes.CDLL:
    """The driver's library. Raises OSError."""
    return ctypes.CDLL(_loaded("libamdhip64.so") if rocm else "libcuda.so.1")


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
