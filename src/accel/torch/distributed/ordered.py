"""Sums and products whose terms lie on several ranks, added in the order that one process adds them in.

docs/numerics.md, rules 2 and 3: chunks of KC elements of a product, and blocks of B elements of a sum, are whole units;
what is joined in ascending order may be handed on from rank to rank. Here a rank hands on one partial result, so that
nothing grows with the number of chunks:

    rank 0   c0 + c1 + c2 ──►  rank 1   … + c3 + c4 + c5 ──►  the last rank   … + c6 ──►  all

All computation is accel's, in the accumulator's dtype and in reproducible mode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from math import gcd, prod
from typing import Any

import torch

import accel

from ...arguments import integer
from ...errors import ArgumentError
from ...numerics import BLOCK, KC, LANES
from .ranks import Ranks

WIDE = {torch.float16: torch.float32, torch.bfloat16: torch.float32, torch.float32: torch.float32}
WIDE[torch.float64] = torch.float64
"""Floating dtypes, and those that they are added in."""

PIECE = 1 << 26
"""Bytes of chunk results that a rank keeps at once: a product's rows are computed so many at a time."""

MESSAGE = 1 << 20
"""Bytes of a partial result that are handed on at once, so that ranks work at the same time."""

FUSED = 1 << 16
"""Elements from which on up to eight additions are one pass over memory, compiled for their shape."""


def exactly() -> Any:
    """The mode in which everything here is computed, whatever is set."""
    return accel.config(numerics="reproducible")


def rows_of(x: torch.Tensor) -> torch.Tensor:
    """(…, n) as (rows, n), also where there are no elements."""
    return x.reshape(prod(x.shape[:-1]), x.shape[-1])


def starts_of(lengths: Sequence[int]) -> list[int]:
    """Where each rank's part begins, and where the last one ends."""
    return [0, *accumulate(lengths)]


def shares(n: int, size: int, parts: int | None = None, width: int | None = None) -> list[int]:
    """How many of n elements each of `size` ranks gets: whole parts, as even as they go.

    parts: equal parts of n that stay whole, such as heads; None: n of them. width: elements of k that a part is in the
    product over what is split; None: n / parts. Where there are enough parts, ranks begin at multiples of KC elements
    of k, so that no chunk is split and no operand has to travel; else as the parts fall. Raises ArgumentError.
    """
    for name, value, least in (("n", n, 0), ("size", size, 1), ("parts", parts, 1), ("width", width, 1)):
        if value is not None and integer("shares", name, value) < least:
            raise ArgumentError(f"shares: {name}: expected {least} at least, got {value}")
    parts = max(n, 1) if parts is None else parts
    if n % parts:
        raise ArgumentError(f"shares: parts: {parts} do not divide {n}")
    step = KC // gcd(KC, n // parts if width is None else width)
    if -(-parts // step) < size:
        step = 1
    units = -(-parts // step)
    ends = [min(parts, step * (units * r // size)) for r in range(size + 1)]
    return [(b - a) * (n // parts) for a, b in pairwise(ends)]


def chunked(lengths: Sequence[int], unit: int = KC) -> list[int]:
    """As `starts_of`, of parts of whole chunks: a chunk is the rank's that has its first element."""
    *starts, end = starts_of(lengths)
    return [*(min(end, -(-start // unit) * unit) for start in starts), end]


def product(
    ranks: Ranks,
    op: str,
    a: torch.Tensor,
    b: torch.Tensor,
    lengths: Sequence[int],
    dtype: torch.dtype,
    finish: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """a @ b on all ranks by rule 3, where each rank has a part of k.

    a: (m, its part of k). b: (its part of k, n), of a's dtype. lengths: of each rank's part. finish: what is done to
    rows of accumulators, such as adding a bias, before they are rounded to dtype; None: nothing.
    Each rank sends at most m n accumulators to the next one, and the last one m n results of dtype to all; and before
    that, a rank whose part begins within a chunk its columns of a and rows of b up to the chunk's end.
    """
    return ranks.broadcast(op, *_at_one(ranks, op, a, b, lengths, dtype, finish))


def products(
    ranks: Ranks,
    op: str,
    pairs: Sequence[tuple[torch.Tensor, torch.Tensor, Sequence[int]]],
    dtype: torch.dtype,
) -> torch.Tensor:
    """The sum of several products of one shape, each rounded to dtype, from the last of them to the first: the order in
    which derivatives are added up. pairs: a, b and lengths of each, as in `product`.

    One result goes to all ranks, and no rank waits for one before that.
    """
    made = [_at_one(ranks, op, a, b, lengths, dtype) for a, b, lengths in pairs]
    target = max(owner for _, owner in made)
    works = []
    for x, owner in made:
        if owner != target and x.numel() and ranks.rank in (owner, target):
            works.append(ranks.send(op, x, target) if ranks.rank == owner else ranks.receive(op, x, owner))
    ranks.finish(op, works)
    total, *others = [x for x, _ in reversed(made)]
    if ranks.rank == target:
        with exactly():
            for x in others:
                total = accel.add(total, x)
    return ranks.broadcast(op, total, target)


def _at_one(
    ranks: Ranks,
    op: str,
    a: torch.Tensor,
    b: torch.Tensor,
    lengths: Sequence[int],
    dtype: torch.dtype,
    finish: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> tuple[torch.Tensor, int]:
    """`product` on one rank, and which that is; memory for it on the others."""
    with exactly():
        wide = WIDE[a.dtype]

        def finished(total: torch.Tensor) -> torch.Tensor:
            return (total if finish is None else finish(total)).to(dtype)

        if ranks.size == 1:
            return finished(_whole(a, b, wide)), 0
        a, b = _in_chunks(ranks, op, a, b, lengths)
        starts = chunked(lengths)
        owners = [r for r in range(ranks.size) if starts[r] < starts[r + 1]] or [0]
        result = torch.empty((a.shape[0], b.shape[1]), dtype=dtype, device=a.device)
        if ranks.rank in owners and result.numel():
            before, behind = _beside(owners, ranks.rank)
            most = max(1, -(-max(b - a for a, b in pairwise(starts)) // KC))
            sent = []
            for i, j, total in _totals(ranks, op, a, b, before, most):
                if behind is None:
                    result[i:j] = finished(total)
                else:
                    sent.append(_handed(ranks, op, total.contiguous(), behind))
            ranks.finish(op, [work for work, _ in sent])
        return result, owners[-1]


def _totals(
    ranks: Ranks, op: str, a: torch.Tensor, b: torch.Tensor, before: int | None, most: int
) -> Iterator[tuple[int, int, torch.Tensor]]:
    """Rows i to j of the sum of all chunks so far. before: the rank that has the chunks before this one's. most: chunks
    that a rank has at most."""
    (m, n), wide = (a.shape[0], b.shape[1]), WIDE[a.dtype]
    for i, j in _rows(m, n * wide.itemsize * most, PIECE):
        pieces = [(i + s, i + t) for s, t in _rows(j - i, n * wide.itemsize, MESSAGE)]
        coming = []
        if before is not None:  # what arrives does so while chunks are computed
            into = [torch.empty((t - s, n), dtype=wide, device=a.device) for s, t in pieces]
            coming = [(x, ranks.receive(op, x, before)) for x in into]
        chunks = _chunks(a[i:j], b, wide) if coming else (_whole(a[i:j], b, wide),)
        for number, (s, t) in enumerate(pieces):
            its = [chunk[s - i : t - i] for chunk in chunks]
            if coming:
                x, work = coming[number]
                ranks.finish(op, [work])
                its.insert(0, x)
            yield s, t, _added(its)


def _whole(a: torch.Tensor, b: torch.Tensor, wide: torch.dtype) -> torch.Tensor:
    made: torch.Tensor = accel.matmul(a, b, dtype=str(wide).removeprefix("torch."))
    return made


def _chunks(a: torch.Tensor, b: torch.Tensor, wide: torch.dtype) -> tuple[torch.Tensor, ...]:
    """The result of each chunk of k."""
    ends = [min(a.shape[1], c + KC) for c in range(0, a.shape[1], KC)]
    made: torch.Tensor = accel.nn.grouped_matmul(a, b, offs=ends, dtype=str(wide).removeprefix("torch."))
    return made.unbind(0)


def _beside(owners: list[int], rank: int) -> tuple[int | None, int | None]:
    """The ranks that a partial result comes from, and goes to."""
    place = owners.index(rank)
    return (owners[place - 1] if place else None), (owners[place + 1] if place + 1 < len(owners) else None)


def _rows(m: int, row: int, most: int) -> Iterator[tuple[int, int]]:
    """m rows of so many bytes in parts of at most so many bytes, and of one row at least: the same on all ranks."""
    step = max(1, most // max(1, row))
    for i in range(0, m, step):
        yield i, min(m, i + step)


def _added(its: list[torch.Tensor]) -> torch.Tensor:
    """Tensors of one shape, added from the first to the last."""
    together = its[0].numel() >= FUSED
    while len(its) > 1:
        front = its[: 1 + (8 if together else 1)]
        its = [_fold(*front) if together else accel.add(*front), *its[len(front) :]]
    return its[0]


@accel.fuse
def _fold(total: Any, *others: Any) -> Any:
    for each in others:
        total = total + each
    return total


def _in_chunks(
    ranks: Ranks, op: str, a: torch.Tensor, b: torch.Tensor, lengths: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """A rank's operands of whole chunks: it gets what its last chunk lacks from the ranks behind it."""
    have, want = starts_of(lengths), chunked(lengths)
    if have == want:
        return a, b
    rank, m, n = ranks.rank, a.shape[0], b.shape[1]

    def meeting(source: int, target: int) -> tuple[int, int]:
        i, j = max(have[source], want[target]), min(have[source + 1], want[target + 1])
        return i - have[source], max(i, j) - have[source]

    works, kept = [], []
    for target in range(rank):
        i, j = meeting(rank, target)
        if i < j:
            kept.append(torch.cat([a[:, i:j].reshape(-1), b[i:j].reshape(-1)]))
            works.append(ranks.send(op, kept[-1], target))
    i, j = meeting(rank, rank)
    columns, rows = [a[:, i:j]], [b[i:j]]
    for source in range(rank + 1, ranks.size):
        i, j = meeting(source, rank)
        if i < j:
            kept.append(a.new_empty((j - i) * (m + n)))
            works.append(ranks.receive(op, kept[-1], source))
            columns.append(kept[-1][: m * (j - i)].view(m, j - i))
            rows.append(kept[-1][m * (j - i) :].view(j - i, n))
    ranks.finish(op, works)
    return torch.cat(columns, 1), torch.cat(rows)


def total(ranks: Ranks, op: str, x: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
    """The sum along axis 0 on all ranks by rule 2, in accumulators, where each rank has a part of the axis.

    lengths: of each rank's part. A rank whose part ends within a block sends its 64 lanes to the next one, 64 times the
    bytes of the result; results of blocks go to all.
    """
    with exactly():
        x = x.to(WIDE[x.dtype])
        if ranks.size == 1:
            return _summed(x)
        starts = starts_of(lengths)
        n, at, end = starts[-1], starts[ranks.rank], starts[ranks.rank + 1]
        if n == 0:
            return _summed(x)
        made: list[torch.Tensor] = []
        work, coming, lanes = [], None, x.new_empty((LANES, *x.shape[1:]))
        begun = max(at, end // BLOCK * BLOCK)  # of the block that this part ends in
        if at < end and at % BLOCK:
            coming = ranks.receive(op, lanes, _holder(starts, at - 1))
        stop = min(end, -(-at // BLOCK) * BLOCK)  # of the block that this part begins in, where that is another's too
        open_end = at < end and end < n and end % BLOCK != 0
        behind = begun if begun >= stop else end
        if open_end and begun >= stop:  # first, as others wait for it
            work.append(_handed(ranks, op, _lanes(None, x[begun - at :], begun), _holder(starts, end)))
        if coming is not None:
            ranks.finish(op, [coming])
            its = _lanes(lanes, x[: stop - at], at)
            if stop % BLOCK == 0 or stop == n:
                made.append(_summed(its))
            else:
                work.append(_handed(ranks, op, its, _holder(starts, end)))
        if stop < behind:
            made += _summed(x[stop - at : behind - at].unflatten(0, (-1, BLOCK)), axis=1).unbind(0)
        if behind < end and not open_end:
            made.append(_summed(x[behind - at :]))
        ranks.finish(op, [its for its, _ in work])
        ends = [min(n, b + BLOCK) - 1 for b in range(0, n, BLOCK)]
        counts = [sum(starts[r] <= e < starts[r + 1] for e in ends) for r in range(ranks.size)]
        mine = torch.stack(made) if made else x.new_empty((0, *x.shape[1:]))
        return _summed(ranks.gathered(op, mine, counts))


def _summed(x: torch.Tensor, axis: int = 0) -> torch.Tensor:
    made: torch.Tensor = accel.sum(x, axis=axis)
    return made


def _holder(starts: Sequence[int], place: int) -> int:
    """The rank that has an element."""
    return next(r for r in range(len(starts) - 1) if starts[r] <= place < starts[r + 1])


def _handed(ranks: Ranks, op: str, x: torch.Tensor, rank: int) -> tuple[Any, torch.Tensor]:
    """A tensor on its way, which has to stay until it has arrived."""
    return ranks.send(op, x, rank), x


def _lanes(before: torch.Tensor | None, x: torch.Tensor, place: int) -> torch.Tensor:
    """The 64 lanes of a block after elements of x, of which the first one's place is given. −0 stands where a lane has
    no element."""
    front = place % LANES
    rows = -(-(front + x.shape[0]) // LANES)
    padded = x.new_full((rows * LANES, *x.shape[1:]), -0.0)
    padded[front : front + x.shape[0]] = x
    made, *others = padded.unflatten(0, (rows, LANES)).unbind(0)
    if before is not None:
        made = accel.add(before, made)
    for other in others:
        made = accel.add(made, other)
    return made.contiguous()
