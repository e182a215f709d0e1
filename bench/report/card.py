"""The device card: all that a result file says of the device, the host, the versions and the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import units
from .case import Record, at

Fact = tuple[str, str]
"""What a thing is called, and what it is."""


@dataclass(frozen=True)
class Card:
    """A group of the device card: (label, the value of each record, whether they differ)."""

    title: str
    rows: tuple[tuple[str, tuple[str, ...], bool], ...]


def build(records: Sequence[Record]) -> list[Card]:
    """The facts of all records side by side; a fact that a record lacks is unknown there."""
    groups = [_facts(record) for record in records]
    cards = []
    for number, (title, _) in enumerate(groups[0] if groups else ()):
        tables = [dict(group[number][1]) for group in groups]
        rows = []
        for label in dict.fromkeys(label for table in tables for label in table):
            values = tuple(table.get(label, units.UNKNOWN) for table in tables)
            rows.append((label, values, len(set(values)) > 1))
        if rows:
            cards.append(Card(title, tuple(rows)))
    return cards


def suite(record: Record) -> str:
    """The suite's name and version."""
    version = at(record, "suite", "version")
    return f"{at(record, 'suite', 'name') or 'of no name'}" + (f" {version}" if version is not None else "")


def _facts(record: Record) -> list[tuple[str, tuple[Fact, ...]]]:
    device, host, run = (record.get(key) or {} for key in ("device", "host", "run"))
    clock, limit = device.get("clock_hz") or {}, device.get("power_limit_w")
    commit = at(record, "accel", "commit")
    return [
        (
            "Device",
            (
                ("name", _text(device.get("name"))),
                ("backend, kind", f"{_text(device.get('backend'))}, {_text(device.get('kind'))}"),
                ("vendor", _text(device.get("vendor"))),
                ("description", _text(device.get("description"))),
                ("driver", _text(device.get("driver"))),
                ("memory", units.size(device.get("memory"))),
                ("threads", _text(device.get("threads"))),
                ("instruction set", _text(device.get("isa"))),
                ("clock, now", units.prefixed(clock.get("now"), "Hz")),
                ("clock, highest", units.prefixed(clock.get("max"), "Hz")),
                ("power limit", units.UNKNOWN if limit is None else f"{limit:g} W"),
                ("ECC", _text(device.get("ecc"))),
                *_mapping(device.get("details")),
            ),
        ),
        (
            "Host",
            (
                ("system", f"{_text(host.get('system'))} {_text(host.get('kernel'))}"),
                ("CPU", _text(host.get("cpu"))),
                ("architecture", _text(host.get("architecture"))),
                ("cores", _text(host.get("cores"))),
                ("memory", units.size(host.get("memory"))),
                *((f"cache {name}", units.size(size)) for name, size in (host.get("caches") or {}).items()),
                ("virtual", _text(host.get("virtual"))),
                ("governor", _text(host.get("governor"))),
                ("load", _text(host.get("load"))),
            ),
        ),
        ("Toolchain", _mapping(record.get("toolchain"))),
        (
            "accel",
            (
                ("version", _text(at(record, "accel", "version"))),
                ("commit", _text(commit) + (" with changes" if at(record, "accel", "dirty") else "")),
                ("bit contract", _text(at(record, "accel", "bit_contract"))),
                ("suite", suite(record)),
                ("probes' version", _text(record.get("probe_version"))),
                ("schema", _text(record.get("schema"))),
                ("label", _text(record.get("label"))),
            ),
        ),
        ("Environment", _mapping(record.get("environment"))),
        (
            "Run",
            (
                ("started", _text(run.get("started"))),
                ("took", units.time(run.get("seconds"))),
                ("arguments", " ".join(map(str, run.get("arguments") or ())) or units.UNKNOWN),
                ("complete", _text(run.get("complete"))),
                ("resumed", _text(run.get("resumed"))),
                ("seed", _text(run.get("seed"))),
                ("noise aimed at", units.percent(run.get("max_noise"))),
                ("time per case", units.time(run.get("case_budget_s"))),
                ("time-out", units.time(run.get("timeout_s"))),
            ),
        ),
    ]


def _text(value: Any) -> str:
    if value is None or value == "":
        return units.UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _mapping(values: Mapping[str, Any] | None) -> tuple[Fact, ...]:
    return tuple((str(name), _text(value)) for name, value in (values or {}).items())
