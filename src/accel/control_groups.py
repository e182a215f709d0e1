"""The control groups of this process on Linux: what containers and services are limited by."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def folders(controller: str, root: Path) -> Iterator[tuple[int, Path]]:
    """(version, folder) of each group that a controller limits this process by: its own, then those around it.

    root: of the file system, for tests.
    """
    own = {}
    for line in lines(root / "proc/self/cgroup"):
        _, controllers, group = line.split(":", 2)
        own.update(dict.fromkeys(controllers.split(","), group))
    for line in lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        _, _, _, mounted, point, *_ = before.split()
        kind, _, options = after.split()[:3]
        version = 2 if kind == "cgroup2" else 1 if kind == "cgroup" and controller in options.split(",") else 0
        group = own.get("" if version == 2 else controller)
        if version == 0 or group is None:
            continue
        top = folder = root / point.lstrip("/")
        if Path(group).is_relative_to(mounted):  # else a container was told its group's path on the host
            folder = top / os.path.relpath(group, mounted)
        while folder.is_relative_to(top):
            yield version, folder
            folder = folder.parent


def lines(file: Path) -> list[str]:
    """Those of a text file; none where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
