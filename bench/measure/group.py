"""Cases that share a process, and how they go on where it ends early."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ...backends.cpu import threads
from ...config import config
from ...errors import AccelError
from ..cases.case import Workload
from ..result.record import blank, in_rounds
from .child import Child, Ending, variables
from .plan import Plan

SIZE = 32
"""Cases of one process at most. What a case leaves behind does not reach further, and a process costs seconds to
start where torch is a baseline."""

START_SECONDS = 120.0
"""How long a process may take to its first case: imports, and the start of a driver."""

COPIES = 6
"""Bytes beyond a case's own that its process may take, as a multiple of the cache: for `cold`, each twice the cache,
copies of operands for accel and for the others, and what empties the caches."""


class Group:
    """Cases that are measured in one process, and in further ones where that ends early.

    budget: bytes that a case may take. cache: of the device, in bytes. earlier: entries of the cases that a process has
    timed before. on_begin: is told the id of a case that begins. keep: takes each entry.
    """

    def __init__(
        self,
        plan: Plan,
        cases: Sequence[Workload],
        budget: int,
        cache: int,
        earlier: Mapping[str, dict[str, Any]],
        on_begin: Callable[[str], None],
        keep: Callable[[dict[str, Any]], None],
    ) -> None:
        self.plan, self.todo, self.budget, self.cache = plan, list(cases), budget, cache
        self.earlier, self.on_begin, self.keep = earlier, on_begin, keep
        self.without = {
            case.id: {name: "not timed in rounds" for name in entry["baselines"] if not in_rounds(entry, name)}
            for case in cases
            if (entry := earlier.get(case.id)) is not None
        }

    def measure(self) -> None:
        """All of them. Raises AccelError where twice in a row no case begins."""
        failed = False
        while self.todo:
            ending = self.process()
            if ending is not None and failed:
                raise AccelError(f"bench: the process that measures does not get to a case: {ending.why()}")
            failed = ending is not None

    def process(self) -> Ending | None:
        """What one process measures; how it ended where it did so without a case."""
        task = {
            "do": "measure",
            "device": self.plan.device,
            "cases": [case.to_json() for case in self.todo],
            "seed": self.plan.seed,
            "budget": self.plan.budget / self.plan.processes,
            "max_noise": self.plan.max_noise,
            "baselines": self.plan.baselines,
            "cache": self.cache,
            "without": self.without,
            "earlier": {case.id: self.earlier[case.id]["hash"] for case in self.todo if case.id in self.earlier},
        }
        child = Child(task, variables(threads(config.current())))
        limit, done = None, 0
        current = baseline = step = None
        deadline = time.monotonic() + START_SECONDS
        try:
            while not isinstance(message := child.next(deadline, limit), Ending):
                now = time.monotonic()
                if "begin" in message:
                    current, step = message["begin"], "at its begin"
                    deadline, limit = (
                        now + self.plan.timeout,
                        limit or child.resident() + self.budget + COPIES * self.cache,
                    )
                    self.on_begin(current)
                elif "step" in message:
                    baseline, step, deadline = None, message["step"], now + self.plan.timeout
                elif "baseline" in message:
                    baseline, deadline = message["baseline"], now + min(self.plan.timeout, message["patience"])
                elif "case" in message:
                    self.finish(message["case"])
                    current, baseline, done = None, None, done + 1
                    deadline = now + START_SECONDS
                elif "error" in message:
                    raise AccelError(f"bench: {message['error']}")
        finally:
            child.kill()
        if current is None:
            return message if self.todo and not done else None
        left_out = self.without.setdefault(current, {})
        if baseline is not None and baseline not in left_out:  # it costs only itself: the case is measured without it
            left_out[baseline] = f"left out: its first call ended the process: {message.why()}"
        else:
            self.finish(self.failed(current, step, message))
        return None

    def finish(self, record: dict[str, Any]) -> None:
        """A case's entry."""
        self.todo = [case for case in self.todo if case.id != record["id"]]
        self.keep(record)

    def failed(self, identity: str, step: str, ending: Ending) -> dict[str, Any]:
        """The entry of a case that its process did not survive."""
        case = next(case for case in self.todo if case.id == identity)
        if ending.how == "timeout":
            status, detail = "TIMEOUT", f"given up after {self.plan.timeout:g} s {step}"
        elif ending.how == "memory":
            status, detail = "OOM", f"{ending.why()} {step}; {self.budget} bytes are allowed for a case"
        else:
            status, detail = "CRASH", f"{step}: {ending.why()}"
        return blank(case, self.plan.device, status, detail)


def groups(cases: Sequence[Workload]) -> Iterator[Sequence[Workload]]:
    """Cases in order, `SIZE` at most together."""
    for start in range(0, len(cases), SIZE):
        yield cases[start : start + SIZE]
