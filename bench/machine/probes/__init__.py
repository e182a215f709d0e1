"""A device's own limits, measured: memory by working set, arithmetic by dtype, launches, copies, sustained load.

    from accel.bench import probes
    records = probes.run(accel.device("cpu"), lambda record: None, quick=True)
    probes.roof(records, case)

A rate (bandwidth, arithmetic, copies) is the largest of its samples, because whatever disturbs a sample only lowers it;
a latency, and the rate of launches, is the median.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ....backends.base import Device
from ....config import config
from . import compute, copies, ladder, launch, native, sustained
from .record import FULL, QUICK, Effort, Probe, refused, value
from .roof import roof

__all__ = ["PROBE_VERSION", "joined", "roof", "run"]

PROBE_VERSION = 1
"""Changes with whatever makes a probe's value another one on the same machine."""

COMPUTING = ("cpu", "gpu", "accelerator")
"""Kinds of devices that have limits of their own; an interpreter, an emulator or the null device has none."""


def run(
    device: Device, on_probe: Callable[[dict[str, Any]], None], quick: bool, again: bool = False
) -> list[dict[str, Any]]:
    """Every probe's record, as in the result file; on_probe is called with each as soon as it is known.

    quick: fewer samples and no sustained run. again: no sustained run either, as there has been one. A probe that the
    device refuses has the value None and a note that says why. A device that computes nothing of its own has one such
    record and no other.
    """
    found = []
    with config(override=None, fallback="error"):  # what ran elsewhere would be no limit of this device
        effort = QUICK if quick else FULL
        for probe in _probes(device, replace(effort, sustained_s=0.0) if again else effort):
            record = probe.to_json()
            found.append(record)
            on_probe(record)
    return found


def joined(turns: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The records of a device that was probed several times, each from all its samples."""
    found: dict[str, dict[str, Any]] = {}
    for record in (record for turn in turns for record in turn):
        before = found.get(record["id"])
        if before is None or before["value"] is None:
            found[record["id"]] = record
        elif record["value"] is not None:
            samples = [*before["samples"], *record["samples"]]
            found[record["id"]] = before | {"value": value(record["kind"], samples), "samples": samples}
    return list(found.values())


def _probes(device: Device, effort: Effort) -> Iterator[Probe]:
    if device.kind not in COMPUTING:
        yield refused("launch/latency", "launch", "s", None, f"a device of the kind {device.kind} has no limits")
        return
    yield from launch.probes(device, effort)
    if device.backend == "cpu":
        yield from native.probes(device, effort)
    else:
        yield from compute.hard(device, effort)
        yield from ladder.probes(device, effort)
    yield from compute.reachable(device, effort)
    yield from copies.probes(device, effort)
    yield from sustained.probes(device, effort)
