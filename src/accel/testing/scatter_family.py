"""Examples of rows stored, or added, where integers say."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import DType
from ..numerics import BLOCK, LANES
from .draw import Draw, array, broadcast, shape
from .families import Edge, Sample, Samples
from .gather_family import positions
from .values import values


def scatters(op: str, dtype: DType) -> Samples:
    """Operands of put_along_axis, index_add, or scatter."""
    draw = {"put_along_axis": _put, "index_add": _add, "scatter": _scatter}[op]
    return Samples(lambda its: draw(its, dtype), _edges(op, dtype))


def _filled(its: Draw) -> tuple[int, ...]:
    """A shape with axes, none of them without elements."""
    return tuple(max(1, n) for n in shape(its, least=1, most=4))


def _put(its: Draw, dtype: DType) -> Sample:
    full = _filled(its)
    axis = its.integer(-len(full), len(full) - 1)
    chosen = list(full)
    chosen[axis] = its.choice((0, 1, 3, 17))
    rows = [1 if its.once_in(5) else n for n in chosen]
    rows[axis] = chosen[axis]
    x, index = array(its, dtype, full), positions(its, tuple(rows), full[axis])
    return Sample((x, index, array(its, dtype, broadcast(its, tuple(chosen)))), {"axis": axis})


def _add(its: Draw, dtype: DType) -> Sample:
    full = _filled(its)
    axis = its.integer(-len(full), len(full) - 1)
    chosen = list(full)
    chosen[axis] = its.choice((0, 1, 3, 17, 150))
    x, source = array(its, dtype, full), array(its, dtype, tuple(chosen))
    return Sample((x,), {"axis": axis, "index": positions(its, (chosen[axis],), full[axis]), "source": source})


def _scatter(its: Draw, dtype: DType) -> Sample:
    """Some axes counted, the others walked with axes of the values in any order; some numbers of no cell."""
    full = _filled(its)
    counted = its.permutation(range(len(full)))[: its.integer(1, len(full))]
    walked = its.permutation([a for a in range(len(full)) if a not in counted])
    walks = tuple(1 + walked.index(a) if a in walked else -1 for a in range(len(full)))
    cells, count = int(np.prod([full[a] for a in counted])), its.choice((1, 3, 17, 150))
    rng = np.random.default_rng(its.integer(0, 2**32 - 1))
    numbers = rng.integers(-1 if its.once_in(3) else 0, cells + its.once_in(3), count)
    keywords: dict[str, Any] = {"walks": walks}
    if its.once_in(4) and count <= cells:
        numbers, keywords["apart"] = rng.permutation(cells)[:count], True
    if not its.once_in(3):
        keywords["kind"] = its.choice(("add", "multiply", "max", "min") if _folds(dtype) else ("max", "min"))
    if its.once_in(4):
        numbers, keywords["ascending"] = np.sort(numbers), True
    elif its.once_in(3):
        numbers = numbers[::-1]
    held = count
    if its.once_in(2):  # rows at positions, of which some may be out of range
        held, far = its.choice((1, 2, 40)), int(its.once_in(3))
        keywords["sources"] = rng.integers(-held - far, held + far, count)[:: -1 if its.once_in(3) else 1]
    rows = array(its, dtype, (held, *(full[a] for a in walked)))
    return Sample((array(its, dtype, full), rows, numbers), keywords)


def _folds(dtype: DType) -> bool:
    return dtype.kind in "iu" or (dtype.kind == "f" and dtype.itemsize >= 4)


def _edges(op: str, dtype: DType) -> list[Edge]:
    """Few cells of many rows, whose sums have several lanes and blocks, and many cells of few; single elements and
    rows; more rows than a block of a sort has."""
    edges = []
    for full, count, axis in (
        ((3,), LANES - 1, 0), ((3,), 2 * LANES + 1, 0), ((2,), 2 * BLOCK + 77, 0), ((1,), BLOCK + 1, 0),
        ((4097,), 5000, 0), ((5, 70), 300, 1), ((300, 19), 1031, 0), ((3, 65, 2), 2500, 1),
    ):  # fmt: skip
        size = int(np.prod(full)) // full[axis] * max(count, full[axis])
        edges.append(Edge(size, _edge(op, dtype, full, count, axis)))
    return edges


def _edge(op: str, dtype: DType, full: tuple[int, ...], count: int, axis: int) -> Any:
    def make() -> Sample:
        rng = np.random.default_rng((*full, count))
        beside = (*full[:axis], count, *full[axis + 1 :])
        x, source = values(rng, dtype, full, "normal"), values(rng, dtype, beside, "normal")
        if op == "put_along_axis":
            return Sample((x, rng.integers(-full[axis], full[axis], beside), source), {"axis": axis})
        index = rng.integers(0, full[axis], count)
        if op == "index_add":
            return Sample((x,), {"axis": axis, "index": index, "source": source})
        walks = tuple(-1 if a == axis else a + (a < axis) for a in range(len(full)))
        how = {"kind": "add"} if _folds(dtype) else {"kind": "max"} if count % 2 else {}
        if count > BLOCK:  # each row at a position of its own, so that another one is seen
            how = {**how, "sources": rng.permutation(count)}
        return Sample((x, np.moveaxis(source, axis, 0), index), {"walks": walks, **how})

    return make
