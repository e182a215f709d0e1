"""Rows made orthogonal by rotations of pairs: a round of one-sided Jacobi, of which singular values are made.

Hestenes, "Inversion of matrices by biorthogonalization and related results" (1958); the order of the pairs is that of a
round-robin tournament (Brent and Luk, 1985).
"""

from __future__ import annotations

from typing import Any

from ...array import Array
from ...dtypes import FLOAT32, FLOAT64, DType
from ..complex.part import conj, square
from ..complex.rule import both, split
from ..compose import NumericOperand, Operand, composed, unlisted
from ..pieces import boxed
from ..primitive.pointwise import fn
from ..primitive.reduce import sum
from ..views import expand_dims
from . import exact_jacobi

TOLERANCE = {"float32": 2.0**-22, "float64": 2.0**-51}
"""Cosine of the angle of two rows above which they are rotated: 2 units in the last place of 1."""


def examples(dtype: DType) -> Any:
    """Pairs of rows, of all sizes."""
    from ...testing import jacobi_family

    return jacobi_family.rounds(dtype)


@composed(
    reference=exact_jacobi.jacobi_round,
    bound=exact_jacobi.bound,
    samples=examples,
    namespace="internal",
    widen=False,
    dtypes=(FLOAT32, FLOAT64),
)
def jacobi_round(rows: NumericOperand, worst: Operand, /, *, length: int) -> tuple[Array, Array]:
    """Rows (…, 2, k, n) with each pair of rows [0, i] and [1, i] rotated so that their first ``length`` elements are
    orthogonal, and moved to where the next round finds other pairs; 2 k - 1 rounds meet all.

    worst: (…, k, 1), real. Complex rows are orthogonal where the products of one and the conjugate of the other are 0.
    The second result is the largest of it and of the cosines of the angles that the pairs had.
    """
    top, bottom = (rows[..., i, :, :] for i in (0, 1))
    of_top, of_bottom = top[..., :length], bottom[..., :length]
    a, b = (sum(square(x), axis=-1, keepdims=True) for x in (of_top, of_bottom))
    product = sum(of_top * conj(of_bottom), axis=-1, keepdims=True)
    size, g = fn.sqrt(a) * fn.sqrt(b), fn.abs(product)
    cosine = fn.where(size > 0.0, g / size, g)
    enough = TOLERANCE[rows.dtype.component.name]
    if rows.dtype.kind == "c":  # the lower rows are turned first, so that the products are real
        bottom = bottom * fn.where(cosine > enough, fn.sign(product), 1.0)
    else:
        g = product
    apart = (b - a) / (g + g)
    tangent = 1.0 / (fn.abs(apart) + fn.sqrt(apart * apart + 1.0))
    tangent = fn.where(apart < 0.0, -tangent, tangent)
    tangent = fn.where(cosine > enough, tangent, 0.0)
    c = 1.0 / fn.sqrt(tangent * tangent + 1.0)
    s = tangent * c
    tau = s / (c + 1.0)  # small rotations change little, and round little
    turned = _moved(top - s * (bottom + tau * top), bottom + s * (top - tau * bottom), rows.shape)
    return turned, fn.maximum(worst, cosine)


@unlisted("internal")
def jacobi_round_pairs(re: Operand, im: Operand, worst: Operand, /, *, length: int) -> tuple[Array, Array, Array]:
    """The same round of complex rows, whose parts are arrays of their own: so each is read in whole vectors."""
    turned, worst = jacobi_round(both(re, im), worst, length=length)
    return (*split(turned), worst)  # type: ignore[return-value]


@unlisted("internal")
def paired(re: Operand, im: Operand, /) -> Array:
    """The complex array of two real ones, in memory."""
    return both(re, im)


def _moved(top: Array, bottom: Array, shape: tuple[int, ...]) -> Array:
    """The rows where the next round has them: all but the first of the upper ones go round."""
    *batch, _, k, _ = shape
    parts = [(0, 0, top[..., :1, :])]
    if k == 1:
        parts += [(1, 0, bottom)]
    else:
        parts += [(0, 1, bottom[..., :1, :]), (0, 2, top[..., 1:-1, :])]
        parts += [(1, 0, bottom[..., 1:, :]), (1, k - 1, top[..., -1:, :])]
    start = (0,) * len(batch)
    return boxed(shape, [((*start, half, at, 0), expand_dims(x, axis=-3)) for half, at, x in parts])
