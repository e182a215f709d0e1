"""The only place that chooses: for one op and one set of operand layouts, which kernel runs, or what runs in its place.

    native kernel whose requirements hold -> decomposition into other ops -> (where allowed, said once) the CPU

The answer is a plan, made once and found again by the identity of op, settings, parameters and layouts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import is_
from typing import Any

from . import _core, composition, devices, registry
from .array import Array, Symbol, empty
from .backends.base import Call, Device
from .cache import Cache
from .complex_plan import Moved, beside, complex_plan
from .composition import RECORDER, stored
from .config import Settings, config
from .conversion import from_numpy, on_host, store, to_numpy
from .errors import ArgumentError, DeviceError, UnsupportedError, shown
from .graph.compile import Stage, layouts_of, request_of, stages
from .graph.graph import Graph
from .graph.program import Work
from .layout import Layout, Shape, broadcast_strides, common_order, layout, permuted, row_major
from .memory import too_large
from .ops.spec import Inferred, OpSpec, Seen
from .parts import is_apart, settled
from .plan import Out, Plan, each, packed, prepare, single
from .told import told
from .warn import warn

Target = Layout | tuple[Layout, ...] | None
"""Layout of what is given as out."""

ADDRESSES = 1 << 52
"""Bytes that no device has: as many as the largest addresses of processors count."""

_plans: Cache[tuple[Any, ...], Plan] = Cache(1 << 11)
_said: set[tuple[str, str, str]] = set()


class FallbackWarning(UserWarning):
    """An operation runs on the CPU because its device cannot run it."""


def planned(spec: OpSpec, inputs: Sequence[Array], params: Any, out: Out | None) -> Out:
    """Runs a call by its plan. Raises ArgumentError for an array that has no memory, being of a trace."""
    for x in (*inputs, *each(out)):
        if isinstance(x, Array) and isinstance(x.buffer, Symbol):
            if is_apart(x) and x.buffer.tracer is None:
                return planned(spec, [settled(x) for x in inputs], params, out)
            raise ArgumentError(
                f"{spec.name}: an array of a traced function cannot be computed with outside its trace; "
                "let the function return it"
            )
    return plan_of(spec, inputs, params, out)(inputs, out)


def plan_of(spec: OpSpec, inputs: Sequence[Array], params: Any, out: Out | None) -> Plan:
    """The plan of a call, which is made where there is none yet."""
    layouts, target, settings = tuple(x.layout for x in inputs), _target_layouts(spec, out), config.current()
    key = (spec, settings, params, target, *layouts)
    plan = _plans.find(key)
    if plan is None:
        serving = registry.served(spec, layouts, params)
        adapted = serving.adapt(layouts, params)
        if adapted is None:
            plan = _make(serving, layouts, params, target, settings)
        elif isinstance(adapted, Seen):
            plan = _plan_of_seen(serving, adapted, target, settings)
        elif isinstance(adapted, Moved):
            plan = adapted.run if target is not None else adapted.plan(layouts, plan_of)
        else:
            plan = _composed(adapted)
        _plans.keep(key, plan)
    return plan


def _call(spec: OpSpec, inputs: Sequence[Array], params: Any, out: Out | None) -> Out:
    """A call whose plan is yet to be made, or in whose place something else is done."""
    recorder = RECORDER.get()
    return (planned if recorder is None else recorder.call)(spec, inputs, params, out)


call = _core.Dispatcher(RECORDER, config.scope, config.snapshots, _plans, _call)
"""call(spec, inputs, params=None, out=None): runs an op on arrays of one device and returns its output, a tuple where
it has several; out: write there (to an Array, or a tuple of as many) instead of to fresh arrays. Finds the plan in
`_plans` and runs it; `_call` does the rest."""


def forget() -> None:
    """Drops all plans (tests)."""
    _plans.clear()
    composition.forget()
    _said.clear()


def _target_layouts(spec: OpSpec, out: Any) -> Target:
    if out is None or isinstance(out, Array):
        return None if out is None else out.layout
    if not isinstance(out, tuple) or not all(isinstance(x, Array) for x in out):
        raise ArgumentError(f"{spec.name}: out: expected an accel.Array or a tuple of them, got {shown(out)}")
    return tuple(x.layout for x in out)


def one_device(layouts: Sequence[Layout], op: str) -> Device:
    """The device of all operands. Raises DeviceError where there are two."""
    found = {id(x.device): x.device for x in layouts}
    if len(found) > 1:
        names = " and ".join(str(d) for d in found.values())
        raise DeviceError(f"{op}: operands are on {names}; move one with to_device, nothing moves silently")
    return layouts[0].device


def destination(spec: OpSpec, device: Device, settings: Settings) -> Device:
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
    device = one_device((*inputs, *each(out)), spec.name)
    inferred = spec.infer(inputs, params)
    if out is not None:
        _check_out(spec, inferred, out)
    target = destination(spec, device, settings)

    def made() -> tuple[Plan, str, tuple[str, ...]]:
        if target is not device:
            return _elsewhere(spec, params, target), f"override:{target}", ()
        return _local(spec, inputs, params, out, inferred, device, settings, seen)

    if not (settings.verbose or settings.profiled):
        return made()[0]
    return told(spec, inputs, inferred, made, device, settings)


def _check_out(spec: OpSpec, inferred: Inferred, out: Layout | tuple[Layout, ...]) -> None:
    have, want = [f"{x.dtype}{x.shape}" for x in each(out)], [f"{d}{s}" for s, d in inferred.outputs]
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
) -> tuple[Plan, str, tuple[str, ...]]:
    """The plan of a call that stays on its device, or falls back, its name, and the kernels of a composition."""
    results = each(out) or tuple(layout(dtype, shape, None, device) for shape, dtype in inferred.outputs)
    if out is None and (nbytes := max(x.size * x.dtype.itemsize for x in results)) >= ADDRESSES:
        raise too_large(str(device), nbytes, device.memory)  # and no kernel is asked, which counts in 62 bits
    if all(x.size == 0 for x in results):
        nothing = [(x.shape, x.dtype, device) for x in results]
        return (lambda arrays, out: packed(empty(*x) for x in nothing) if out is None else out), "empty", ()
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
        return single(device, results, prepare(kernel, request), len(inputs), _into(spec, params)), kernel.name, ()
    if spec.decompose is not None and spec.decomposes(params):
        if settings.fusion == "off" or seen is not None:  # then it is computed on views (`_plan_of_seen`)
            return _composed(lambda *arrays: _settled(spec.decompose(*arrays, params))), "decomposition", ()
        graph, made = staged(spec, inputs, params, device, settings)
        names = tuple(dict.fromkeys(stage.kernel.name for stage in made if stage.kernel is not None))
        if graph.pairs or any(x.dtype.kind == "c" for x in inputs):
            return complex_plan(graph, made, inputs, device, settings, call, _overlap), "compiled", names
        return composition.compiled(graph, made, device, settings, call, _into(spec, params)), "compiled", names
    return _fallback(spec, params, device, reason, settings), "fallback:cpu", ()


def _choose(request: Call) -> tuple[Any, str]:
    """The first kernel that serves a call, or None, and why those before it, or all, do not."""
    refusals = []
    for kernel in registry.kernels(request.device.backend):
        if kernel.op == request.op:
            why = refusal(kernel, request)
            if why is None:
                return kernel, "; ".join(refusals)
            refusals.append(f"{kernel.name}: {why}")
    return None, "; ".join(refusals) or f"{request.device.backend} has no kernel for {request.op}"


def staged(
    spec: OpSpec, inputs: tuple[Layout, ...], params: Any, device: Device, settings: Settings
) -> tuple[Graph, list[Stage]]:
    """The graph of a composed op, and the steps that compute it on a device."""
    alone = frozenset(name for name, backend in settings.override if backend != device.backend)
    graph = composition.graph_of(spec, inputs, params, alone - {spec.name})
    choose = chooser(device, settings)
    if (placed := beside(graph)) is not None:
        made = stages(placed, choose, alone)
        if all(stage.kernel is not None for stage in made):
            return placed, made
    return graph, stages(graph, choose, alone)


def chooser(device: Device, settings: Settings) -> Callable[[Work], tuple[Any, str]]:
    """What finds the kernel for a part of a composition."""

    def choose(work: Work) -> tuple[Any, str]:
        if any(x.size == 0 for x in (*layouts_of(work.inputs), *layouts_of(work.outputs))):
            return None, "there are no elements"
        return _choose(request_of(work, device, settings))

    return choose


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


def refusal(kernel: Any, request: Call) -> str | None:
    """Why a kernel does not serve a call; None where it does."""
    for x in (*request.inputs, *request.outputs):
        if (reason := request.device.missing(x.dtype.name)) is not None:
            return reason
    return kernel.supports(request)


def _into(spec: OpSpec, params: Any) -> Callable[[Sequence[Array], Out], Out | None]:
    """What a plan asks where outputs are given: those that overlap an input get it as a copy, those that overlap each
    other are stored one after the other."""

    def into(arrays: Sequence[Array], out: Out) -> Out | None:
        if _core.apart(arrays, out):
            return None
        outputs = each(out)
        if len(outputs) > 1 and any(_overlap(x, y) for i, x in enumerate(outputs) for y in outputs[:i]):
            return stored(call(spec, arrays, params), out, call)
        in_place = spec.primitive == "pointwise" and len(outputs) == 1
        apart = [_apart(x, outputs, in_place) for x in arrays]
        # copies have layouts of their own
        return None if all(map(is_, apart, arrays)) else call(spec, apart, params, out)

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
    memory, first, end = a.layout.device.place(a.buffer)
    its_memory, its_first, its_end = b.layout.device.place(b.buffer)
    return memory == its_memory and its_first < end and first < its_end


def _plan_of_seen(spec: OpSpec, seen: Seen, out: Target, settings: Settings) -> Plan:
    """A native kernel's launch takes addresses, so its plan serves the operands as they came; any other plan takes
    views of them."""
    if out is None:
        plan = _make(spec, seen.layouts, seen.params, None, settings, seen.shape)
        if isinstance(plan, _core.Plan):
            return plan
    return on_views(spec, seen)


def on_views(spec: OpSpec, seen: Seen) -> Plan:
    """The plan of the op itself, called on views."""

    def called(*arrays: Array) -> Array:
        views = [x.view(its.shape, its.strides) for x, its in zip(arrays, seen.layouts, strict=True)]
        return call(spec, views, seen.params).view(seen.shape, row_major(seen.shape))

    return _composed(called)


def _settled(result: Out) -> Out:
    return packed(map(settled, each(result)))


def _composed(function: Callable[..., Out]) -> Plan:
    """The plan of what is computed by further calls."""

    def run(arrays: Sequence[Array], out: Out | None) -> Out:
        result = function(*arrays)
        return result if out is None else stored(result, out, call)

    return run


def _elsewhere(spec: OpSpec, params: Any, target: Device) -> Plan:
    """The plan of a call on another device. Elements move as bytes, which takes no op that may itself have to move."""

    def run(arrays: Sequence[Array], out: Out | None) -> Out:
        home = arrays[0].device
        before = from_numpy(to_numpy(out), target, copy=True) if spec.in_place else None
        results = call(spec, [from_numpy(on_host(x), target) for x in arrays], params, before)
        if out is None:
            return packed(from_numpy(to_numpy(x), home) for x in each(results))
        for result, its_out in zip(each(results), each(out), strict=True):
            store(to_numpy(result), its_out)
        return out

    return run


def report_fallback(op: str, device: Device, reason: str, settings: Settings) -> None:
    """Says once that an op runs on the CPU instead of its device, and why. Raises UnsupportedError where it may not."""
    message = f"{op} on {device}: {reason}"
    if settings.fallback == "error":
        forbids = f"{config.origin('fallback')}=error forbids to run it on the CPU, warn or allow would"
        raise UnsupportedError(f"{message}; {forbids}")
    if settings.fallback == "warn" and (op, str(device), reason) not in _said:
        _said.add((op, str(device), reason))
        warn(f"{message}; it runs on the CPU (said once; see ACCEL_FALLBACK)", FallbackWarning)


def _fallback(spec: OpSpec, params: Any, device: Device, reason: str, settings: Settings) -> Plan:
    if device.backend == "cpu":
        raise UnsupportedError(f"{spec.name} on {device}: {reason}")
    report_fallback(spec.name, device, reason, settings)
    plan = _elsewhere(spec, params, devices.device("cpu"))
    others = tuple(pair for pair in settings.override if pair[0] != spec.name)
    return plan if others == settings.override else _overridden(plan, others)


def _overridden(plan: Plan, override: tuple[tuple[str, str], ...]) -> Plan:
    """A plan that runs under another ACCEL_OVERRIDE: without the one that would send its op back."""

    def run(arrays: Sequence[Array], out: Out | None) -> Out:
        with config(override=override):
            return plan(arrays, out)

    return run
