"""The generated C++ header as shared libraries of array loops and of error sweeps, per instruction set (needs a C++
compiler)."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import re
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
SOURCES = Path(__file__).parent
SUPPORT = SOURCES / "scalar_support.hpp"


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


FUNCTION = re.compile(r"^static inline (\w+) accel_(\w+)\((.*)\) \{$", re.M)


def loops() -> str:
    """scalar_array_loops.hpp: an array loop over each function of the header, one in a line."""
    lines = [f'#include "{SUPPORT.name}"']
    for result, name, parameters in FUNCTION.findall(cpp.header()):
        types = [p.split()[0] for p in parameters.split(", ")]
        declared = ", ".join(f"const {t}* __restrict a{i}" for i, t in enumerate(types))
        call = ", ".join(f"a{i}[i]" for i in range(len(types)))
        lines.append(f'extern "C" void loop_{name}(size_t n, {result}* __restrict r, {declared}) {{'
                     f" for (size_t i = 0; i < n; ++i) r[i] = scalar::accel_{name}({call}); }}")  # fmt: skip
    return "\n".join(lines) + "\n"


def compiled(isa: Isa, folder: Path, what: str) -> Path:
    """The library of "loops" or "sweeps" for an instruction set, which the processes that test compile once between
    them in `folder`. Beside it g++ leaves a report of the loops that it vectorised."""
    target = folder / isa.name
    target.mkdir(exist_ok=True)
    path = target / f"{what}.so"
    with FileLock(target / f"{what}.lock"):
        if not path.exists():
            own = target / what  # of this library alone: the other may be compiled meanwhile
            own.mkdir(exist_ok=True)
            (own / "scalar_functions.hpp").write_text(cpp.header(), encoding="utf-8")
            (own / "scalar_array_loops.hpp").write_text(loops(), encoding="utf-8")
            # Without identical code folding every loop is reported for itself.
            told = (f"-fopt-info-vec-optimized={own / 'report'}", "-fno-ipa-icf") if "g++" in compiler() else ()
            source, partial = SOURCES / f"scalar_{what}.cpp", own / "partial.so"
            compile_source(source, partial, *isa.flags, *told, f"-I{own}", f"-I{SOURCES}", "-shared", "-fPIC")
            partial.rename(path)
    return path


def vectorised(isa: Isa, folder: Path) -> dict[str, bool]:
    """Whether g++ reports a vectorised loop, by the function's name and dtype."""
    compiled(isa, folder, "loops")
    report = (folder / isa.name / "loops" / "report").read_text(encoding="utf-8")
    seen = {int(line) for line in re.findall(r"scalar_array_loops\.hpp:(\d+):.*loop vectorized", report)}
    return {name: line in seen for line, (_, name, _) in enumerate(FUNCTION.findall(cpp.header()), 2)}


@functools.cache
def library(isa: Isa, folder: Path, what: str = "loops") -> Library:
    """A library of an instruction set."""
    if not runs(isa):
        pytest.skip(f"this CPU lacks {isa.name}: {', '.join(sorted(set(isa.needs) - cpu_flags()))}")
    return Library(compiled(isa, folder, what))
