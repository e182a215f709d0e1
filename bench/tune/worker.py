"""The process that measures or compiles for a device, so that what crashes or hangs takes only itself down.

python -P -m accel.bench.tune.worker    reads a task, one JSON object, on stdin; see `bench.measure.worker`

{"do": "tune", "device": …, "cases": […],       {"device": …}, then for each call {"row": …}, what `trial.measure`
 "seconds": 0.2, "only": null, "most": n}       emits, or {"skipped": why}
{"do": "warm", "device": …, "cases": […]}       for each case {"case": id}, then {"compiled": seconds} or
                                                {"failed": why}
{"do": "aot", "device": "cpu", "cases": […],    the same, and {"kernel": entry} for each that is written
 "target": "sm_90", "folder": …}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ... import tuning
from ...backends import compiling
from ...backends.base import Call, Device, Kernel
from ...config import config
from ...errors import AccelError
from ..cases.case import Workload
from ..cases.workload import contract_class
from ..measure.worker import Emit, main
from . import trial
from .cases import planned


def tune(target: Device, task: dict[str, Any], emit: Emit) -> None:
    """Measures every call of the cases that a tunable kernel serves, but for those whose rows are done."""
    asked: dict[tuning.Shape, tuple[Kernel, Call, bool]] = {}
    for case in map(Workload.from_json, task["cases"]):
        promised = contract_class(case, config.numerics) != "bound"
        try:
            recorder = planned(case, target, plan=False)
        except (AccelError, NotImplementedError) as error:
            emit({"unplanned": case.id, "why": str(error)})
            continue
        for kernel, call in trial.requests(recorder.calls):
            assert kernel.tunable is not None
            asked.setdefault((kernel.name, *kernel.tunable.shape(call)), (kernel, call, promised))
    identity = target.identity()
    known = {row.shape: row for row in tuning.of_the_user(identity)}
    if task["only"] is not None:
        known = {shape: known[shape] for shape in map(tuning.shape_of, task["only"]) if shape in known}
    todo: list[tuple[tuning.Row, Kernel, Call, bool]] = []
    for shape, (kernel, call, promised) in asked.items():
        row = known.get(shape)
        if row is None or row.source != tuning.source(kernel) or row.default != kernel.tunable.default(call):
            row = blank(kernel, call)
        if not row.done:
            todo.append((row, kernel, call, promised))
    head = {"device": str(target), "identity": identity, "architecture": target.architecture, "calls": len(asked)}
    emit(head | {"left": [left(*each[:3]) for each in todo]})
    for row, kernel, call, promised in todo:
        emit({"row": row.to_json()})
        if trial.needs_bytes(call) > task["most"]:
            emit({"skipped": f"its operands take {trial.needs_bytes(call)} bytes; {task['most']} are allowed"})
        elif row.default in row.failed:
            emit({"skipped": f"the computed choice failed: {row.failed[row.default]}"})
        else:
            trial.measure(kernel, call, row, promised, emit, task["seconds"])


def blank(kernel: Kernel, call: Call) -> tuning.Row:
    """A row of which nothing is measured."""
    assert kernel.tunable is not None
    default = kernel.tunable.default(call)
    return tuning.Row(kernel.name, tuning.source(kernel), *kernel.tunable.shape(call), default, default)


def left(row: tuning.Row, kernel: Kernel, call: Call) -> int:
    """Choices of a call that are not measured yet, the computed one among them."""
    assert kernel.tunable is not None
    return len(set(kernel.tunable.choices(call)) - set(row.ratios) - set(row.failed))


def warm(target: Device, task: dict[str, Any], emit: Emit) -> None:
    """Makes the plans of the cases' calls, which compiles their kernels into the caches of the backend."""
    for case in map(Workload.from_json, task["cases"]):
        emit({"case": case.id})
        before = compiling.seconds()
        try:
            planned(case, target, plan=True)
        except Exception as error:  # one case that a compiler refuses is not the others' affair
            emit({"failed": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"})
        else:
            emit({"compiled": compiling.seconds() - before})


def aot(target: Device, task: dict[str, Any], emit: Emit) -> None:
    """Compiles the cases' kernels for another GPU and writes their machine code to a folder."""
    from ...backends import triton_prepared
    from ...backends.triton_target import TargetDevice

    written: set[str] = set()

    def take(what: Any, kernel: Any, aligned: bool) -> None:
        found = triton_prepared.entry_of(what, kernel, aligned)
        if found is not None and found[0] not in written:
            key, entry, code = found
            written.add(key)
            (Path(task["folder"]) / entry["file"]).write_bytes(code)
            emit({"kernel": {"key": key, **entry}})

    warm(TargetDevice(task["target"], take), task, emit)


TASKS = {"tune": tune, "warm": warm, "aot": aot}

if __name__ == "__main__":
    main(TASKS)
