"""The CPU quota of this process's control groups: containers and services are often allowed less than their cores."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ..control_groups import folders, lines

FILES = {1: ("cpu.cfs_quota_us", "cpu.cfs_period_us"), 2: ("cpu.max",)}
"""By version of control groups: the files of a group that hold its quota and the period that the quota is for, in
microseconds."""


@cache
def quota(root: Path = Path("/")) -> float | None:
    """Cores' worth of time that this process is allowed, or None where nothing limits it.

    A group's limit holds for the groups in it, so the smallest on the way to the top counts. Read once a process.
    root: of the file system, for tests.
    """
    found = (_limit(folder, FILES[version]) for version, folder in folders("cpu", root))
    return min((limit for limit in found if limit is not None), default=None)


def _limit(folder: Path, names: tuple[str, ...]) -> float | None:
    """Version 1 writes -1 and version 2 ``max`` where there is no limit; the topmost group has no file."""
    words = [word for name in names for line in lines(folder / name) for word in line.split()]
    if len(words) != 2 or not all(word.isdecimal() for word in words) or int(words[1]) == 0:
        return None
    return int(words[0]) / int(words[1])
