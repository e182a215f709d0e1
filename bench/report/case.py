"""What the report asks of one case record: whether it was timed, how near its limit it came, how to run it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from math import exp, log
from typing import Any

from ..result.statistics import MAX_NOISE, noise

Record = Mapping[str, Any]

STATUSES = (
    "PASS", "FALLBACK", "SUSPECT", "MISTRUSTED", "UNSUPPORTED", "SKIPPED_MEM", "OOM", "TIMEOUT", "CRASH", "INCORRECT",
)  # fmt: skip
"""From good to bad: a summary of several cases is as bad as the last of these that it holds."""

RIGHT = ("PASS", "FALLBACK", "SUSPECT")
"""Statuses of a case whose output was checked and found right."""

NOISE_FLAGS = ("noisy", "drift", "bimodal", "throttled", "unsteady")
"""Flags that say that the samples are not of one steady thing."""

DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float8_e4m3fn", "float8_e5m2", "float16", "bfloat16", "float32", "float64",
)  # fmt: skip
"""The order of columns; others follow by name."""

FAMILIES = {
    "matrix product": ("matmul", "linear", "conv1d", "conv2d", "conv3d", "attention", "scaled_dot_product_attention"),
    "softmax or norm": ("softmax", "log_softmax", "logsumexp", "layer_norm", "rms_norm", "group_norm", "batch_norm"),
    "reduction": ("sum", "prod", "max", "min", "any", "all", "argmax", "argmin", "mean", "var", "std", "segment_sum"),
    "copy": ("copy", "astype", "positive", "transpose", "concat", "take", "take_along_axis", "gather", "pad", "roll"),
}
"""Families of ops by name, in the order of rows; a scalar function of accel is ``pointwise``, an unknown op ``other``.

Names of ops that this version of accel lacks are here as well: a report is made of files of other versions too."""

ORDER = (*FAMILIES, "pointwise", "other")


def at(record: Any, *keys: str) -> Any:
    """What is under the keys, or None where any of them is missing or null."""
    for key in keys:
        if not isinstance(record, Mapping):
            return None
        record = record.get(key)
    return record


def family(op: str) -> str:
    """The family of an op; see `FAMILIES`."""
    from ...scalar import FUNCTIONS

    for name, ops in FAMILIES.items():
        if op in ops:
            return name
    return "pointwise" if op in FUNCTIONS else "other"


def op_order(op: str) -> tuple[int, str]:
    """Sorts ops by family, then by name."""
    return ORDER.index(family(op)), op


def dtype_order(dtype: str) -> tuple[int, str]:
    """Sorts dtypes as `DTYPES` does."""
    return (DTYPES.index(dtype) if dtype in DTYPES else len(DTYPES)), dtype


def timed(case: Record) -> bool:
    """Whether the case has a time that counts: a wrong result's does not."""
    return case.get("median_s") is not None and case.get("status") in (*RIGHT, "MISTRUSTED")


def share(case: Record) -> float | None:
    """Time of the limit over the median; None where no probe fits or nothing was timed."""
    return at(case, "roof", "share") if timed(case) else None


def launch_bound(case: Record) -> bool:
    """Whether the cost of a launch is what limits the case, so that its share says nothing of the kernel."""
    return at(case, "roof", "bound") == "launch" or "launch-bound" in (case.get("flags") or ())


def half_width(case: Record) -> float | None:
    """Half the interval of the median, as a share of the median."""
    interval, median = case.get("interval_s"), case.get("median_s")
    return (interval[1] - interval[0]) / 2 / median if interval and median else None


def aim(record: Record) -> float:
    """The noise that the run aimed at: half the interval of a median, as a share of the median."""
    return at(record, "run", "max_noise") or MAX_NOISE


def noisy(case: Record, most: float) -> bool:
    """Whether the median of a case is known less well than that."""
    return (half_width(case) or 0.0) > most


def noisy_ratio(case: Record, name: str, most: float) -> bool:
    """Whether one of the two times of a ratio to a baseline is."""
    samples = [value for value in at(case, "baselines", name, "samples_s") or () if value]
    return noisy(case, most) or (len(samples) > 1 and noise(samples) > most)


def baseline_ratios(case: Record) -> Iterator[tuple[str, float]]:
    """(baseline, its time over accel's) of each baseline that was timed beside the case."""
    for name, other in (case.get("baselines") or {}).items():
        if timed(case) and case["median_s"] and at(other, "median_s"):
            yield name, other["median_s"] / case["median_s"]


def geometric_mean(values: Sequence[float]) -> float | None:
    """The mean of ratios: exp of the mean of their logarithms. None of no values."""
    return exp(sum(map(log, values)) / len(values)) if values else None


def worst_status(cases: Sequence[Record]) -> str:
    """The worst status among the cases; one that is unknown is worse than all."""
    return max((case["status"] for case in cases), key=lambda s: STATUSES.index(s) if s in STATUSES else len(STATUSES))


def reproduce(record: Record, case: Record) -> str:
    """The command that runs this case again, for a POSIX shell."""
    suite, device = at(record, "suite", "name") or "core", case.get("requested") or at(record, "device", "name")
    words = ["accel", "bench", "run", "--suite", suite, "--case", case["id"]]
    quoted = [shlex.quote(str(word)) for word in words]
    quoted[-1] = "'" + str(case["id"]).replace("'", "'\"'\"'") + "'"  # always quoted: an id has spaces or will have
    return " ".join([*quoted, "--device", shlex.quote(str(device or "cpu"))])


def settings(record: Record) -> str | None:
    """The command that sets the environment variables of the run, or None where none was set."""
    found = at(record, "environment") or {}
    return "export " + " ".join(f"{k}={shlex.quote(str(v))}" for k, v in found.items()) if found else None
