"""Rows made orthogonal by rotations of pairs, until no pair is turned any more: one-sided Jacobi, of which singular
values are made. A kind of the primitive ``factor``.

Hestenes, "Inversion of matrices by biorthogonalization and related results" (1958); the order of the pairs is that of a
round-robin tournament (Brent and Luk, 1985).
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import numpy as np

from ... import dispatch, interop, registry
from ...dtypes import FLOAT32, FLOAT64, DType, as_dtype
from ...errors import DtypeError, ShapeError
from ...layout import Layout
from ...numerics import BLOCK, SWEEPS
from ...scalar import Program, Step
from ...scalar.evaluate import evaluate
from .. import canonical
from ..parameters import Factor
from ..spec import Inferred
from . import factor

TOLERANCE = {"float32": 2.0**-22, "float64": 2.0**-51}
"""Cosine of the angle of two rows above which they are rotated: 2 units in the last place of 1."""

LEAST = {"float32": 2.0**-100, "float64": 2.0**-960}
"""Squares of norms below which a row is taken for zeros: its products with others have few digits, or none."""

FAR = 2.0**60
"""Of numbers z above it the root of z**2 + 1 is z, whose square may be no number."""

SCALES = {"float32": (2.0**40, 2.0**-40, 2.0**45), "float64": (2.0**340, 2.0**-340, 2.0**375)}
"""Where the larger part of a product of complex rows is above the first number or below the second, its direction is
found of parts divided or multiplied twice by the third."""


def enough(dtype: DType, length: int) -> float:
    """The largest cosine of a sweep that is the last one."""
    return float(np.sqrt(dtype.numpy.type(length))) * TOLERANCE[dtype.name]


def infer(op: str, inputs: tuple[Layout, ...], params: Factor) -> Inferred:
    x = inputs[0]
    if any(its.dtype not in (FLOAT32, FLOAT64) or its.dtype is not x.dtype for its in inputs):
        raise DtypeError(f"{op}: takes float32 or float64, got {', '.join(str(its.dtype) for its in inputs)}")
    if x.ndim != 3 or x.shape[1] % 2 or not x.shape[1] or len({its.shape for its in inputs}) > 1:
        raise ShapeError(f"{op}: expected an even number of rows, got {[its.shape for its in inputs]}")
    if not 0 < params.length <= min(x.shape[2], BLOCK * BLOCK):
        raise ShapeError(f"{op}: length: {params.length} of rows of {x.shape[2]}, of at most {BLOCK * BLOCK}")
    return Inferred((*((x.shape, x.dtype),) * len(inputs), ((x.shape[0], 1), x.dtype)), params)


def _run(op: str, length: int, *operands: Any) -> Any:
    arrays, restore = interop.adopt(op, **{f"operand {i}": x for i, x in enumerate(operands)})
    params = Factor("jacobi", pairs=len(operands) > 1, length=length)
    return tuple(map(restore, dispatch.call(registry.OPS[op], arrays, params)))


def jacobi_rows(x: Any, length: int) -> Any:
    """Rows (count, 2 k, n) of which pairs are rotated, what is behind their first ``length`` elements too, until these
    are orthogonal. The second result, (count, 1), is the largest cosine of an angle between two rows in the last sweep,
    which is NaN where an element is."""
    return _run("jacobi_rows", length, x)


def jacobi_row_pairs(re: Any, im: Any, length: int) -> Any:
    """Both parts of such rows of complex numbers: orthogonal where products of one and the conjugate of another are
    0."""
    return _run("jacobi_row_pairs", length, re, im)


# what the tests compare with


@lru_cache
def rounds(pairs: int) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """The upper and the lower rows of each round's pairs: all but the first of the upper ones go round."""
    found = []
    upper, lower = list(range(pairs)), list(range(pairs, 2 * pairs))
    for _ in range(2 * pairs - 1):
        found.append((np.array(upper), np.array(lower)))
        upper, lower = [upper[0], lower[0], *upper[1:-1]][:pairs], [*lower[1:], upper[-1]]
        if pairs == 1:
            upper, lower = [0], [1]
    return tuple(found)


def total(x: np.ndarray) -> np.ndarray:
    """Sums along the last axis by rule 2."""
    return canonical.tree(x, np.add, 0.0)


def hypot(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    name = as_dtype(x.dtype).name
    return evaluate(Program((name, name), (Step("hypot", name, (0, 1)),), name), x, y)


def direction(re: np.ndarray, im: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of complex numbers, none of them 0."""
    high, low, root = (re.dtype.type(x) for x in SCALES[as_dtype(re.dtype).name])
    size = np.maximum(np.abs(re), np.abs(im))
    by = np.where(size > high, 1 / root, np.where(size < low, root, re.dtype.type(1)))
    re, im = re * by * by, im * by * by
    length = hypot(re, im)
    return re / length, im / length


def turned(top: np.ndarray, bottom: np.ndarray, s: np.ndarray, tau: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two rows, rotated."""
    return top - s * (bottom + tau * top), bottom + s * (top - tau * bottom)


def angles(
    a: np.ndarray, b: np.ndarray, g: np.ndarray, magnitude: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of squares of norms and products: cosines, and sines with what changes are written with."""
    one, least = a.dtype.type(1), LEAST[as_dtype(a.dtype).name]
    cosine = np.where((a < least) | (b < least), magnitude * 0, magnitude / (np.sqrt(a) * np.sqrt(b)))
    apart = (b - a) / (g + g)
    far = np.abs(apart)
    tangent = one / (far + np.where(far > FAR, far, np.sqrt(apart * apart + one)))
    tangent = np.where(apart < 0, -tangent, tangent)
    c = one / np.sqrt(tangent * tangent + one)
    s = tangent * c
    return cosine, s, s / (c + one)


def swept(parts: list[np.ndarray], length: int) -> np.floating[Any]:
    """One sweep of the rows (2 k, n) of each part, in place. Returns the largest cosine."""
    dtype = parts[0].dtype
    worst, tolerance = dtype.type(0), dtype.type(TOLERANCE[as_dtype(dtype).name])
    for upper, lower in rounds(len(parts[0]) // 2):
        p, q = [x[upper, :length] for x in parts], [x[lower, :length] for x in parts]
        if len(parts) == 1:
            a, b, g = total(p[0] * p[0]), total(q[0] * q[0]), total(p[0] * q[0])
            magnitude = np.abs(g)
        else:
            a, b = total(p[0] * p[0] + p[1] * p[1]), total(q[0] * q[0] + q[1] * q[1])
            re, im = total(p[0] * q[0] + p[1] * q[1]), total(p[1] * q[0] - p[0] * q[1])
            g = magnitude = hypot(re, im)
        cosine, s, tau = angles(a, b, g, magnitude)
        worst = np.maximum(worst, cosine.max())
        some = cosine > tolerance
        upper, lower, s, tau = upper[some], lower[some], s[some, None], tau[some, None]
        bottom = [x[lower] for x in parts]
        if len(parts) == 2:
            e, f = (x[:, None] for x in direction(re[some], im[some]))
            bottom = [bottom[0] * e - bottom[1] * f, bottom[0] * f + bottom[1] * e]
        for x, low in zip(parts, bottom, strict=True):
            x[upper], x[lower] = turned(x[upper], low, s, tau)
    return worst


def steps(length: int, *parts: np.ndarray) -> tuple[np.ndarray, ...]:
    """The canonical answer."""
    made = [x.copy() for x in parts]
    worst = np.zeros((len(made[0]), 1), made[0].dtype)
    with np.errstate(all="ignore"):
        for i in range(len(worst)):
            for _ in range(SWEEPS):
                worst[i] = swept([x[i] for x in made], length)
                if not worst[i] > enough(as_dtype(made[0].dtype), length):
                    break
    return *made, worst


def _reference(*parts: np.ndarray, length: int) -> Any:
    from ..composed import exact_jacobi

    return exact_jacobi.rows(steps(length, *parts)[:-1], *parts, length=length)


def _bound(reference: Any, *parts: np.ndarray, length: int) -> Any:
    from ..composed import exact_jacobi

    return exact_jacobi.bound_rows(reference, *parts, length=length, enough=enough(as_dtype(parts[0].dtype), length))


def _samples(pairs: bool, dtype: DType) -> Any:
    from ...testing import jacobi_family

    return jacobi_family.rows(dtype, pairs)


for _function, _arguments in ((jacobi_rows, ("x",)), (jacobi_row_pairs, ("re", "im"))):
    factor.register(
        _function,
        _arguments,
        infer=partial(infer, _function.__name__),
        canonical=lambda *parts, length: steps(length, *parts),
        reference=_reference,
        bound=_bound,
        samples=partial(_samples, len(_arguments) == 2),
        flops=lambda inputs, outputs, params: 48 * inputs[0].size * inputs[0].shape[1],
    )
