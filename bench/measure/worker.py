"""The process that measures, so that a kernel that crashes or hangs takes only itself down.

    python -P -m accel.bench.measure.worker    reads a task, one JSON object, on stdin

    {"do": "describe", "device": null}                    {"machine": …}
    {"do": "probe", "device": "cpu", "quick": true,       {"probe": …} for each probe, then {"probed": true}
     "again": false}
    {"do": "measure", "device": "cpu", "cases": […],      for each case {"begin": id}, what `trial.measure` marks, and
     "seed": 0, "budget": 0.8, "max_noise": 0.02,         {"case": …}, its entry
     "baselines": true, "cache": 33554432,
     "without": {id: {baseline: reason}},
     "earlier": {id: hash or null}}

Messages are lines of JSON on stdout; what libraries print goes to stderr. An `AccelError` that is not a case's own is
the last message: {"error": text}.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ...backends.base import Device
from ...devices import default_device, device
from ...errors import AccelError

Emit = Callable[[dict[str, Any]], None]

Task = Callable[[Device, dict[str, Any], Emit], None]
"""task(the device, what was read on stdin, emit)"""

PR_SET_PDEATHSIG = 1
"""See prctl(2)."""


def die_with_parent() -> None:
    """Lets the system kill this process when its parent ends, however it does (Linux)."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    try:
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        return
    if os.getppid() != parent:  # it ended meanwhile
        sys.exit(1)


def describe(target: Device, task: dict[str, Any], emit: Emit) -> None:
    """Emits the head of a result file."""
    from ..machine import head

    emit({"machine": head.describe(target)})


def probe(target: Device, task: dict[str, Any], emit: Emit) -> None:
    """Emits the device's limits as they are found."""
    from ..machine import probes

    probes.run(target, lambda found: emit({"probe": found}), task["quick"], task["again"])
    emit({"probed": True})


def measure(target: Device, task: dict[str, Any], emit: Emit) -> None:
    """Emits the entry of each case."""
    from ..cases.case import Workload
    from . import cold, energy, trial

    cases = [Workload.from_json(record) for record in task["cases"]]
    evict = cold.evictor(target, task["cache"]) if any(case.cache == "cold" for case in cases) else None
    meter = energy.meter(target)
    for case in cases:
        emit({"begin": case.id})
        options = trial.Options(
            seed=task["seed"],
            budget=task["budget"],
            max_noise=task["max_noise"],
            baselines=task["baselines"],
            cache=task["cache"],
            evict=evict,
            meter=meter,
            without=task["without"].get(case.id, {}),
            further=case.id in task["earlier"],
            hash=task["earlier"].get(case.id),
        )
        emit({"case": trial.measure(case, target, options, emit)})


TASKS: dict[str, Task] = {"describe": describe, "probe": probe, "measure": measure}


def main(tasks: Mapping[str, Task] = TASKS) -> None:
    """The child process. tasks: what it can do, by name."""
    die_with_parent()
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def emit(message: dict[str, Any]) -> None:
        stream.write(json.dumps(message, allow_nan=False) + "\n")
        stream.flush()

    task = json.load(sys.stdin)
    try:
        target = default_device() if task["device"] is None else device(task["device"])
        tasks[task["do"]](target, task, emit)
    except AccelError as error:
        emit({"error": str(error)})


if __name__ == "__main__":
    main()
