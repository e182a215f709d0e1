"""Compositions: the graph of a composed op, and the plan that runs its stages, whose kernels `dispatch.py` chose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from . import registry
from .array import Array
from .backends.base import Device
from .cache import Cache
from .config import Settings, config
from .graph import alike
from .graph.arrange import arranged
from .graph.compile import Stage, assembled, request_of
from .graph.graph import Graph, Read
from .graph.trace import Tracer
from .layout import Layout
from .ops.spec import OpSpec
from .plan import Into, Out, Plan, each, packed, prepare, single

Run = Callable[..., Out]
"""`dispatch.call`: what runs a call of an op."""

_graphs: Cache[tuple[Any, ...], Graph] = Cache(1 << 9)

RECORDER: ContextVar[Any] = ContextVar("accel.recorder", default=None)
"""What takes the place of `dispatch.call` in a context: an object with a method ``call``, such as a `Tracer` or a
`Recorder`. None: nothing does."""


@contextmanager
def recorded_by(recorder: Any) -> Iterator[None]:
    """Calls of this thread go to a recorder inside a with block, and behind it to whatever they went to before. None:
    to the dispatcher, also in a trace."""
    token = RECORDER.set(recorder)
    try:
        yield
    finally:
        RECORDER.reset(token)


def forget() -> None:
    """Drops all graphs (tests)."""
    _graphs.clear()
    alike.forget()


def graph_of(spec: OpSpec, inputs: tuple[Layout, ...], params: Any, alone: frozenset[str] = frozenset()) -> Graph:
    """The graph of a composed op on operands of these layouts. alone: names of ops that are nodes although they are
    composed themselves."""
    key = (spec, params, alone, config.check == "off", *inputs)
    found = _graphs.find(key)
    if found is None:
        found = trace(spec, inputs, params, alone)
        _graphs.keep(key, found)
    return found


def trace(spec: OpSpec, inputs: tuple[Layout, ...], params: Any, alone: frozenset[str] = frozenset()) -> Graph:
    """The same, made anew."""
    tracer = Tracer(inputs, spec.captures)
    tracer.stand_alone(alone)
    try:
        with recorded_by(tracer):
            results = spec.decompose(*tracer.arguments(), params)
    finally:
        tracer.over = True
    return arranged(tracer.graph(each(results)))


def compiled(graph: Graph, made: Sequence[Stage], device: Device, settings: Settings, call: Run, apart: Into) -> Plan:
    """The plan of a graph's stages: their launches, in order, and its checks. apart: asked where outputs are given that
    lie as the graph's results do."""
    if graph.checks:
        return _checking(graph, made, device, settings, call, apart)
    if any(stage.kernel is None for stage in made):
        return _stepwise(graph, made, device, settings, call)
    prepared = [prepare(stage.kernel, request_of(stage.work, device, settings)) for stage in made]

    def into(arrays: Sequence[Array], out: Out) -> Out | None:
        if tuple(x.layout for x in each(out)) != tuple(read.layout for read in graph.results):
            return stored(plan(arrays, None), out, call)
        return apart(arrays, out)

    plan, places = assembled(graph, made, prepared, device, into)
    if places is None:
        return plan

    def seen(arrays: Sequence[Array], out: Out | None) -> Out:
        """Where some results are views, or operands, or one is returned twice."""
        values = [*arrays, *graph.constants, *(each(plan(arrays, None)) if made else ())]
        results = packed(_seen_as(values[at], read) for at, read in zip(places, graph.results, strict=True))
        return results if out is None else stored(results, out, call)

    return seen


def _checking(graph: Graph, made: Sequence[Stage], device: Device, settings: Settings, call: Run, apart: Into) -> Plan:
    """The plan of a graph with checks: operands that the host looks at where they lie before any launch, what launches
    give behind them, and before it is copied to outputs that are given."""
    first = [(c, r) for c, r in dict.fromkeys(graph.looked_at) if device.looked_at and r.value < len(graph.inputs)]
    later = [pair for pair in dict.fromkeys(graph.looked_at) if pair not in first]
    reads = (*graph.returned, *(read for _, read in later))
    plan = compiled(replace(graph, results=reads, checks=()), made, device, settings, call, apart)
    count = len(graph.returned)

    def run(arrays: Sequence[Array], out: Out | None) -> Out:
        for check, read in first:
            check.look(_seen_as(arrays[read.value], read))
        if not later:
            return plan(arrays, out)
        results = each(plan(arrays, None))
        for (check, _), array in zip(later, results[count:], strict=True):
            check.on(array, settings)
        made = packed(results[:count])
        return made if out is None else stored(made, out, call)

    return run


def _stepwise(graph: Graph, made: Sequence[Stage], device: Device, settings: Settings, call: Run) -> Plan:
    """The plan of a composition of which some part has no kernel on its device, and is called as it would be alone."""
    steps = [_step(graph, stage, device, settings, call) for stage in made]
    nothing = [None] * (graph.count - graph.first)

    def run(arrays: Sequence[Array], out: Out | None) -> Out:
        values = [*arrays, *graph.constants, *nothing]
        for step in steps:
            step(values)
        results = packed(_seen_as(values[read.value], read) for read in graph.results)
        return results if out is None else stored(results, out, call)

    return run


def _step(graph: Graph, stage: Stage, device: Device, settings: Settings, call: Run) -> Callable[[list[Any]], None]:
    """What computes a stage's values from earlier ones."""
    work = stage.work
    boxed = bool(stage.group.boxes)

    def room(values: list[Any]) -> Out:
        """Where the stage's results go: parts of joins, which the first stage that writes there allocates."""
        for value in {read.value for read in work.outputs if values[read.value] is None}:
            its = graph.layout(value)
            values[value] = Array(device.allocate(max(1, its.size * its.dtype.itemsize)), 0, its)
        return packed(_seen_as(values[read.value], read) for read in work.outputs)

    if stage.kernel is None:
        (member,) = stage.group.members
        node = graph.node(member)

        def called(values: list[Any]) -> None:
            results = each(call(node.spec, [_seen_as(values[r.value], r) for r in node.reads], node.params, None))
            if boxed:
                stored(packed(results), room(values), call)
                return
            for value, x, its in zip(graph.results_of(member), results, node.outputs, strict=True):
                if x.layout is not its:  # what was computed elsewhere lies otherwise
                    memory = device.allocate(max(1, its.size * its.dtype.itemsize))
                    x = call(registry.OPS["copy"], (x,), None, Array(memory, 0, its))
                values[value] = x

        return called
    prepared = prepare(stage.kernel, request_of(work, device, settings))
    plan = single(device, [read.layout for read in work.outputs], prepared, len(work.inputs), None)

    def launched(values: list[Any]) -> None:
        given = [_seen_as(values[read.value], read) for read in work.inputs]
        if boxed:
            plan(given, room(values))
            return
        for read, result in zip(work.outputs, each(plan(given, None)), strict=True):
            values[read.value] = result

    return launched


def _seen_as(x: Array, read: Read) -> Array:
    """A value as a node, or the caller, sees it."""
    same = x.layout is read.layout and not read.offset
    return x if same else Array(x.buffer, x.offset + read.offset, read.layout)


def stored(results: Out, out: Out, call: Run) -> Out:
    """out, with results copied to it."""
    for result, target in zip(each(results), each(out), strict=True):
        call(registry.OPS["copy"], (result,), None, target)
    return out
