"""Warnings that name the line of the program that called accel."""

from __future__ import annotations

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
