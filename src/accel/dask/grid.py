"""A chunked array inside a call: a grid of chunks, each of them the result of a task of Dask's.

A `Grid` stands where an array has its memory, so that accel's own functions run on arrays that have none: what they
call arrives at `recorder.py`, and views are strides, as always.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from functools import cache
from itertools import product
from math import prod
from typing import Any

import numpy as np
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer
from dask.task_spec import Alias, Task, TaskRef
from dask.tokenize import tokenize

from ..array import Array, Symbol
from ..devices import device
from ..dtypes import DType
from ..layout import Shape, layout
from ..memory import Device
from ..parts import pair
from . import work
from .chunks import Chunks, shape_of, starts

Index = tuple[int, ...]

MADE: ContextVar[list[str] | None] = ContextVar("accel.dask.made", default=None)
"""Where the kinds of layers are noted that are made in a context."""


@cache
def stand_in() -> Device:
    """The device that arrays without memory name while a call is described. Each worker computes on its own."""
    return device("cpu")


class Grid(Symbol):
    """Chunks by their places along each axis, row-major; the chunk at a place is the result of the task (name, *place).

    chunks: their lengths along each axis. graph: the tasks, and those of what they are made of.
    """

    __slots__ = ("chunks", "dtype", "graph", "name", "origin")

    over = False
    """As a `Tracer` has it: what is described here does not end."""

    def __init__(self, name: str, chunks: Chunks, dtype: DType, graph: HighLevelGraph | None) -> None:
        self.name, self.chunks, self.dtype, self.graph = name, chunks, dtype, graph
        self.origin: tuple[Grid, int] | None = None  # the complex grid of which this is the real, 0, or other, 1, part

    @property
    def tracer(self) -> Any:
        """Itself: not kept, as a grid in a circle would hold Dask's futures until Python looks for circles."""
        return self

    def __reduce__(self) -> Any:
        return Grid, (self.name, self.chunks, self.dtype, self.graph)

    def where(self) -> str:
        """The end of an error's message: as a `Tracer` has it."""
        return ""

    def unreadable(self) -> str:
        """Why there are no elements."""
        return "the elements of a chunked array are not there before compute(); this needs them to say what follows"

    @property
    def shape(self) -> Shape:
        """Lengths of the axes."""
        return shape_of(self.chunks)

    @property
    def counts(self) -> Shape:
        """Chunks along each axis."""
        return tuple(map(len, self.chunks))

    @property
    def npartitions(self) -> int:
        """Chunks."""
        return prod(self.counts)

    @property
    def largest(self) -> int:
        """Elements of the largest chunk."""
        return prod(max(lengths) for lengths in self.chunks)

    def places(self) -> Iterator[Index]:
        """The places of all chunks, row-major."""
        return product(*map(range, self.counts))

    def lengths(self, place: Index) -> Shape:
        """The shape of a chunk."""
        return tuple(lengths[i] for lengths, i in zip(self.chunks, place, strict=True))

    def ref(self, place: Index) -> TaskRef:
        """A chunk as the argument of a task."""
        return TaskRef((self.name, *place))

    def array(self) -> Array:
        """The array that stands for all of it in a call."""
        if self.dtype.kind == "c":
            return pair(self.part(0).array(), self.part(1).array())
        return Array(self, 0, layout(self.dtype, self.shape, None, stand_in()))

    def part(self, i: int) -> Grid:
        """The real parts, 0, or the imaginary ones, 1."""
        layer = Layer("part", self.chunks, self.dtype.component, (self,), i)
        for place in self.places():
            layer.put(place, work.part, i, self.ref(place))
        made = layer.grid()
        made.origin = self, i
        return made


class Layer:
    """The tasks of one new grid, while they are collected.

    op: begins their names, which dashboards show. sources: the grids that they read. what: all else that says what
    they compute, by which two layers of one name are one.
    """

    def __init__(self, op: str, chunks: Chunks, dtype: DType, sources: Sequence[Grid], *what: Any) -> None:
        noted = MADE.get()
        if noted is not None:
            noted.append(op)
        token = tokenize(chunks, dtype.name, [source.name for source in sources], pickle.dumps(what))
        self.name = f"accel-{op}-{token}"
        self._chunks, self._dtype, self._sources = chunks, dtype, sources
        self._tasks: dict[Any, Any] = {}

    def put(self, place: Index, function: Callable[..., Any], *arguments: Any) -> None:
        """The task of a chunk. Arguments are values, or chunks as `Grid.ref` and others here give them."""
        key = (self.name, *place)
        self._tasks[key] = Task(key, work.named, key, function, *arguments)

    def alias(self, place: Index, ref: TaskRef) -> None:
        """A chunk that is another one."""
        key = (self.name, *place)
        self._tasks[key] = Alias(key, ref.key)

    def aside(self, kind: str, place: Index, function: Callable[..., Any], *arguments: Any) -> TaskRef:
        """A task whose result is no chunk, but what such are made of; kind and place tell it from others."""
        key = (f"accel-{kind}-{self.name}", *place)
        if key not in self._tasks:
            self._tasks[key] = Task(key, work.named, key, function, *arguments)
        return TaskRef(key)

    def cut(self, source: Grid, place: Index, spans: Sequence[tuple[int, int]]) -> TaskRef:
        """A part of a chunk, of which nothing else travels: from where to where along each axis."""
        if all(span == (0, n) for span, n in zip(spans, source.lengths(place), strict=True)):
            return source.ref(place)
        at = tuple(x for i, span in zip(place, spans, strict=True) for x in (i, *span))
        return self.aside(f"cut-{source.name}", at, work.cut, tuple(spans), source.ref(place))

    def grid(self, collections: Sequence[Any] = ()) -> Grid:
        """What was collected. collections: those of Dask's whose tasks it reads, beside its sources."""
        graphs = [(source.graph, (source.name,)) for source in self._sources]
        graphs += [(its.__dask_graph__(), its.__dask_layers__()) for its in collections]
        layers: dict[str, Any] = {}
        dependencies: dict[str, set[str]] = {}
        for graph, _ in graphs:
            layers.update(graph.layers)
            dependencies.update(graph.dependencies)
        dependencies[self.name] = {name for _, names in graphs for name in names}
        layers[self.name] = MaterializedLayer(self._tasks)
        return Grid(self.name, self._chunks, self._dtype, HighLevelGraph(layers, dependencies))


def held(elements: np.ndarray, dtype: DType) -> Grid:
    """Elements that are there already, as one chunk."""
    chunks = tuple((n,) for n in elements.shape)
    layer = Layer("held", chunks, dtype, (), elements)
    place = (0,) * elements.ndim
    layer.put(place, work.chunk, elements, dtype.name)
    return layer.grid()


def begins(x: Grid) -> dict[Index, Shape]:
    """Where each chunk begins, by its place."""
    along = [starts(lengths) for lengths in x.chunks]
    return {place: tuple(each[i] for each, i in zip(along, place, strict=True)) for place in x.places()}
