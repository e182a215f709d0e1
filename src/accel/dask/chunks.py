"""Arithmetic of chunks: lengths along each axis, where they begin, and which parts of old ones make up new ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import isnan, lcm, prod
from typing import Any

from dask.array.core import normalize_chunks

from ..dtypes import DType
from ..errors import ArgumentError, ShapeError, shown
from ..layout import Shape

Lengths = tuple[int, ...]
Chunks = tuple[Lengths, ...]

Piece = tuple[int, int, int]
"""A part of a chunk along one axis: its number, and from where to where in it."""


def shape_of(chunks: Chunks) -> Shape:
    """Lengths of the whole axes."""
    return tuple(map(sum, chunks))


def normalized(op: str, chunks: Any, shape: Shape, dtype: DType, previous: Chunks | None = None) -> Chunks:
    """What a user means by chunks, as dask.array has it: a length, a length or lengths for each axis, -1 or None for
    whole axes, "auto", or bytes such as "64 MiB". Raises ShapeError where they are unknown or do not fill the shape,
    ArgumentError."""
    if isinstance(chunks, dict) and previous is not None:
        chunks = {axis % len(shape) if shape else axis: given for axis, given in chunks.items()}
        chunks = tuple(chunks.get(axis, previous[axis]) for axis in range(len(shape)))
    try:
        found = normalize_chunks(chunks, shape, dtype=dtype.numpy, previous_chunks=previous)
    except (ValueError, TypeError, ZeroDivisionError) as error:
        kind = ArgumentError if isinstance(error, TypeError) else ShapeError
        raise kind(f"{op}: chunks: {shown(chunks)} for shape {shape}: {error}") from None
    if any(isinstance(n, float) and isnan(n) for lengths in found for n in lengths):
        raise ShapeError(f"{op}: chunks: {shown(chunks)} has unknown lengths; say how long every chunk is")
    result = tuple(tuple(map(int, lengths)) for lengths in found)
    if any(n < 0 for lengths in result for n in lengths) or shape_of(result) != shape:
        raise ShapeError(f"{op}: chunks: {shown(chunks)} do not add up to shape {shape}")
    return result


def starts(lengths: Lengths) -> Lengths:
    """Where each chunk begins."""
    return tuple(accumulate(lengths[:-1], initial=0))


def borders(lengths: Lengths) -> Lengths:
    """Where chunks end, but the last."""
    return tuple(accumulate(lengths[:-1]))


def between(inner: Sequence[int], n: int) -> Lengths:
    """Lengths of chunks with borders at these places of an axis of length n, of which none is empty."""
    places = sorted({0, n, *(p for p in inner if 0 < p < n)})
    return tuple(b - a for a, b in pairwise(places)) or (n,)


def unified(given: Sequence[Lengths]) -> Lengths:
    """The coarsest chunks that are parts of all of these, which are along one axis."""
    first = given[0]
    if all(other == first for other in given):
        return first
    return between([p for lengths in given for p in borders(lengths)], sum(first))


def beside(own: Lengths, others: Lengths) -> Lengths:
    """The chunks of an axis beside one with others: those, or one of length 1 that meets all of them."""
    return others if sum(own) == sum(others) else (sum(own),)


def aligned(lengths: Lengths, unit: int) -> Lengths:
    """Chunks whose borders are moved on to the next multiple of a unit."""
    return between([-(-p // unit) * unit for p in borders(lengths)], sum(lengths))


def pieces(old: Lengths, new: Lengths) -> list[list[Piece]]:
    """For each new chunk along an axis: the parts of old ones that make it up, at least one."""
    found, at, begin = [], 0, 0
    for n in new:
        made: list[Piece] = []
        left = n
        while left:
            while begin == old[at]:
                at, begin = at + 1, 0
            taken = min(left, old[at] - begin)
            made.append((at, begin, begin + taken))
            begin, left = begin + taken, left - taken
        found.append(made or [(at, begin, begin)])
    return found


def merged(old: Chunks, new: Shape, elements: int) -> tuple[Chunks, Chunks]:
    """How axes that become others, with as many elements, are chunked before and after: only the first of either is
    cut, so that each chunk is one run of elements. elements: of a chunk now."""
    shape = shape_of(old)
    if prod(shape) == 1:
        return tuple((1,) for _ in shape), tuple((1,) for _ in new)
    first = next((a for a, n in enumerate(shape) if n > 1), 0)
    target = next((a for a, n in enumerate(new) if n > 1), 0)
    inner, outer = prod(shape[first + 1 :]), prod(new[target + 1 :])
    unit = lcm(inner, outer)
    total = prod(shape)
    if all(len(lengths) == 1 for lengths in old[first + 1 :]):
        inside = [-(-p * inner // unit) * unit for p in borders(old[first])]
    else:
        step = max(1, elements // unit) * unit
        inside = list(range(step, total, step))
    runs = between(inside, total)

    def cut(axes: Shape, at: int, each: int) -> Chunks:
        return tuple(tuple(n // each for n in runs) if a == at else (n,) for a, n in enumerate(axes))

    return cut(shape, first, inner), cut(new, target, outer)
