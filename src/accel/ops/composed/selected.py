"""Windows that no strides make: their elements are selected by a table of places."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import prod

import numpy as np

from ...array import Array
from ...conversion import constant, table
from ...dtypes import INT64
from ..primitive.gather import gathered
from ..primitive.pointwise import astype, fn
from ..primitive.reduce import argmax, max, sum
from ..views import broadcast_to, reshape

Places = Sequence[np.ndarray]
"""For each axis the places of the windows' elements, (windows, elements). Windows of fewer elements repeat one."""


def selected(x: Array, places: Places) -> tuple[Array, Array]:
    """The elements of windows of the last axes of x, in row-major order along a new last axis, and the table of their
    places in row-major order over these axes."""
    axes = len(places)
    lead, lengths = x.shape[: x.ndim - axes], x.shape[x.ndim - axes :]
    counts = tuple(its.shape[0] for its in places)
    size = prod(its.shape[1] for its in places)

    def make() -> np.ndarray:
        steps = [prod(lengths[a + 1 :]) for a in range(axes)]
        spread = []
        for a, (its, step) in enumerate(zip(places, steps, strict=True)):
            shape = [1] * (2 * axes)
            shape[a], shape[axes + a] = its.shape
            spread.append((its * step).reshape(shape))
        return reduce(np.add, spread).reshape(-1, size).astype(np.int64)  # type: ignore[no-any-return]

    key = ("windows", lengths, *((its.shape, its.tobytes()) for its in places))
    numbers = table(key, make, x.device)
    flat = reshape(x, (*lead, prod(lengths)))
    index = numbers.view((*(1,) * len(lead), numbers.size), (*(0,) * len(lead), 1))
    found = gathered("gather", flat, [index], (*range(len(lead)), -1), [None])
    return reshape(found, (*lead, *counts, size)), reshape(numbers, (*counts, size))


def largest(x: Array, places: Places) -> Array:
    """The largest element of each window."""
    its, _ = selected(x, places)
    result: Array = max(its, axis=-1)
    return result


def first_largest(x: Array, places: Places) -> tuple[Array, Array]:
    """The largest element of each window, and the place of the first one."""
    its, numbers = selected(x, places)
    at = argmax(its, axis=-1)[..., None]
    whole = (*its.shape[: its.ndim - numbers.ndim], *numbers.shape)
    walks = (*range(len(whole) - 1), -1)
    where = gathered("gather", broadcast_to(numbers, whole), [astype(at, INT64, copy=False)], walks, [None])
    return max(its, axis=-1), where[..., 0]


def averages(x: Array, places: Places, lengths: Sequence[np.ndarray]) -> Array:
    """The sum of each window's elements by rule 2, over their number. lengths: along each axis how many of them there
    are; those behind are skipped."""
    its, _ = selected(x, places)
    axes, size = len(places), its.shape[-1]
    counts = reduce(np.multiply, np.ix_(*lengths))
    if (counts != size).any():

        def make() -> np.ndarray:
            inside = np.ones((1,) * (2 * axes), bool)
            for a, (p, n) in enumerate(zip(places, lengths, strict=True)):
                shape = [1] * (2 * axes)
                shape[a], shape[axes + a] = p.shape
                inside = inside & (np.arange(p.shape[1]) < n[:, None]).reshape(shape)
            return inside.reshape(*counts.shape, size)

        key = ("inside", size, *((p.shape, n.tobytes()) for p, n in zip(places, lengths, strict=True)))
        inside = table(key, make, x.device)
        its = fn.where(inside, its, constant(-0.0, its.dtype, its.device))
    key = ("divisors", counts.shape, counts.tobytes(), x.dtype.name)
    result: Array = sum(its, axis=-1) / table(key, lambda: counts.astype(x.dtype.numpy), x.device)
    return result
