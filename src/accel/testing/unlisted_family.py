"""Examples of ops that have rules for complex numbers and are in no table of real ones: `concat` and `stack`, which
take any number of operands, and the public Fourier transforms. Made of real numbers, as all families' are;
`accel.testing.complex_family` makes complex ones of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

import numpy as np

from .. import registry
from ..dtypes import DType
from ..ops import bounds, concatenation
from ..ops.spec import OpSpec
from .draw import Draw, array, shape
from .families import Edge, Sample, Samples
from .values import values

LENGTHS = (1, 2, 3, 4, 5, 7, 8, 12, 16, 22, 33, 49)
"""Points of drawn transforms."""

EDGES = (1, 2, 7, 8, 96, 101, 121, 202, 256, 331, 512, 1000, 1024)
"""And of fixed ones: radices, products with matrices, convolutions."""

NORMS = ("backward", "ortho", "forward")


def _fixed(dtype: DType, keywords: dict[str, Any], *shapes: tuple[int, ...]) -> Edge:
    def make() -> Sample:
        rng = np.random.default_rng(sum(map(prod, shapes)))
        return Sample(tuple(values(rng, dtype, each, "normal") for each in shapes), keywords)

    return Edge(max(sum(map(prod, shapes)), 1), make)


def concatenations(dtype: DType) -> Samples:
    """Arrays of any layout, as many as there may be, that differ along one axis; or all elements of any."""

    def draw(its: Draw) -> Sample:
        count, whole = its.integer(1, 5), shape(its, most=3, least=1, elements=300)
        if its.once_in(4):
            any_shapes = (shape(its, most=3, elements=50) for _ in range(count))
            return Sample(tuple(array(its, dtype, each) for each in any_shapes), {"axis": None})
        axis = its.integer(-len(whole), len(whole) - 1)
        along = axis % len(whole)
        shapes = [(*whole[:along], its.choice((0, 1, 2, 3, 17)), *whole[along + 1 :]) for _ in range(count)]
        return Sample(tuple(array(its, dtype, each) for each in shapes), {"axis": axis})

    return Samples(
        draw,
        [
            _fixed(dtype, {}, (65,), (1,), (513,)),
            _fixed(dtype, {"axis": -1}, (5, 33), (5, 1), (5, 130)),
            _fixed(dtype, {"axis": 0}, *[(3,)] * 70),
            _fixed(dtype, {"axis": None}, (3, 5), (2,), ()),
            _fixed(dtype, {"axis": 1}, (3, 16), (3, 32)),
        ],
    )


def stacks(dtype: DType) -> Samples:
    """Arrays of one shape and any layout."""

    def draw(its: Draw) -> Sample:
        whole = shape(its, most=3, elements=200)
        operands = tuple(array(its, dtype, whole) for _ in range(its.integer(1, 5)))
        return Sample(operands, {"axis": its.integer(-len(whole) - 1, len(whole))})

    edges = (({}, (513,), 2), ({"axis": -1}, (33, 5), 3), ({"axis": 1}, (3, 7), 40), ({}, (), 3))
    return Samples(draw, [_fixed(dtype, keywords, *[each] * count) for keywords, each, count in edges])


def transforms(dtype: DType) -> Samples:
    """Along an axis, of arrays that are cut, or have zeros behind them, at times."""

    def draw(its: Draw) -> Sample:
        whole = [its.choice((0, 1, 2, 5)) for _ in range(its.integer(0, 2))]
        axis = its.integer(0, len(whole))
        whole.insert(axis, its.choice(LENGTHS[1:]))  # of one element no real numbers follow
        keywords = {"axis": axis - (len(whole) if its.once_in(2) else 0), "norm": its.choice(NORMS)}
        if its.once_in(3):
            keywords["n"] = its.choice(LENGTHS)
        return Sample((array(its, dtype, tuple(whole)),), keywords)

    edges = [_fixed(dtype, {"n": n}, (n,)) for n in EDGES]
    return Samples(draw, [*edges, _fixed(dtype, {"axis": 1}, (2, 90, 5)), _fixed(dtype, {"n": 40, "axis": 0}, (30, 3))])


def several_transforms(dtype: DType) -> Samples:
    """Along several axes, in any order."""

    def draw(its: Draw) -> Sample:
        whole = tuple(its.choice(LENGTHS[1:7]) for _ in range(its.integer(1, 3)))
        axes = its.permutation(range(len(whole)))[: its.integer(1, len(whole))]
        keywords: dict[str, Any] = {"norm": its.choice(NORMS)}
        if its.once_in(2):
            keywords["axes"] = tuple(a - (len(whole) if its.once_in(2) else 0) for a in axes)
            if its.once_in(2):
                keywords["s"] = tuple(its.choice((-1, *LENGTHS[:7])) for _ in axes)
        return Sample((array(its, dtype, whole),), keywords)

    return Samples(draw, [_fixed(dtype, {}, (12, 21)), _fixed(dtype, {"axes": (0, 2), "s": (-1, 9)}, (5, 3, 16))])


FAMILIES: dict[str, Callable[[DType], Samples]] = {
    "concat": concatenations,
    "stack": stacks,
    "conj": lambda dtype: registry.OPS["positive"].samples(dtype),
    **dict.fromkeys(("fft", "ifft", "irfft", "hfft"), transforms),
    **dict.fromkeys(("fftn", "ifftn", "irfftn"), several_transforms),
}


def unlisted() -> dict[str, OpSpec]:
    """Ops with rules for complex numbers that are not in the op table, by name, with their examples. Raises KeyError
    for one that has none here."""
    found: dict[str, OpSpec] = {}
    for spec in registry.COMPLEX:  # first as it is of real numbers, then its rule
        if spec.name not in registry.OPS and spec.name not in found:
            found[spec.name] = _exemplified(spec)
    return found


def _exemplified(spec: OpSpec) -> OpSpec:
    made = replace(spec, samples=FAMILIES[spec.name])
    if spec.name in ("concat", "stack"):
        return replace(made, function=partial(_of_several, getattr(concatenation, spec.name)))
    return replace(made, bits=bounds.unless_fast) if spec.namespace == "fft" else made


def _of_several(function: Callable[..., Any], *arrays: Any, **keywords: Any) -> Any:
    return function(arrays, **keywords)
