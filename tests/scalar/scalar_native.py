"""The generated C++ header as a shared library of array loops, per instruction set (needs a C++ compiler)."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from scalar_samples import NUMPY

from accel.scalar import FUNCTIONS, cpp

FLAGS = (
    "-std=c++20",
    "-O3",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fwrapv",
    "-Wall",
    "-Werror",
)
LOOPS = Path(__file__).parent / "scalar_loops.cpp"


@dataclass(frozen=True)
class Isa:
    """An instruction set: the compiler's flags, and the CPU flags (of /proc/cpuinfo) to run it."""

    name: str
    flags: tuple[str, ...]
    needs: tuple[str, ...] = ()


ISAS = (
    Isa("baseline", ()),
    Isa("avx2", ("-mavx2", "-mfma", "-mf16c"), ("avx2", "fma", "f16c")),
    Isa("avx512", ("-march=x86-64-v4",), ("avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512cd")),
)


@functools.cache
def cpu_flags() -> frozenset[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    return frozenset(next((line for line in text.splitlines() if line.startswith("flags")), "").split())


def runs(isa: Isa) -> bool:
    return not isa.needs or (platform.machine() == "x86_64" and set(isa.needs) <= cpu_flags())


def best() -> Isa:
    return [isa for isa in ISAS if runs(isa)][-1]


def compiler() -> str:
    found = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if not found:
        pytest.skip("needs a C++ compiler: install g++ or set CXX")
    return found


def compile_source(source: Path, target: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Runs the compiler; RuntimeError with its messages if it fails."""
    command = [compiler(), *FLAGS, *flags, "-o", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
    return done


class Library:
    """Array loops over the generated functions."""

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))

    def call(self, name: str, dtype: str, *arrays: np.ndarray) -> np.ndarray:
        """A scalar function of compute-dtype arrays."""
        result = NUMPY[FUNCTIONS[name].result_dtype(dtype)]
        return self.run(f"loop_{name}_{dtype}", result, *arrays)

    def cast(self, source: str, target: str, array: np.ndarray) -> np.ndarray:
        return self.run(f"loop_cast_{source}_{target}", NUMPY[target], array)

    def sweep(self, name: str, start: int, step: int, count: int) -> tuple[float, float]:
        """Largest error in ULP of a unary float32 function against its float64 one, and where.

        NaN in one of them only is an infinite error. The arguments have the bits start, start + step, …
        """
        function = getattr(self._library, f"sweep_{name}")
        function.restype = ctypes.c_double
        at = ctypes.c_float()
        least = ctypes.c_double(FUNCTIONS[name].least)
        worst = function(ctypes.c_uint32(start), ctypes.c_uint32(step), ctypes.c_uint64(count), least, ctypes.byref(at))
        return worst, at.value

    def run(self, symbol: str, result: np.dtype, *arrays: np.ndarray) -> np.ndarray:
        """symbol(size, out, arrays…), out of the dtype ``result``."""
        given = [np.ascontiguousarray(a) for a in arrays]
        out = np.empty(given[0].shape, result)
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (out, *given)]
        getattr(self._library, symbol)(ctypes.c_size_t(out.size), *pointers)
        return out


@functools.cache
def library(isa: Isa, folder: Path) -> Library:
    """The library of an instruction set, which the processes that test compile once between them in `folder`."""
    if not runs(isa):
        pytest.skip(f"this CPU lacks {isa.name}: {', '.join(sorted(set(isa.needs) - cpu_flags()))}")
    target = folder / isa.name
    target.mkdir(exist_ok=True)
    path = target / "scalar.so"
    with FileLock(target / "lock"):
        if not path.exists():
            (target / "scalar_functions.hpp").write_text(cpp.header(), encoding="utf-8")
            compile_source(LOOPS, target / "partial.so", *isa.flags, f"-I{target}", "-shared", "-fPIC")
            (target / "partial.so").rename(path)
    return Library(path)
