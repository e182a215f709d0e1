"""Graphs that differ in lengths and strides alone are grouped once: what a group is depends on which of these are
equal, 0 or 1, and on no other number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..cache import Cache
from ..conversion import is_range
from ..layout import Layout, layout
from .fit import Group, Limit
from .graph import Graph, Read
from .group import groups
from .placing import placed
from .program import Inexpressible, Work, is_emitted, work


@dataclass(frozen=True)
class Part:
    """A group of a graph, and its call. work: None where its primitive has no parameters for it, as `why` says."""

    group: Group
    work: Work | None
    why: str = ""


_known: Cache[Any, tuple[list[Part], dict[int, int]]] = Cache(1 << 9)
"""By form: the parts of the first graph that had it, and its numbers."""


def forget() -> None:
    """Drops all parts (tests)."""
    _known.clear()


def parts(graph: Graph, alone: frozenset[str], limits: Mapping[str, Limit]) -> list[Part]:
    """The graph's nodes in groups, in order, each with its call."""
    if limits:  # which are what a kernel said of these layouts
        return made(graph, alone, limits)
    key, numbers = form(graph, alone)
    found = _known.find(key)
    if found is not None:
        return list(_taken_over(graph, *found, numbers))
    its = made(graph, alone, limits)
    if not any(part.group.boxes for part in its):  # places in a join are sums of products of its numbers
        _known.keep(key, (its, numbers))
    return its


def made(graph: Graph, alone: frozenset[str], limits: Mapping[str, Limit]) -> list[Part]:
    """The same, whatever graphs there have been."""
    return [_part(graph, group) for group in placed(graph, groups(graph, alone, limits), alone)]


def _part(graph: Graph, group: Group) -> Part:
    try:
        return Part(group, work(graph, group))
    except Inexpressible as error:
        return Part(group, None, str(error))


def form(graph: Graph, alone: frozenset[str]) -> tuple[Any, dict[int, int]]:
    """What graphs have in common that differ in lengths, strides and offsets alone, of which the same are equal; and a
    graph's own numbers, each with its place among them. 0 and 1 come first."""
    numbers = {0: 0, 1: 1}
    layouts: dict[Layout, int] = {}
    shapes: list[Any] = []

    def number(n: int) -> int:
        return numbers.setdefault(n, len(numbers))

    def numbered(its: Layout) -> int:
        found = layouts.get(its)
        if found is None:
            found = layouts[its] = len(shapes)
            shapes.append((its.dtype, its.device, *map(number, its.shape), *map(number, its.strides)))
        return found

    nodes: list[Any] = []
    for node in graph.nodes:
        nodes += (node.spec, node.inferred, len(node.reads), len(node.outputs))
        for read in node.reads:
            nodes += (read.value, numbered(read.layout), number(read.offset))
        nodes += map(numbered, node.outputs)
    own = [numbered(its) for its in graph.inputs]
    own += [~numbered(x.layout) if is_range(x) else numbered(x.layout) for x in graph.constants]
    results = [x for read in graph.results for x in (read.value, numbered(read.layout), number(read.offset))]
    return (alone, len(own), *own, *nodes, *results, *shapes), numbers


def _taken_over(graph: Graph, known: list[Part], before: dict[int, int], numbers: dict[int, int]) -> Iterator[Part]:
    """The parts of a graph of which one of the same form has these, and those numbers."""
    to = dict(zip(before, numbers, strict=True))
    layouts: dict[Layout, Layout] = {}

    def seen(read: Read) -> Read:
        its = read.layout
        found = layouts.get(its)
        if found is None:
            shape, strides = (tuple([to[n] for n in each]) for each in (its.shape, its.strides))
            found = layouts[its] = layout(its.dtype, shape, strides, its.device)
        return Read(read.value, found, to[read.offset])

    for part in known:
        group = replace(part.group, lengths=[to[n] for n in part.group.lengths])
        its = part.work
        if its is not None:
            if is_emitted(group):
                its = Work(its.primitive, its.params, tuple(map(seen, its.inputs)), tuple(map(seen, its.outputs)))
            else:  # its parameters may have numbers of their own
                its = work(graph, group)
        yield Part(group, its, part.why)
