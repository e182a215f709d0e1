"""`accel.profile`: what calls took, as a table, and as a trace that Chrome and Perfetto show."""

from __future__ import annotations

import atexit
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .errors import ArgumentError, FileError, shown
from .profiling import KEPT, Event, Records, What, start, stop
from .warn import say

Limits = Mapping[str, Sequence[Mapping[str, Any]]]
"""By device: the probes of a result file of ``accel bench run``."""

SHOWN = 40
"""Rows of the table at the end of a process."""

MEMORY = ("read", "copy", "triad")
"""Kinds of probes whose value is in bytes per second."""

ARITHMETIC = ("fma", "dot", "matmul")
"""Kinds of probes whose value is in operations per second."""


@dataclass(frozen=True)
class ProfileRow:
    """What the calls of one op took that ran in one way on one device.

    op: its name, or ``copy to device``, ``copy from device``. path: the kernel; ``compiled`` and the kernels of a
    composition; ``decomposition``; ``fallback:cpu`` or ``override:`` and a device; ``preparing`` for the making of
    plans, which compiles; ``""`` for a copy. calls: how many. failed: how many of them raised. seconds: of their own,
    without those of calls within them. nbytes: that they read and wrote at least. limit: which part of the device's
    limits they reached, at most 1 but for what the limits' own noise allows; None where none is known.
    """

    op: str
    device: str
    path: str
    calls: int
    failed: int
    seconds: float
    nbytes: int
    limit: float | None


class Profile:
    """The calls that were made while a profile was on; prints as its table.

    Its calls are those of all threads. It may be read while it is on.
    """

    def __init__(self, records: Records, limits: Limits | None = None) -> None:
        self._records, self._limits = records, limits or {}

    @property
    def rows(self) -> list[ProfileRow]:
        """One `ProfileRow` for each op, device and path, those that took longest first."""
        found: dict[tuple[str, str, str], list[Any]] = {}
        for what, (calls, seconds, failed) in self._records.sums().items():
            name = str(what.device)
            row = found.setdefault((what.op, name, what.path), [0, 0, 0.0, 0, 0.0])
            least = least_seconds(self._limits.get(name, ()), what)
            row[0] += calls
            row[1] += failed
            row[2] += seconds
            row[3] += calls * what.nbytes
            row[4] = None if least is None or row[4] is None else row[4] + calls * least
        rows = [
            ProfileRow(*key, calls, failed, seconds, nbytes, least / seconds if least and seconds else None)
            for key, (calls, failed, seconds, nbytes, least) in found.items()
        ]
        return sorted(rows, key=lambda row: (-row.seconds, row.op, row.device, row.path))

    def table(self, rows: int | None = None) -> str:
        """The table, of so many rows at most (None: all)."""
        found = self.rows
        total = sum(row.seconds for row in found) or 1.0
        columns = [("op", "device", "calls", "time", "share", "bytes", "rate", "of limit", "path")]
        for row in found[:rows]:
            path = row.path + (f" ({row.failed} raised)" if row.failed else "")
            columns.append(
                (
                    row.op,
                    row.device,
                    str(row.calls),
                    duration(row.seconds),
                    f"{100 * row.seconds / total:.1f} %",
                    quantity(row.nbytes, "B") if row.nbytes else "-",
                    quantity(row.nbytes / row.seconds, "B/s") if row.nbytes and row.seconds else "-",
                    "-" if row.limit is None else f"{100 * row.limit:.0f} %",
                    path,
                )
            )
        widths = [max(map(len, column)) for column in zip(*columns, strict=True)]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in columns]
        if rows is not None and len(found) > rows:
            lines.append(f"and {len(found) - rows} rows more")
        calls = sum(row.calls for row in found if row.path != "preparing")
        lines.append(f"{calls} calls and copies, {duration(sum(row.seconds for row in found))}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.table()

    __repr__ = __str__

    def write(self, path: str | os.PathLike[str]) -> None:
        """Writes the trace: JSON in Chrome's trace event format, which chrome://tracing and ui.perfetto.dev open.

        One line of boxes for each thread of the host, one for each device whose own clock was read. Raises OSError.
        """
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.trace(), file)

    def trace(self) -> dict[str, Any]:
        """What `write` writes. Times are microseconds since the profile began; of a long profile the first million
        calls."""
        records = self._records
        events = records.events()
        host, devices = os.getpid(), {}
        rows = []
        for event in events:
            rows.append(_box(event, host, event.thread[0], event.begin - records.begin, event.seconds))
            if event.on_device is not None:
                begin, seconds = event.on_device
                number = devices.setdefault(str(event.what.device), host + 1 + len(devices))
                rows.append(_box(event, number, 0, begin - records.begin, seconds))
        names = [_name("process_name", host, 0, "host")]
        names += [_name("thread_name", host, *thread) for thread in sorted({event.thread for event in events})]
        names += [_name("process_name", number, 0, name) for name, number in devices.items()]
        calls = sum(count for count, _, _ in records.sums().values())
        return {
            "traceEvents": names + rows,
            "displayTimeUnit": "ns",
            "otherData": {"calls": calls, "left out": max(0, calls - KEPT)},
        }


def _box(event: Event, process: int, thread: int, begin: float, seconds: float) -> dict[str, Any]:
    """A complete event of the trace."""
    what = event.what
    about: dict[str, Any] = {"operands": what.operands, "device": str(what.device), "path": what.path}
    about |= {"bytes": what.nbytes, "operations": what.flops}
    about |= {} if event.error is None else {"error": event.error}
    kind = "prepare" if what.path == "preparing" else "call" if what.path else "copy"
    name = f"prepare {what.op}" if kind == "prepare" else what.op
    times = {"ts": round(1e6 * begin, 3), "dur": round(1e6 * seconds, 3)}
    return {"name": name, "cat": kind, "ph": "X", "pid": process, "tid": thread, **times, "args": about}


def _name(what: str, process: int, thread: int, name: str) -> dict[str, Any]:
    return {"name": what, "ph": "M", "pid": process, "tid": thread, "args": {"name": name}}


@contextmanager
def profile(
    path: str | os.PathLike[str] | None = None,
    *,
    limits: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
) -> Iterator[Profile]:
    """Records the calls of all threads inside a with block; gives a `Profile`, which prints as a table.

        with accel.profile("trace.json") as calls:
            ...
        print(calls)

    path: where a trace for Chrome or Perfetto is written when the block ends, also by an error; its folder has to be
    there. limits: result files of ``accel bench run`` on this machine, whose probes say which part of each device's
    limits the calls reached. Profiles nest: a call belongs to all that are on. Each call is waited for, or on a GPU of
    Triton's timed by the GPU's own clock; where no profile is on, nothing is recorded and no time is taken.
    Raises FileNotFoundError for a folder that is not there, and FileError for a file that is no result file.
    """
    if path is not None and not isinstance(path, (str, os.PathLike)):
        raise ArgumentError(f"profile: path: expected a path or None, got {shown(path)}")
    if path is not None and not os.path.isdir(folder := os.path.dirname(os.path.abspath(path))):
        raise FileNotFoundError(f"profile: path: there is no folder {folder}")
    known = read_limits(limits)
    found = Profile(records := start(), known)
    try:
        yield found
    finally:
        stop(records)
        if path is not None:
            found.write(path)


def least_seconds(probes: Sequence[Mapping[str, Any]], what: What) -> float | None:
    """The least time that a device's probes leave to a call: its bytes at the fastest rate of memory that was measured
    on as many bytes or more, its operations at the best rate of its dtype. None where neither is known."""
    known = [probe for probe in probes if probe["value"]]
    memory = [p for p in known if p["kind"] in MEMORY and p["working_set"]]
    largest = max((p["working_set"] for p in memory), default=0)
    holding = [p["value"] for p in memory if p["working_set"] >= min(what.nbytes, largest)]
    dtypes = (what.dtype, "float32") if what.dtype in ("float16", "bfloat16") else (what.dtype,)
    rates = [p["value"] for p in known if p["kind"] in ARITHMETIC and p["dtype"] in dtypes]
    bounds = [what.nbytes / max(holding)] if holding and what.nbytes else []
    bounds += [what.flops / max(rates)] if rates and what.flops else []
    return max(bounds, default=None)


def read_limits(files: Any) -> Limits:
    """The probes of result files, by device."""
    if files is None:
        return {}
    several = [files] if isinstance(files, (str, os.PathLike)) else files
    if not isinstance(several, Iterable):
        raise ArgumentError(f"profile: limits: expected a path, or several, got {shown(files)}")
    found = {}
    for name in several:
        if not isinstance(name, (str, os.PathLike)):
            raise ArgumentError(f"profile: limits: expected a path, or several, got {shown(name)}")
        try:
            with open(name, encoding="utf-8") as file:
                content = json.load(file)
            found[content["device"]["name"]] = [
                {key: probe[key] for key in ("kind", "dtype", "working_set", "value")} for probe in content["probes"]
            ]
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise FileError(f"profile: limits: {os.fspath(name)} is no result file of accel bench run") from error
    return found


_lock = threading.Lock()
_process: Records | None = None


def of_process() -> Records:
    """The records that ``ACCEL_VERBOSE=profile`` asks for, whose table is printed when the process ends."""
    global _process
    with _lock:
        if _process is None:
            _process = Records()
            atexit.register(_say_at_exit)
        return _process


def _say_at_exit() -> None:
    if _process is not None and _process.sums():
        say(f"accel: profile\n{Profile(_process).table(SHOWN)}")


def duration(seconds: float) -> str:
    """A time for people."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}" if seconds < 1000 else f"{seconds:.0f} s"
    return f"{1e9 * seconds:.3g} ns"


def quantity(value: float, unit: str) -> str:
    """A number of bytes, or a rate, for people: powers of 1000."""
    for prefix in ("", "k", "M", "G", "T"):
        if value < 999.5:
            return f"{value:.3g} {prefix}{unit}"
        value /= 1000
    return f"{value:.3g} P{unit}"
