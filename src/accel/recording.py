"""A record of calls: for each, every way to serve it and why those before the chosen one cannot; for `accel explain`,
the conformance kit and the bench suite."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from . import registry
from .array import Array, empty
from .backends.base import Call, Kernel
from .composition import recorded_by
from .config import config
from .dispatch import destination, on_views, one_device, plan_of, planned, refusal, staged
from .graph.compile import lines, request_of
from .layout import Layout, layout, row_major
from .ops.spec import OpSpec, Seen
from .plan import Out, packed
from .told import describe

DECOMPOSITION = "decomposition into other ops"
COMPILED = "compiled composition"
FALLBACK = "fallback to cpu"


@dataclass(frozen=True)
class Candidate:
    """One way to serve a call: what it is, and why it cannot be used (None: it can).

    more, kernels: the launches of a compiled composition in words, and the names of their kernels. tiles: which of its
    tiles a kernel takes, and where they come from, where it has any to choose among. requests: the kernels and what
    each is asked for."""

    what: str
    source: str
    refusal: str | None
    more: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    tiles: str | None = None
    requests: tuple[tuple[Kernel, Call], ...] = ()


class Recorder:
    """The calls made inside a `recording` block: description and candidates of each. run: whether they are also run.
    plan: whether their plans are made, and kernels compiled, where they are not."""

    def __init__(self, run: bool, plan: bool = False) -> None:
        self.run, self.plan = run, plan
        self.calls: list[tuple[str, list[Candidate]]] = []

    def served_by(self) -> set[str]:
        """What ran, or would run: of each call the first candidate without a refusal, and the kernels of a
        composition."""
        chosen = [next((c for c in found if c.refusal is None), None) for _, found in self.calls]
        kernels = {name for c in chosen if c is not None for name in c.kernels}
        return kernels | {"nothing" if c is None else c.what for c in chosen}

    def call(self, spec: OpSpec, inputs: Sequence[Array], params: Any, out: Out | None) -> Out:
        """What `dispatch.call` does while this records."""
        layouts = tuple(x.layout for x in inputs)
        spec = registry.served(spec, layouts, params)
        adapted = spec.adapt(layouts, params)
        if isinstance(adapted, Seen):  # the call that it becomes is recorded
            return on_views(spec, adapted)(inputs, out)
        if adapted is None:
            found = candidates(spec, layouts, params)
            self.calls.append((describe(spec, layouts), found))
            if not self.run:
                if self.plan and _runs(found) != DECOMPOSITION:
                    plan_of(spec, inputs, params, out)
                return _imagined(found, spec, inputs, params)
        return planned(spec, inputs, params, out)


@contextlib.contextmanager
def recording(run: bool, plan: bool = False) -> Iterator[Recorder]:
    """Records every call that this thread makes inside a with block.

    run False: nothing is computed; results have shape and dtype but no memory behind them. plan: see `Recorder`."""
    recorder = Recorder(run, plan)
    with recorded_by(recorder):
        yield recorder


def _runs(found: list[Candidate]) -> str:
    return next((c.what for c in found if c.refusal is None), "")


def _imagined(found: list[Candidate], spec: OpSpec, inputs: Sequence[Array], params: Any) -> Out:
    """What a call would return, without its elements; what it would decompose into is called the same way."""
    if _runs(found) == DECOMPOSITION:
        return spec.decompose(*inputs, params)
    outputs = spec.infer(tuple(x.layout for x in inputs), params).outputs
    device = inputs[0].device
    return packed(empty((1,), dtype, device).view(shape, row_major(shape)) for shape, dtype in outputs)


def _of_kernel(kernel: Kernel, request: Call) -> Candidate:
    why = refusal(kernel, request)
    tiles = None if why else _tiles(kernel, request)
    return Candidate(kernel.name, kernel.source, why, tiles=tiles, requests=((kernel, request),))


def _tiles(kernel: Kernel, request: Call) -> str | None:
    """What `tuning.told` says, which reads tables: `import accel` does without it."""
    from .tuning import told

    return told(kernel, request)


def candidates(spec: OpSpec, inputs: tuple[Layout, ...], params: Any = None) -> list[Candidate]:
    """Every way to serve a call, in the order of preference; the first without a refusal is what runs. Prepares
    nothing."""
    settings = config.current()
    device = one_device(inputs, spec.name)
    inferred = spec.infer(inputs, params)
    target = destination(spec, device, settings)
    if target is not device:
        return [Candidate(f"override: {spec.name} goes to {target}", "", None)]
    results = tuple(layout(dtype, shape, None, device) for shape, dtype in inferred.outputs)
    request = Call(spec.primitive, inputs, results, inferred.params, device, settings)
    rows = [k for k in registry.kernels(device.backend) if k.op == spec.primitive]
    found = [_of_kernel(k, request) for k in rows]
    composed = spec.decompose is not None and spec.decomposes(params)
    if composed and settings.fusion == "on":
        graph, made = staged(spec, inputs, params, device, settings)
        asked = [(stage.kernel, request_of(stage.work, device, settings)) for stage in made]
        tiles = [None if kernel is None else _tiles(kernel, its) for kernel, its in asked]
        served = tuple((kernel, its) for kernel, its in asked if kernel is not None)
        names = tuple(kernel.name for kernel, _ in served)
        found.append(Candidate(COMPILED, "", None, tuple(lines(graph, made, tiles)), names, requests=served))
    else:
        found.append(Candidate(DECOMPOSITION, "", None if composed else f"{spec.name} is a primitive"))
    why = None
    if device.backend == "cpu":
        why = "the device is the CPU already"
    elif settings.fallback == "error":
        why = f"{config.origin('fallback')}=error"
    found.append(Candidate(FALLBACK, "", why))
    return found
