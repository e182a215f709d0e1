"""What `accel doctor` runs in a child process, so that a driver that crashes or hangs takes nothing else down.

    python -m accel.cli.probe backend NAME [DEVICE… | all]    starts a backend, computes on its devices
    python -m accel.cli.probe default                         finds the default device
    python -m accel.cli.probe threads                         finds what starts the CPU kernels' threads beside torch

Each finding is one line of JSON on stdout, written as soon as it is known; what a driver prints goes to stderr.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

if TYPE_CHECKING:
    from ..backends.base import Device

Emit = Callable[[dict[str, Any]], None]

SIDE = 64
"""The computation is a float32 matmul of this many rows and columns."""

COMPUTING = ("cpu", "gpu", "accelerator")
"""Kinds of devices that are tried without being asked for; interpreters and emulators take long to start."""


EVERY = "all"
"""Stands for every device of the backend."""


def operands() -> tuple[np.ndarray, np.ndarray]:
    """Two float32 matrices whose products round, from a linear congruential sequence (Park and Miller 1988)."""
    state, values = 1, []
    for _ in range(2 * SIDE * SIDE):
        state = state * 48271 % 2147483647
        values.append(state / 2147483647 - 0.5)
    a, b = np.array(values, np.float64).astype(np.float32).reshape(2, SIDE, SIDE)
    return a, b


def check(name: str) -> dict[str, Any]:
    """Computes on a device. verdict: equal, differs, failed or nothing; detail says more, runs what ran."""
    from .. import asarray, config, matmul, registry
    from ..devices import device
    from ..errors import AccelError
    from ..explain import explain

    where = device(name)
    if where.kind == "null":
        return {"verdict": "nothing", "runs": None, "detail": "computes nothing, by design"}
    try:
        with config(override=None, fallback="allow", numerics="reproducible"):
            a, b = operands()
            on_device = [asarray(x, device=where) for x in (a, b)]
            runs = explain("matmul", *on_device).runs
            got = np.asarray(matmul(*on_device))
        want = registry.OPS["matmul"].canonical(a, b)
    except AccelError as error:
        return {"verdict": "failed", "runs": None, "detail": str(error)}
    except Exception as error:
        return {"verdict": "failed", "runs": None, "detail": f"{type(error).__name__}: {error}"}
    return compare(got, want) | {"runs": runs}


def compare(got: np.ndarray, want: np.ndarray) -> dict[str, Any]:
    """Whether two float32 results have the same bits, and what differs."""
    if got.dtype != want.dtype or got.shape != want.shape:
        return {
            "verdict": "differs",
            "detail": f"got {got.dtype}{got.shape}, expected {want.dtype}{want.shape}",
        }
    wrong = np.flatnonzero(got.view(np.uint32) != want.view(np.uint32))
    if wrong.size == 0:
        return {"verdict": "equal", "detail": "bits equal"}
    i = int(wrong[0])
    pair = f"{got.flat[i]!s} and not {want.flat[i]!s}"
    return {
        "verdict": "differs",
        "detail": f"{wrong.size} of {got.size} results differ, the first is {pair} (element {i})",
    }


def probe_backend(name: str, further: list[str], emit: Emit) -> None:
    """Emits the backend's state and devices, then a check of each computing device and of each further one."""
    from .. import registry
    from .devices import describe

    reason = registry.unavailable(name)
    if reason is not None:
        emit({"state": "unusable", "reason": reason})
        return
    started = registry.backend(name)
    named = _named(further)
    found = list(started.devices())
    found += [each for each in named if each not in found]
    try:
        versions = {str(k): str(v) for k, v in started.versions().items()}
    except Exception as error:
        versions = {"versions": f"not told: {type(error).__name__}: {error}"}
    devices = [describe(each) for each in found]
    emit({"state": "usable", "without_gpu": started.nothing_automatic(), "versions": versions, "devices": devices})
    for each in found:
        if EVERY in further or each in named or each.kind in (*COMPUTING, "null"):
            emit({"checking": str(each)})
            emit({"device": str(each), "check": check(str(each))})


def _named(names: list[str]) -> list[Device]:
    """The devices of these names; a wrong name is left to the search for the default device, which reports it."""
    from ..devices import device
    from ..errors import AccelError

    found = []
    for name in names:
        if name != EVERY:
            with contextlib.suppress(AccelError):
                found.append(device(name))
    return found


def probe_default(emit: Emit) -> None:
    """Emits the default device, or why there is none."""
    from ..devices import default_device
    from ..errors import AccelError

    try:
        emit({"default": str(default_device())})
    except AccelError as error:
        emit({"error": str(error)})


def probe_threads(emit: Emit) -> None:
    """Emits what starts the CPU kernels' threads in a process that gives accel torch's tensors (`openmp.effect`)."""
    from .. import openmp
    from ..backends.cpu import native
    from ..config import config

    with contextlib.suppress(ImportError):  # the CPU's row says so
        native()
    if config.openmp != "off" and find_spec("torch"):
        import_module("accel.interop.torch")
    emit({"threads": openmp.effect()})


def _quiet_stdout() -> TextIO:
    """A stream to the true stdout, after file descriptor 1 was joined with stderr."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return stream


def main(arguments: list[str]) -> None:
    """The child process."""
    stream = _quiet_stdout()

    def emit(finding: dict[str, Any]) -> None:
        stream.write(json.dumps(finding, default=str) + "\n")
        stream.flush()

    what, *rest = arguments
    if what == "backend":
        probe_backend(rest[0], rest[1:], emit)
    elif what == "threads":
        probe_threads(emit)
    else:
        probe_default(emit)


if __name__ == "__main__":
    main(sys.argv[1:])
