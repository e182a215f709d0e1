"""What a published result must meet, as rows; and what lets it be called reproduced. docs/benchmark-standard.md says
why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .compare import compare_bits
from .file import SCHEMA, Record, by_process, problems
from .statistics import MAX_NOISE, noise

FORBIDDEN = ("INCORRECT", "MISTRUSTED", "CRASH", "TIMEOUT")
"""Statuses that a published result must not have."""

NOISY_SHARE = 0.1
"""Share of the timed cases that may be noisy."""

PROBES = (
    "read/", "copy/", "triad/", "fma/float32", "matmul/float32", "launch/latency", "launch/rate", "overhead/dispatch",
    "copy-in", "copy-out",
)  # fmt: skip
"""Ids of probes, or how they begin, that every published result has."""

SUSTAINED = "sustained/"
"""And every suite but the short one."""

SHORT = ("quick",)
"""Suites whose device is not held under load for half a minute."""

NEEDED = ("read/", "fma/float32", "matmul/float32", "launch/latency")
"""Probes without whose value there is no roof; the others may be null with a note, as copies are where host and device
share memory."""

MIN_REPRODUCED = 20
"""Equal hashes from which a result is reproduced."""

LISTED = 5
"""Cases that a complaint names."""


@dataclass(frozen=True)
class Current:
    """What this version of accel would measure. suites: their versions by name. cases: ids of a suite's cases."""

    suites: Mapping[str, int]
    cases: Callable[[str], Collection[str]]
    probe_version: int


def current() -> Current:
    """Of the installed version."""
    from ..cases.workload import SUITES, select
    from ..machine.probes import PROBE_VERSION

    versions = {name: suite.version for name, suite in SUITES.items()}
    return Current(versions, lambda name: [workload.id for workload in select(name)], PROBE_VERSION)


@dataclass(frozen=True)
class Rule:
    """name: in a word or two. asks: what must hold. check: complaints; none where it holds."""

    name: str
    asks: str
    check: Callable[[Record, Current], Iterator[str]]


def _valid(record: Record, now: Current) -> Iterator[str]:
    yield from problems(record)


def _versions(record: Record, now: Current) -> Iterator[str]:
    if record["schema"] != SCHEMA:
        yield f"schema {record['schema']}, current is {SCHEMA}"
    if record["probe_version"] != now.probe_version:
        yield f"probe version {record['probe_version']}, current is {now.probe_version}"
    suite = record["suite"]
    if suite["name"] not in now.suites:
        yield f"unknown suite {suite['name']!r}; there are {', '.join(now.suites)}"
    elif suite["version"] != now.suites[suite["name"]]:
        yield f"version {suite['version']} of the suite {suite['name']}, current is {now.suites[suite['name']]}"


def _complete(record: Record, now: Current) -> Iterator[str]:
    used = [name for name, values in record["suite"]["filters"].items() if values]
    if used:
        yield f"narrowed by {', '.join(used)}"
    if not record["run"]["complete"]:
        yield f"incomplete: {len(record['cases'])} of {record['suite']['cases']} cases"
    if record["suite"]["name"] not in now.suites:
        return
    there, expected = {case["id"] for case in record["cases"]}, set(now.cases(record["suite"]["name"]))
    for what, names in (("missing", expected - there), ("not of the suite", there - expected)):
        if names:
            yield f"{len(names)} cases {what}: {_some(sorted(names))}"


def _right(record: Record, now: Current) -> Iterator[str]:
    for status in FORBIDDEN:
        names = [case["id"] for case in record["cases"] if case["status"] == status]
        if names:
            yield f"{len(names)} {status}: {_some(names)}"


def _probes(record: Record, now: Current) -> Iterator[str]:
    wanted = PROBES + (() if record["suite"]["name"] in SHORT else (SUSTAINED,))
    for name in wanted:
        found = [probe for probe in record["probes"] if probe["id"] == name or probe["id"].startswith(name)]
        if not found:
            yield f"no probe {name}{'…' if name.endswith('/') else ''}"
        elif all(probe["value"] is None for probe in found) and (name in NEEDED or not all(p["note"] for p in found)):
            yield f"no value of {found[0]['id']}: {found[0]['note'] or 'no reason stated'}"


def _quiet(record: Record, now: Current) -> Iterator[str]:
    """Noise is computed from the samples: flags depend on the goal that the run had."""
    noises = {case["id"]: max(map(noise, by_process(case))) for case in record["cases"] if case["samples_s"]}
    if not noises:
        yield "nothing was timed"
        return
    noisy = [name for name, share in noises.items() if share > MAX_NOISE]
    if len(noisy) > NOISY_SHARE * len(noises):
        yield f"{len(noisy)} of {len(noises)} timed cases are noisier than {MAX_NOISE:.0%}: {_some(noisy)}"


def _clean(record: Record, now: Current) -> Iterator[str]:
    if record["accel"]["dirty"]:
        yield f"the source differs from commit {record['accel']['commit']}"


def _label(record: Record, now: Current) -> Iterator[str]:
    if record["label"] != "unverified":
        yield f"label {record['label']!r}: a file does not say of itself that it was reproduced"


def _some(names: Collection[str]) -> str:
    return ", ".join(list(names)[:LISTED]) + (", …" if len(names) > LISTED else "")


RULES = (
    Rule("valid", "the file is valid: accel bench validate", _valid),
    Rule("versions", "schema, probes and suite have the current version", _versions),
    Rule("complete", "every case of the suite, not narrowed, none missing", _complete),
    Rule("right", f"no case is {', '.join(FORBIDDEN)}", _right),
    Rule("probes", "every limit was measured; but for quick, the sustained rate too", _probes),
    Rule("quiet", f"at most {NOISY_SHARE:.0%} of timed cases are noisier than {MAX_NOISE:.0%}", _quiet),
    Rule("clean", "accel's source is that of its commit, where that is known", _clean),
    Rule("label", "the label is unverified", _label),
)


@dataclass(frozen=True)
class Outcome:
    """What a rule said of a file; no complaint: it holds."""

    rule: Rule
    complaints: tuple[str, ...]


def check(record: Record, now: Current) -> list[Outcome]:
    """Every rule on a record that says that it has this schema. Where it is not valid, the others are not asked."""
    valid = Outcome(RULES[0], tuple(RULES[0].check(record, now)))
    if valid.complaints:
        return [valid]
    return [valid, *(Outcome(rule, tuple(rule.check(record, now))) for rule in RULES[1:])]


@dataclass(frozen=True)
class Reproduction:
    """What another file says of a record's bits. equal: cases whose hashes agree; different: those whose do not;
    apart: why others could not be compared, with their number. complaints: why it reproduces nothing."""

    equal: int
    different: tuple[str, ...]
    apart: dict[str, int]
    complaints: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.complaints

    def to_json(self) -> dict[str, Any]:
        """A machine's form."""
        return {
            "reproduced": self.holds,
            "equal": self.equal,
            "different": list(self.different),
            "not_compared": self.apart,
            "complaints": list(self.complaints),
        }


def reproduce(record: Record, other: Record) -> Reproduction:
    """Whether the other file reproduces the record: no hash of promised bits differs, and 20 at least agree.

    Both records are valid. That the other run was somebody else's, no file can prove; that it was another run, it can.
    """
    theirs = {case["id"]: case for case in other["cases"]}
    equal, different, apart = 0, [], Counter[str]()
    for case in record["cases"]:
        if case["hash"] is None:
            continue
        if case["id"] not in theirs:
            apart["the other file does not have the case"] += 1
            continue
        bits, why = compare_bits(record, case, other, theirs[case["id"]])
        if bits == "equal":
            equal += 1
        elif bits == "different":
            different.append(case["id"])
        else:
            apart[why or ""] += 1
    complaints = []
    if other["run"]["started"] == record["run"]["started"]:
        complaints.append("the other file is of the same run")
    if different:
        complaints.append(f"{len(different)} results have other bits: {_some(different)}")
    if equal < MIN_REPRODUCED:
        complaints.append(f"{equal} hashes agree, {MIN_REPRODUCED} at least are needed")
    return Reproduction(equal, tuple(different), dict(apart), tuple(complaints))
