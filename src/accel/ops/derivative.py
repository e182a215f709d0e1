"""Vector-Jacobian products of scalar programs and of folds, written with accel's own functions of arrays. These are
found in the op table when a derivative is taken, since the primitives that state their derivatives by this file are
what they are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import registry
from ..array import Array
from ..dtypes import TABLE, DType
from ..layout import Shape, broadcast_strides
from ..scalar import FUNCTIONS, Program, Step
from .parameters import Reduction

Cotangents = Sequence[Array | None]


class _Functions:
    """Every op's public function, by name."""

    def __getattr__(self, name: str) -> Any:
        return registry.OPS[name].function


fn = _Functions()


def summed(g: Array | None, x: Array) -> Array | None:
    """The cotangent of an operand that was broadcast: summed where it was repeated; of the operand's dtype."""
    if g is None or x.dtype.kind != "f":
        return None
    if g.shape != x.shape:
        lead = g.ndim - x.ndim
        padded = (1,) * lead + x.shape
        axes = tuple(a for a, (have, want) in enumerate(zip(g.shape, padded, strict=True)) if have != want)
        g = fn.sum(g, axis=axes, keepdims=True) if axes else g
        g = g.view(x.shape, g.strides[lead:])
    return fn.astype(g, x.dtype, copy=False)


def program_vjp(program: Program, cotangents: Cotangents, operands: Sequence[Array]) -> list[Array | None]:
    """Of a scalar program: its steps again, then the derivative of each, from the last."""
    dtypes, values = program.value_dtypes(), list(operands)
    for step, dtype in zip(program.steps, dtypes[len(operands) :], strict=True):
        given = [values[a] for a in step.args]
        its = tuple(dtypes[a] for a in step.args)
        one = Program(its, (Step(step.function, step.dtype, tuple(range(len(its)))),), dtype)
        values.append(fn.pointwise(one, *given))
    found: list[Array | None] = [None] * len(values)

    def add(value: int, g: Array | None) -> None:
        if (mine := summed(g, values[value])) is not None:
            before = found[value]
            found[value] = mine if before is None else before + mine

    for value, g in reversed(list(zip(program.values, cotangents, strict=True))):
        add(value, g)
    for number in range(len(values) - 1, len(operands) - 1, -1):
        step, mine = program.steps[number - len(operands)], found[number]
        if mine is None or values[number].dtype.kind != "f":
            continue
        given = [values[a] for a in step.args]
        parts: Cotangents = (mine,)
        if step.function != "cast":
            derivative = FUNCTIONS[step.function].derivative
            if isinstance(derivative, str):
                continue
            parts = derivative(fn, mine, values[number], *given)
        for a, part in reversed(list(zip(step.args, parts, strict=True))):
            add(a, part)
    return found[: len(operands)]


def reduction_vjp(reduction: Reduction, g: Array, y: Array, x: Array) -> Array | None:
    """Of a reduction's operand x, from its result y and that one's cotangent; None where the result is no smooth
    number."""
    rule = OF_FOLDS.get(reduction.kind)
    if rule is None:
        return None
    shape = tuple(1 if a in reduction.axes else n for a, n in enumerate(x.shape))
    wide: DType = TABLE[x.dtype.accumulator]
    g, y = (fn.astype(_kept(each, shape, reduction.axes), wide, copy=False) for each in (g, y))
    made = rule(reduction, g, y, fn.astype(x, wide, copy=False))
    made = made.view(x.shape, broadcast_strides(made.layout, x.shape))
    return fn.astype(made, x.dtype, copy=False)


def _kept(x: Array, shape: Shape, axes: Shape) -> Array:
    """A reduction's result with the reduced axes, of length 1."""
    steps = iter(x.strides)
    return x.view(shape, tuple(0 if a in axes else next(steps) for a in range(len(shape))))


def _of_prod(reduction: Reduction, g: Array, y: Array, x: Array) -> Array:
    """The product of the other elements: y / x; of a zero among others that are not, the product of these."""
    zero = fn.equal(x, 0.0)
    zeros = fn.sum(fn.astype(zero, x.dtype), axis=reduction.axes, keepdims=True)
    others = fn.prod(fn.where(zero, 1.0, x), axis=reduction.axes, keepdims=True)
    at_zero = fn.where(fn.equal(zeros, 1.0), others, 0.0)
    elsewhere = fn.where(fn.equal(zeros, 0.0), others / fn.where(zero, 1.0, x), 0.0)
    return g * fn.where(zero, at_zero, elsewhere)


def _of_extreme(reduction: Reduction, g: Array, y: Array, x: Array) -> Array:
    """Shared evenly among the elements that are the extreme, which is torch's rule."""
    chosen = fn.equal(x, y)
    count = fn.sum(fn.astype(chosen, x.dtype), axis=reduction.axes, keepdims=True)
    return fn.where(chosen, g / count, 0.0)


OF_FOLDS: dict[str, Callable[[Reduction, Array, Array, Array], Array]] = {
    "sum": lambda reduction, g, y, x: g,
    "prod": _of_prod,
    "max": _of_extreme,
    "min": _of_extreme,
}
"""By kind, with the reduced axes kept as length 1; a choice of an index, any and all are no smooth numbers."""
