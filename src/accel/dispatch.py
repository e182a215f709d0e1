"""The only place that chooses: for one op and one set of operand layouts, which kernel runs, or what runs in its place.

    native kernel whose requirements hold -> decomposition into other ops -> (where allowed, said once) the CPU

The answer is a plan, made once and found again by the identity of op, settings, parameters and layouts.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any

from . import _core, devices, registry
from .array import Array, empty
from .backends.base import Call, Device
from .cache import Cache
from .config import Settings, config
from .conversion import from_numpy, on_host, store, to_numpy
from .errors import DeviceError, UnsupportedError
from .graph.compile import Stage, layouts_of, lines, stages
from .graph.graph import Graph, Read
from .graph.program import Work
from .graph.trace import Tracer
from .layout import Layout, Shape, broadcast_strides, common_order, layout, permuted, row_major
from .memory import too_large
from .ops.spec import Inferred, OpSpec, Seen
from .warn import say, warn

Plan = Callable[[Sequence[Array], "Array | None"], Array]

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
    """One way to serve a call, for `accel explain`: what it is, and why it cannot be used (None: it can). more: the
    launches of a compiled composition."""

    what: str
    source: str
    refusal: str | None
    more: tuple[str, ...] = ()


def _call(spec: OpSpec, inputs: Sequence[Array], params: Any, out: Array | None) -> Array:
    """A call whose plan is yet to be made, or that is to be recorded."""
    if not isinstance(RECORDER.get(), (Recorder, NoneType)):
        return RECORDER.get().call(spec, inputs, params, out)
    layouts, target = tuple(x.layout for x in inputs), None if out is None else out.layout
    adapted = spec.adapt(layouts, params)
    if (recorder := RECORDER.get()) is not None:
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
"""call(spec, inputs, params=None, out=None): runs an op on arrays of one device and returns its output; out: write
there instead of to a fresh array. Finds the plan in `_plans` and runs it; `_call` does the rest."""


def forget() -> None:
    """Drops all plans (tests)."""
    _plans.clear()
    _said.clear()


def one_device(layouts: Sequence[Layout], op: str) -> Device:
    """The device of all operands. Raises DeviceError where there are two."""
    found = {id(x.device): x.device for x in layouts}
    if len(found) > 1:
        names = " and ".join(str(d) for d in found.values())
        raise DeviceError(f"{op}: operands are on {names}; move one with to_device, nothing moves silently")
    return layouts[0].device


def _target(spec: OpSpec, device: Device, settings: Settings) -> Device:
    """Where ACCEL_OVERRIDE sends an op; its operands' device where it says nothing."""
    for name, backend in settings.override:
        if name == spec.name and backend != device.backend:
            return devices.backend_device(backend)
    return device


def _make(
    spec: OpSpec,
    inputs: tuple[Layout, ...],
    params: Any,
    out: Layout | None,
    settings: Settings,
    seen: Shape | None = None,
) -> Plan:
    """The plan of a call. seen: the shape of a native kernel's result, where it is not to have the op's own."""
    device = one_device(inputs if out is None else (*inputs, out), spec.name)
    inferred = spec.infer(inputs, params)
    if out is not None and (out.shape, out.dtype) != inferred.outputs[0]:
        raise UnsupportedError(f"{spec.name}: out has {out.dtype}{out.shape}, the result is {inferred.outputs[0]}")
    target = _target(spec, device, settings)
    if target is not device:
        plan, what = _elsewhere(spec, params, target), f"override:{target}"
    else:
        plan, what = _local(spec, inputs, params, out, inferred, device, settings, seen)
    return _verbose(spec, inputs, plan, what, device, settings) if settings.verbose else plan


def _local(
    spec: OpSpec,
    inputs: tuple[Layout, ...],
    params: Any,
    out: Layout | None,
    inferred: Inferred,
    device: Device,
    settings: Settings,
    seen: Shape | None,
) -> tuple[Plan, str]:
    """The plan of a call that stays on its device, or falls back, and its name."""
    (shape, dtype), *_ = inferred.outputs
    its_layout = layout(dtype, shape, None, device) if out is None else out
    if out is None and (nbytes := its_layout.size * dtype.itemsize) >= ADDRESSES:
        raise too_large(str(device), nbytes, device.memory)  # and no kernel is asked, which counts in 62 bits
    if its_layout.size == 0 and len(inferred.outputs) == 1:
        return (lambda arrays, out: empty(shape, dtype, device) if out is None else out), "empty"
    request = Call(spec.primitive, inputs, (its_layout,), inferred.params, device, settings)
    order = common_order(inputs, shape) if out is None and spec.keeps_order else None
    if order is not None:
        request = _in_order_of_memory(request, order)
        its_layout = permuted(request.outputs[0], tuple(order.index(axis) for axis in range(len(order))))
    if seen is not None:
        its_layout = layout(dtype, seen, None, device)
    kernel, reason = _choose(request)
    if kernel is not None:
        return _native(_prepared(kernel, request), its_layout, spec, params), kernel.name
    if spec.decompose is not None:
        if settings.fusion == "off":
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


def _prepared(kernel: Any, request: Call) -> Any:
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
        found = tracer.graph(results if isinstance(results, tuple) else (results,))
        _graphs.keep(key, found)
    return found


def _stages(spec: OpSpec, inputs: tuple[Layout, ...], params: Any, device: Device, settings: Settings) -> Any:
    """The graph of a composed op, and the steps that compute it on a device."""
    alone = frozenset(name for name, backend in settings.override if backend != device.backend)
    graph = graph_of(spec, inputs, params, alone - {spec.name})
    return graph, stages(graph, chooser(device, settings), alone)


def chooser(device: Device, settings: Settings) -> Callable[[Work], tuple[Any, str]]:
    """What finds the kernel for a part of a composition."""

    def choose(work: Work) -> tuple[Any, str]:
        inputs, outputs = layouts_of(work.inputs), layouts_of(work.outputs)
        if any(x.size == 0 for x in (*inputs, *outputs)):
            return None, "there are no elements"
        return _choose(Call(work.primitive, inputs, outputs, work.params, device, settings))

    return choose


def _compiled(spec: OpSpec, inputs: tuple[Layout, ...], params: Any, device: Device, settings: Settings) -> Plan:
    """The plan of a composed op: its graph's launches, in order."""
    graph, made = _stages(spec, inputs, params, device, settings)
    steps = [_step(graph, stage, device, settings) for stage in made]
    constants, nothing = graph.constants, [None] * len(graph.nodes)

    def run(arrays: Sequence[Array], out: Array | None) -> Any:
        values = [*arrays, *constants, *nothing]
        for step in steps:
            step(values)
        results = tuple(_seen_as(values[read.value], read) for read in graph.results)
        if out is not None:
            return call(registry.OPS["copy"], results, None, out)
        return results[0] if len(results) == 1 else results

    return run


def _step(graph: Graph, stage: Stage, device: Device, settings: Settings) -> Callable[[list[Any]], None]:
    """What computes a stage's values from earlier ones."""
    work = stage.work
    if stage.kernel is None:
        (member,) = stage.group.members
        node = graph.nodes[member - graph.first]

        def called(values: list[Any]) -> None:
            values[member] = call(node.spec, [_seen_as(values[r.value], r) for r in node.reads], node.params)

        return called
    request = Call(work.primitive, layouts_of(work.inputs), layouts_of(work.outputs), work.params, device, settings)
    launch = _prepared(stage.kernel, request)
    reads = [(read.value, read.offset, read.layout) for read in work.inputs]
    fresh = [(read.value, graph.layout(read.value)) for read in work.outputs]

    def launched(values: list[Any]) -> None:
        for value, its in fresh:
            values[value] = Array(device.allocate(its.size * its.dtype.itemsize), 0, its)
        given = [values[v] if not at else Array(values[v].buffer, values[v].offset + at, its) for v, at, its in reads]
        launch(given, [values[value] for value, _ in fresh])

    return launched


def _seen_as(x: Array, read: Read) -> Array:
    """A value as a node, or the caller, sees it."""
    same = x.layout is read.layout and not read.offset
    return x if same else Array(x.buffer, x.offset + read.offset, read.layout)


def _in_order_of_memory(request: Call, order: tuple[int, ...]) -> Call:
    """The same elementwise work with its axes in another order, in which the output is row-major. Launches are given
    addresses only, so the arrays' own layouts need not follow."""
    (output,) = request.outputs
    inputs = (layout(x.dtype, output.shape, broadcast_strides(x, output.shape), x.device) for x in request.inputs)
    shape = tuple(output.shape[axis] for axis in order)
    rows = layout(output.dtype, shape, None, output.device)
    return replace(request, inputs=tuple(permuted(x, order) for x in inputs), outputs=(rows,))


def _refusal(kernel: Any, request: Call) -> str | None:
    for x in (*request.inputs, *request.outputs):
        if (reason := request.device.missing(x.dtype.name)) is not None:
            return reason
    return kernel.supports(request)


def _native(launch: Any, its_layout: Layout, spec: OpSpec, params: Any) -> Plan:
    def into(arrays: Sequence[Array], out: Array) -> Array:
        apart = [_apart(x, out) for x in arrays]
        if any(a is not b for a, b in zip(apart, arrays, strict=True)):  # copies have layouts of their own
            return call(spec, apart, params, out)
        launch(arrays, (out,))
        return out

    nbytes = its_layout.size * its_layout.dtype.itemsize
    return _core.Plan(its_layout.device.allocate, nbytes, its_layout, launch, into)


def _apart(source: Array, out: Array) -> Array:
    """The source, copied first where it shares memory with out but is not the same elements."""
    (memory, first, end), (its_memory, its_first, its_end) = (x.device.place(x.buffer) for x in (source, out))
    apart = memory != its_memory or end <= its_first or its_end <= first
    same = source.layout is out.layout and source.offset == out.offset and source.buffer is out.buffer
    return source if apart or same else call(registry.OPS["copy"], (source,))


def _plan_of_seen(spec: OpSpec, seen: Seen, out: Layout | None, settings: Settings) -> Plan:
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


def _composed(function: Callable[..., Array]) -> Plan:
    """The plan of what is computed by further calls."""

    def run(arrays: Sequence[Array], out: Array | None) -> Array:
        result = function(*arrays)
        return result if out is None else call(registry.OPS["copy"], (result,), None, out)

    return run


def _elsewhere(spec: OpSpec, params: Any, target: Device) -> Plan:
    """The plan of a call on another device. Elements move as bytes, which takes no op that may itself have to move."""

    def run(arrays: Sequence[Array], out: Array | None) -> Array:
        home = arrays[0].device
        result = to_numpy(call(spec, [from_numpy(on_host(x), target) for x in arrays], params))
        if out is None:
            return from_numpy(result, home)
        store(result, out)
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

    def run(arrays: Sequence[Array], out: Array | None) -> Array:
        with config(override=override):
            return plan(arrays, out)

    return run


def _verbose(
    spec: OpSpec, inputs: tuple[Layout, ...], plan: Plan, what: str, device: Device, settings: Settings
) -> Plan:
    line = f"accel: {_describe(spec, inputs)}: {what}"

    def run(arrays: Sequence[Array], out: Array | None) -> Array:
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
        """What ran, or would run: the first candidate without a refusal, of each call."""
        return {next((c.what for c in found if c.refusal is None), "nothing") for _, found in self.calls}


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


def _imagined(found: list[Candidate], spec: OpSpec, inputs: Sequence[Array], params: Any) -> Array:
    """What a call would return, without its elements; what it would decompose into is called the same way."""
    if next((c.what for c in found if c.refusal is None), "") == DECOMPOSITION:
        return spec.decompose(*inputs, params)
    made = [
        empty((1,), dtype, inputs[0].device).view(shape, row_major(shape))
        for shape, dtype in spec.infer(tuple(x.layout for x in inputs), params).outputs
    ]
    return made[0] if len(made) == 1 else tuple(made)


def _describe(spec: OpSpec, inputs: Sequence[Layout]) -> str:
    operands = ", ".join(f"{x.dtype}{list(x.shape)}" for x in inputs)
    return f"{spec.name}({operands}) on {inputs[0].device}"


def candidates(spec: OpSpec, inputs: tuple[Layout, ...], params: Any = None) -> list[Candidate]:
    """Every way to serve a call, in the order of preference; the first without a refusal is what runs. Prepares
    nothing."""
    settings = config.current()
    device = one_device(inputs, spec.name)
    inferred = spec.infer(inputs, params)
    target = _target(spec, device, settings)
    if target is not device:
        return [Candidate(f"override: {spec.name} goes to {target}", "", None)]
    (shape, dtype), *_ = inferred.outputs
    request = Call(spec.primitive, inputs, (layout(dtype, shape, None, device),), inferred.params, device, settings)
    rows = [k for k in registry.kernels(device.backend) if k.op == spec.primitive]
    found = [Candidate(k.name, k.source, _refusal(k, request)) for k in rows]
    if spec.decompose is not None and settings.fusion == "on":
        graph, made = _stages(spec, inputs, params, device, settings)
        found.append(Candidate(COMPILED, "", None, tuple(lines(graph, made))))
    else:
        decomposes = None if spec.decompose is not None else f"{spec.name} is a primitive"
        found.append(Candidate(DECOMPOSITION, "", decomposes))
    refusal = None
    if device.backend == "cpu":
        refusal = "the device is the CPU already"
    elif settings.fallback == "error":
        refusal = f"{config.origin('fallback')}=error"
    found.append(Candidate(FALLBACK, "", refusal))
    return found
