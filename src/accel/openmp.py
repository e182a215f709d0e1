"""The OpenMP runtime that torch computes with, which counts the CPU kernels' threads among its own (csrc/openmp.hpp).

After each operation of torch such a runtime's threads spin for milliseconds, on the cores that those of accel need
next; where it counts more threads than cores, they sleep at once.
"""

from __future__ import annotations

import ctypes
import sys
from types import ModuleType

CALLS = ("GOMP_parallel_start", "GOMP_parallel_end", "omp_get_num_procs", "omp_get_num_threads")
"""Functions of libgomp, of Intel's runtime and, but on macOS, of LLVM's."""

NONE = (0, 0, 0, 0)
_kernels: ModuleType | None = None
_runtime: tuple[int, ...] | None = None
_joined: tuple[int, ...] = NONE
_chosen: str | None = None


def calls(module: str) -> tuple[int, ...]:
    """The addresses of CALLS in a loaded module, given by its file, or in what it depends on; zeros: not there."""
    if sys.platform == "win32":  # where a module's handle does not find what it depends on
        return NONE
    try:
        library = ctypes.CDLL(module)
        return tuple(ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0 for name in CALLS)
    except (OSError, AttributeError):
        return NONE


def _join() -> None:
    """Tells the kernels, once they, the runtime and the setting are known, and when one of these changes."""
    global _joined
    wanted = (_runtime or NONE) if _chosen == "join" else NONE
    if _kernels is not None and wanted != _joined:
        _joined = wanted
        _kernels.join_openmp(*wanted)


def serve(kernels: ModuleType) -> None:
    """kernels: accel._cpu, when it is loaded."""
    global _kernels
    _kernels = kernels
    _join()


def meet(module: str) -> None:
    """module: the file of one of torch's modules, when that is loaded."""
    global _runtime
    _runtime = calls(module)
    _join()


def choose(setting: str) -> None:
    """setting: the value of ``accel.config.openmp``."""
    global _chosen
    _chosen = setting
    _join()


def effect() -> str:
    """In words: what starts the CPU kernels' threads in this process now, and where that is not torch's runtime why."""
    if _kernels is not None and _kernels.joined_openmp():
        return "torch's OpenMP runtime starts the threads of CPU kernels"
    if _chosen == "off":
        why = "as it is set"
    elif _runtime is None:
        why = "no tensor of torch's has come"
    elif _runtime == NONE:
        why = "torch has no OpenMP runtime with GCC's calls"
    else:
        why = "no CPU kernel is loaded" if _kernels is None else "this is a forked process"
    return f"CPU kernels start their own threads: {why}"
