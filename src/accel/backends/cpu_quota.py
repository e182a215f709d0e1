"""The CPU quota of this process's control groups: containers and services are often allowed less than their cores."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

VERSION_1 = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
VERSION_2 = ("cpu.max",)
"""Files of a control group that hold its quota and the period that the quota is for, in microseconds."""


@cache
def quota(root: Path = Path("/")) -> float | None:
    """Cores' worth of time that this process is allowed, or None where nothing limits it.

    A group's limit holds for the groups in it, so the smallest on the way to the top counts. Read once a process.
    root: of the file system, for tests.
    """
    found = []
    for top, folder, names in _groups(root):
        while folder.is_relative_to(top):
            found.append(_limit(folder, names))
            folder = folder.parent
    return min((limit for limit in found if limit is not None), default=None)


def _groups(root: Path) -> Iterator[tuple[Path, Path, tuple[str, ...]]]:
    """(mount point, this process's group, its files) of each hierarchy that limits CPUs."""
    own = {}
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, group = line.split(":", 2)
        own.update(dict.fromkeys(controllers.split(","), group))
    for line in _lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        _, _, _, mounted, point, *_ = before.split()
        kind, _, options = after.split()[:3]
        if kind == "cgroup2":
            group, names = own.get(""), VERSION_2
        elif kind == "cgroup" and "cpu" in options.split(","):
            group, names = own.get("cpu"), VERSION_1
        else:
            continue
        if group is not None:
            top = root / point.lstrip("/")
            # a container may be told its group's path on the host, of which it sees the end only
            seen = Path(group).is_relative_to(mounted)
            yield top, top / os.path.relpath(group, mounted) if seen else top, names


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []


def _limit(folder: Path, names: tuple[str, ...]) -> float | None:
    """Version 1 writes -1 and version 2 ``max`` where there is no limit; the topmost group has no file."""
    words = [word for name in names for line in _lines(folder / name) for word in line.split()]
    if len(words) != 2 or not all(word.isdecimal() for word in words) or int(words[1]) == 0:
        return None
    return int(words[0]) / int(words[1])
