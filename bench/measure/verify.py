"""Whether a result is right: by the op's own reference, bound and canonical bits, on a part of it; and its hash, by
which two machines show that all of it is the same."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import inf
from typing import Any

import ml_dtypes
import numpy as np

from ...config import config
from ...dtypes import as_dtype
from ...ops.spec import OpSpec
from ...testing.compare import differing
from ..cases.case import Workload
from ..cases.cost import output
from ..cases.subproblem import Part, part
from ..cases.workload import contract_class, first, known

CANONICAL = 512
"""Results of a product whose bits are compared: its canonical answer is computed term by term."""

CHUNK = 1 << 20
"""Elements that are hashed at once."""


@dataclass(frozen=True)
class Check:
    """ok: whether everything looked at is right. worst: the largest |error| / bound, 0 where nothing rounds, infinite
    where there is no error to speak of (a NaN, another shape). checked: elements that were looked at, of: of so many.
    detail: what is wrong, or None."""

    ok: bool
    worst: float
    checked: int
    of: int
    detail: str | None


def check(workload: Workload, operands: list[np.ndarray], result: np.ndarray, numerics: str) -> Check:
    """Judges a result by dtype, shape and a part of its elements (see `subproblem`): each must be within the spec's
    bound of its reference, and have the canonical bits where the contract promises them.

    operands: those of `inputs.arrays`. Raises UnsupportedError where accel has no such op, and what a reference raises.
    """
    spec = known(workload)
    shape, dtype = output(workload)
    if (result.shape, result.dtype) != (shape, dtype.numpy):
        detail = f"the result is {result.dtype.name}{list(result.shape)}, expected {dtype}{list(shape)}"
        return Check(False, inf, 0, result.size, detail)
    keywords = dict(workload.keywords)
    with config(numerics=numerics), np.errstate(all="ignore"):
        some = part(spec, operands, keywords)
        got = np.asarray(some.take(result))
        worst, judged, problem = _against_bound(spec, some, got)
        if contract_class(workload, numerics) != "bound":
            few = part(spec, operands, keywords, CANONICAL)
            taken = np.asarray(few.take(result))
            problem = _against_bits(spec, few, taken) or problem
            judged = max(judged, taken.size)
    return Check(problem is None, worst, judged, result.size, problem)


def _against_bound(spec: OpSpec, some: Part, got: np.ndarray) -> tuple[float, int, str | None]:
    """The largest |error| / bound, how many elements have a finite bound, and what is wrong."""
    if as_dtype(got.dtype).kind != "f":
        return 0.0, 0, None  # exact: judged by its bits
    exact = spec.reference(*some.operands, **some.keywords)
    bound = np.asarray(first(spec.bound(exact, *some.operands, **some.keywords)), np.float64)
    exact = np.asarray(first(exact))
    error = np.abs(got.astype(exact.dtype) - exact).astype(np.float64)
    judged = np.isfinite(exact.astype(np.float64)) & np.isfinite(bound)
    wrong = judged & ~(error <= bound)
    ratio = np.where(judged & (error > 0), error / bound, 0.0)
    worst = inf if np.isnan(ratio[judged]).any() else float(ratio.max(initial=0.0))
    problem = None
    if wrong.any():
        at = np.unravel_index(int(wrong.argmax()), wrong.shape)
        problem = (
            f"{int(wrong.sum())} of {wrong.size} elements checked are outside their bound; the first is {got[at]}, "
            f"exact {exact[at]}, allowed error {bound[at]:.3g}"
        )
        worst = max(worst, float(ratio[wrong].max())) if not np.isnan(error[wrong]).any() else inf
    return worst, int(judged.sum()), problem


def _against_bits(spec: OpSpec, some: Part, got: np.ndarray) -> str | None:
    want = np.asarray(first(spec.canonical(*some.operands, **some.keywords)))
    if (want.shape, want.dtype) != (got.shape, got.dtype):
        return f"the part checked is {got.dtype.name}{list(got.shape)}, canonical {want.dtype.name}{list(want.shape)}"
    where = differing(got, want)
    if not where.any():
        return None
    at = np.unravel_index(int(where.argmax()), where.shape)
    count = int(where.sum())
    return f"{count} of {where.size} elements checked differ in bits; the first is {got[at]}, canonical {want[at]}"


def result_hash(result: np.ndarray) -> str:
    """The SHA-256 of "<dtype> <shape>" and the elements: in row-major order, little-endian, every NaN made the same."""
    digest = hashlib.sha256(f"{result.dtype.name} {list(result.shape)}\n".encode())
    flat: Any = result.reshape(-1)  # copies what is not row-major
    for start in range(0, flat.size, CHUNK):
        some = flat[start : start + CHUNK]
        bits = some.view(f"u{some.dtype.itemsize}")
        if as_dtype(some.dtype).kind == "f":
            bits = _one_nan(bits, _infinity(some.dtype))
        digest.update(np.ascontiguousarray(bits.astype(bits.dtype.newbyteorder("<"), copy=False)))
    return f"sha256:{digest.hexdigest()}"


def _infinity(dtype: np.dtype) -> int:
    """The bits of infinity: all of the exponent, none of the fraction."""
    return int(np.array(np.inf, ml_dtypes.bfloat16 if dtype.name == "bfloat16" else dtype).view(f"u{dtype.itemsize}"))


def _one_nan(bits: np.ndarray, infinity: int) -> np.ndarray:
    """Bits of floats with every NaN as the quiet one without sign and payload."""
    kind = bits.dtype.type
    magnitude = bits & kind((1 << (8 * bits.itemsize - 1)) - 1)
    nan = magnitude > kind(infinity)
    if not nan.any():
        return bits
    return np.where(nan, kind(infinity | (infinity & -infinity) >> 1), bits)
