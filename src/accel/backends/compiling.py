"""How long compilers of kernels have taken, for whoever times a first call."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.Lock()
_total = 0.0


def seconds() -> float:
    """Seconds that this process has spent in `compiling` so far."""
    return _total


@contextmanager
def compiling() -> Iterator[None]:
    """Around whatever compiles a kernel, or loads a compiled one; not nested."""
    global _total
    begin = time.perf_counter()
    try:
        yield
    finally:
        with _LOCK:
            _total += time.perf_counter() - begin
