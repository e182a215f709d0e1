"""What the CPU backend aims at, as data: one row for each line of the table. What it is held to is in guards.toml."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from . import matrix, overhead, pointwise, reductions
from .case import Case

PEERS = ("numpy", "torch")
SHARES = {("avx2", "fma_float32"): 0.88, ("avx2", "fma_float64"): 0.88}
"""Shares of the limit that take the place of a row's, by instruction set and kind."""

SQUARES = (64, 128, 256, 512, 1024, 2048, 4096)


@dataclass(frozen=True)
class Row:
    """One row of the table.

    name: what --rows matches. work: in words. cases: makes the cases. aim: the least ratio of the better peer's time
    to accel's, for the geometric mean over the cases (rule "mean") or for each of them ("least"). floor: with "mean",
    the least that a single case should have. limit: the least share of its limit of each case that has one.
    peers: those that count.
    """

    name: str
    work: str
    cases: Callable[[], list[Case]] = field(compare=False)
    aim: float
    rule: str = "least"
    floor: float | None = None
    limit: float | None = None
    peers: tuple[str, ...] = PEERS


def _square(dtype: str, aim: float, sizes: tuple[int, ...], probe: str | None, limit: float | None) -> Row:
    return Row(
        f"matmul-{dtype}",
        f"{dtype} matmul, square {sizes[0]} to {sizes[-1]}, four transpositions",
        partial(matrix.square, dtype, sizes, probe),
        aim,
        "mean",
        floor=0.9,
        limit=limit,
    )


def _few_rows(dtype: str) -> list[Row]:
    weights = "4096x4096 and 4096x14336 weights, both layouts"
    return [
        Row(f"rows-1-{dtype}", f"{dtype}, 1 row, {weights}", partial(matrix.few_rows, dtype, (1,), True), 1, limit=0.9),
        Row(
            f"rows-4-{dtype}",
            f"{dtype}, 4 to 16 rows, {weights}",
            partial(matrix.few_rows, dtype, (4, 8, 16), False),
            2,
        ),
        Row(f"rows-32-{dtype}", f"{dtype}, 32 rows, {weights}", partial(matrix.few_rows, dtype, (32,), False), 1),
    ]


def _reduction(kind: str, dtype: str, aim: float) -> Row:
    return Row(
        kind,
        f"{kind} of {dtype} over first, last, middle and all axes",
        partial(reductions.reduction, kind, dtype),
        aim,
    )


def _overhead(op: str, kind: str) -> Row:
    return Row(
        f"overhead-{op}-{kind.lower()}",
        f"{op} of 4x4 {kind}s, against torch's call",
        partial(overhead.overhead, op, kind),
        1,
        peers=("torch",),
    )


ROWS: tuple[Row, ...] = (
    _square("float32", 1, SQUARES, "fma_float32", 0.92),
    _square("float64", 1, SQUARES, "fma_float64", 0.92),
    _square("bfloat16", 1.8, SQUARES[:-1], None, None),
    _square("float16", 1, SQUARES[:-2], None, None),
    _square("int8", 1, SQUARES[:-1], "vnni_int8", 0.85),
    *_few_rows("float32"),
    *_few_rows("bfloat16"),
    *_few_rows("int8"),
    Row("batched", "float32, 1000 products of 4x4 to 32x32", partial(matrix.batched, (4, 8, 16, 32), 1000), 3),
    Row("linear-gelu", "float32 matmul with bias and gelu in one call", matrix.linear_gelu, 1.2),
    Row(
        "scalar-64K", "every scalar function, 64K elements", partial(pointwise.scalar, 1 << 16, False), 1.2, "mean", 0.9
    ),
    Row(
        "scalar-16M",
        "every scalar function, 16M elements; those under 30 operations against memory",
        partial(pointwise.scalar, 1 << 24, True),
        1.2,
        "mean",
        0.9,
        0.9,
    ),
    Row("broadcast", "add of broadcast and strided operands", pointwise.broadcast, 1.2),
    Row("cast", "casts of 64K and 16M elements", pointwise.casts, 1.2),
    Row("softmax", "softmax over the last axis", partial(reductions.last_axis, "softmax"), 1.5),
    Row("logsumexp", "log-sum-exp over the last axis", partial(reductions.last_axis, "logsumexp"), 1.5),
    _reduction("sum", "float32", 1),
    _reduction("mean", "float32", 1),
    _reduction("max", "float32", 1),
    _reduction("any", "bool", 1),
    _reduction("argmax", "float32", 3),
    _overhead("add", "Array"),
    _overhead("matmul", "Array"),
    _overhead("linear", "Array"),
    _overhead("add", "ndarray"),
    _overhead("matmul", "ndarray"),
    _overhead("linear", "ndarray"),
)
