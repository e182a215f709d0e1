"""Records of calls, made while some profile is on: what ran, on what, for how long. `profile.py` reads them.

Off, nothing here is reached: `config.profiled` is a part of the settings, and only plans that are made under it call
`measured`.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from .config import config
from .memory import Device

Result = TypeVar("Result")

FOLD = 1 << 12
"""Calls after which a device is waited for, so that the marks of a long run are given back."""

KEPT = 1 << 20
"""Calls whose own record is kept, for a trace; those behind them are counted only."""


@dataclass(frozen=True)
class What:
    """What is the same in all calls of one plan.

    op: its name, or ``copy to device``, ``copy from device``. operands: in words. path: the kernel, how the op was
    composed and of which kernels, or where it was sent in the device's place. nbytes, flops: of one call, at least.
    dtype: of its first operand.
    """

    op: str
    operands: str
    device: Device
    path: str
    nbytes: int = 0
    flops: int = 0
    dtype: str = ""


class Event:
    """One call. begin, seconds: on the host, from `time.perf_counter`. own: seconds that no call within it took.
    marks: two of the device, before and behind its work. on_device: begin and seconds there, where its clock was read.
    error: class of what it raised, or None."""

    __slots__ = ("begin", "error", "inner", "marks", "on_device", "own", "seconds", "thread", "what")

    def __init__(self, what: What, begin: float, seconds: float, inner: float, error: str | None) -> None:
        self.what, self.begin, self.seconds, self.inner, self.error = what, begin, seconds, inner, error
        self.own = max(0.0, seconds - inner)
        self.thread = threading.get_ident(), threading.current_thread().name
        self.marks: tuple[Any, Any] | None = None
        self.on_device: tuple[float, float] | None = None

    def settle(self) -> None:
        """Reads the device's clock, if need be waiting for it. A call that made no others took what it took there."""
        if self.marks is None:
            return
        (first, last), self.marks = self.marks, None
        device = self.what.device
        anchor, at = _anchors[device]
        device.synchronize()
        self.on_device = at + device.seconds_between(anchor, first), device.seconds_between(first, last)
        if not self.inner:
            self.own = self.on_device[1]


_every: weakref.WeakSet[Records] = weakref.WeakSet()


class Records:
    """The events of one profile: sums by what ran, and the first ones themselves. Threads may add to it at once."""

    def __init__(self) -> None:
        self.begin = time.perf_counter()
        self.end: float | None = None
        self.clear()
        _every.add(self)

    def clear(self) -> None:
        """Forgets all events, with a lock of its own (in a forked child too, where nobody may let go of the old)."""
        self._lock = threading.Lock()
        self._new: list[Event] = []
        self._events: list[Event] = []
        self._sums: dict[What, list[Any]] = {}

    def add(self, event: Event) -> None:
        with self._lock:
            self._new.append(event)
            if len(self._new) < FOLD:
                return
        self.fold()

    def fold(self) -> None:
        """Puts what is new to the sums."""
        with self._lock:
            new, self._new = self._new, []
        for event in new:
            event.settle()
        with self._lock:
            for event in new:
                found = self._sums.setdefault(event.what, [0, 0.0, 0])
                found[0] += 1
                found[1] += event.own
                found[2] += event.error is not None
            self._events += new[: KEPT - len(self._events)]

    def sums(self) -> dict[What, tuple[int, float, int]]:
        """By what ran: calls, seconds of their own, and how many raised."""
        self.fold()
        with self._lock:
            return {what: tuple(found) for what, found in self._sums.items()}

    def events(self) -> list[Event]:
        """The first `KEPT` events, in the order in which they ended."""
        self.fold()
        with self._lock:
            return list(self._events)


class _Within(threading.local):
    """Seconds that the calls within each unfinished call of this thread have taken, the innermost last."""

    def __init__(self) -> None:
        self.seconds: list[float] = []


_lock = threading.Lock()
_on: tuple[Records, ...] = ()
_within = _Within()
_anchors: dict[Device, tuple[Any, float]] = {}


def start() -> Records:
    """Records that every thread's calls go to, until `stop`."""
    global _on
    with _lock:
        records = Records()
        _on = (*_on, records)
        config.profile(bool(_on))
    return records


def stop(records: Records) -> None:
    """Ends records; what they have stays."""
    global _on
    with _lock:
        _on = tuple(each for each in _on if each is not records)
        config.profile(bool(_on))
        records.end = time.perf_counter()


def active() -> bool:
    """Whether a profile is on that every call goes to."""
    return bool(_on)


def measured(what: What, work: Callable[[], Result], wait: bool = True, more: tuple[Records, ...] = ()) -> Result:
    """What work returns; the call is recorded, also where it raises.

    wait: whether its work on the device counts, which is waited for where the device has no clock of its own. more:
    records beside those that are on.
    """
    first = _mark(what.device) if wait else None
    _within.seconds.append(0.0)
    error, begin = None, time.perf_counter()
    try:
        result = work()
        if wait and first is None:
            what.device.synchronize()
        return result
    except BaseException as raised:
        error = type(raised).__name__
        raise
    finally:
        seconds, inner = time.perf_counter() - begin, _within.seconds.pop()
        if _within.seconds:
            _within.seconds[-1] += seconds
        event = Event(what, begin, seconds, inner, error)
        if first is not None and error is None:
            event.marks = first, what.device.mark()
        for records in (*_on, *more):
            records.add(event)


def _mark(device: Device) -> Any:
    """A mark before a call; the device's first one is set while the device is idle, so that its host time is known."""
    if device not in _anchors and not _anchor(device):
        return None
    return device.mark()


def _anchor(device: Device) -> bool:
    device.synchronize()
    mark = device.mark()
    if mark is None:
        return False
    device.synchronize()
    with _lock:
        _anchors.setdefault(device, (mark, time.perf_counter()))
    return True


def _after_fork() -> None:
    """In a forked child: what it is told of are its own calls, and locks that threads of the parent's held are new."""
    global _lock
    _lock = threading.Lock()
    _within.seconds.clear()
    for records in list(_every):
        records.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
