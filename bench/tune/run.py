"""A run of `accel tune`, as the parent of the process that measures: it survives it, and keeps what was measured at
once. A choice that crashes or hangs is marked, and the next process goes on behind it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ... import tuning
from ...backends.base import Choice
from ...backends.cpu import threads
from ...config import config
from ...errors import AccelError, ArgumentError
from ..cases.case import Workload
from ..measure.child import Child, Ending, variables
from ..measure.group import START_SECONDS
from ..measure.runner import memory_budget

WORKER = f"{__package__}.worker"

SECONDS = 0.2
"""Of timing for each choice."""

TIMEOUT = 60.0
"""Seconds until a choice that does not get on is given up: its compilation, its runs."""


@dataclass
class Outcome:
    """What a run found. rows: of the calls that were begun, as the table has them. calls: of the cases, all. done: of
    these, completely measured now or before. defects: choices whose bits differ where the contract promises them, in
    words. notes: what else went wrong. out_of_time: whether the time ended it."""

    device: str = ""
    identity: tuple[str, ...] = ()
    architecture: str = ""
    calls: int = 0
    done: int = 0
    rows: dict[tuning.Shape, tuning.Row] = field(default_factory=dict)
    defects: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    out_of_time: bool = False


OnStep = Callable[[str, int], None]
"""on_step(what is measured, in words; how many choices are left)"""


class Run:
    """A run and what is known so far. seconds: that it may take; None: as long as it needs."""

    def __init__(
        self,
        device: str,
        cases: Sequence[Workload],
        seconds: float | None,
        on_step: OnStep,
        again: bool = False,
        timeout: float = TIMEOUT,
        module: str = WORKER,
    ) -> None:
        self.device, self.cases, self.on_step, self.again = device, cases, on_step, again
        self.timeout, self.module = timeout, module
        self.end = None if seconds is None else time.monotonic() + seconds
        self.outcome = Outcome()
        self.left = 0

    def go(self) -> Outcome:
        """Measures what is not done. Raises ArgumentError where no call has anything to choose, AccelError where the
        process does not get to measuring, and whatever ends it: what was measured is kept."""
        failed = False
        while (ending := self.process()) is not None and not self.outcome.out_of_time:
            if failed and ending is _NOWHERE:
                raise AccelError(f"tune: the process that measures ends before it measures: {self.outcome.notes[-1]}")
            failed = ending is _NOWHERE
        return self.outcome

    def process(self) -> object:
        """What one process measures. None where it was through; else whether it got to a choice. Of what was kept
        before it knows all, or, to measure again, what this run has kept."""
        task = {
            "do": "tune", "device": self.device, "cases": [case.to_json() for case in self.cases], "seconds": SECONDS,
            "only": list(self.outcome.rows) if self.again else None, "most": memory_budget() // 2,
        }  # fmt: skip
        child = Child(task, variables(threads(config.current())), self.module)
        row, choice, begun = None, None, False
        try:
            while True:
                deadline = time.monotonic() + (self.timeout if begun else START_SECONDS)
                message = child.next(deadline if self.end is None else min(deadline, self.end))
                begun = True
                if isinstance(message, Ending):
                    break
                if "error" in message:
                    raise AccelError(f"tune: {message['error']}")
                if "identity" in message:
                    self.begin(message)
                elif "unplanned" in message:
                    self.note(f"{message['unplanned']}: {message['why']}")
                elif "row" in message:
                    row, choice = tuning.Row.from_json(message["row"]), None
                    self.outcome.rows[row.shape] = row
                elif row is not None:
                    choice = self.take(row, choice, message)
        finally:
            child.kill()
        if message.how == "exit" and message.code == 0:
            return None
        if self.end is not None and time.monotonic() >= self.end:
            self.outcome.out_of_time = True
            return _NOWHERE
        if row is None or choice is None:
            self.note(f"the process that measures ended: {message.why()}")
            return _NOWHERE
        row.ratios.pop(choice, None)
        row.failed[choice] = message.why()
        self.note(f"{_named(row, choice)}: {message.why()}")
        self.keep(row)
        return _SOMEWHERE

    def begin(self, head: dict[str, Any]) -> None:
        """What a process says of the device and of what there is to do."""
        found = self.outcome
        found.device, found.identity = head["device"], tuple(head["identity"])
        found.architecture, found.calls = head["architecture"], head["calls"]
        found.done, self.left = head["calls"] - len(head["left"]), sum(head["left"])
        if not found.identity:
            raise ArgumentError(f"tune: {found.device} has nothing to tune: its backend keeps no tuning results")
        if not found.calls:
            raise ArgumentError(
                f"tune: no call of these cases has anything to choose on {found.device}; what has: "
                "matrix products (matmul, linear and what is made of them) under opencl and triton"
            )

    def take(self, row: tuning.Row, choice: Choice | None, message: dict[str, Any]) -> Choice | None:
        """A message about a row; returns the choice that is being measured."""
        if "begin" in message:
            choice = tuple(message["begin"])
            self.on_step(_named(row, choice), self.left)
            return choice
        if "computed" in message:
            row.seconds = message["computed"]
            self.left -= 1
        elif "ratio" in message:
            self.left -= choice not in row.ratios
            row.ratios[tuple(message["choice"])] = message["ratio"]
        elif "failed" in message:
            self.left -= 1
            choice = tuple(message["choice"])
            row.ratios.pop(choice, None)
            row.failed[choice] = message["failed"]
            if message["defect"]:
                self.outcome.defects.append(f"{_named(row, choice)}: {message['failed']}")
        elif "done" in message:
            row.choice, row.done = tuple(message["done"]), True
            self.outcome.done += 1
        elif "skipped" in message:
            self.note(f"{_named(row, None)}: {message['skipped']}")
            return None
        self.keep(row)
        return None

    def keep(self, row: tuning.Row) -> None:
        """A row, into the user's table."""
        try:
            tuning.keep(self.outcome.identity, [row])
        except OSError as error:
            self.note(f"nothing can be kept: {error}")

    def note(self, text: str) -> None:
        """Something that the user should know, once."""
        if text not in self.outcome.notes:
            self.outcome.notes.append(text)


_NOWHERE, _SOMEWHERE = object(), object()
"""Whether a process that ended early had begun to measure."""


def _named(row: tuning.Row, choice: Choice | None) -> str:
    its = "" if choice is None else f" by {','.join(map(str, choice))}"
    return f"{row.kernel} {row.words} {'x'.join(map(str, row.lengths))}{its}"
