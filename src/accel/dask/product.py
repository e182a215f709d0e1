"""Products of matrices, with the order of rule 3 of docs/numerics.md whichever way k is cut.

Either all of k comes to each chunk of the result, and nothing that was computed travels; or, where that is too much at
once, products of chunks of KC are added in ascending order, and the sum so far travels from one chunk of k to the next.
"""

from __future__ import annotations

from itertools import product

import dask
from dask.utils import parse_bytes

from ..dtypes import TABLE, DType
from ..layout import Shape
from ..numerics import KC
from . import work
from .chunks import Chunks, aligned, beside, unified
from .grid import Grid
from .movement import broadcast, rechunked
from .recorder import RULES, Call


def matmul(call: Call) -> tuple[Grid, ...]:
    """The rule of the primitive ``matmul``."""
    ((shape, dtype),) = call.inferred.outputs
    a, b = (_with_matrices(call.operand(i, stretched=False), call.inputs[i].shape) for i in range(2))
    if any(n > 1 == x == y for n, x, y in zip(shape, a.shape[:-2], b.shape[:-2], strict=False)):
        a = call.operand(0)  # a batch axis that neither has
    a, b = _batched(a, b)
    batch = tuple(
        left if sum(left) == n else right if sum(right) == n else (n,)
        for n, left, right in zip(shape[:-2], a.chunks[:-2], b.chunks[:-2], strict=True)
    )
    chunks = (*batch, a.chunks[-2], b.chunks[-1])
    return (_gathered(call, a, b, chunks, dtype) if fits(a, b) else _chained(call, a, b, chunks, dtype),)


def _with_matrices(x: Grid, shape: Shape) -> Grid:
    """An operand whose batch axes may be of length 1 and stand for more, and whose matrices are whole."""
    whole = (*x.shape[:-2], *shape[-2:])
    return x if whole == x.shape else broadcast(x, whole)


def _batched(a: Grid, b: Grid) -> tuple[Grid, Grid]:
    """Operands whose chunks along batch axes are the same where both have them."""
    made = []
    for x, other in ((a, b), (b, a)):
        pairs = zip(x.chunks[:-2], other.chunks[:-2], strict=True)
        chunks = [unified([own, its]) if sum(own) == sum(its) else beside(own, its) for own, its in pairs]
        made.append(rechunked(x, (*chunks, *x.chunks[-2:])))
    return made[0], made[1]


def fits(a: Grid, b: Grid) -> bool:
    """Whether what one chunk of the result is made of, all of k, may be in one place: twice what Dask's setting
    array.chunk-size says of a chunk."""
    k = sum(a.chunks[-1])
    rows, columns = max(a.chunks[-2]), max(b.chunks[-1])
    return (rows + columns) * k * a.dtype.itemsize <= 2 * parse_bytes(dask.config.get("array.chunk-size"))


def _gathered(call: Call, a: Grid, b: Grid, chunks: Chunks, dtype: DType) -> Grid:
    layer = call.layer(chunks, (a, b), "gathered")
    for place in product(*(range(len(lengths)) for lengths in chunks)):
        *batch, i, j = place
        left, right = _sides(a, b, tuple(batch))
        rows = [a.ref((*left, i, k)) for k in range(a.counts[-1])]
        columns = [b.ref((*right, k, j)) for k in range(b.counts[-2])]
        layer.put(place, work.product, dtype.name, len(rows), *rows, *columns)
    return layer.grid()


def _sides(a: Grid, b: Grid, batch: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(0 if n == 1 else i for i, n in zip(batch, x.counts[:-2], strict=True)) for x in (a, b))


def _chained(call: Call, a: Grid, b: Grid, chunks: Chunks, dtype: DType) -> Grid:
    along = aligned(unified([a.chunks[-1], b.chunks[-2]]), KC)
    a = rechunked(a, (*a.chunks[:-1], along))
    b = rechunked(b, (*b.chunks[:-2], along, b.chunks[-1]))
    accumulator = TABLE[a.dtype.accumulator] if a.dtype.kind == "f" else dtype
    layer = call.layer(chunks, (a, b), "chained")
    for place in product(*(range(len(lengths)) for lengths in chunks)):
        *batch, i, j = place
        left, right = _sides(a, b, tuple(batch))
        before = []
        for k in range(len(along)):
            pair = a.ref((*left, i, k)), b.ref((*right, k, j))
            if k == len(along) - 1:
                layer.put(place, work.chain, accumulator.name, dtype.name, *pair, *before)
            else:
                name = accumulator.name
                before = [layer.aside("sum", (*place, k), work.chain, name, name, *pair, *before)]
    return layer.grid()


RULES["matmul"] = matmul
