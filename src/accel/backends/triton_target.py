"""GPUs that are not there: kernels are compiled for their architecture, and handed on instead of being launched."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..array import Array
from ..errors import ArgumentError, shown
from ..memory import Device
from ..scalar import Program
from .triton_kernel import Specialization, Start, functions, load


def target_named(name: str) -> Any:
    """Triton's GPUTarget of an architecture: sm_90, gfx942… Raises ArgumentError for what Triton does not compile
    for."""
    from triton.backends.compiler import GPUTarget

    if re.fullmatch(r"sm_\d{2,3}", name):
        target = GPUTarget("cuda", int(name.removeprefix("sm_")), 32)
    else:
        target = GPUTarget("hip", name, 64 if name.startswith("gfx9") else 32)
    if not compilable(target):
        raise ArgumentError(
            f"target: expected an architecture that Triton compiles for (sm_70 and later, gfx906, gfx908, gfx90a, "
            f"gfx942, gfx950, gfx11.., gfx12..), got {shown(name)}"
        )
    return target


def compilable(target: Any) -> bool:
    """Whether Triton 3.9 compiles for a GPUTarget, as tried: NVIDIA from Volta on, AMD's CDNA, RDNA 3 and RDNA 4."""
    if target.backend == "cuda":
        return target.arch >= 70
    return re.fullmatch(r"gfx(906|908|90a|942|950|11\d\d|12\d\d)", target.arch) is not None


class TargetDevice(Device):
    """A GPU of an architecture, of which only the compiler is there: memory without bytes, launches that do nothing.

    take(specialization, Triton's CompiledKernel, aligned): is given each kernel that a plan wants, in both its forms.
    """

    def __init__(self, architecture: str, take: Callable[[Specialization, Any, bool], object]) -> None:
        super().__init__("triton", f"triton:target-{architecture}", "gpu", f"the compiler for {architecture}")
        self.target, self.take = target_named(architecture), take
        self.architecture = architecture

    def allocate(self, nbytes: int) -> int:
        return nbytes

    def copy_in(self, buffer: int, offset: int, source: np.ndarray) -> None:
        return

    def copy_out(self, buffer: int, offset: int, nbytes: int) -> np.ndarray:
        return np.zeros(nbytes, np.uint8)

    def kernel(self, path: str, name: str) -> Any:
        """A kernel of a file, in this device's form."""
        return getattr(load(path, False), name)

    def functions(self, programs: Mapping[str, Program]) -> tuple[Any, ...]:
        """Scalar programs, in this device's form, as functions that kernels take for arguments."""
        return functions(programs, False)

    def prepare(self, what: Specialization, grid: int, sizes: Sequence[int]) -> Start:
        """Compiles a kernel for addresses that are multiples of 16, and for all others. Raises CompileError."""
        for aligned in (True, False):
            self.take(what, what.compile(self.target, aligned), aligned)

        def launch(arrays: Sequence[Array]) -> None:
            return

        return launch
