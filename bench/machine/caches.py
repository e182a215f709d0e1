"""The caches of the CPU, as the system tells them (sysfs)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

CPUS = Path("/sys/devices/system/cpu")


def caches(root: Path = CPUS / "cpu0" / "cache") -> dict[str, str]:
    """Sizes of the first core's caches, by level and type; empty where the system does not tell."""
    found = {}
    for index in sorted(root.glob("index*")):
        try:
            level, kind, size = (
                (index / name).read_text(encoding="utf-8").strip() for name in ("level", "type", "size")
            )
        except OSError:
            continue
        found[f"L{level}{'' if kind == 'Unified' else ' ' + kind.lower()}"] = size
    return found


def last_level_cache(root: Path = CPUS, cores: Sequence[int] | None = None) -> int:
    """Bytes of the last-level caches of the cores (None: those this process may use), each shared one counted once; 0
    where the system does not tell. sysfs, because sysconf of some virtual machines says many times too much."""
    if cores is None:
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    found: dict[tuple[int, str], int] = {}
    for core in cores:
        for index in (root / f"cpu{core}" / "cache").glob("index*"):
            try:
                level, kind, size = (
                    (index / name).read_text(encoding="utf-8").strip() for name in ("level", "type", "size")
                )
                shared = (index / "shared_cpu_list").read_text(encoding="utf-8").strip()
            except OSError:
                continue
            if kind != "Instruction":
                found[int(level), shared] = size_in_bytes(size)
    last = max((level for level, _ in found), default=0)
    return sum(size for (level, _), size in found.items() if level == last)


def size_in_bytes(text: str) -> int:
    """A size as sysfs writes it: 32K, 1M, 512."""
    unit = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1:])
    return int(text[:-1]) * unit if unit else int(text)
