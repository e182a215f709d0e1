"""Examples of ops on complex numbers: those that an op has for their parts, whose real numbers become real parts.

Kernels know real numbers only, and have their own examples. What is new here: parts that lie one beside the other,
which are read and written with gaps between them; results of several parts; and, of every rule of `accel.ops.complex`,
each pair of special values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

import numpy as np

from ..dtypes import COMPLEX, DType, as_dtype
from ..layout import span
from ..ops.compose import canonical_of
from ..ops.spec import OpSpec
from .compare import memory
from .draw import Draw
from .families import Edge, Sample, Samples

LARGEST = 1100
"""Elements of the largest edges that are taken over; one more has as many as several vectors for each thread."""

HERMITIAN = ("cholesky", "cholesky_block", "eigh", "eigvalsh")

MATRICES = ("lu_block", "qr_block", "solve_block", "jacobi_rows")
"""Beside those of `linalg`: ops whose imaginary parts are numbers of their own, that no matrix becomes singular."""

SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -3.0, 100.0, np.inf, -np.inf, np.nan)

REAL = ("rtol",)
"""Operands that are no complex numbers."""

MIXED = ("add", "subtract", "multiply", "divide", "pow", "equal", "not_equal", "where", "matmul", "concat", "stack")
"""Ops whose operands are given real beside complex ones too."""


def complex_of(spec: OpSpec) -> OpSpec:
    """What an op promises of complex numbers: the bits of its rule on the canonical algorithms. How far these are from
    the exact answers depends on no device (tests/complex)."""
    answer = partial(canonical_of, spec.function)
    return replace(
        spec,
        canonical=answer,
        reference=answer,
        bound=lambda reference, *operands, **keywords: (
            tuple(np.full(np.shape(x), np.inf) for x in reference)
            if isinstance(reference, tuple)
            else np.full(np.shape(reference), np.inf)
        ),
        bits=lambda dtype, numerics: spec.bits(dtype.component, numerics),
        samples=partial(samples, spec),
        dtypes=tuple(dtype for dtype in COMPLEX if dtype.component in spec.dtypes),
    )


def samples(spec: OpSpec, dtype: DType) -> Samples:
    """The examples of an op for a complex dtype."""
    part = dtype.component
    of_parts = spec.samples(part)
    kept = [edge for edge in of_parts.edges if edge.size <= LARGEST]
    edges = [_edge(spec, edge, number) for number, edge in enumerate(kept)]
    if spec.namespace == "linalg":
        edges = edges[1::2]
    if spec.primitive == "pointwise":
        edges = [*edges[5::7], *_special(spec, dtype)]
    if spec.name in ("add", "negative", "multiply", "exp"):
        edges.append(_edge(spec, next(edge for edge in of_parts.edges if edge.size > 1 << 16), 0))

    def draw(its: Draw) -> Sample:
        return _complex(spec, of_parts.draw(its), its.integer(0, 5))

    return Samples(draw, edges)


def _edge(spec: OpSpec, edge: Edge, number: int) -> Edge:
    return Edge(2 * edge.size, lambda: _complex(spec, edge.make(), number))


def _complex(spec: OpSpec, sample: Sample, number: int) -> Sample:
    """A sample with its floats as real parts; without what complex numbers do not have: another dtype of the result,
    kinds of `scatter` that fold. number: says which operands stay real, and what is cast to."""
    floats = [i for i, x in enumerate(sample.operands) if _is_float(x)]
    real = floats[number % 3 - 1] if spec.name in MIXED and number % 3 and len(floats) > 1 else None
    kept = [spec.arguments.index(name) for name in REAL if name in spec.arguments]
    operands = [x if i == real or i in kept else _paired(spec, x, sample.period) for i, x in enumerate(sample.operands)]
    if spec.name == "astype":
        (name,) = (as_dtype(x.dtype).name for x in operands[:1])
        operands[1] = (name, *(each.name for each in COMPLEX), "bool")[number % 4]
    keywords = {name: _paired(spec, x, None) for name, x in sample.keywords.items() if name not in ("dtype", "kind")}
    return Sample(tuple(operands), keywords, sample.period)


def _is_float(x: Any) -> bool:
    return isinstance(x, np.ndarray) and as_dtype(x.dtype).kind == "f"


def _paired(spec: OpSpec, x: Any, period: int | None) -> Any:
    """Floats as the real parts of an array that lies as they do; anything else as it is."""
    if not _is_float(x):
        return x
    if period is not None:
        return np.resize(_paired(spec, x[:period], None), x.size)
    if x.ndim > 1 and (spec.namespace == "linalg" or spec.name in (*HERMITIAN, *MATRICES)):
        return _lying(x, lambda real: real, _beside(spec, x))
    rng = np.random.default_rng(x.size)
    return _lying(x, rng.permutation, None)


def _beside(spec: OpSpec, x: np.ndarray) -> np.ndarray:
    """The imaginary parts of each matrix. Of a Hermitian one those of the diagonal count for nothing."""
    made = np.random.default_rng(x.shape[-2:]).standard_normal(x.shape[-2:])
    if spec.name in HERMITIAN:
        made = (made - made.T) / 24
        np.fill_diagonal(made, np.nan if spec.name.startswith("cholesky") else 0)
    elif spec.name == "solve_block":
        made /= max(1, made.shape[0] / 4)
    return made.astype(x.dtype)


def _lying(x: np.ndarray, imaginary: Callable[[np.ndarray], np.ndarray], given: np.ndarray | None) -> np.ndarray:
    """An array whose elements, and what is between them, have x's as real parts. imaginary(real): what memory has
    beside them; given: what the elements have."""
    steps = tuple(step // x.itemsize for step in x.strides)
    low, high = span(x.shape, steps)
    made = np.zeros(high - low, f"complex{16 * x.itemsize}")
    if made.size:
        made.real = memory(x, low, (high - low) * x.itemsize).view(x.dtype)
        made.imag = imaginary(made.real)
    size = made.itemsize
    lying = np.ndarray(x.shape, made.dtype, made, -low * size, [step * size for step in steps])
    if given is not None and lying.size:
        lying.imag[...] = given
    return lying


def _special(spec: OpSpec, dtype: DType) -> list[Edge]:
    """Every pair of special values, and of the numbers that the dtype ends with; of two operands each beside each."""
    info = np.finfo(dtype.component.numpy)
    ends = (float(info.max), -float(info.smallest_subnormal), float(info.smallest_normal))

    def pairs(values: tuple[float, ...]) -> np.ndarray:
        made = np.empty((len(values), len(values)), dtype.numpy)
        made.real, made.imag = np.array(values, info.dtype)[:, None], np.array(values, info.dtype)
        return made.reshape(-1)

    one, few = pairs((*SPECIAL, *ends)), pairs((0.0, -0.0, 1.5, -np.inf, np.nan))
    count = len(spec.arguments)
    if spec.name == "astype":
        return [Edge(one.size, lambda: Sample((one, "bool")))]
    if count == 1:
        return [Edge(one.size, lambda: Sample((one,)))]
    chosen = (np.arange(few.size) % 2 == 0,) if spec.name == "where" else ()
    return [Edge(prod((few.size, few.size)), lambda: Sample((*chosen, few[:, None], few)))]
