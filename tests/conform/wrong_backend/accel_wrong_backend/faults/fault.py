"""What a fault states: the clause that it breaks, where it shows, and what it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from accel.backends.base import Call

Run = Callable[[Call, Sequence[np.ndarray], np.ndarray, Callable[[], None]], None]
"""run(call, inputs, out, right): does the call, wrongly. out: that of the outputs in which the fault is. right(): does
it as the CPU does."""


@dataclass(frozen=True)
class Fault:
    """clause: what is broken. cases: (op, dtype) pairs, each of which must be seen to fail. primitives: those whose
    kernels have it (none: all). output: of which of a launch's results; launches without it are right."""

    clause: str
    cases: tuple[tuple[str, str], ...]
    run: Run
    primitives: tuple[str, ...] = ()
    output: int = 0


def fault(clause: str, cases: str, run: Run, output: int = 0) -> Fault:
    """cases: "op dtype, op dtype"."""
    pairs = [case.split() for case in cases.split(",")]
    return Fault(clause, tuple((op, dtype) for op, dtype in pairs), run, output=output)


def of(faults: dict[str, Fault], *primitives: str) -> dict[str, Fault]:
    """The faults, in the kernels of these primitives only."""
    return {name: replace(each, primitives=primitives) for name, each in faults.items()}


def spoil(change: Callable[[Call, np.ndarray], None]) -> Run:
    """The right call, then a change of its result."""

    def run(call: Call, x: Sequence[np.ndarray], out: np.ndarray, right: Callable[[], None]) -> None:
        right()
        change(call, out)

    return run


def where(condition: Callable[[Call], bool], wrong: Run) -> Run:
    """The fault where a condition holds, else the right call."""

    def run(call: Call, x: Sequence[np.ndarray], out: np.ndarray, right: Callable[[], None]) -> None:
        if condition(call):
            wrong(call, x, out, right)
        else:
            right()

    return run


def next_up(out: np.ndarray, at: object = ...) -> None:
    """One unit in the last place more, of some elements."""
    bits = out.view(f"u{out.itemsize}")
    bits[at] += 1


NONE = Fault("none: the control", (), lambda call, x, out, right: right())
