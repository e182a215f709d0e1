"""What accel says beside its results: warnings that name the caller's line, and lines on stderr."""

from __future__ import annotations

import contextlib
import sys
import warnings


def warn(message: str, category: type[Warning]) -> None:
    """Warns as from the innermost line that is not accel's own, however deep the call that warns lies."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "accel":
        frame = frame.f_back
    scope = frame.f_globals
    warnings.warn_explicit(
        message, category, frame.f_code.co_filename, frame.f_lineno, scope.get("__name__"),
        scope.setdefault("__warningregistry__", {}),
    )  # fmt: skip


def say(line: str) -> None:
    """Writes a line to stderr; nowhere where that is closed or was never there."""
    if sys.stderr is not None:  # print would take stdout in its place
        with contextlib.suppress(OSError, ValueError):
            print(line, file=sys.stderr)
