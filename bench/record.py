"""The entry of a case in a result file: before anything is measured, and when its limit is known."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from ..config import config
from ..errors import AccelError
from . import probes, verify
from .result import MAX_SHARE, TIMED
from .workload import Workload, op_spec


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
        "class": verify.contract_class(workload, config.numerics) if known else None,
        "error": None,
        "hash": None,
        "flops": _work(verify.flops, workload) if known else None,
        "bytes": _work(verify.moved_bytes, workload) if known else None,
        "first_call_s": None,
        "compile_s": None,
        "samples_s": [],
        "median_s": None,
        "interval_s": None,
        "flags": [],
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


def with_roof(record: dict[str, Any], found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The entry with its share of the device's limit. found: what the probes of the run found. A share that is not
    possible makes it SUSPECT; it is not clamped."""
    if record["status"] not in TIMED:
        return record
    roof = probes.roof(found, record)
    if roof is None:
        return record | {"roof": None}
    share = roof["seconds"] / record["median_s"] if record["median_s"] > 0 else math.inf
    if not math.isfinite(share):
        return record | {"roof": None, "status": "SUSPECT", "detail": "the clock saw no time pass"}
    record = record | {"roof": {**roof, "share": share}}
    if roof["bound"] == "launch" and "launch-bound" not in record["flags"]:
        record["flags"] = [*record["flags"], "launch-bound"]
    if share > MAX_SHARE and record["status"] in ("PASS", "FALLBACK"):
        was = "" if record["status"] == "PASS" else f"; it is a {record['status']}, too"
        detail = f"{share:.2f} of the limit that probe {roof['probe']} measured{was}"
        record |= {"status": "SUSPECT", "detail": detail}
    return record


_PATH = re.compile(r"(?<![\w.])~?(?:/[^\s/:'\"]+)+/([^\s/:'\"]+)")


def without_paths(value: Any) -> Any:
    """A text, or all texts of a JSON value, with only the last part of each path: the others tell of the machine and
    its user."""
    if isinstance(value, str):
        return _PATH.sub(r"\1", value)
    if isinstance(value, dict):
        return {key: without_paths(each) for key, each in value.items()}
    return [without_paths(each) for each in value] if isinstance(value, list) else value
