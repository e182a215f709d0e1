"""What a run measures, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from ...errors import ArgumentError
from ..cases.workload import SUITES

BUDGETS = {"quick": 0.6}
"""Seconds of timing per case, by suite; `BUDGET` for the others."""

PROCESSES = {"quick": 3}
"""Processes that time each case, by suite; `FEW_PROCESSES` for the others, which take long."""

BUDGET, FEW_PROCESSES, MAX_NOISE, TIMEOUT = 1.0, 2, 0.02, 120.0


@dataclass(frozen=True)
class Plan:
    """A run of a suite, or of a part of it, on one device.

    device: a name that `accel.device` accepts. ops, models, dtypes: what is taken of the suite; empty: all.
    patterns: ids, or regular expressions that ids have; a case that any of them matches is taken. budget: seconds of
    timing per case, in all processes. processes: that time each case, each when the one before has timed all cases.
    max_noise: half width of the 95% interval of the median, as a share of it, at which timing ends.
    timeout: seconds of one step of a case (its first call, its check, a round) until it is given up. memory: bytes of
    host memory for one case; None: `runner.MEMORY_SHARE` of what is available when the run starts. baselines, probes:
    whether those are measured.
    """

    suite: str
    device: str
    ops: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    seed: int = 0
    budget: float = BUDGET
    processes: int = FEW_PROCESSES
    max_noise: float = MAX_NOISE
    timeout: float = TIMEOUT
    memory: int | None = None
    baselines: bool = True
    probes: bool = True

    @classmethod
    def of(cls, head: Any, name: str) -> Plan:
        """The plan of a journal's `head`. name: the journal's. Raises ArgumentError where this version of the bench
        suite does not write such heads, or has another version of the run's suite."""
        try:
            given = head | {"patterns": head["cases"]}
            values = {field.name: given[field.name] for field in fields(cls)}
            current = given["version"] == SUITES[values["suite"]].version
        except (KeyError, TypeError):
            current = False
        if not current:
            raise ArgumentError(f"{name}: the journal was written by another version of the bench suite")
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})

    def on(self, device: str) -> Plan:
        """The same on the device of that name."""
        return replace(self, device=device)

    def head(self, machine: dict[str, Any]) -> dict[str, Any]:
        """What an interrupted run and the one that continues it have in common. machine: of `head.describe`."""
        return {
            "suite": self.suite,
            "version": SUITES[self.suite].version,
            "device": self.device,
            "ops": list(self.ops),
            "models": list(self.models),
            "dtypes": list(self.dtypes),
            "cases": list(self.patterns),
            "seed": self.seed,
            "budget": self.budget,
            "processes": self.processes,
            "max_noise": self.max_noise,
            "timeout": self.timeout,
            "memory": self.memory,
            "baselines": self.baselines,
            "probes": self.probes,
            "accel": machine["accel"],
            "environment": machine["environment"],
            "toolchain": machine["toolchain"],
        }

    def arguments(self) -> list[str]:
        """The command line of the run, without files."""
        words = ["--suite", self.suite, "--device", self.device]
        listed: Sequence[tuple[str, Sequence[str]]] = (
            ("--op", self.ops),
            ("--model", self.models),
            ("--dtype", self.dtypes),
            ("--case", self.patterns),
        )
        for option, values in listed:
            for value in values:
                words += [option, value]
        numbers = (
            ("--seed", self.seed, 0),
            ("--budget", self.budget, BUDGETS.get(self.suite, BUDGET)),
            ("--processes", self.processes, PROCESSES.get(self.suite, FEW_PROCESSES)),
            ("--max-noise", self.max_noise, MAX_NOISE),
            ("--timeout", self.timeout, TIMEOUT),
            ("--memory", self.memory, None),
        )
        for option, number, default in numbers:
            if number != default:
                words += [option, str(number)]
        flags = (("--no-baselines", self.baselines), ("--no-probes", self.probes))
        return words + [option for option, kept in flags if not kept]
