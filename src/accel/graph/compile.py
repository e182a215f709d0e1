"""A graph as an ordered list of launches: groups, each with the kernel that the dispatcher chose for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..backends.base import Call, Device, Launch, Prepared
from ..config import Settings
from ..errors import AccelError
from ..layout import Layout
from ..plan import Into, Operand, bind, plan
from .alike import parts
from .fit import Group, Limit
from .graph import Graph, Read, called, described
from .program import Work

Choice = tuple[Any, str]
"""The kernel that serves a work, or None, and why the others, or all, do not."""


@dataclass(frozen=True)
class Stage:
    """One step of a compiled composition. kernel: what computes `work`; None: the group's one node is called like any
    other op. why: what kept its values out of other groups, and what kernels refused."""

    group: Group
    work: Work
    kernel: Any
    why: str


def stages(graph: Graph, choose: Callable[[Work], Choice], alone: frozenset[str] = frozenset()) -> list[Stage]:
    """The steps that compute a graph, in order. choose: see `Choice`. A group that every kernel refuses is cut in two,
    and what remains alone and has no kernel is called."""
    limits: dict[str, Limit] = {}
    while (made := _attempt(graph, choose, alone, limits)) is None:
        pass
    return made


def _attempt(
    graph: Graph, choose: Callable[[Work], Choice], alone: frozenset[str], limits: dict[str, Limit]
) -> list[Stage] | None:
    """The steps, or None where a group of several nodes is refused: then its kind may have half as many."""
    made: list[Stage] = []
    for part in parts(graph, alone, limits):
        group, its_work = part.group, part.work
        size = len(group.members)
        kernel, why = (None, part.why) if its_work is None else choose(its_work)
        if kernel is None and size > 1:
            before = limits.get(group.kind)
            if before is not None and size > before.most:
                raise AccelError(f"a group of {size} nodes, where {before.most} are the most: {calls_of(graph, group)}")
            limits[group.kind] = Limit(size // 2, why)
            return None
        made.append(Stage(group, its_work, kernel, "; ".join(filter(None, (group.ended, why)))))
    return made


def lines(graph: Graph, made: Sequence[Stage], tiles: Sequence[str | None]) -> list[str]:
    """What `accel explain` prints of a compiled composition: a line for each stage. tiles: what is to be said of those
    of each stage's kernel."""
    result = []
    for stage, told in zip(made, tiles, strict=True):
        names = calls_of(graph, stage.group)
        by = "called" if stage.kernel is None else stage.kernel.name
        values = dict.fromkeys(r.value for r in stage.work.outputs)
        written = ", ".join(described(graph.layout(value)) for value in values)
        why = "".join(f" [{text}]" for text in (stage.why, told) if text)
        result.append(f"{stage.work.primitive} by {by}: {names} -> {written}{why}")
    return result


def calls_of(graph: Graph, group: Group) -> str:
    """The calls of a group's nodes."""
    return " ".join(called(graph.node(m)) for m in group.members)


def layouts_of(reads: Sequence[Read]) -> tuple[Layout, ...]:
    """The layouts of reads, in order."""
    return tuple(read.layout for read in reads)


def request_of(work: Work, device: Device, settings: Settings) -> Call:
    """What the kernels of a device are asked for."""
    return Call(work.primitive, layouts_of(work.inputs), layouts_of(work.outputs), work.params, device, settings)


def assembled(
    graph: Graph, made: Sequence[Stage], prepared: Sequence[Prepared], device: Device, into: Into
) -> tuple[Any, list[int] | None]:
    """The plan of a graph, and where its results come from: None where the plan's outputs are the results; else, for
    each result, its place among inputs, constants and the plan's outputs.

    Intermediates are pieces of scratch, of which several share one where their lives do not overlap.
    """
    values = list(dict.fromkeys(read.value for read in graph.results if read.value >= graph.first))
    direct = [read.value for read in graph.results] == values and all(map(_whole(graph), graph.results))
    outputs = [read.layout for read in graph.results] if direct else [graph.layout(v) for v in values]
    places = {v: Operand("output", i) for i, v in enumerate(values)}
    places |= {i: Operand("input", i) for i in range(len(graph.inputs))}
    places |= {i: Operand("constant", x) for i, x in enumerate(graph.constants, len(graph.inputs))}
    sizes: list[int] = []
    launches: list[tuple[Launch, tuple[Operand, ...]]] = []
    pieces = _Pieces(graph, made, sizes)
    for number, (stage, its) in enumerate(zip(made, prepared, strict=True)):
        for read in stage.work.outputs:
            if read.value not in places:
                places[read.value] = Operand("scratch", pieces.take(read.value, number))
        reads = [_operand(places[r.value], r) for r in stage.work.inputs]
        writes = [_operand(places[r.value], r) for r in stage.work.outputs]
        launches += bind(its, reads, writes, len(sizes))
        sizes += its.scratch
    result = plan(device, outputs, sizes, launches, into if direct else None)
    if direct:
        return result, None
    at = {v: graph.first + i for i, v in enumerate(values)}
    return result, [at.get(read.value, read.value) for read in graph.results]


def _whole(graph: Graph) -> Callable[[Read], bool]:
    """Whether a read sees a value as it lies, or its elements in the same order under another shape."""

    def whole(read: Read) -> bool:
        its = graph.layout(read.value)
        return not read.offset and (
            read.layout is its or (read.layout.contiguous and its.contiguous and read.layout.size == its.size)
        )

    return whole


def _operand(place: Operand, read: Read) -> Operand:
    """What a launch is given of a value: an address, for which scratch has to know a dtype."""
    if place.kind == "scratch":
        return Operand("scratch", place.which, read.offset, read.layout)
    return place if not read.offset else Operand(place.kind, place.which, read.offset, read.layout)


class _Pieces:
    """Pieces of scratch for intermediates, each used again when the last stage that reads it has run."""

    def __init__(self, graph: Graph, made: Sequence[Stage], sizes: list[int]) -> None:
        self._graph, self._sizes = graph, sizes
        self._last: dict[int, int] = {}
        for number, stage in enumerate(made):
            for read in (*stage.work.inputs, *stage.work.outputs):
                self._last[read.value] = number
        self._taken: dict[int, int] = {}  # by piece: the number of the last stage that reads what it holds

    def take(self, value: int, number: int) -> int:
        """The piece for a value that a stage writes."""
        its = self._graph.layout(value)
        nbytes = max(1, its.size * its.dtype.itemsize)
        piece = next((p for p, last in self._taken.items() if last < number and self._sizes[p] >= nbytes), None)
        if piece is None:
            piece = len(self._sizes)
            self._sizes.append(nbytes)
        self._taken[piece] = self._last[value]
        return piece
