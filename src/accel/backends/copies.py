"""The primitive ``join`` by the copies that a backend's pointwise kernels make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..layout import Layout, layout
from ..ops.primitive.pointwise import cast_program
from .base import Call, Kernel, Launch, Prepared, Slot


def of_copies(name: str, pointwise: Sequence[Kernel]) -> Kernel:
    """The kernel of a backend that copies each operand by a launch of its pointwise kernel."""

    def copies(call: Call) -> list[tuple[int, int, Layout, Call]]:
        (output,), params = call.outputs, call.params
        made = []
        for i, (x, start) in enumerate(zip(call.inputs, params.starts, strict=True)):
            if x.size:
                box = layout(output.dtype, x.shape, output.strides, call.device)
                offset = sum(s * step for s, step in zip(start, output.strides, strict=True))
                program = cast_program(x.dtype, output.dtype)
                made.append(
                    (i, offset, box, replace(call, op="pointwise", inputs=(x,), outputs=(box,), params=program))
                )
        return made

    def supports(call: Call) -> str | None:
        for *_, one in copies(call):
            reasons = [kernel.supports(one) for kernel in pointwise]
            if None not in reasons:
                return "; ".join(filter(None, reasons))
        return None

    def prepare(call: Call) -> Prepared:
        launches: list[Launch] = []
        for i, offset, box, one in copies(call):
            kernel = next(k for k in pointwise if k.supports(one) is None)
            for launch in kernel.prepare(one).launches:
                slots = (
                    Slot("input", i) if s.kind == "input" else Slot("output", 0, offset, box) for s in launch.operands
                )
                launches.append(replace(launch, operands=tuple(slots)))
        return Prepared(tuple(launches))

    return Kernel("join", name, pointwise[0].source, supports, prepare)
