"""What systems tell in different ways."""

from __future__ import annotations

import ctypes
import os
import sys

from .errors import UnsupportedError


def memory_bytes() -> int | None:
    """Bytes of the machine's memory; None where the system does not tell."""
    if sys.platform == "win32":
        return _windows_memory()
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def require_posix(what: str) -> None:
    """Raises UnsupportedError on Windows, which has no process groups that one signal ends, and whose pipes cannot be
    waited for together. what: what needs them."""
    if os.name != "posix":
        raise UnsupportedError(f"{what}: expected Linux or macOS, got {sys.platform}; run it in Windows' Linux (WSL)")


class _MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX of the Windows API."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        *((name, ctypes.c_uint64) for name in ("total", "free", "pages", "free_pages", "virtual", "free_virtual")),
        ("free_extended", ctypes.c_uint64),
    )


def _windows_memory() -> int | None:
    status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
    return status.total if ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)) else None
