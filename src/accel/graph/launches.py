"""A compiled composition as one plan: every launch of every group in order, intermediates in scratch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..backends.base import Device, Prepared
from ..plan import Into, Operand, bind, plan
from .compile import Stage
from .graph import Graph, Read


def written(graph: Graph) -> list[int]:
    """The results that nodes compute, each once: the outputs of the graph's plan."""
    return list(dict.fromkeys(read.value for read in graph.results if read.value >= graph.first))


def plain(graph: Graph) -> bool:
    """Whether the plan's outputs are the results as they are: none is an operand, a view, or there twice."""
    own = [Read(value, graph.layout(value)) for value in written(graph)]
    return own == list(graph.results)


def launches(
    graph: Graph, stages: Sequence[Stage], prepare: Callable[[Stage], Prepared], device: Device, into: Into | None
) -> Any:
    """The plan of a graph whose stages all have kernels. It takes the graph's inputs and gives `written`."""
    outputs = {value: i for i, value in enumerate(written(graph))}
    scratch: list[int] = []
    pieces: dict[int, int] = {}  # of intermediates

    def operand(read: Read) -> Operand:
        view = read.layout if read.offset or read.layout is not graph.layout(read.value) else None
        if read.value < len(graph.inputs):
            return Operand("input", read.value, read.offset, view)
        if read.value < graph.first:
            return Operand("constant", graph.constants[read.value - len(graph.inputs)], read.offset, view)
        if read.value in outputs:
            return Operand("output", outputs[read.value], read.offset, view)
        return Operand("scratch", pieces[read.value], read.offset, read.layout)

    steps = []
    for stage in stages:
        for read in stage.work.outputs:
            if read.value not in outputs:
                its = graph.layout(read.value)
                pieces[read.value] = len(scratch)
                scratch.append(its.size * its.dtype.itemsize)
        prepared = prepare(stage)
        ends = map(operand, stage.work.inputs), map(operand, stage.work.outputs)
        steps += bind(prepared, *map(tuple, ends), first=len(scratch))
        scratch += prepared.scratch
    return plan(device, [graph.layout(value) for value in outputs], scratch, steps, into)
