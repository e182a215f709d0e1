"""Whether a GPU divides float32 correctly, and what serves where it does not.

On AMD, tl.div_rn is a sequence of fma from v_rcp_f32, which is right within one unit in the last place. For one divisor
that is not enough: where the reciprocal of 1 - 2^-24 is 1 rather than 1 + 2^-23, powers of two divided by it come out
one unit too small. So every such GPU is asked once, when a kernel is loaded that divides. Where the answer is wrong,
quotients are those of float64, rounded once more: 53 bits are more than twice 24 and two, so that this changes nothing,
also where the result is subnormal.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..conversion import from_numpy, to_numpy
from ..scalar.triton import DIVISION
from .triton_kernel import Pointer, Specialization, load, printed

ASKED = ("hip",)
"""Backends of Triton whose GPUs are asked."""

BY_FLOAT64 = '''

@triton.jit
def _quotient(a, b):
    """a / b, by float64."""
    return (a.to(tl.float64) / b.to(tl.float64)).to(tl.float32)
'''

QUOTIENTS = '''"""Quotients that say whether a GPU divides correctly."""

import triton
import triton.language as tl


@triton.jit
def quotients(out, a, b):
    """out = a / b, of 16 numbers each."""
    i = tl.arange(0, 16)
    x, y = tl.load(a + i), tl.load(b + i)
    tl.store(out + i, tl.div_rn(x, y))
'''


def form(device: Any, path: str) -> str:
    """The kernel file that stands for one on a device: itself, or one that divides by float64."""
    if device.target.backend not in ASKED or not _divides(path) or correct(device):
        return path
    return by_float64(path)


@cache
def _divides(path: str) -> bool:
    return DIVISION in Path(path).read_text(encoding="utf-8")


@cache
def by_float64(path: str) -> str:
    """The path of the same functions, whose quotients of float32 are those of float64."""
    text = Path(path).read_text(encoding="utf-8")
    return printed(Path(path).stem.partition("_")[0], text.replace(DIVISION, "_quotient(") + BY_FLOAT64)


_correct: dict[Any, bool] = {}


def correct(device: Any) -> bool:
    """Whether a device divides powers of two, and others, by 1 - 2^-24 correctly; asked once."""
    found = _correct.get(device)
    if found is None:
        a = np.array([2.0**e for e in (-100, -24, -1, 0, 1, 2, 24, 100)] + [1.5, 3, 1 + 2.0**-23, -1, -2, 7, 1e9, 1e-9])
        a, b = a.astype(np.float32), np.full(16, 1 - 2.0**-24, np.float32)
        arrays = [from_numpy(x, device) for x in (np.zeros_like(a), a, b)]
        kernel = load(printed("quotients", QUOTIENTS), False).quotients
        what = Specialization(kernel, {name: Pointer("float32") for name in ("out", "a", "b")}, num_warps=1)
        device.prepare(what, 1, (4, 4, 4))(arrays)
        want = (a.astype(np.float64) / b).astype(np.float32)
        found = _correct[device] = to_numpy(arrays[0]).tobytes() == want.tobytes()
    return found
