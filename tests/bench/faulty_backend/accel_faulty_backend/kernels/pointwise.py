"""Pointwise programs, done right or with a fault."""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from accel.array import Array
from accel.backends.base import Call, Kernel, Prepared, one_launch
from accel.conversion import to_numpy
from accel.errors import CompileError, OutOfMemoryError
from accel.layout import broadcast_strides
from accel.scalar.evaluate import evaluate

FIRST_CALLS = 3
"""Calls that the faults of later ones do right."""


def _flip(out: np.ndarray, want: np.ndarray, calls: int) -> None:
    out[...] = want
    out[len(out) // 2] += 1


def _eat(out: np.ndarray, want: np.ndarray, calls: int) -> None:
    held = []
    while True:
        held.append(np.ones(1 << 21))


def _spawn(out: np.ndarray, want: np.ndarray, calls: int) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    print(f"grandchild {child.pid}", file=sys.stderr, flush=True)
    time.sleep(1000)


def _abort(out: np.ndarray, want: np.ndarray, calls: int) -> None:
    print("kernel /home/someone/secret/add.cl: it is over", file=sys.stderr, flush=True)
    os.abort()


def _anew(out: np.ndarray, want: np.ndarray, calls: int) -> None:
    """Right in the first process that the parent starts, wrong in the next."""
    mark = Path(tempfile.gettempdir(), f"accel-faulty-{os.getppid()}")
    if not mark.exists():
        mark.write_text(str(os.getpid()), encoding="utf-8")
    (_right if mark.read_text(encoding="utf-8") == str(os.getpid()) else _flip)(out, want, calls)


def _raise(error: Exception) -> Callable[[np.ndarray, np.ndarray, int], None]:
    def fault(out: np.ndarray, want: np.ndarray, calls: int) -> None:
        raise error

    return fault


def _right(out: np.ndarray, want: np.ndarray, calls: int) -> None:
    out[...] = want


def _slow(out: np.ndarray, want: np.ndarray, calls: int) -> None:
    time.sleep(0.05)
    out[...] = want


def _nothing(out: np.ndarray, want: np.ndarray, calls: int) -> None:
    return


class Spinner:
    """A thread that keeps a core, without the interpreter's lock, until so many seconds after the last call."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.end, self.lock, self.running = seconds, 0.0, threading.Lock(), False

    def __call__(self, out: np.ndarray, want: np.ndarray, calls: int) -> None:
        out[...] = want
        with self.lock:
            self.end = time.monotonic() + self.seconds
            if not self.running:
                self.running = True
                threading.Thread(target=self.spin, daemon=True).start()

    def spin(self) -> None:
        while True:
            hashlib.pbkdf2_hmac("sha256", b"spin", b"spin", 1000)
            with self.lock:
                if time.monotonic() > self.end:
                    self.running = False
                    return


FAULTS: dict[str, Callable[[np.ndarray, np.ndarray, int], None]] = {
    "right": _right,
    "slow": _slow,
    "wrong": _flip,
    "wrong-later": lambda out, want, calls: (_right if calls <= FIRST_CALLS else _flip)(out, want, calls),
    "wrong-anew": _anew,
    "nothing": _nothing,
    "nothing-later": lambda out, want, calls: (_right if calls <= FIRST_CALLS else _nothing)(out, want, calls),
    "abort": _abort,
    "exit": lambda out, want, calls: os._exit(3),
    "hang": lambda out, want, calls: time.sleep(1000),
    "hang-with-lock": lambda out, want, calls: ctypes.PyDLL(None).sleep(1000),  # holds the interpreter's lock
    "spawn": _spawn,
    "eat": _eat,
    "out-of-memory": _raise(OutOfMemoryError("faulty:0: 8 bytes were asked for; the device has 7 bytes")),
    "raise": _raise(RuntimeError("the kernel is broken")),
    "compile": _raise(CompileError("add: expected ';'")),
    "refuse": _nothing,
    "spin": Spinner(1.0),
    "spin-briefly": Spinner(0.02),
}
"""By name; the n-th is that of results of `LENGTH` + n elements. Each gets the result's memory, what belongs there, and
how many calls there were."""

LENGTH = 1000


def length(fault: str) -> int:
    """Elements of a result that has this fault."""
    return LENGTH + list(FAULTS).index(fault)


def _fault(call: Call) -> str:
    at = call.outputs[0].size - LENGTH
    return list(FAULTS)[at] if 0 <= at < len(FAULTS) else "right"


def _supports(call: Call) -> str | None:
    return "it is told to refuse" if _fault(call) == "refuse" else None


def _elements(array: Array, shape: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray:
    itemsize = array.dtype.itemsize
    steps = tuple(step * itemsize for step in strides)
    return np.ndarray(shape, array.dtype.numpy, array.buffer, array.offset * itemsize, steps)


def _prepare(call: Call) -> Prepared:
    program, (out,) = call.params, call.outputs
    strides = [broadcast_strides(x, out.shape) for x in call.inputs]
    fault, calls = FAULTS[_fault(call)], 0

    def run(arrays: Sequence[Array]) -> None:
        nonlocal calls
        calls += 1
        *inputs, output = arrays
        operands = [_elements(x, out.shape, steps) for x, steps in zip(inputs, strides, strict=True)]
        fault(to_numpy(output), evaluate(program, *operands), calls)

    return one_launch(call, run)


KERNELS = (Kernel("pointwise", "faulty.pointwise", "accel_faulty_backend/kernels/pointwise.py", _supports, _prepare),)
