"""The transpose of a view: what the elements of a value get from cotangents of a view of them."""

from __future__ import annotations

from .. import creation
from ..array import Array, Symbol
from ..errors import ArgumentError
from ..layout import Layout
from ..ops.primitive.pointwise import COPY, copy
from ..ops.primitive.reduce import sum as total
from ..ops.views import reshape, squeeze
from .graph import Read


def transposed(g: Array, read: Read, its: Layout) -> Array:
    """The cotangent of a value of a layout from that of a read of it: elements that the view repeats are summed, others
    are put in their places, and what the view leaves out gets zeros.

    Raises ArgumentError for a view whose elements overlap, and in a trace for one that leaves elements out.
    """
    if read.layout.shape == its.shape and read.layout.strides == its.strides and read.offset == 0:
        return g
    repeated = tuple(a for a, (n, step) in enumerate(_axes(read.layout)) if n > 1 and step == 0)
    single = tuple(a for a, (n, step) in enumerate(_axes(read.layout)) if n == 1 or step == 0)
    if repeated:
        g = total(g, axis=repeated, keepdims=True)
    g = squeeze(g, axis=single) if single else g
    steps = [step for a, step in enumerate(read.layout.strides) if a not in single]
    start, turned = read.offset, list(g.strides)
    first = 0
    for a, step in enumerate(steps):
        if step < 0:
            start, first = start + (g.shape[a] - 1) * step, first + (g.shape[a] - 1) * g.strides[a]
            steps[a], turned[a] = -step, -turned[a]
    g = g.view(g.shape, tuple(turned), first)
    order = sorted(range(g.ndim), key=lambda a: -steps[a])
    g, steps = g.permute(order), [steps[a] for a in order]
    if (axes := _matching(g, steps, its)) is not None and start == 0:
        return reshape(g.permute(axes), its.shape)
    if not _dense(its):
        raise ArgumentError("a cotangent of a view of an operand that has gaps in memory: pass a copy of the operand")
    if _covers(g, steps, its) and start == 0:
        flat = reshape(g, (its.size,))
        flat = flat if flat.strides == (1,) else COPY.function(flat)
        return flat.view(its.shape, its.strides)
    return _scattered(g, steps, start, its)


def _axes(its: Layout) -> list[tuple[int, int]]:
    return list(zip(its.shape, its.strides, strict=True))


def _dense(its: Layout) -> bool:
    """Whether the elements fill their memory from the first on."""
    expected = 1
    for n, step in sorted(((n, step) for n, step in _axes(its) if n > 1), key=lambda axis: axis[1]):
        if step != expected:
            return False
        expected *= n
    return True


def _matching(g: Array, steps: list[int], its: Layout) -> list[int] | None:
    """The axes of g in the order of the value's, where each has its own length and stride there."""
    have = {(n, step): a for a, (n, step) in enumerate(zip(g.shape, steps, strict=True))}
    wanted = [(n, step) for n, step in _axes(its) if n > 1]
    if len(have) != g.ndim or sorted(have) != sorted(wanted):
        return None
    return [have[axis] for axis in wanted]


def _covers(g: Array, steps: list[int], its: Layout) -> bool:
    """Whether axes from the longest stride to the shortest go through the value's whole memory."""
    expected = 1
    for n, step in reversed(list(zip(g.shape, steps, strict=True))):
        if step != expected:
            return False
        expected *= n
    return expected == its.size


def _scattered(g: Array, steps: list[int], start: int, its: Layout) -> Array:
    reach = 0
    for n, step in reversed(list(zip(g.shape, steps, strict=True))):
        if step <= reach:
            raise ArgumentError("a view whose elements overlap has no derivative")
        reach += (n - 1) * step
    if isinstance(g.buffer, Symbol):
        raise ArgumentError(
            "the derivative of a view that leaves elements out cannot be traced yet: it writes in place"
        )
    made = creation.zeros((its.size,), dtype=g.dtype, device=g.device)
    copy(g, out=made.view(g.shape, tuple(steps), start))
    return made.view(its.shape, its.strides)
