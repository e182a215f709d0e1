"""The only place that chooses: for one op and one set of operand layouts, which kernel runs, or what runs in its place.

    native kernel whose requirements hold -> decomposition into other ops -> (where allowed, said once) the CPU

The answer is a plan, made once and found again by the identity of op, settings, parameters and layouts.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any

from . import _core, devices, registry
from .array import Array, empty
from .backends.base import Call, Device, Prepared
from .cache import Cache
from .config import Settings, config
from .conversion import from_numpy, on_host, store, to_numpy
from .errors import ArgumentError, DeviceError, UnsupportedError, shown
from .graph.compile import Stage, assembled, layouts_of, lines, request_of, stages
from .graph.graph import Graph, Read
from .graph.program import Work
from .graph.trace import Tracer
from .layout import Layout, Shape, broadcast_strides, common_order, layout, permuted, row_major
from .memory import too_large
from .ops.spec import Inferred, OpSpec, Seen
from .plan import Out, single
from .warn import say, warn

Result = Out
"""An Array, or a tuple of them for an op with several outputs."""

Plan = Callable[[Sequence[Array], Result | None], Result]
Target = Layout | tuple[Layout, ...] | None
"""Layout of what is given as out."""

DECOMPOSITION = "decomposition into other ops"
COMPILED = "compiled composition"
FALLBACK = "fallback to cpu"

ADDRESSES = 1 << 52
"""Bytes that no device has: as many as the largest addresses of processors count."""

_plans: Cache[tuple[Any, ...], Plan] = Cache(1 << 11)
_graphs: Cache[tuple[Any, ...], Graph] = Cache(1 << 9)
_said: set[tuple[str, str, str]] = set()
RECORDER: ContextVar[Any] = ContextVar("accel.recorder", default=None)
"""What calls are told to beside, or instead of, being run: a `Recorder`, or an object whose method ``call`` takes the
place of `call`, as a `Tracer`'s does."""


class FallbackWarning(UserWarning):
    """An operation runs on the CPU because its device cannot run it."""


@dataclass(frozen=True)
class Candidate:
    """One way to serve a call, for `accel explain`: what it is, and why it cannot be used (None: it can).

    more, kernels: the launches of a compiled composition in words, and the names of their kernels."""

    what: str
    source: str
    refusal: str | None
    more: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()


def _call(spec: OpSpec, inputs: Sequence[Array], params: Any, out: Result | None) -> Result:
    """A call whose plan is yet to be made, or that is to be recorded."""
    recorder = RECORDER.get()
    if not isinstance(recorder, (Recorder, NoneType)):
        return recorder.call(spec, inputs, params, out)
    layouts, target = tuple(x.layout for x in inputs), _target_layouts(spec, out)
    adapted = spec.adapt(layouts, params)
    if recorder is not None:
        if isinstance(adapted, Seen):  # the call that it becomes is recorded
            return _seen(spec, adapted)(inputs, out)
        if adapted is None:
            found = _record(recorder, spec, inputs, params)
            if not recorder.run:
                return _imagined(found, spec, inputs, params)
    key = (spec, config.current(), params, target, *layouts)
    plan = _plans.find(key)
    if plan is None:
        if adapted is None:
            plan = _make(spec, layouts, params, target, config.current())
        elif isinstance(adapted, Seen):
            plan = _plan_of_seen(spec, adapted, target, config.current())
        else:
            plan = _composed(adapted)
        _plans.keep(key, plan)
    return plan(inputs, out)


call = _core.Dispatcher(RECORDER, config.scope, config.snapshots, _plans, _call)
"""call(spec, inputs, params=None, out=None): runs an op on arrays of one device and returns its output, a tuple where
it has several; out: write there (to an Array, or a tuple of as many) instead of to fresh arrays. Finds the plan in
`_plans` and runs it; `_call` does the rest."""


def forget() -> None:
    """Drops all plans (tests)."""
    _plans.clear()
    _graphs.clear()
    _said.clear()


def _target_layouts(spec: OpSpec, out: Any) -> Target:
    if out is None or isinstance(out, Array):
        return None if out is None else out.layout
    if not isinstance(out, tuple) or not all(isinstance(x, Array) for x in out):
        raise ArgumentError(f"{spec.name}: out: expected an accel.Array or a tuple of them, got {shown(out)}")
    return tuple(x.layout for x in out)


def _each(out: Any) -> tuple[Any, ...]:
    """The outputs, or their layouts, one or several; none for None."""
    return out if isinstance(out, tuple) else () if out is None else (out,)


def one_device(layouts: Sequence[Layout], op: str) -> Device:
    """The device of all operands. Raises DeviceError where there are two."""
    found = {id(x.device): x.device for x in layouts}
    if len(found) > 1:
        names = " and ".join(str(d) for d in found.values())
        raise DeviceError(f"{op}: operands are on {names}; move one with to_device, nothing moves silently")
    return layouts[0].device


def _destination(spec: OpSpec, device: Device, settings: Settings) -> Device:
    """Where ACCEL_OVERRIDE sends an op; its operands' device where it says nothing."""
    for name, backend in settings.override:
        if name == spec.name and backend != device.backend:
            return devices.backend_device(backend)
    return device


def _make(
    spec: OpSpec,
    inputs: tuple[Layout, ...],
    params: Any,
    out: Target,
    settings: Settings,
    seen: Shape | None = None,
) -> Plan:
    """The plan of a call. seen: the shape of a native kernel's result, where it is not to have the op's own."""
    device = one_device((*inputs, *_each(out)), spec.name)
    inferred = spec.infer(inputs, params)
    if out is not None:
        _check_out(spec, inferred, out)
    target = _destination(spec, device, settings)
    if target is not device:
        plan, what = _elsewhere(spec, params, target), f"override:{target}"
    else:
        plan, what = _local(spec, inputs, params, out, inferred, device, settings, seen)
    return _verbose(spec, inputs, plan, what, device, settings) if settings.verbose else plan


def _check_out(spec: OpSpec, inferred: Inferred, out: Layout | tuple[Layout, ...]) -> None:
    have, want = [f"{x.dtype}{x.shape}" for x in _each(out)], [f"{d}{s}" for s, d in inferred.outputs]
    if have != want or isinstance(out, tuple) != (len(want) > 1):
        kind = "a tuple of " if isinstance(out, tuple) else ""
        raise UnsupportedError(f"{spec.name}: out has {kind}{', '.join(have)}, the result is {', '.join(want)}")


def _local(
    spec: OpSpec,
    inputs: tuple[Layout, ...],
    params: Any,
    out: Target,
    inferred: Inferred,
    device: Device,
    settings: Settings,
    seen: Shape | None,
) -> tuple[Plan, str]:
    """The plan of a call that stays on its device, or falls back, and its name."""
    results = _each(out) or tuple(layout(dtype, shape, None, device) for shape, dtype in inferred.outputs)
    if out is None and (nbytes := max(x.size * x.dtype.itemsize for x in results)) >= ADDRESSES:
        raise too_large(str(device), nbytes, device.memory)  # and no kernel is asked, which counts in 62 bits
    if all(x.size == 0 for x in results):
        nothing = [(x.shape, x.dtype, device) for x in results]
        return (lambda arrays, out: _packed(empty(*x) for x in nothing) if out is None else out), "empty"
    request = Call(spec.primitive, inputs, results, inferred.params, device, settings)
    order = common_order(inputs, results[0].shape) if out is None and spec.keeps_order else None
    if order is not None:
        request = _in_order_of_memory(request, order)
        back = tuple(order.index(axis) for axis in range(len(order)))
        results = tuple(permuted(x, back) for x in request.outputs)
    if seen is not None:
        results = tuple(layout(x.dtype, seen, None, device) for x in results)
    kernel, reason = _choose(request)
    if kernel is not None:
        return single(device, results, _prepared(kernel, request), len(inputs), _into(spec, params)), kernel.name
    if spec.decompose is not None and spec.decomposes(params):
        if settings.fusion == "off" or seen is not None:  # then it is computed on views (`_plan_of_seen`)
            return _composed(lambda *arrays: spec.decompose(*arrays, params)), "decomposition"
        return _compiled(spec, inputs, params, device, settings), "compiled"
    return _fallback(spec, params, device, reason, settings), "fallback:cpu"


def _choose(request: Call) -> tuple[Any, str]:
    """The first kernel that serves a call, or None, and why those before it, or all, do not."""
    refusals = []
    for kernel in registry.kernels(request.device.backend):
        if kernel.op == request.op:
            refusal = _refusal(kernel, request)
            if refusal is None:
                return kernel, "; ".join(refusals)
            refusals.append(f"{kernel.name}: {refusal}")
    return None, "; ".join(refusals) or f"{request.device.backend} has no kernel for {request.op}"


def _prepared(kernel: Any, request: Call) -> Prepared:
    with _core.FloatEnvironment():  # drivers and compilers are loaded, which may leave another one
        return kernel.prepare(request)


def graph_of(spec: OpSpec, inputs: tuple[Layout, ...], params: Any, alone: frozenset[str] = frozenset()) -> Graph:
    """The graph of a composed op on operands of these layouts. alone: names of ops that are nodes although they are
    composed themselves."""
    key = (spec, params, alone, *inputs)
    found = _graphs.find(key)
    if found is None:
        tracer = Tracer(inputs, spec.captures)
        tracer.stand_alone(alone)
        token = RECORDER.set(tracer)
        try:
            results = spec.decompose(*tracer.arguments(), params)
        finally:
            RECORDER.reset(token)
        found = tracer.graph(_each(results))
        _graphs.keep(key, found)
    return found


def _stages(
    spec: OpSpec, inputs: tuple[Layout, ...], params: Any, device: Device, settings: Settings
) -> tuple[Graph, list[Stage]]:
    """The graph of a composed op, and the steps that compute it on a device."""
    alone = frozenset(name for name, backend in settings.override if backend != device.backend)
    graph = graph_of(spec, inputs, params, alone - {spec.name})
    return graph, stages(graph, chooser(device, settings), alone)


def chooser(device: Device, settings: Settings) -> Callable[[Work], tuple[Any, str]]:
    """What finds the kernel for a part of a composition."""

    def choose(work: Work) -> tuple[Any, str]:
        if any(x.size == 0 for x in (*layouts_of(work.inputs), *layouts_of(work.outputs))):
            return None, "there are no elements"
        return _choose(request_of(work, device, settings))

    return choose


def _compiled(spec: OpSpec, inputs: tuple[Layout, ...], params: Any, device: Device, settings: Settings) -> Plan:
    """The plan of a composed op: its graph's launches, in order."""
    graph, made = _stages(spec, inputs, params, device, settings)
    if any(stage.kernel is None for stage in made):
        return _stepwise(graph, made, device, settings)
    prepared = [_prepared(stage.kernel, request_of(stage.work, device, settings)) for stage in made]
    apart = _into(spec, params)

    def into(arrays: Sequence[Array], out: Result) -> Result | None:
        if tuple(x.layout for x in _each(out)) != tuple(read.layout for read in graph.results):
            return _stored(plan(arrays, None), out)
        return apart(arrays, out)

    plan, places = assembled(graph, made, prepared, device, into)
    if places is None:
        return plan

    def seen(arrays: Sequence[Array], out: Result | None) -> Result:
        """Where some results are views, or operands, or one is returned twice."""
        values = [*arrays, *graph.constants, *(_each(plan(arrays, None)) if made else ())]
        results = _packed(_seen_as(values[at], read) for at, read in zip(places, graph.results, strict=True))
        return results if out is None else _stored(results, out)

    return seen


def _stepwise(graph: Graph, made: Sequence[Stage], device: Device, settings: Settings) -> Plan:
    """The plan of a composition of which some part has no kernel on its device, and is called as it would be alone."""
    steps = [_step(graph, stage, device, settings) for stage in made]
    nothing = [None] * len(graph.nodes)

    def run(arrays: Sequence[Array], out: Result | None) -> Result:
        values = [*arrays, *graph.constants, *nothing]
        for step in steps:
            step(values)
        results = _packed(_seen_as(values[read.value], read) for read in graph.results)
        return results if out is None else _stored(results, out)

    return run


def _step(graph: Graph, stage: Stage, device: Device, settings: Settings) -> Callable[[list[Any]], None]:
    """What computes a stage's values from earlier ones."""
    work = stage.work
    if stage.kernel is None:
        (member,) = stage.group.members
        node, its = graph.nodes[member - graph.first], graph.layout(member)

        def called(values: list[Any]) -> None:
            x = call(node.spec, [_seen_as(values[r.value], r) for r in node.reads], node.params)
            if x.layout is not its:  # what was computed elsewhere lies otherwise
                memory = device.allocate(max(1, its.size * its.dtype.itemsize))
                x = call(registry.OPS["copy"], (x,), None, Array(memory, 0, its))
            values[member] = x

        return called
    outputs = [graph.layout(read.value) for read in work.outputs]
    prepared = _prepared(stage.kernel, request_of(work, device, settings))
    plan = single(device, outputs, prepared, len(work.inputs), None)

    def launched(values: list[Any]) -> None:
        results = _each(plan([_seen_as(values[read.value], read) for read in work.inputs], None))
        for read, result in zip(work.outputs, results, strict=True):
            values[read.value] = result

    return launched


def _seen_as(x: Array, read: Read) -> Array:
    """A value as a node, or the caller, sees it."""
    same = x.layout is read.layout and not read.offset
    return x if same else Array(x.buffer, x.offset + read.offset, read.layout)


def _in_order_of_memory(request: Call, order: tuple[int, ...]) -> Call:
    """The same work with its axes in another order, in which the outputs are row-major. Launches are given addresses
    only, so the arrays' own layouts need not follow."""
    output = request.outputs[0]  # all have one shape
    inputs = (layout(x.dtype, output.shape, broadcast_strides(x, output.shape), x.device) for x in request.inputs)
    shape = tuple(output.shape[axis] for axis in order)
    rows = tuple(layout(x.dtype, shape, None, x.device) for x in request.outputs)
    moved = getattr(request.params, "permuted", None)  # of parameters that name axes
    params = moved(order) if moved else request.params
    return replace(request, inputs=tuple(permuted(x, order) for x in inputs), outputs=rows, params=params)


def _refusal(kernel: Any, request: Call) -> str | None:
    for x in (*request.inputs, *request.outputs):
        if (reason := request.device.missing(x.dtype.name)) is not None:
            return reason
    return kernel.supports(request)


def _into(spec: OpSpec, params: Any) -> Callable[[Sequence[Array], Result], Result | None]:
    """What a plan asks where outputs are given: those that overlap an input get it as a copy, those that overlap each
    other are stored one after the other."""

    def into(arrays: Sequence[Array], out: Result) -> Result | None:
        outputs = _each(out)
        if any(_overlap(x, y) for i, x in enumerate(outputs) for y in outputs[:i]):
            return _stored(call(spec, arrays, params), out)
        in_place = spec.primitive == "pointwise" and len(outputs) == 1
        apart = [_apart(x, outputs, in_place) for x in arrays]
        if any(a is not b for a, b in zip(apart, arrays, strict=True)):  # copies have layouts of their own
            return call(spec, apart, params, out)
        return None

    return into


def _apart(source: Array, outputs: Sequence[Array], in_place: bool) -> Array:
    """The source, copied first where it shares memory with an output; but not, in place, where both are the same
    elements."""
    for out in outputs:
        same = source.layout is out.layout and source.offset == out.offset and source.buffer is out.buffer
        if not (in_place and same) and _overlap(source, out):
            return call(registry.OPS["copy"], (source,))
    return source


def _overlap(a: Array, b: Array) -> bool:
    """Whether the buffers of two arrays share bytes."""
    (memory, first, end), (its_memory, its_first, its_end) = (x.device.place(x.buffer) for x in (a, b))
    return memory == its_memory and its_first < end and first < its_end


def _packed(arrays: Iterable[Array]) -> Result:
    """An op's result: one array, or a tuple of several."""
    one, *more = arrays
    return (one, *more) if more else one


def _stored(results: Result, out: Result) -> Result:
    """out, with results copied to it."""
    for result, target in zip(_each(results), _each(out), strict=True):
        call(registry.OPS["copy"], (result,), None, target)
    return out


def _plan_of_seen(spec: OpSpec, seen: Seen, out: Target, settings: Settings) -> Plan:
    """A native kernel's launch takes addresses, so its plan serves the operands as they came; any other plan takes
    views of them."""
    if out is None:
        plan = _make(spec, seen.layouts, seen.params, None, settings, seen.shape)
        if isinstance(plan, _core.Plan):
            return plan
    return _seen(spec, seen)


def _seen(spec: OpSpec, seen: Seen) -> Plan:
    """The plan of the op itself, called on views."""

    def called(*arrays: Array) -> Array:
        views = [x.view(its.shape, its.strides) for x, its in zip(arrays, seen.layouts, strict=True)]
        return call(spec, views, seen.params).view(seen.shape, row_major(seen.shape))

    return _composed(called)


def _composed(function: Callable[..., Result]) -> Plan:
    """The plan of what is computed by further calls."""

    def run(arrays: Sequence[Array], out: Result | None) -> Result:
        result = function(*arrays)
        return result if out is None else _stored(result, out)

    return run


def _elsewhere(spec: OpSpec, params: Any, target: Device) -> Plan:
    """The plan of a call on another device. Elements move as bytes, which takes no op that may itself have to move."""

    def run(arrays: Sequence[Array], out: Result | None) -> Result:
        home = arrays[0].device
        results = call(spec, [from_numpy(on_host(x), target) for x in arrays], params)
        if out is None:
            return _packed(from_numpy(to_numpy(x), home) for x in _each(results))
        for result, its_out in zip(_each(results), _each(out), strict=True):
            store(to_numpy(result), its_out)
        return out

    return run


def _fallback(spec: OpSpec, params: Any, device: Device, reason: str, settings: Settings) -> Plan:
    message = f"{spec.name} on {device}: {reason}"
    if device.backend == "cpu" or settings.fallback == "error":
        forbids = f"; {config.origin('fallback')}=error forbids to run it on the CPU, warn or allow would"
        hint = "" if device.backend == "cpu" else forbids
        raise UnsupportedError(message + hint)
    if settings.fallback == "warn" and (spec.name, str(device), reason) not in _said:
        _said.add((spec.name, str(device), reason))
        warn(f"{message}; it runs on the CPU (said once; see ACCEL_FALLBACK)", FallbackWarning)
    plan = _elsewhere(spec, params, devices.device("cpu"))
    others = tuple(pair for pair in settings.override if pair[0] != spec.name)
    return plan if others == settings.override else _overridden(plan, others)


def _overridden(plan: Plan, override: tuple[tuple[str, str], ...]) -> Plan:
    """A plan that runs under another ACCEL_OVERRIDE: without the one that would send its op back."""

    def run(arrays: Sequence[Array], out: Result | None) -> Result:
        with config(override=override):
            return plan(arrays, out)

    return run


def _verbose(
    spec: OpSpec, inputs: tuple[Layout, ...], plan: Plan, what: str, device: Device, settings: Settings
) -> Plan:
    line = f"accel: {_describe(spec, inputs)}: {what}"

    def run(arrays: Sequence[Array], out: Result | None) -> Result:
        if "profile" not in settings.verbose:
            say(line)
            return plan(arrays, out)
        start = time.perf_counter()
        result = plan(arrays, out)
        device.synchronize()
        say(f"{line}: {1e6 * (time.perf_counter() - start):.1f} us")
        return result

    return run


class Recorder:
    """The calls made inside a `recording` block: description and candidates of each. run: whether they are also run."""

    def __init__(self, run: bool) -> None:
        self.run = run
        self.calls: list[tuple[str, list[Candidate]]] = []

    def served_by(self) -> set[str]:
        """What ran, or would run: of each call the first candidate without a refusal, and the kernels of a
        composition."""
        chosen = [next((c for c in found if c.refusal is None), None) for _, found in self.calls]
        kernels = {name for c in chosen if c is not None for name in c.kernels}
        return kernels | {"nothing" if c is None else c.what for c in chosen}


@contextlib.contextmanager
def recording(run: bool) -> Iterator[Recorder]:
    """Records every call that this thread makes inside a with block.

    run False: nothing is computed; results have shape and dtype but no memory behind them."""
    recorder = Recorder(run)
    token = RECORDER.set(recorder)
    try:
        yield recorder
    finally:
        RECORDER.reset(token)


def _record(recorder: Recorder, spec: OpSpec, inputs: Sequence[Array], params: Any) -> list[Candidate]:
    layouts = tuple(x.layout for x in inputs)
    found = candidates(spec, layouts, params)
    recorder.calls.append((_describe(spec, layouts), found))
    return found


def _imagined(found: list[Candidate], spec: OpSpec, inputs: Sequence[Array], params: Any) -> Result:
    """What a call would return, without its elements; what it would decompose into is called the same way."""
    if next((c.what for c in found if c.refusal is None), "") == DECOMPOSITION:
        return spec.decompose(*inputs, params)
    outputs = spec.infer(tuple(x.layout for x in inputs), params).outputs
    device = inputs[0].device
    return _packed(empty((1,), dtype, device).view(shape, row_major(shape)) for shape, dtype in outputs)


def _describe(spec: OpSpec, inputs: Sequence[Layout]) -> str:
    operands = ", ".join(f"{x.dtype}{list(x.shape)}" for x in inputs)
    return f"{spec.name}({operands}) on {inputs[0].device}"


def candidates(spec: OpSpec, inputs: tuple[Layout, ...], params: Any = None) -> list[Candidate]:
    """Every way to serve a call, in the order of preference; the first without a refusal is what runs. Prepares
    nothing."""
    settings = config.current()
    device = one_device(inputs, spec.name)
    inferred = spec.infer(inputs, params)
    target = _destination(spec, device, settings)
    if target is not device:
        return [Candidate(f"override: {spec.name} goes to {target}", "", None)]
    results = tuple(layout(dtype, shape, None, device) for shape, dtype in inferred.outputs)
    request = Call(spec.primitive, inputs, results, inferred.params, device, settings)
    rows = [k for k in registry.kernels(device.backend) if k.op == spec.primitive]
    found = [Candidate(k.name, k.source, _refusal(k, request)) for k in rows]
    composed = spec.decompose is not None and spec.decomposes(params)
    if composed and settings.fusion == "on":
        graph, made = _stages(spec, inputs, params, device, settings)
        names = tuple(stage.kernel.name for stage in made if stage.kernel is not None)
        found.append(Candidate(COMPILED, "", None, tuple(lines(graph, made)), names))
    else:
        found.append(Candidate(DECOMPOSITION, "", None if composed else f"{spec.name} is a primitive"))
    refusal = None
    if device.backend == "cpu":
        refusal = "the device is the CPU already"
    elif settings.fallback == "error":
        refusal = f"{config.origin('fallback')}=error"
    found.append(Candidate(FALLBACK, "", refusal))
    return found
