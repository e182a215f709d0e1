"""A run, as the parent of the processes that measure: it survives them, keeps the journal and makes the result record.

    describe -> turns of: probe -> groups of cases, each in a child process -> limits -> record

Each turn times every case once more, in another process than before and minutes later, as a process has a place in
memory and neighbours of its own. A case that crashes, hangs or eats the memory ends its process; the rest of its group
goes on in a new one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...backends.cpu import threads
from ...config import config
from ...errors import AccelError, ArgumentError
from ...system import memory_bytes
from ..cases.case import Workload
from ..cases.cost import needs_bytes
from ..cases.workload import SUITES, op_spec, select
from ..machine import probes
from ..result import file as result
from ..result.journal import Journal
from ..result.record import blank, joined, with_roof, without_names
from ..result.statistics import BUSY
from . import cold
from .child import Child, Ending, variables
from .group import START_SECONDS, Group, groups
from .plan import Plan

PROBE_SECONDS = {True: 120.0, False: 600.0}
"""How long all probes may take, quick or not."""

MEMORY_SHARE = 0.6
"""Part of the available memory that a case may take where the plan does not say."""


@dataclass(frozen=True)
class Event:
    """What a run tells while it goes on. kind: ``plan`` (text: what is resumed), ``probe``, ``begin``, ``case`` or
    ``notice`` (something went wrong that is no case's). text: a probe's or a case's id, or the notice. entry: the
    probe's or the case's. done, total: of cases, each as often as it is timed in a process of its own."""

    kind: str
    text: str
    entry: dict[str, Any] | None = None
    done: int = 0
    total: int = 0


OnEvent = Callable[[Event], None]


def chosen(plan: Plan) -> list[Workload]:
    """The cases of a plan, in the suite's order. Raises ArgumentError where there are none."""
    whole = select(plan.suite, plan.ops, plan.models, plan.dtypes)
    if not plan.patterns:
        found = whole
    else:
        wanted: set[str] = set()
        for pattern in plan.patterns:
            exact = {case.id for case in whole if case.id == pattern}  # an id need not be quoted as a pattern
            matched = select(plan.suite, plan.ops, plan.models, plan.dtypes, pattern) if not exact else ()
            wanted |= exact | {case.id for case in matched}
        found = [case for case in whole if case.id in wanted]
    if not found:
        filters = (("op", plan.ops), ("model", plan.models), ("dtype", plan.dtypes), ("case", plan.patterns))
        given = " ".join(f"--{name} {value!r}" for name, values in filters for value in values)
        raise ArgumentError(f"no case of suite {plan.suite} matches {given}; accel bench list shows what there is")
    return found


def identify(device: str | None) -> dict[str, Any]:
    """What `head.describe` says of a device (None: the default one), found in a child process. Raises AccelError
    for what is wrong with it."""
    for message in _messages({"do": "describe", "device": device}, {}, START_SECONDS):
        if isinstance(message, Ending):
            raise AccelError(f"bench: the device, {device or 'the default one'}, cannot be looked at: {message.why()}")
        if "machine" in message:
            return message["machine"]
    raise AssertionError


def journal_of(out: Path) -> Path:
    """Where the journal of a run is whose result goes to a file."""
    return out.with_name(f"{out.name}.journal")


def run(
    plan: Plan, out: Path, on_event: OnEvent, resume: bool = False, machine: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Runs a plan to its end, writes the result file, and returns what is in it.

    machine: what `identify` said; found out where it is not given. Raises ArgumentError for a plan without cases or a
    journal that cannot be used, `journal.OtherRunError` to resume another plan, AccelError where no process starts.
    On any exception, KeyboardInterrupt too, the processes are ended and the journal stays.
    """
    cases = chosen(plan)
    machine = identify(plan.device) if machine is None else machine
    path, head = journal_of(out), plan.head(machine)
    journal = Journal.resume(path, head) if resume else Journal.create(path, head)
    try:
        record = Run(plan, cases, machine, journal, on_event).go()
        result.save(out, record)
    except BaseException:
        journal.close()
        raise
    journal.remove()
    return record


def finish(out: Path) -> dict[str, Any]:
    """Writes the result file of an interrupted run as far as its journal goes, and returns what is in it: where the
    machine is not there any more, say. Cases that were not reached are not in it. The journal stays.

    Raises ArgumentError where there is no journal, where nothing was measured, or where another version wrote it.
    """
    journal = Journal.resume(journal_of(out), None)
    try:
        plan = Plan.of(journal.head, journal.path.name)
        run = Run(plan, chosen(plan), {}, journal, lambda event: None)
        run.take(journal.entries)
        if not run.done:
            raise ArgumentError(f"{journal.path.name}: no case was measured")
        record = run.record()
        result.save(out, record)
    finally:
        journal.close()
    return record


class Run:
    """A run and what is known of it so far."""

    def __init__(
        self, plan: Plan, cases: Sequence[Workload], machine: dict[str, Any], journal: Journal, on_event: OnEvent
    ) -> None:
        self.plan, self.cases, self.machine, self.journal, self.on_event = plan, cases, machine, journal, on_event
        self.done: dict[str, dict[str, Any]] = {}
        self.probed: list[list[dict[str, Any]]] = []
        self.begin = time.monotonic()
        self.before = max((entry.get("elapsed", 0.0) for entry in journal.entries), default=0.0)

    @property
    def probes(self) -> list[dict[str, Any]]:
        """The limits of the device, from all turns."""
        return probes.joined(self.probed)

    @property
    def started(self) -> str | None:
        """When the run began, as its journal has it."""
        return next((entry["started"] for entry in self.journal.entries if "started" in entry), None)

    def turns(self, name: str) -> int:
        """How many turns a case is through with."""
        entry = self.done.get(name)
        if entry is None:
            return 0
        return len(entry["processes"]) if entry["status"] in result.TIMED else self.plan.processes

    def elapsed(self) -> float:
        """Seconds of the run, those before its interruptions among them."""
        return round(self.before + time.monotonic() - self.begin, 3)

    def go(self) -> dict[str, Any]:
        """The result record."""
        self.take(self.journal.entries)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if self.started is None:
            self.journal.append({"started": now, "machine": self.machine})
        else:
            self.journal.append({"resumed": now})
        self.tell("plan", f"{len(self.done)} of {len(self.cases)} cases are done already" if self.done else "")
        load = self.machine["host"].get("load") or 0.0
        if load > BUSY:
            self.tell("notice", f"this machine is busy ({load:.1f} runnable processes per core): times will be wrong")
        for turn in range(self.plan.processes):
            if self.plan.probes and len(self.probed) <= turn:
                self.probe()
            self.measure([case for case in self.cases if self.turns(case.id) <= turn])
        return self.record()

    def take(self, entries: Sequence[dict[str, Any]]) -> None:
        """What the journal of an interrupted run has."""
        wanted = {case.id for case in self.cases}
        for entry in entries:
            if "machine" in entry:
                self.machine = entry["machine"]
            elif "probed" in entry:
                self.probed.append(entry["probed"])
            elif "case" in entry and entry["case"]["id"] in wanted:
                self.done[entry["case"]["id"]] = entry["case"]

    def tell(self, kind: str, text: str, entry: dict[str, Any] | None = None) -> None:
        """An event."""
        done = sum(self.turns(name) for name in self.done)
        self.on_event(Event(kind, text, entry, done, len(self.cases) * self.plan.processes))

    def keep(self, record: dict[str, Any]) -> None:
        """What a process found of a case, into the journal."""
        record = without_names(record)
        if record["id"] in self.done:
            record = joined(self.done[record["id"]], record)
        self.journal.append({"case": record, "elapsed": self.elapsed()})
        self.done[record["id"]] = record
        self.tell("case", record["id"], record)

    def probe(self) -> None:
        """The limits of the device. What a probe that crashes or hangs leaves unknown stays unknown."""
        quick, found = self.plan.suite == "quick", []
        task = {"do": "probe", "device": self.plan.device, "quick": quick, "again": bool(self.probed)}
        for message in _messages(task, variables(threads(config.current())), PROBE_SECONDS[quick]):
            if isinstance(message, Ending):
                self.tell("notice", f"not all limits of the device are known: the probes ended early: {message.why()}")
            elif "probe" in message:
                found.append(message["probe"])
                self.tell("probe", found[-1]["id"], found[-1])
        self.journal.append({"probed": found, "elapsed": self.elapsed()})
        self.probed.append(found)

    def measure(self, cases: Sequence[Workload]) -> None:
        """Every one of the cases, once."""
        budget = memory_budget() if self.plan.memory is None else self.plan.memory
        todo = []
        for case in cases:
            if op_spec(case) is None:
                self.keep(blank(case, self.plan.device, "UNSUPPORTED", f"accel has no op {case.op!r}"))
            elif (needed := needs_bytes(case)) > budget:
                detail = f"it takes {needed} bytes of the host's memory, and {budget} are allowed (--memory)"
                self.keep(blank(case, self.plan.device, "SKIPPED_MEM", detail))
            else:
                todo.append(case)
        cache = cold.last_level_cache(self.machine["device"], self.machine["host"], self.probes)
        for group in groups(todo):
            begin, earlier = (lambda name: self.tell("begin", name)), dict(self.done)
            Group(self.plan, group, budget, cache, earlier, begin, self.keep).measure()

    def record(self) -> dict[str, Any]:
        """The whole, of the cases that have an entry."""
        plan, suite = self.plan, SUITES[self.plan.suite]
        whole = select(plan.suite, plan.ops, plan.models, plan.dtypes)
        resumed = sum("resumed" in entry for entry in self.journal.entries)
        return {
            "schema": result.SCHEMA,
            "suite": {
                "name": suite.name,
                "version": suite.version,
                "filters": {"ops": list(plan.ops), "models": list(plan.models), "dtypes": list(plan.dtypes)},
                "cases": len(whole),
            },
            "probe_version": probes.PROBE_VERSION,
            "label": "unverified",
            "run": {
                "started": self.started,
                "seconds": self.elapsed(),
                "arguments": plan.arguments(),
                "seed": plan.seed,
                "complete": len(self.done) == len(whole),
                "resumed": resumed,
                "max_noise": plan.max_noise,
                "case_budget_s": plan.budget,
                "processes": plan.processes,
                "timeout_s": plan.timeout,
            },
            **self.machine,
            "probes": self.probes,
            "cases": [with_roof(self.done[case.id], self.probes) for case in self.cases if case.id in self.done],
        }


def memory_budget() -> int:
    """Bytes that a case may take where the plan does not say."""
    try:
        with open("/proc/meminfo", encoding="utf-8") as file:
            fields = dict(line.split(":", 1) for line in file)
        available = int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        available = memory_bytes() or 1 << 32
    return int(available * MEMORY_SHARE)


def _messages(task: dict[str, Any], variables: Mapping[str, str], seconds: float) -> Iterator[dict[str, Any] | Ending]:
    """The messages of a child with a time for all of them; last its ending, unless it ended well."""
    child = Child(task, variables)
    deadline = time.monotonic() + seconds
    try:
        while not isinstance(message := child.next(deadline), Ending):
            if "error" in message:
                raise AccelError(message["error"])
            yield message
        if message.how != "exit" or message.code:
            yield message
    finally:
        child.kill()
