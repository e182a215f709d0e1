"""How much more memory this process may have.

Linux gives out addresses that nothing is behind yet, and ends a process that writes to more of them than there is
memory: what is too large has to be refused before anything is written to it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from .control_groups import folders, lines

FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "total_active_file"),
    2: ("memory.max", "memory.current", "inactive_file", "active_file"),
}
"""By version of control groups: the files of a group's limit and of its use, and what ``memory.stat`` calls the cached
pages that go where memory is short."""


def available(root: Path = Path("/")) -> int | None:
    """Bytes that can still be written to: of the machine's memory and swap space, and within the limits of control
    groups. None where the system does not say. root: of the file system, for tests."""
    found = [_machine(root), *(_group(version, folder) for version, folder in _folders(root))]
    return min((left for left in found if left is not None), default=None)


@cache
def _folders(root: Path) -> tuple[tuple[int, Path], ...]:
    """A process stays in its groups, as a rule, and looking for them takes a millisecond."""
    return tuple(folders("memory", root))


def _table(file: Path) -> dict[str, int]:
    """The numbers of a file with a name and a number in each line."""
    rows = (line.replace(":", " ").split() for line in lines(file))
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdecimal()}


def _machine(root: Path) -> int | None:
    kibibytes = _table(root / "proc/meminfo")
    if "MemAvailable" not in kibibytes:
        return None
    return 1024 * (kibibytes["MemAvailable"] + kibibytes.get("SwapFree", 0))


def _number(file: Path) -> int | None:
    words = " ".join(lines(file)).split()
    return int(words[0]) if words and words[0].isdecimal() else None


def _group(version: int, folder: Path) -> int | None:
    """What a group's limit leaves; None without one: version 2 says ``max``, version 1 some 2**63."""
    its_limit, its_use, *cached = FILES[version]
    limit = _number(folder / its_limit)
    if limit is None or limit >= 1 << 60 or (used := _number(folder / its_use)) is None:
        return None
    stat = _table(folder / "memory.stat")
    return max(0, limit - used + sum(stat.get(name, 0) for name in cached))
