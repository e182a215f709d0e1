"""Valid result records with given samples, for tests of what reads result files."""

from __future__ import annotations

import copy
import hashlib
import random
from collections.abc import Sequence
from statistics import median
from typing import Any

from accel.bench.result import statistics

PROBES = (
    ("read", None, 16384, "B/s", 1.2e11),
    ("read", None, 1 << 27, "B/s", 2.0e10),
    ("copy", None, 16384, "B/s", 9.0e10),
    ("copy", None, 1 << 27, "B/s", 1.5e10),
    ("triad", None, 16384, "B/s", 9.5e10),
    ("triad", None, 1 << 27, "B/s", 1.6e10),
    ("fma", "float32", None, "op/s", 2.0e11),
    ("matmul", "float32", None, "op/s", 1.8e11),
    ("launch", "latency", None, "s", 2.0e-6),
    ("launch", "rate", None, "1/s", 9.0e5),
    ("overhead", "dispatch", None, "s", 6.0e-7),
    ("copy-in", None, None, "B/s", 1.0e10),
    ("copy-out", None, None, "B/s", 1.1e10),
    ("sustained", "float32", None, "1", 0.97),
)
"""Kind, dtype or what stands in its place in the id, working set, unit and value of every kind of probe."""


def samples(seed: int, middle: float = 1e-3, noise: float = 0.01, count: int = 20) -> list[float]:
    """Lognormal times about a median, in seconds."""
    draw = random.Random(seed)
    return [middle * draw.lognormvariate(0, noise) for _ in range(count)]


def digest(text: str) -> str:
    """A result hash."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def probe(kind: str, what: str | None, working_set: int | None, unit: str, value: float | None) -> dict[str, Any]:
    """One limit."""
    suffix = "" if what is None and working_set is None else f"/{what or working_set}"
    return {
        "id": kind + suffix,
        "kind": kind,
        "dtype": what if what == "float32" else None,
        "working_set": working_set,
        "unit": unit,
        "value": value,
        "samples": [] if value is None else [value] * 5,
        "how": "instructions",
        "note": "not measured" if value is None else None,
    }


def case(name: str = "matmul 64x64 float32 warm", times: Sequence[float] = (), **changes: Any) -> dict[str, Any]:
    """A case that passed with these times (none given: 20 about a millisecond), or as the changes say.

    changes: entries of the case; a status that is not timed takes the samples and what follows from them away.
    """
    status = changes.get("status", "PASS")
    timed = status in ("PASS", "FALLBACK", "SUSPECT", "MISTRUSTED")
    times = (list(times) or samples(len(name))) if timed else []
    middle = median(times) if times else None
    share = 1.2 if status == "SUSPECT" else 0.5
    promised = changes.get("class", "bits")
    record = {
        "id": name,
        "model": None,
        "layer": None,
        "phase": None,
        "count": 1,
        "source": "sweep",
        "op": name.split()[0],
        "dtype": "float32",
        "operands": [
            {"shape": [64, 64], "dtype": "float32", "layout": "row-major", "values": "normal"} for _ in range(2)
        ],
        "keywords": {},
        "cache": "warm",
        "requested": "cpu",
        "executed": "cpu" if timed else None,
        "path": ("fallback" if status == "FALLBACK" else "native") if timed else None,
        "kernel": "cpu.matmul" if timed else None,
        "reason": "no kernel" if status == "FALLBACK" else None,
        "status": status,
        "detail": None if status == "PASS" else f"synthetic {status}",
        "class": promised,
        "error": {"worst": 0.25, "checked": 4096, "of": 4096} if timed else None,
        "hash": digest(name) if timed and promised in ("exact", "bits") else None,
        "flops": 524288.0,
        "bytes": 49152.0,
        "first_call_s": 0.002 if timed else None,
        "compile_s": None,
        "samples_s": times,
        "median_s": middle,
        "interval_s": list(statistics.interval(times)) if times else None,
        "flags": statistics.flags(times) if times else [],
        "baselines": {},
        "roof": {"bound": "compute", "probe": "fma/float32", "seconds": share * middle, "share": share}
        if middle
        else None,
        "peak_bytes": 65536 if timed else None,
        "energy": {"joules": None, "source": None, "window_s": None, "reason": "no meter"} if timed else None,
    }
    return record | changes


def baseline(times: Sequence[float]) -> dict[str, Any]:
    """Another library's times."""
    return {"samples_s": list(times), "median_s": median(times), "note": None}


def result(cases: Sequence[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    """A complete run of the quick suite with these cases (None: one).

    changes: entries of the record. A key with dots, written with double underscores, sets one below: run__seed=1.
    """
    rows = [case()] if cases is None else list(cases)
    record: dict[str, Any] = {
        "schema": "accel-bench/1",
        "suite": {
            "name": "quick",
            "version": 1,
            "filters": {"ops": [], "models": [], "dtypes": []},
            "cases": len(rows),
        },
        "probe_version": 1,
        "label": "unverified",
        "run": {
            "started": "2026-11-25T10:00:00Z",
            "seconds": 100.0,
            "arguments": ["--suite", "quick"],
            "seed": 0,
            "complete": True,
            "resumed": 0,
            "max_noise": 0.02,
            "case_budget_s": 0.5,
            "timeout_s": 120.0,
        },
        "accel": {"version": "0.1.0", "commit": None, "dirty": None, "bit_contract": 1},
        "environment": {"ACCEL_NUMERICS": "default"},
        "host": {
            "system": "Linux",
            "kernel": "6.1",
            "cpu": "Synthetic CPU",
            "architecture": "x86_64",
            "cores": 2,
            "memory": 1 << 34,
            "caches": {"L1 data": 32768, "L2": 1 << 20, "L3": 1 << 25},
            "virtual": True,
            "governor": None,
            "load": 0.1,
        },
        "device": {
            "name": "cpu",
            "backend": "cpu",
            "kind": "cpu",
            "vendor": "",
            "description": "Synthetic CPU",
            "driver": None,
            "memory": 1 << 34,
            "threads": 2,
            "isa": "avx512",
            "clock_hz": {"now": 3.0e9, "max": None},
            "power_limit_w": None,
            "ecc": None,
            "details": {},
        },
        "toolchain": {
            "python": "3.11.2",
            "numpy": "2.4.6",
            "blas": "OpenBLAS 0.3.31",
            "torch": None,
            "triton": None,
            "pyopencl": None,
            "compiler": "g++ 12.2.0",
        },
        "probes": [probe(*row) for row in PROBES],
        "cases": rows,
    }
    record = copy.deepcopy(record)
    for key, value in changes.items():
        *above, last = key.split("__")
        place = record
        for step in above:
            place = place[step]
        place[last] = value
    return record


def run(rows: int, seed: int = 0, scale: float = 1.0, shift: float = 0.0, **changes: Any) -> dict[str, Any]:
    """A result of so many matmul cases, from 100 microseconds on.

    seed: of the samples. scale: of all times. shift: standard deviation of what each case's times are off by in this
    run as a whole, as two runs of one build are.
    """
    draw = random.Random(seed)
    cases = []
    for number in range(rows):
        off = draw.lognormvariate(0, shift)
        times = samples(draw.getrandbits(32), 1e-4 * (1 + number % 7) * scale * off)
        cases.append(case(f"matmul {64 + number}x64 float32 warm", times))
    return result(cases, **changes)
