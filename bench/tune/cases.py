"""Which calls are tuned, or compiled: those of models, of ops, or of one op on operands of given shapes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...array import Array, empty
from ...backends.base import Device
from ...dtypes import TABLE, as_dtype
from ...errors import ArgumentError, FileError
from ...layout import Shape, row_major
from ...recording import Recorder, recording
from ...registry import OPS
from ..cases import models as files
from ..cases.case import Operand, Workload
from ..cases.workload import call, select

SUITES = ("quick", "core")
"""Suites whose cases of an op are taken: the first that has any."""


def chosen(
    ops: Sequence[str] = (), models: Sequence[str] = (), shapes: Sequence[Shape] = (), dtypes: Sequence[str] = ()
) -> list[Workload]:
    """The cases of models (a name, or the path of a .toml file like theirs) and of ops, each once; of the quick suite
    where neither is given.

    shapes: of the one op's operands. dtypes: of these operands, one or one each; else those of which a case has one.
    Raises ArgumentError for a name that is not there, shapes without one op, and where nothing is left; FileError for a
    file that cannot be read, ConfigError for a malformed one.
    """
    for dtype in dtypes:
        as_dtype(dtype, "--dtype")
    if shapes:
        return [_of_shapes(ops, models, shapes, dtypes or ("float32",))]
    found: list[Workload] = []
    for model in models:
        found += _of_file(Path(model)) if model.endswith(".toml") else select("models", models=[model])
    found = [case for case in found if (not ops or case.op in ops) and (not dtypes or case.dtype in dtypes)]
    if not models:
        found = next(filter(None, (select(suite, ops=ops, dtypes=dtypes) for suite in SUITES)), [])
    if not found:
        raise ArgumentError("no case is left of these models, ops and dtypes; accel bench list shows what there is")
    return list({case.id: case for case in found}.values())


def _of_file(path: Path) -> list[Workload]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"--model {path}: {error}") from None
    return list(files.parse(text, path.name))


def _of_shapes(ops: Sequence[str], models: Sequence[str], shapes: Sequence[Shape], dtypes: Sequence[str]) -> Workload:
    if len(ops) != 1 or models:
        raise ArgumentError("--shape: expected one --op beside it, and no --model")
    spec = OPS.get(ops[0])
    if spec is None or spec.namespace == "internal":
        raise ArgumentError(f"op: unknown {ops[0]!r}")
    if len(dtypes) not in (1, len(shapes)):
        raise ArgumentError(f"--dtype: {len(dtypes)} dtypes for {len(shapes)} operands; expected one, or one each")
    each = tuple(dtypes) * len(shapes) if len(dtypes) == 1 else dtypes
    text = ",".join("x".join(map(str, shape)) or "scalar" for shape in shapes)
    return Workload(
        id=f"{ops[0]} {text} {each[0]}", model=None, layer=None, phase=None, count=1, source=None, op=ops[0],
        dtype=each[0], operands=tuple(Operand(s, d) for s, d in zip(shapes, each, strict=True)), keywords=(),
        cache="warm",
    )  # fmt: skip


def planned(case: Workload, device: Device, plan: bool) -> Recorder:
    """The calls that a case makes on a device, none of which is run: its operands have layouts and no memory of that
    size. plan: whether kernels are compiled. Raises what the op does where it does not take the operands."""
    with recording(run=False, plan=plan) as recorder:
        call(case)(*(_operand(x, device) for x in case.operands))
    return recorder


def _operand(described: Operand, device: Device) -> Array:
    turned = described.layout == "transposed"
    shape = described.shape
    shape = (*shape[:-2], shape[-1], shape[-2]) if turned else shape
    made = empty((1,), TABLE[described.dtype], device).view(shape, row_major(shape))
    return made.mT if turned else made
