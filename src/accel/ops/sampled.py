"""Functions that are given by samples, with NumPy's names: their derivatives and convolutions."""

from __future__ import annotations

from typing import Any

from .. import interop
from ..arguments import integer, integers, real, word
from ..array import Array
from ..dtypes import promote
from ..errors import ArgumentError, DtypeError, ShapeError
from .composed.movement import pad
from .manipulation import flip, one_axis
from .pieces import joined
from .primitive.matmul import matmul
from .primitive.pointwise import astype
from .views import reshape


def gradient(x: Any, /, *spacing: Any, axis: int | tuple[int, ...] | None = None, edge_order: int = 1) -> Any:
    """Derivatives along axes (None: all) from neighbouring samples: one array, or a tuple of one for each axis.

    x: floating. spacing: nothing, for samples that are 1 apart; one number, or one for each axis, how far they are
    apart; or vectors of where they are. Inside, the derivative of the parabola through three samples; at the ends, the
    difference of two (edge_order 1), or the derivative of the outermost parabola (2). float16 and bfloat16 are computed
    in float32 and rounded once. Raises ShapeError where an axis has no edge_order + 1 samples, DtypeError, AxisError,
    ArgumentError.
    """
    vectors = {f"spacing[{i}]": h for i, h in enumerate(spacing) if interop.is_array(h) and getattr(h, "ndim", 0)}
    (array, *rest), restore = interop.arrays("gradient", x=x, **vectors)
    if array.dtype.kind != "f":
        raise DtypeError(f"gradient: x: takes floating dtypes, got {array.dtype}; cast with astype")
    given = dict(zip(vectors, rest, strict=True))
    axes = tuple(range(array.ndim)) if axis is None else integers("gradient", "axis", axis)
    axes = tuple(one_axis("gradient", a, array) for a in axes)
    order = integer("gradient", "edge_order", edge_order)
    if order not in (1, 2):
        raise ArgumentError(f"gradient: edge_order: expected 1 or 2, got {order}")
    if len(spacing) not in (0, 1, len(axes)):
        raise ArgumentError(f"gradient: spacing: expected none, one, or one for each of {len(axes)} axes")
    found = []
    for i, a in enumerate(axes):
        name = f"spacing[{i if len(spacing) > 1 else 0}]"
        step: Any = given.get(name)
        if step is None:
            step = real("gradient", name, _number(spacing[i if len(spacing) > 1 else 0])) if spacing else 1.0
        elif len(spacing) == 1 and len(axes) > 1:
            raise ArgumentError(f"gradient: {name}: expected a vector for each of {len(axes)} axes, got one")
        found.append(restore(_along(array, a, name, step, order)))
    return found[0] if len(found) == 1 else tuple(found)


def _number(value: Any) -> Any:
    """A number from an array without axes."""
    return value.item() if interop.is_array(value) else value


def _along(x: Array, axis: int, name: str, step: Any, order: int) -> Array:
    n = x.shape[axis]
    if n < order + 1:
        raise ShapeError(f"gradient: x: expected at least {order + 1} samples along axis {axis}, got shape {x.shape}")
    wide = astype(x, x.dtype.accumulator, copy=False)

    def at(first: int, last: int | None) -> Array:
        return wide[(*(slice(None),) * axis, slice(first, last))]

    if isinstance(step, Array):
        if step.shape != (n,):
            raise ShapeError(f"gradient: {name}: expected shape {(n,)}, got {step.shape}")
        places = astype(step, wide.dtype, copy=False)
        steps = reshape(places[1:] - places[:-1], tuple(n - 1 if a == axis else 1 for a in range(x.ndim)))

        def between(first: int, last: int | None) -> Any:
            return steps[(*(slice(None),) * axis, slice(first, last))]

        before, behind = between(0, -1), between(1, None)
        both = before + behind
        inside = -behind / (before * both) * at(0, -2)
        inside = inside + (behind - before) / (before * behind) * at(1, -1) + before / (behind * both) * at(2, None)
        ends = between(0, 1), between(-1, None)
        inner = between(1, 2), between(-2, -1)
    else:
        inside = (at(2, None) - at(0, -2)) / (2.0 * step)
        ends = inner = (step, step)
    low, high = (at(1, 2) - at(0, 1)) / ends[0], (at(-1, None) - at(-2, -1)) / ends[1]
    if order == 2:
        low = low + (low - (at(2, 3) - at(1, 2)) / inner[0]) * (ends[0] / (ends[0] + inner[0]))
        high = high + (high - (at(-2, -1) - at(-3, -2)) / inner[1]) * (ends[1] / (ends[1] + inner[1]))
    parts = [astype(part, x.dtype, copy=False) for part in (low, inside, high)]
    return joined(parts, axis)


MODES = ("full", "same", "valid")


def convolve(x1: Any, x2: Any, /, mode: str = "full") -> Any:
    """The discrete convolution of two vectors: the sums of x1[i] * x2[k - i] over i, for each k.

    mode: ``full``, all k for which there is a product; ``same``, those in the middle, as many as the longer vector has;
    ``valid``, those for which the vectors overlap whole. A product of a matrix, whose rows are windows of the longer
    vector and take no memory, and the shorter one, turned round: as `matmul` adds. Dtypes promote; integers wrap.
    Raises ShapeError, DtypeError, ArgumentError.
    """
    how = word("convolve", "mode", mode, MODES)
    (a, b), restore = interop.arrays("convolve", x1=x1, x2=x2)
    for name, x in (("x1", a), ("x2", b)):
        if x.ndim != 1 or not x.size:
            raise ShapeError(f"convolve: {name}: expected a vector of at least one element, got shape {x.shape}")
    common = promote(a.dtype, b.dtype)
    a, b = (astype(x, common, copy=False) for x in ((a, b) if a.size >= b.size else (b, a)))
    n, m = a.size, b.size
    around = {"full": (m - 1, m - 1), "same": (m // 2, m - 1 - m // 2), "valid": (0, 0)}[how]
    line = pad(a, around) if any(around) else a
    count = n + sum(around) - m + 1
    (step,) = line.strides
    return restore(matmul(line.view((count, m), (step, step)), flip(b)))
