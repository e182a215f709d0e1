"""Numbers of cells: what the primitive ``scatter`` takes in the place of positions along axes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod

from .. import dispatch
from ..array import Array
from ..conversion import constant, index_range
from ..dtypes import INT64
from ..layout import Shape, reshaped, row_major
from ..scalar.program import Program, ProgramBuilder
from .primitive.pointwise import PROGRAM


def cells_of(positions: Sequence[Array], lengths: Sequence[int], forward: Sequence[bool] = (False,)) -> Array:
    """The cells, a vector, that positions along axes of these lengths stand for. Positions are int64 of shapes that
    broadcast, below 0 from the end; where one is out of range the number is that of no cell. forward: of which it is
    known that they are in range and none is below 0."""
    if len(positions) == 1 and forward[0]:
        return in_rows(positions[0], positions[0].size, ())
    device = positions[0].device
    numbers = [constant(n, INT64, device) for n in (*lengths, 0, prod(lengths))]
    made = dispatch.call(PROGRAM, (*positions, *numbers), _numbering(len(lengths)))
    return in_rows(made, made.size, ())


def cells_along(positions: Array, shape: Shape, axis: int, forward: bool = False) -> Array:
    """The cells, all axes of that shape being counted, of positions along one of them. Along each of the others the
    position is the place; there may be fewer places than the axis has."""
    spots, lengths = [positions], [shape[axis]]
    for at, axes in ((0, range(axis)), (len(shape), range(axis + 1, len(shape)))):
        others = tuple(n if a in axes else 1 for a, n in enumerate(shape))
        if prod(others) != 1:
            few = tuple(positions.shape[a] if a in axes else 1 for a in range(len(shape)))
            spots.insert(at, index_range(prod(others), positions.device).view(few, row_major(others)))
            lengths.insert(at, prod(others))
    return cells_of(spots, lengths, (forward,))


def in_rows(values: Array, count: int, rows: Shape) -> Array:
    """Values (…, *rows) of which the leading axes have `count` elements, as (count, *rows)."""
    shape = (count, *rows)
    if values.shape == shape:
        return values
    steps = reshaped(values.layout, shape) if prod(shape) else row_major(shape)
    return values.contiguous().view(shape, row_major(shape)) if steps is None else values.view(shape, steps)


@lru_cache(maxsize=64)
def _numbering(axes: int) -> Program:
    """From positions, lengths, 0 and the lengths' product, which is no cell, to the number of a cell."""
    build = ProgramBuilder(*("int64",) * (2 * axes + 2))
    zero, none = 2 * axes, 2 * axes + 1
    cell = good = None
    for position, length in zip(range(axes), range(axes, 2 * axes), strict=True):
        below = build.apply("less", position, zero)
        its = build.apply("where", below, build.apply("add", position, length), position)
        inside = build.apply("logical_and", build.apply("less_equal", zero, its), build.apply("less", its, length))
        cell = its if cell is None else build.apply("add", build.apply("multiply", cell, length), its)
        good = inside if good is None else build.apply("logical_and", good, inside)
    return build.finish(build.apply("where", good, cell, none))
