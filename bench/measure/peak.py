"""How much memory of the host a piece of work took at its peak."""

from __future__ import annotations

from pathlib import Path

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Peak:
    """Growth of resident memory from its making on. Linux tells the peak, and lets it be reset; see proc(5)."""

    def __init__(self) -> None:
        try:
            _RESET.write_text("5", encoding="utf-8")
            self._before = _field("VmRSS")
        except OSError:
            self._before = None

    def growth(self) -> int | None:
        """Bytes; None where the system does not tell."""
        peak = None if self._before is None else _field("VmHWM")
        return None if peak is None else max(0, peak - self._before)


def _field(name: str) -> int | None:
    """A field of the process's status in bytes."""
    for line in _STATUS.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None
