"""A graph as an ordered list of launches: groups, each with the kernel that the dispatcher chose for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..layout import Layout
from .graph import Graph, Read, called, described
from .group import Group, groups
from .program import Inexpressible, Work, work

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
    most = len(graph.nodes)
    while True:
        made: list[Stage] = []
        refused = 0
        for group in groups(graph, alone, most):
            size = len(group.members)
            try:
                its_work = work(graph, group)
                kernel, why = choose(its_work)
            except Inexpressible as error:
                its_work, kernel, why = None, None, str(error)
            if kernel is None and size > 1:
                refused = max(refused, size)
                break
            made.append(Stage(group, its_work, kernel, "; ".join(filter(None, (group.ended, why)))))  # type: ignore[arg-type]
        if not refused:
            return made
        most = refused // 2


def lines(graph: Graph, made: Sequence[Stage]) -> list[str]:
    """What `accel explain` prints of a compiled composition: a line for each stage."""
    result = []
    for stage in made:
        names = " ".join(called(graph.nodes[m - graph.first]) for m in stage.group.members)
        by = "called" if stage.kernel is None else stage.kernel.name
        written = ", ".join(described(graph.layout(r.value)) for r in stage.work.outputs)
        why = f" [{stage.why}]" if stage.why else ""
        result.append(f"{stage.work.primitive} by {by}: {names} -> {written}{why}")
    return result


def layouts_of(reads: Sequence[Read]) -> tuple[Layout, ...]:
    """The layouts of reads, in order."""
    return tuple(read.layout for read in reads)
