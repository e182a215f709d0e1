"""The time that the device's measured limits leave to a case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

from ....dtypes import TABLE

ARITHMETIC = ("fma", "dot", "matmul")
"""Kinds of probes whose best rate is a dtype's limit."""

MEMORY = ("triad", "copy", "read")
"""Kinds of the ladder, in the order in which one stands for another that was not measured."""

READ_MOSTLY = 7 / 8
"""Share of a case's bytes that its operands have where it is read-mostly."""

SMALL = 1 / 16
"""Share of a case's bytes below which an operand is a small part."""

Record = Mapping[str, Any]


def roof(probes: Sequence[Record], workload_record: Record) -> dict[str, Any] | None:
    """What bounds a case, the probe that says so, and the least seconds that it leaves: max(flops / F, bytes / B), or
    the launch latency where that is longer. Without the share, which needs the case's time.

    F: the best arithmetic probe of the case's dtype; float32's count too for 16-bit floats, which most ops compute in
    it. B: of the kind `memory_kind`; for a cold case of the largest rung, for a warm one of the smallest that holds the
    case's bytes, or a larger one that is faster (programs over little data are bound by their launch, not by memory). A
    dtype without arithmetic probe is bound by memory, unless even float32's rate would be the tighter bound: then, and
    without probes, None.
    """
    moved = workload_record["bytes"] or 0.0
    flops = workload_record["flops"] or 0.0
    known = [probe for probe in probes if probe["value"]]
    rate, rung = _arithmetic(known, workload_record["dtype"]), _rung(known, workload_record)
    bounds = []
    if rung is not None and moved:
        bounds.append((moved / rung["value"], "memory", rung["id"]))
    if rate is not None and flops:
        bounds.append((flops / rate["value"], "compute", rate["id"]))
    elif flops and bounds:
        stand_in = _fastest(known, "float32")
        if stand_in is not None and flops / stand_in["value"] > bounds[0][0]:
            return None
    if not bounds:
        return None
    seconds, bound, name = max(bounds)
    latency = next((probe for probe in known if probe["id"] == "launch/latency"), None)
    if latency is not None and seconds < latency["value"]:
        # a limit is what no case can be below: the fastest sample, as a share above 1 makes a case suspect
        seconds, bound, name = min(latency["samples"], default=latency["value"]), "launch", latency["id"]
    return {"bound": bound, "probe": name, "seconds": seconds}


def memory_kind(workload_record: Record) -> str:
    """``read`` for a case that writes little beside what it reads (a reduction, a matrix times a vector), ``copy`` for
    another one of one operand, ``triad`` for those of more. Operands that are a small part of all bytes do not count.
    """
    moved = workload_record["bytes"] or 0.0
    sizes = [prod(o["shape"]) * TABLE[o["dtype"]].itemsize for o in workload_record["operands"]]
    if sum(sizes) >= READ_MOSTLY * moved:
        return "read"
    return "copy" if sum(size >= SMALL * moved for size in sizes) < 2 else "triad"


def _arithmetic(known: Iterable[Record], dtype: str) -> Record | None:
    return _fastest(known, *((dtype, "float32") if dtype in ("float16", "bfloat16") else (dtype,)))


def _fastest(known: Iterable[Record], *dtypes: str) -> Record | None:
    fitting = [probe for probe in known if probe["kind"] in ARITHMETIC and probe["dtype"] in dtypes]
    return max(fitting, key=lambda probe: probe["value"], default=None)


def _rung(known: Iterable[Record], workload_record: Record) -> Record | None:
    wanted = memory_kind(workload_record)
    for kind in (wanted, *(other for other in MEMORY if other != wanted)):
        ladder = sorted((p for p in known if p["kind"] == kind), key=lambda p: p["working_set"])
        if not ladder:
            continue
        if workload_record["cache"] == "warm":
            holding = [p for p in ladder if p["working_set"] >= (workload_record["bytes"] or 0)] or ladder[-1:]
            return max(holding, key=lambda rung: rung["value"])
        return ladder[-1]
    return None
