"""Calls that are said on stderr, or recorded for a profile, as the settings want it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from . import work
from .array import Array
from .backends.base import Device
from .config import Settings
from .layout import Layout
from .ops.spec import Inferred, OpSpec
from .plan import Out, Plan
from .profile import of_process
from .profiling import What, measured
from .warn import say


def told(
    spec: OpSpec,
    inputs: tuple[Layout, ...],
    inferred: Inferred,
    make: Callable[[], tuple[Plan, str, tuple[str, ...]]],
    device: Device,
    settings: Settings,
) -> Plan:
    """A plan whose calls are said, or recorded, as the settings want it."""
    more = (of_process(),) if "profile" in settings.verbose else ()
    words = describe(spec, inputs).partition("(")[2].rpartition(")")[0]
    about = What(spec.name, words, device, "preparing")
    plan, what, kernels = measured(about, make, False, more) if settings.profiled else make()
    line = f"accel: {describe(spec, inputs)}: {what}" if "dispatch" in settings.verbose else None
    if not settings.profiled:

        def said(arrays: Sequence[Array], out: Out | None) -> Out:
            say(line)
            return plan(arrays, out)

        return said
    path = f"{what}: {', '.join(kernels)}" if kernels else what
    here = what != "decomposition" and ":" not in what  # else the calls within count the bytes
    nbytes = spec.bytes(inputs, inferred.outputs) if here else 0
    flops = work.of_call(spec, inputs, inferred.outputs, inferred.params) if here else 0
    about = What(spec.name, words, device, path, nbytes, flops, inputs[0].dtype.name)
    timed = "profile" in settings.verbose

    def run(arrays: Sequence[Array], out: Out | None) -> Out:
        start = time.perf_counter()
        result = measured(about, lambda: plan(arrays, out), True, more)
        if line is not None:
            device.synchronize()
            say(f"{line}: {1e6 * (time.perf_counter() - start):.1f} us" if timed else line)
        return result

    return run


def describe(spec: OpSpec, inputs: Sequence[Layout]) -> str:
    """A call in words: the op, its operands and their device."""
    operands = ", ".join(f"{x.dtype}{list(x.shape)}" for x in inputs)
    return f"{spec.name}({operands}) on {inputs[0].device}"
