"""The transpose of a view: what the elements of a value get from cotangents of a view of them."""

from __future__ import annotations

from functools import reduce

import numpy as np

from ..array import Array
from ..conversion import table
from ..errors import ArgumentError
from ..layout import Layout
from ..ops.pieces import filled, joined
from ..ops.primitive.pointwise import COPY
from ..ops.primitive.reduce import sum as total
from ..ops.primitive.scatter import add_rows
from ..ops.views import reshape, squeeze
from .graph import Read


def transposed(g: Array, read: Read, its: Layout) -> Array:
    """The cotangent of a value of a layout from that of a read of it: elements that the view repeats are summed, others
    are put in their places, and what the view leaves out gets zeros.

    What several places of a view have from one element is summed as `index_add` adds rows, in ascending order of the
    places, axes of larger strides first.

    Raises ArgumentError for a view of an operand that has gaps in memory.
    """
    if read.layout.shape == its.shape and read.layout.strides == its.strides and read.offset == 0:
        return g
    if 0 in read.layout.shape:
        return filled(0, its.shape, its.dtype, g.device)
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
    if _overlaps(g, steps):
        g, steps, start = _added(g, steps, start, its)
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


def _reach(g: Array, steps: list[int], first: int) -> int:
    """How far the last element lies behind the first one along the axes from `first` on."""
    return sum((n - 1) * step for n, step in zip(g.shape[first:], steps[first:], strict=True))


def _overlaps(g: Array, steps: list[int]) -> bool:
    """Whether axes from the longest stride to the shortest may come to one element in two ways."""
    return any(step <= _reach(g, steps, a + 1) for a, step in enumerate(steps))


def _added(g: Array, steps: list[int], start: int, its: Layout) -> tuple[Array, list[int], int]:
    """Elements added up where a view that overlaps has them from: blocks of the value, which do not overlap, their
    axes' strides, and where the first one starts.

    Only places within a block are written down, so of windows those of one image: axes before, such as a batch, say
    which block it is, and elements that lie side by side in all places, such as channels, go together.
    """
    outer = 0
    while steps[outer] > _reach(g, steps, outer + 1):
        outer += 1
    step = steps[outer - 1] if outer else its.size
    first = start % step
    if first + _reach(g, steps, outer) < step:  # blocks without anything between them
        length = step
    else:
        first, length = 0, _reach(g, steps, outer) + 1
    end, together = g.ndim, 1
    while steps[end - 1] == together and not any(
        x % (together * g.shape[end - 1]) for x in (*steps[outer : end - 1], first, length)
    ):
        end -= 1
        together *= g.shape[end]
    windows = g.shape[outer:end]

    def places() -> np.ndarray:
        axes = [np.arange(n, dtype=np.int64) * step for n, step in zip(windows, steps[outer:end], strict=True)]
        found: np.ndarray = (first + reduce(np.add, np.ix_(*axes)).reshape(-1)) // together
        return found

    key = ("places of a view", windows, tuple(steps[outer:end]), first, together)
    index = table(key, places, g.device)
    blocks = g.shape[:outer]
    nothing = filled(0, (*blocks, length // together, together), g.dtype, g.device)
    source = reshape(g, (*blocks, index.size, together))
    added: Array = add_rows("index_add", nothing, index, source, outer, True)
    return reshape(added, (*blocks, length)), [*steps[:outer], 1], start - first


def _scattered(g: Array, steps: list[int], start: int, its: Layout) -> Array:
    """Axes from the longest stride to the shortest, with zeros between their elements. From the inside outwards, what
    lies between an element of an axis and the next one is filled up to the axis's stride, from both sides where the
    first element of all can have its place like that."""
    row, ahead = g.view((*g.shape, 1), (*g.strides, 0)), 0  # zeros before the first element
    for a in reversed(range(g.ndim)):
        step, before = steps[a], start % steps[a]
        # with zeros ahead all that is inside an axis has to stay within its stride
        if any(ahead + before + _reach(g, steps, b + 1) >= steps[b] for b in range(a + 1)):
            before = 0
        start, ahead = start - before, ahead + before
        row = row[..., : step - before]
        row = _filled_up(row, before, step - before - row.shape[-1])
        row = reshape(row, (*row.shape[:-2], g.shape[a] * step))
    row = row[: its.size - start]
    return _filled_up(row, start, its.size - start - row.shape[0]).view(its.shape, its.strides)


def _filled_up(x: Array, before: int, after: int) -> Array:
    """x with zeros before and behind it along the last axis."""
    if before == after == 0:
        return x
    shape = x.shape[:-1]
    zeros = [filled(0, (*shape, n), x.dtype, x.device) for n in (before, after)]
    return joined([zeros[0], x, zeros[1]], x.ndim - 1)
