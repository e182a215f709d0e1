"""Batch invariance: what stands beside a row, its place in the batch and the batch's size change no bit of its result.

Which axis of a result is a batch is not declared. It follows from the exact answers: where those of a part of the
operands' rows are that part of the answers, the device's bits must be, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import accel
from accel import registry
from accel.conversion import from_numpy
from accel.dtypes import FLOAT32
from accel.testing import compare
from accel.testing.draw import Draw

EXAMPLES, ENOUGH = 60, 8

PLACES = "a number depends on its place in the result"
WHOLE = "each result needs all operands"
NO_BATCH = {
    "affine_grid": "its size says how many rows there are",
    "allclose": WHOLE,
    "compact": WHOLE,
    "corrcoef": WHOLE,
    "cov": WHOLE,
    "grouped_matmul": "its counts say how many rows there are",
    "join": "its first operand has the result's shape",
    "pad": "its examples have new rows on every axis",
    **dict.fromkeys(
        (
            "bernoulli",
            "binomial_attempt",
            "exponential",
            "gamma_attempt",
            "geometric",
            "integers",
            "law",
            "lognormal",
            "normal",
            "poisson_attempt",
            "race",
            "triangular",
            "truncated_normal",
            "uniform",
            "words",
        ),
        PLACES,
    ),
}
NO_BATCH = {f"random_{name}" if reason is PLACES else name: reason for name, reason in NO_BATCH.items()}
"""Ops of which no example has an axis of independent rows, and why."""

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def answers(function: Any, operands: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[np.ndarray, ...]:
    found = function(*operands, **keywords)
    return tuple(map(compare.fetch if isinstance(found, accel.Array) else np.asarray, _several(found)))


def _several(found: Any) -> tuple[Any, ...]:
    return found if isinstance(found, tuple) else (found,)


def cuts(operands: tuple[Any, ...], axis: int, rows: int, part: slice) -> Iterator[tuple[Any, ...]]:
    """The operands with a part of the rows: of each that has so many on the axis, then of those with most axes only."""
    most = max(x.ndim for x in operands if isinstance(x, np.ndarray))
    at = (*(slice(None),) * axis, part)
    for least in (axis + 1, most) if most > axis + 1 else (most,):
        has = [isinstance(x, np.ndarray) and x.ndim >= max(least, 2) and x.shape[axis] == rows for x in operands]
        if any(has):
            yield tuple(x[at] if its else x for x, its in zip(operands, has, strict=True))


def differ(
    function: Any, operands: tuple[Any, ...], mine: tuple[Any, ...], keywords: dict[str, Any], axis: int, part: slice
) -> bool:
    """Whether the bits of a part of the operands are others than that part's of all."""
    at = (*(slice(None),) * axis, part)
    device = accel.device("cpu")
    whole, alone = (
        answers(
            function,
            tuple(from_numpy(x, device, copy=True) if isinstance(x, np.ndarray) else x for x in given),
            keywords,
        )
        for given in (operands, mine)
    )
    pairs = [(x[at], y) for x, y in zip(whole, alone, strict=True) if x.ndim > axis]
    return any(compare.differing(np.ascontiguousarray(x), y).any() for x, y in pairs)


def independent(
    spec: Any, operands: tuple[Any, ...], keywords: dict[str, Any], axis: int
) -> Iterator[tuple[Any, slice]]:
    """Operands with a part of the rows of an axis, and the part, where the exact answers say that these are alone. They
    do not say so of rows that are all the same one."""
    with np.errstate(all="ignore"):
        whole = answers(spec.reference, operands, keywords)
        sizes = {x.shape[axis] for x in whole if x.ndim > axis}
        if len(sizes) != 1 or (rows := sizes.pop()) < 2 or not whole[0].size:
            return
        arrays = [x for x in operands if isinstance(x, np.ndarray) and x.ndim > axis]
        if not any(x.shape[axis] == rows and x.strides[axis] for x in arrays):
            return
        for part in (slice(0, 1), slice(1, None)):
            at = (*(slice(None),) * axis, part)
            for mine in cuts(operands, axis, rows, part):
                try:
                    spec.function(*mine, **keywords)
                    alone = answers(spec.reference, mine, keywords)
                except (accel.errors.AccelError, ValueError, IndexError, np.linalg.LinAlgError):
                    continue
                pairs = [(x[at], y) for x, y in zip(whole, alone, strict=True) if x.ndim > axis]
                if all(x.shape == y.shape and _alike(x, y) for x, y in pairs):
                    yield mine, part
                    break


def _alike(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether exact answers are the same: zeros that other rows make have another sign."""
    if not np.allclose(x, y, 1e-9, 0, equal_nan=True):
        return False
    zeros = (x == 0) & (x.dtype.kind == "f")
    return bool(np.array_equal(np.signbit(x[zeros].real), np.signbit(y[zeros].real)))


def parts_seen(spec: Any, function: Any) -> tuple[int, int]:
    """Parts of rows that are alone, and those whose bits differ."""
    samples, seen, wrong = spec.samples(FLOAT32 if FLOAT32 in spec.dtypes else spec.dtypes[0]), 0, 0
    for number in range(EXAMPLES):
        sample = samples.draw(Draw.seeded(number))
        arrays = [x for x in sample.operands if isinstance(x, np.ndarray)]
        if sample.period or max((x.ndim for x in arrays), default=0) < 2:
            continue
        for axis in (0, 1):
            for mine, part in independent(spec, sample.operands, sample.keywords, axis):
                seen += 1
                wrong += differ(function, sample.operands, mine, sample.keywords, axis, part)
        if seen >= ENOUGH:
            break
    return seen, wrong


@pytest.mark.parametrize("name", sorted(registry.OPS))
def test_rows_do_not_depend_on_their_batch(name):
    spec = registry.OPS[name]
    seen, wrong = parts_seen(spec, spec.function)
    assert not wrong, f"{wrong} of {seen} parts of rows"
    assert bool(seen) != (name in NO_BATCH), f"{seen} parts of rows"


def test_an_order_that_depends_on_the_batch_would_be_seen():
    """Products whose terms are added from the other end where there is an even number of rows."""

    def either_way(a, b, **keywords):
        if a.ndim < 2 or b.ndim < 2 or a.shape[0] % 2:
            return accel.matmul(a, b, **keywords)
        return accel.matmul(a[..., ::-1], b[..., ::-1, :], **keywords)

    seen, wrong = parts_seen(registry.OPS["matmul"], either_way)
    assert 0 < wrong < seen
