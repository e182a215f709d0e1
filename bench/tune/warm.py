"""Cases whose kernels are compiled, by several processes at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import AccelError
from ..cases.case import Workload
from ..measure.child import Child, Ending
from ..measure.group import START_SECONDS

WORKER = f"{__package__}.worker"

TIMEOUT = 300.0
"""Seconds until a case that does not get on is given up."""


@dataclass
class Outcome:
    """compiled: by case, the seconds that compilers took. failed: by case, why. kernels: what the processes wrote."""

    compiled: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    kernels: list[dict[str, Any]] = field(default_factory=list)


OnStep = Callable[[str], None]


def run(
    task: dict[str, Any],
    cases: Sequence[Workload],
    jobs: int,
    on_step: OnStep,
    timeout: float = TIMEOUT,
    module: str = WORKER,
) -> Outcome:
    """Has so many processes do a task for all cases between them. on_step: is told each case that is through.

    Raises AccelError for what is wrong with the device. A case that crashes or hangs is marked, and its process's other
    cases go on in a new one. On any exception, KeyboardInterrupt too, the processes are ended.
    """
    its = _Run(task, on_step, timeout, module)
    threads = [threading.Thread(target=its.share, args=(list(cases[i::jobs]),)) for i in range(jobs)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(0.1)  # so that Ctrl-C is heeded
    except BaseException:
        its.stop()
        for thread in threads:
            thread.join()
        raise
    if its.errors:
        raise its.errors[0]
    return its.outcome


class _Run:
    def __init__(self, task: dict[str, Any], on_step: OnStep, timeout: float, module: str) -> None:
        self.task, self.on_step, self.timeout, self.module = task, on_step, timeout, module
        self.outcome, self.lock, self.over = Outcome(), threading.Lock(), False
        self.errors: list[BaseException] = []
        self.children: set[Child] = set()

    def stop(self) -> None:
        """Ends the processes, which ends the threads that listen to them."""
        self.over = True
        for child in tuple(self.children):
            child.terminate()

    def share(self, todo: list[Workload]) -> None:
        """What one of the processes does, and those that follow it."""
        try:
            stuck = False
            while todo and not self.over:
                before = len(todo)
                self.process(todo)
                if stuck and len(todo) == before:
                    raise AccelError("the process that compiles does not get to a case")
                stuck = len(todo) == before
        except BaseException as error:
            self.errors.append(error)
            self.stop()

    def process(self, todo: list[Workload]) -> None:
        """One process; takes the cases that it was through with, or ended at, off the list."""
        child = Child(self.task | {"cases": [case.to_json() for case in todo]}, {}, self.module)
        self.children.add(child)
        current, limit = None, START_SECONDS
        try:
            while not self.over:
                message = child.next(time.monotonic() + limit)
                limit = self.timeout
                if isinstance(message, Ending):
                    if current is not None and not self.over:
                        self.finish(todo, current, None, message.why())
                    return
                if "error" in message:
                    raise AccelError(message["error"])
                if "case" in message:
                    current = message["case"]
                elif "kernel" in message:
                    self.outcome.kernels.append(message["kernel"])
                elif current is not None:
                    self.finish(todo, current, message.get("compiled"), message.get("failed", ""))
                    current = None
        finally:
            self.children.discard(child)
            child.kill()

    def finish(self, todo: list[Workload], name: str, seconds: float | None, why: str) -> None:
        """A case's end."""
        todo[:] = [case for case in todo if case.id != name]
        with self.lock:
            if seconds is None:
                self.outcome.failed[name] = why
            else:
                self.outcome.compiled[name] = seconds
            self.on_step(name)
