"""The entry of a case in a result file: before anything is measured, and when its limit is known."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from ...config import config
from ...errors import AccelError
from ..cases.case import Workload
from ..cases.cost import flops, moved_bytes
from ..cases.workload import contract_class, op_spec
from ..machine import probes
from ..machine.privacy import anonymous
from . import statistics
from .file import MAX_SHARE, TIMED, by_process


def blank(workload: Workload, requested: str, status: str, detail: str | None = None) -> dict[str, Any]:
    """The entry of a case that was not measured. requested: the device. status, detail: why not."""
    known = op_spec(workload) is not None
    return workload.to_json() | {
        "requested": requested,
        "executed": None,
        "path": None,
        "kernel": None,
        "reason": None,
        "status": status,
        "detail": detail,
        "class": contract_class(workload, config.numerics) if known else None,
        "error": None,
        "hash": None,
        "flops": _work(flops, workload) if known else None,
        "bytes": _work(moved_bytes, workload) if known else None,
        "first_call_s": None,
        "compile_s": None,
        "samples_s": [],
        "processes": [],
        "median_s": None,
        "interval_s": None,
        "flags": [],
        "others": None,
        "baselines": {},
        "roof": None,
        "peak_bytes": None,
        "energy": None,
    }


def _work(measure: Any, workload: Workload) -> float | None:
    """Operations or bytes of a case; None where the op refuses its operands."""
    try:
        return float(measure(workload))
    except (AccelError, NotImplementedError):
        return None


def timed(record: dict[str, Any], samples: list[float], max_noise: float) -> dict[str, Any]:
    """The entry with what one process measured."""
    return record | {
        "samples_s": samples,
        "processes": [len(samples)],
        "median_s": median(samples),
        "interval_s": list(statistics.interval(samples)),
        "flags": statistics.flags(samples, max_noise, first_call_s=record["first_call_s"]),
    }


def baseline(samples: list[float], note: str | None) -> dict[str, Any]:
    """A baseline's entry."""
    return {"samples_s": samples, "median_s": median(samples) if samples else None, "note": note}


def joined(record: dict[str, Any], further: dict[str, Any]) -> dict[str, Any]:
    """The entry of a case with what a further process measured. The further one's where that failed."""
    if further["status"] not in TIMED:
        return further
    both = record | {key: record[key] + further[key] for key in ("samples_s", "processes")}
    parts = by_process(both)
    flags = [*record["flags"], *(flag for flag in further["flags"] if flag not in record["flags"])]
    if statistics.unsteady(parts) and "unsteady" not in flags:
        flags.append("unsteady")
    return both | {
        "median_s": median(both["samples_s"]),
        "interval_s": list(statistics.joint_interval(parts)),
        "flags": flags,
        "others": _most(record.get("others"), further.get("others")),
        "baselines": {name: _joined(record, further, name) for name in record["baselines"]},
    }


def _most(*values: float | None) -> float | None:
    """The largest of those that are known."""
    return max((value for value in values if value is not None), default=None)


def in_rounds(record: dict[str, Any], name: str) -> bool:
    """Whether a baseline was timed beside accel in every round, and can go on."""
    row = record["baselines"].get(name)
    return row is not None and len(row["samples_s"]) == len(record["samples_s"]) > 1


def _joined(record: dict[str, Any], further: dict[str, Any], name: str) -> dict[str, Any]:
    """A baseline's entry."""
    row = record["baselines"][name]
    if not in_rounds(record, name):
        return row
    other = further["baselines"].get(name, row)
    if in_rounds(further, name):
        return baseline(row["samples_s"] + other["samples_s"], row["note"])
    return row if other["samples_s"] else other


def with_roof(record: dict[str, Any], found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The entry with its share of the device's limit. found: what the probes of the run found. A share that is not
    possible makes it SUSPECT; it is not clamped."""
    if record["status"] not in TIMED:
        return record
    roof = probes.roof(found, record)
    if roof is None:
        return record | {"roof": None}
    share = roof["seconds"] / record["median_s"]
    record = record | {"roof": {**roof, "share": share}}
    if roof["bound"] == "launch" and "launch-bound" not in record["flags"]:
        record["flags"] = [*record["flags"], "launch-bound"]
    if share > MAX_SHARE and record["status"] == "PASS":
        record |= {"status": "SUSPECT", "detail": f"{share:.3g} of the limit that probe {roof['probe']} measured"}
    return record


def without_names(record: dict[str, Any]) -> dict[str, Any]:
    """The entry without paths and names of the machine in what others wrote: messages of kernels and libraries."""
    peers = {name: row | {"note": anonymous(row["note"])} for name, row in record["baselines"].items()}
    words = {name: anonymous(record[name]) for name in ("detail", "reason")}
    return record | words | {"baselines": peers}
