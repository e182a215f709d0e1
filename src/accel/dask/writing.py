"""Elements that are stored or combined where integers say.

Each chunk of what is written to takes all rows of values and all cells, and keeps those that are its own: a cell's rows
stay in order, so that the order of rule 2 of docs/numerics.md is that of one array.
"""

from __future__ import annotations

from dataclasses import replace

from ..ops.parameters import Scatter, scattered_operands
from . import work
from .chunks import unified
from .grid import Grid, begins
from .movement import rechunked, whole
from .parts import grid_of
from .recorder import RULES, Call


def scatter(call: Call) -> tuple[Grid, ...]:
    """The rule of the primitive ``scatter``."""
    params: Scatter = call.inferred.params
    grids = [grid_of(x) for x in call.inputs]
    base, values, cells, sources = scattered_operands(grids, params)
    assert base is not None  # a store has an out, which `Recorder.call` makes the base
    numbers = [whole(x, (0,)) for x in (cells, sources) if x is not None]
    chunks = list(base.chunks)
    along = list(values.chunks)
    for axis, to in enumerate(params.walks):
        if to >= 0:
            chunks[axis] = along[to] = unified([chunks[axis], along[to]])
    base, values = rechunked(base, tuple(chunks)), whole(rechunked(values, (values.chunks[0], *along[1:])), (0,))
    counted = tuple(axis for axis, to in enumerate(params.walks) if to < 0)
    walked = [axis for _, axis in sorted((to, axis) for axis, to in enumerate(params.walks) if to >= 0)]
    lengths = tuple(base.shape[a] for a in counted)
    layer = call.layer(base.chunks, (base, values, *numbers, *(x for _, x in call.checks)))
    refs = [x.ref((0,)) for x in numbers]
    for i, (check, x) in enumerate(call.checks):
        positions = [x.ref(place) for place in x.places()]
        refs[0] = layer.aside("look", (i,), work.looked, check, refs[0], *positions)
    for place, begin in begins(base).items():
        its = replace(params, shape=base.lengths(place), ascending=params.ascending and base.npartitions == 1)
        given = [base.ref(place), values.ref((0, *(place[a] for a in walked))), *refs]
        layer.put(place, work.scattered, call.spec.name, its, lengths, tuple(begin[a] for a in counted), *given)
    return (layer.grid(),)


RULES["scatter"] = scatter
