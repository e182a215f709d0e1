"""The short way of a repeated call whose arguments are arrays and, between them, others: `_core.Memo`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import _core, interop
from .cache import Cache
from .dtypes import DType
from .ops.spec import OpSpec

Key = tuple[Any, ...] | None
Finish = Callable[[Any, tuple[Any, ...]], Any]


class Memo:
    """What was found out of calls by their arguments that are no arrays; 1, 1.0 and True are three, and so are 0.0 and
    -0.0.

    call(*arguments): the call. slow(key, *arguments): what it does where the arguments are new; it keeps the key.
    """

    __slots__ = ("_table", "call")

    def __init__(self, slow: Callable[..., Any]) -> None:
        self._table: Cache[Any, tuple[Any, ...]] = Cache(512)
        self.call = _core.Memo(interop.enter, self._table, slow, interop.KNOWN, DType)

    def keep(self, key: Key, spec: OpSpec, params: Any, finish: Finish | None = None) -> None:
        """Makes further calls of a key short: the op is entered with the arguments that are arrays, and params.

        key: None, of arguments that make none, is not kept. finish(result, arrays): makes the call's result of the
        op's, where it is another.
        """
        if key is not None:
            self._table.keep(key, (key, spec, params, finish))
