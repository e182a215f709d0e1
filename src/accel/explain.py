"""What a call would run, and why each other candidate would not."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from . import interop, recording, registry
from .array import empty
from .backends.base import Device
from .dtypes import DType
from .errors import ArgumentError, shown
from .interop import is_array
from .layout import Shape, row_major
from .ops.spec import OpSpec
from .recording import Candidate


class Explanation:
    """The candidates of every dispatched call that a public call makes; prints as text.

    op: the operation asked for. calls: per dispatched call, its description and `Candidate`s in order of preference.
    """

    def __init__(self, op: str, calls: list[tuple[str, list[Candidate]]]) -> None:
        self.op, self.calls = op, calls

    @property
    def runs(self) -> str:
        """What runs for the first dispatched call."""
        return next((c.what for c in self.calls[0][1] if c.refusal is None), "nothing") if self.calls else "nothing"

    def __str__(self) -> str:
        lines = []
        for what, candidates in self.calls:
            lines.append(what)
            chosen = False
            for c in candidates:
                source = f" ({c.source})" if c.source else ""
                if c.refusal is not None:
                    lines.append(f"  no   {c.what}{source}: {c.refusal}")
                else:
                    lines.append(f"  {'runs' if not chosen else '-   '} {c.what}{source}")
                    lines += [f"         {c.tiles}"] if c.tiles else []
                    lines += [f"         {line}" for line in c.more]
                    chosen = True
            if not chosen:
                lines.append("  nothing serves this call: it raises UnsupportedError")
        return "\n".join(lines)

    __repr__ = __str__


def explain(op: str, /, *operands: Any, **keywords: Any) -> Explanation:
    """What ``accel.<op>(*operands, **keywords)`` would run, and why each other candidate would not.

        print(accel.explain("matmul", a, b))

    Nothing is computed. Shape and dtype errors are those of the call itself. Raises ArgumentError for an unknown op.
    """
    spec = _spec(op)
    inspect.signature(spec.function).bind(*operands, **keywords)
    values = {f"operand {i}": x for i, x in enumerate(operands)} | keywords
    given = {name: x for name, x in values.items() if is_array(x)}
    adopted, _ = interop.adopt(op, **given)
    values |= dict(zip(given, adopted, strict=True))
    positional = [values[f"operand {i}"] for i in range(len(operands))]
    with recording.recording(run=False) as recorder:
        spec.function(*positional, **{name: values[name] for name in keywords})
    return Explanation(op, recorder.calls)


def explain_layouts(
    op: str, shapes: Sequence[Shape], dtypes: Sequence[DType], device: Device, /, **keywords: Any
) -> Explanation:
    """`explain` for row-major operands of these shapes, which need not exist: each stands on one element of memory.

    dtypes: one per operand, or one for all. keywords: further arguments by name, positional-only ones as well.
    Raises ArgumentError for an unknown op and for arguments that it does not take; else the errors of the call itself.
    """
    spec = _spec(op, public=True)
    if len(dtypes) not in (1, len(shapes)):
        raise ArgumentError(f"{op}: {len(dtypes)} dtypes for {len(shapes)} operands; expected one, or one per operand")
    each = list(dtypes) * len(shapes) if len(dtypes) == 1 else dtypes
    operands: list[Any] = [
        empty((1,), dtype, device).view(shape, row_major(shape)) for shape, dtype in zip(shapes, each, strict=True)
    ]
    signature = inspect.signature(spec.function)
    for parameter in list(signature.parameters.values())[len(operands) :]:
        if parameter.kind is not parameter.POSITIONAL_ONLY or parameter.name not in keywords:
            break
        operands.append(keywords.pop(parameter.name))
    names = spec.arguments[: len(operands)]
    if tuple(signature.parameters)[: len(names)] != names and set(names) <= set(signature.parameters):
        keywords |= dict(zip(names[1:], operands[1:], strict=True))  # something else stands between them
        del operands[1:]
    try:
        signature.bind(*operands, **keywords)
    except TypeError as error:
        raise ArgumentError(f"{op}{signature}: {error}") from None
    return explain(op, *operands, **keywords)


def _spec(op: str, public: bool = False) -> OpSpec:
    if not isinstance(op, str):
        raise ArgumentError(f"explain: op: expected an operation's name, got {shown(op)}")
    spec = registry.OPS.get(op)
    if spec is None or (public and spec.namespace == "internal"):
        names = sorted(name for name, row in registry.OPS.items() if row.namespace != "internal")
        raise ArgumentError(f"explain: unknown op {shown(op)}; ops: {', '.join(names)}")
    return spec
