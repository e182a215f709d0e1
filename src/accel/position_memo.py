"""The short way of a repeated call that reads or writes where positions say: `_core.Take`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import _core, dispatch
from .array import Array
from .cache import Cache
from .composition import RECORDER
from .ops.spec import OpSpec

Key = tuple[Any, ...] | None
Seen = tuple[int, Array]
"""The number of an argument, and an array that the op takes in its place."""


class PositionMemo:
    """What was found out of calls by the layouts of their arrays and the integers among their other arguments. The
    second argument has the positions.

    call(*arguments): the call. slow(key, *arguments): what it does where these are new, or a position is out of range;
    it keeps the key.
    """

    __slots__ = ("_table", "call")

    def __init__(self, slow: Callable[..., Any]) -> None:
        self._table: Cache[Any, tuple[Any, ...]] = Cache(1 << 10)
        self.call = _core.Take(self._table, slow, dispatch.call, RECORDER)

    def keep(
        self,
        key: Key,
        given: Sequence[Any],
        spec: OpSpec,
        params: Any,
        inputs: Sequence[Seen],
        bounds: tuple[int, int],
        out: Seen | None = None,
    ) -> None:
        """Makes further calls of a key short: the op is called once all positions are seen to be at least bounds[0],
        which is not above 0, and below bounds[1].

        given: the arguments. Only what takes all of its arrays as they lie in these is kept, of positions that the host
        looks at where they lie: a call whose operands were cast or copied is made anew each time.
        """
        pairs = (*inputs, out) if out else inputs
        if key is None or not given[1].device.looked_at or not all(_lies_in(given[i], x) for i, x in pairs):
            return
        seen = tuple(part for i, x in inputs for part in (i, x.layout))
        self._table.keep(key, (spec, params, *bounds, seen, out and (out[0], out[1].layout)))

    def forget(self) -> None:
        """Drops what was kept (tests)."""
        self._table.clear()


def _lies_in(given: Any, x: Array) -> bool:
    return x.buffer is given.buffer and x.offset == given.offset
