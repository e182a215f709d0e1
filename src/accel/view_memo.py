"""The short way of a view that was made before: `_core.View`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import _core
from .cache import Cache

VIEWS = 1 << 10
"""Views that a function remembers."""


def remembered(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of an array and positional arguments, whose views are found by layout and arguments.

    Its result must follow from these alone. What is no view of the array's own buffer is made anew each time.
    """
    table: Cache[Any, tuple[Any, ...]] = Cache(VIEWS)

    def slow(key: Any, x: Any, *arguments: Any) -> Any:
        result = function(x, *arguments)
        if key is not None and type(result) is type(x) and result.buffer is x.buffer:
            table.keep(key, (result.layout, result.offset - x.offset))
        return result

    made: Callable[..., Any] = _core.View(table, slow, False)
    return made


def remembered_index(
    function: Callable[[Any, Any], Any], axes: Callable[[Any, int], list[int]]
) -> Callable[[Any, Any], Any]:
    """The same for ``x[key]``; what is found serves all integers in a key. axes(key, ndim): of its integers."""
    table: Cache[Any, tuple[Any, ...]] = Cache(VIEWS)

    def slow(known: Any, x: Any, key: Any) -> Any:
        result = function(x, key)
        if known is not None and result.buffer is x.buffer and result.size:
            given = [item for item in (key if type(key) is tuple else (key,)) if type(item) is int]
            places = axes(key, x.ndim)
            steps = [(x.shape[axis], x.strides[axis]) for axis in places]
            begin = sum(i % n * step for i, (n, step) in zip(given, steps, strict=True))
            offset = result.offset - x.offset - begin
            table.keep(known, (result.layout, offset, *(value for pair in steps for value in pair)))
        return result

    made: Callable[[Any, Any], Any] = _core.View(table, slow, True)
    return made
