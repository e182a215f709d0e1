"""A look at offsets: where each of several parts of an axis begins."""

from __future__ import annotations

from ..array import Array
from ..composition import RECORDER
from .primitive.gather import check_positions


def check_ascending(what: str, offsets: Array, last: int, whole: bool) -> None:
    """Has a vector of int64 offsets looked at as `check_positions` does: IndexError where they do not ascend from 0 to
    at most last, or, where that is the whole, to last itself."""
    if not offsets.size or getattr(RECORDER.get(), "run", True) is False:
        return
    words = f"{what}: expected numbers that ascend from 0 to {last};"
    check_positions(f"{words} the first is", offsets[:1], 1, least=0, after="")
    check_positions(f"{words} found", offsets, last + 1, least=0, after="")
    check_positions(f"{words} one differs from the one before by", offsets[1:] - offsets[:-1], last + 1, 0, after="")
    if whole:
        check_positions(f"{words} what is left behind them is", last - offsets[-1:], 1, least=0, after="")
