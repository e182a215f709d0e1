"""Whether this process's other threads work: a library whose idle threads spin keeps the cores from the next one's."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LOOK_SECONDS = 1e-3
"""How long the threads are looked at, at a time."""

LOOKS = 2
"""How many times in a row they are to be quiet: one that spins and yields may be off its core for a while."""

QUIET = 0.1
"""Share of one core that they may take: the system's clock and what a runtime does now and then."""

PATIENCE_SECONDS = 0.5
"""How long they are waited for: OpenMP runtimes spin for up to 0.2 s after a call."""


def others() -> float:
    """Seconds of processor time that all threads of this process but the calling one have taken."""
    return time.process_time() - time.thread_time()


def runnable(tasks: str = "/proc/self/task") -> bool:
    """Whether another thread of this process runs, or would if it were given a core: on a busy machine one that spins
    may get none for long. False where the system does not tell."""
    own = str(threading.get_native_id())
    try:
        names = os.listdir(tasks)
    except OSError:
        return False
    for name in names:
        try:
            state = Path(tasks, name, "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if name != own and state[:1] == ["R"]:
            return True
    return False


@dataclass(frozen=True)
class Quiet:
    """A wait until the process's other threads take no processor time, and none waits for a core.

    busy: seconds of it that they have taken; waiting: whether one runs or waits for a core; clock, pause: of the time
    in which they do."""

    busy: Callable[[], float] = others
    waiting: Callable[[], bool] = runnable
    clock: Callable[[], float] = time.perf_counter
    pause: Callable[[float], None] = time.sleep

    def wait(self) -> str | None:
        """None once they are quiet; after `PATIENCE_SECONDS`, how much they still take, in words."""
        end, quiet = self.clock() + PATIENCE_SECONDS, 0
        while True:
            begin, before = self.clock(), self.busy()
            self.pause(LOOK_SECONDS)
            took = self.clock() - begin
            share = (self.busy() - before) / took if took > 0 else 0.0
            quiet = quiet + 1 if share <= QUIET and not self.waiting() else 0
            if quiet == LOOKS:
                return None
            if self.clock() >= end:
                return (
                    f"other threads of the process, such as those of the device's runtime, took {share:.2g} cores, or "
                    f"waited for one, also {PATIENCE_SECONDS:g} s after their last call"
                )


def machine_seconds(path: str = "/proc/stat") -> float | None:
    """Seconds of processor time that all processes of the machine, and other tenants of its cores, have taken; None
    where the system does not tell."""
    try:
        with open(path, encoding="ascii") as file:
            user, nice, system, _, _, irq, softirq, steal, *_ = map(int, file.readline().split()[1:])
    except (OSError, ValueError):
        return None
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


class Machine:
    """What others take of the machine's cores, from when this was made."""

    def __init__(
        self,
        busy: Callable[[], float | None] = machine_seconds,
        own: Callable[[], float] = time.process_time,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._measures = busy, own, clock
        self._begin = busy(), own(), clock()

    def others(self) -> float | None:
        """Cores that other processes kept busy in the mean, over the machine's; None where that is not known."""
        (busy, own, clock), (first, first_own, begin) = self._measures, self._begin
        last, took = busy(), clock() - begin
        if first is None or last is None or took <= 0:
            return None
        return max(0.0, (last - first) - (own() - first_own)) / took / (os.cpu_count() or 1)
