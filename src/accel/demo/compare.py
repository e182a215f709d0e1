"""Runs the jobs on devices and compares the digests of their results."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from .. import dispatch
from ..backends.base import Device
from ..config import config
from . import data, digits, photograph, text
from .result import Result

JOBS: dict[str, Callable[[Device], Result]] = {
    "digits": digits.classify,
    "china": partial(photograph.compress, "china"),
    "flower": partial(photograph.compress, "flower"),
    "text": text.write,
}
"""What runs on each device."""


@dataclass(frozen=True)
class Row:
    """One job on one device.

    first: seconds of the first run, which compiles kernels. again: of the second. digests: SHA-256 of both results,
    equal where the device agrees with itself. fallbacks: what its own kernels could not run. error: why there is none.
    """

    job: str
    device: str
    result: Result | None
    first: float
    again: float
    digests: tuple[str, ...]
    fallbacks: tuple[str, ...]
    error: str | None = None


def run(devices: Sequence[Device], step: Callable[[str], None] = lambda text: None) -> list[Row]:
    """Every job on every device, twice; an error on one device stops no other. step: called with a line after each."""
    data.load()
    rows = []
    for job, function in JOBS.items():
        for device in devices:
            rows.append(_measure(job, function, device))
            step(f"{job} on {device}")
    return rows


def _measure(job: str, function: Callable[[Device], Result], device: Device) -> Row:
    seconds, digests = [], []
    with warnings.catch_warnings(record=True) as caught, config(fallback="warn"):
        warnings.simplefilter("always", dispatch.FallbackWarning)
        try:
            for _ in range(2):
                begun = time.perf_counter()
                result = function(device)
                seconds.append(time.perf_counter() - begun)
                digests.append(result.digest())
        except Exception as error:  # a driver's own exceptions too: the other devices still run
            return Row(job, str(device), None, 0.0, 0.0, (), (), f"{type(error).__name__}: {error}")
    fallbacks = tuple(str(w.message) for w in caught if issubclass(w.category, dispatch.FallbackWarning))
    return Row(job, str(device), result, seconds[0], seconds[1], tuple(digests), fallbacks)


def disagreements(rows: Sequence[Row]) -> list[str]:
    """One line for each job and device whose result is missing, changes, or differs from the job's first device's."""
    found = []
    for job in dict.fromkeys(row.job for row in rows):
        those = [row for row in rows if row.job == job]
        reference = next((row for row in those if row.result is not None), None)
        for row in those:
            if row.result is None or reference is None:
                found.append(f"{job} on {row.device} failed: {row.error}")
                continue
            if len(set(row.digests)) > 1:
                found.append(f"{job} on {row.device}: two runs gave different bits")
            if row.digests[0] != reference.digests[0]:
                found.append(f"{job}: {row.device} differs from {reference.device}: {_where(row, reference)}")
    return found


def _where(row: Row, reference: Row) -> str:
    """Which arrays differ, in how many elements and by how much."""
    parts = []
    for name, want in reference.result.arrays.items():
        got = row.result.arrays[name]
        if got.shape != want.shape or got.dtype != want.dtype:
            parts.append(f"{name}: {got.dtype}{got.shape} and not {want.dtype}{want.shape}")
        elif got.tobytes() != want.tobytes():
            wide = np.abs(got.astype(np.float64) - want.astype(np.float64))
            parts.append(f"{name} in {np.count_nonzero(got != want)} of {got.size} elements, by up to {wide.max():.3g}")
    return ", ".join(parts) or "the arrays of the first runs are equal"
