"""Vector-Jacobian products of scans, written with accel's own functions of arrays: along the last axis, of operands and
cotangents in a dtype that accumulates."""

from __future__ import annotations

from collections.abc import Callable

from ..array import Array
from ..dtypes import INT64
from .derivative import fn
from .pieces import filled, joined


def _from_end(function: Callable[..., Array], x: Array) -> Array:
    """A scan from the end."""
    return function(x[..., ::-1], axis=-1)[..., ::-1]


def _of_sum(g: Array, y: Array, x: Array) -> Array:
    return _from_end(fn.cumulative_sum, g)


def _of_prod(g: Array, y: Array, x: Array) -> Array:
    """Before the first zero, the sums of g y from each on, over x; at it, of g times the product of the others; behind
    it, every product has another zero."""
    zero = fn.equal(x, 0.0)
    zeros = fn.cumulative_sum(fn.astype(zero, INT64), axis=-1)
    first = fn.logical_and(zero, fn.equal(zeros, 1))
    others = fn.cumulative_prod(fn.where(first, 1.0, x), axis=-1)
    before = fn.equal(zeros, 0)
    ahead = _from_end(fn.cumulative_sum, g * fn.where(before, others, 0.0)) / fn.where(zero, 1.0, x)
    return fn.where(first, _from_end(fn.cumulative_sum, g * others), fn.where(before, ahead, 0.0))


def _of_logaddexp(g: Array, y: Array, x: Array) -> Array:
    """The sums of g exp(x - y) from each on, which for large numbers are sums of logarithms, those of g above zero and
    those below apart."""

    def part(g: Array) -> Array:
        return fn.exp(_from_end(fn.logcumsumexp, fn.log(fn.maximum(g, 0.0)) - y) + x)

    return part(g) - part(-g)


def _of_extreme(g: Array, y: Array, x: Array) -> Array:
    """Each cotangent goes to the last element so far that equals the result, which is torch's rule, and a NaN equals
    itself. Sums from each such element up to the next one, by doubling how far they reach."""
    n = x.shape[-1]
    levels = max(0, n - 1).bit_length()
    chosen = fn.logical_or(fn.equal(x, y), fn.not_equal(x, x))
    total = _filled_up(g, (1 << levels) - 1)
    alone = fn.logical_not(_filled_up(chosen, 1 << levels)[..., 1:])  # nothing is chosen in as many places behind
    for reach in (1 << level for level in range(levels)):
        here = alone[..., :-reach]
        total = total[..., :-reach] + fn.where(here, total[..., reach:], 0.0)
        alone = fn.logical_and(here, alone[..., reach:])
    return fn.where(chosen, total, 0.0)


def _filled_up(x: Array, more: int) -> Array:
    """x with zeros behind it along the last axis."""
    return joined([x, filled(0, (*x.shape[:-1], more), x.dtype, x.device)], x.ndim - 1) if more else x


OF_SCANS: dict[str, Callable[[Array, Array, Array], Array]] = {
    "sum": _of_sum,
    "prod": _of_prod,
    "max": _of_extreme,
    "min": _of_extreme,
    "logaddexp": _of_logaddexp,
}
"""By kind: the operand's cotangent from that of the result, the result and the operand."""
