"""Composed ops that need whole axes of each operand and compute the places along all others alone: Fourier transforms,
and functions of matrices. One task for each chunk along those others calls the op.

A matrix that is too large for one task is taken apart as its op's body says: factor by factor of 32 columns.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

import dask
from dask.utils import parse_bytes

from ..array import Array, Symbol
from ..layout import Shape
from ..ops.spec import OpSpec
from . import work
from .chunks import Chunks, beside
from .grid import Grid, Layer
from .movement import rechunked, whole
from .parts import grid_of

PAIRS = ("fourier", "fourier_of_reals", "reals_of_fourier")
"""The transforms of the op table: of real parts and imaginary ones."""

MATRICES = ("cholesky", "solve", "inv", "det", "slogdet", "qr", "svd", "svdvals", "eigh", "eigvalsh", "pinv")
"""Functions of matrices, of `accel.linalg`."""

COUNTING = {"cholesky": 1, "solve": 1, "inv": 1, "svd": 3, "svdvals": 1, "eigh": 2, "eigvalsh": 1, "pinv": 1}
"""Which of their results is how many matrices were refused."""


def attempt(spec: OpSpec, inputs: tuple[Array, ...], params: Any) -> tuple[Grid, ...] | None:
    """The results of an op that needs whole axes; None for any other, and for matrices too large for one task."""
    transform = spec.namespace == "fft" or spec.name in PAIRS
    if not transform and (spec.namespace != "linalg" or spec.name not in MATRICES):
        return None
    outputs = spec.infer(tuple(x.layout for x in inputs), params).outputs
    if transform:
        return _transformed(spec, inputs, params, outputs)
    return _matrices(spec, inputs, params, outputs)


def _transformed(spec: OpSpec, inputs: tuple[Array, ...], params: Any, outputs: Any) -> tuple[Grid, ...]:
    axes = _axes(params.keywords, inputs[0].ndim)
    grids = [whole(grid_of(x), axes) for x in inputs]
    grids = [rechunked(x, grids[0].chunks) for x in grids]
    cut = tuple(() if a in axes else lengths for a, lengths in enumerate(grids[0].chunks))
    return _called(spec, params, grids, [(shape, dtype, cut) for shape, dtype in outputs])


def _axes(keywords: dict[str, Any], ndim: int) -> Shape:
    """The axes of a transform, from 0 on; they are known to be right."""
    if "axis" in keywords:
        return (keywords["axis"] % ndim,)
    axes, lengths = keywords["axes"], keywords["s"]
    if axes is None:
        return tuple(range(ndim - (ndim if lengths is None else len(lengths)), ndim))
    return tuple(a % ndim for a in axes)


def _matrices(spec: OpSpec, inputs: tuple[Array, ...], params: Any, outputs: Any) -> tuple[Grid, ...] | None:
    batch = inputs[0].shape[:-2]
    small = inputs[1:] if spec.name == "pinv" else ()  # a tolerance for each matrix, or one
    if any(x.shape[:-2] != batch or x.ndim < 2 for x in inputs[: len(inputs) - len(small)]):
        return None
    if sum(x.nbytes for x in inputs) // max(1, prod(batch)) > 2 * parse_bytes(dask.config.get("array.chunk-size")):
        return None
    first, *others = (whole(grid_of(x), (x.ndim - 2, x.ndim - 1)) for x in inputs[: len(inputs) - len(small)])
    cut = first.chunks[:-2]
    grids = [first, *(rechunked(x, (*cut, *x.chunks[-2:])) for x in others)]
    for x in small:
        its = grid_of(x)
        grids.append(rechunked(its, tuple(map(beside, its.chunks, cut[len(cut) - len(its.chunks) :]))))
    counting = COUNTING.get(spec.name)
    asked = [(shape, dtype, None if i == counting else cut) for i, (shape, dtype) in enumerate(outputs)]
    return _called(spec, params, grids, asked)


def _called(spec: OpSpec, params: Any, grids: list[Grid], outputs: list[tuple[Any, Any, Any]]) -> tuple[Grid, ...]:
    """The results of calls, each of the operands' chunks at one place. outputs: shape, dtype, and for each axis its
    chunks, () where it is whole, and for those behind; None: a number, to which the calls' are added."""
    told: tuple[Any, ...] = work.composed, spec.name, params.given, params.values
    if spec.namespace == "fft":
        told = work.transformed, spec.name, tuple(params.keywords.items())
    cut: Chunks = next(chunks for _, _, chunks in outputs if chunks is not None)
    places = list(product(*(range(max(1, len(lengths))) for lengths in cut)))
    results = []
    for i, (shape, dtype, axes) in enumerate(outputs):
        its = () if axes is None else axes
        chunks = tuple(its[a] if a < len(its) and its[a] else (n,) for a, n in enumerate(shape))
        layer = Layer(spec.name, chunks, dtype, grids, told[1:], i)
        refs = []
        for place in places:
            given = [x.ref(_at(x, place)) for x in grids]
            if len(outputs) == 1:
                layer.put((*place, *(0,) * (len(shape) - len(place))), *told, *given)
                continue
            made = layer.aside("all", place, *told, *given)
            if axes is None:
                refs.append(layer.aside("count", place, work.one_of, made, i))
            else:
                layer.put((*place, *(0,) * (len(shape) - len(place))), work.one_of, made, i)
        if axes is None:
            layer.put((), work.merged, "sum", dtype.name, *refs)
        results.append(layer.grid())
    return tuple(results)


def _at(x: Grid, place: Shape) -> Shape:
    """The place of an operand's chunk: of what has fewer axes, and of axes of one chunk."""
    behind = (*place, *(0,) * (len(x.chunks) - len(place)))
    behind = behind[len(behind) - len(x.chunks) :] if len(behind) > len(x.chunks) else behind
    return tuple(0 if n == 1 else i for i, n in zip(behind, x.counts, strict=True))


def rechunked_as(spec: OpSpec, inputs: tuple[Array, ...], results: Any) -> Any:
    """Results of a function of matrices that was taken apart, in chunks as its first operand's where they are as
    long: they would have borders at every factor of columns."""
    if spec.namespace != "linalg" or spec.name not in MATRICES or not isinstance(inputs[0].buffer, Symbol):
        return results
    source = grid_of(inputs[0])
    several = results if isinstance(results, tuple) else (results,)
    made = tuple(rechunked(x, _like(x, source)).array() for x in map(grid_of, several))
    return made if isinstance(results, tuple) else made[0]


def _like(x: Grid, source: Grid) -> Chunks:
    known = {sum(lengths): lengths for lengths in reversed(source.chunks)}
    return tuple(known.get(n, (n,)) for n in x.shape)
