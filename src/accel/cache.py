"""Tables of what can be made again: they hold what was asked for lately, and no more than so much of it."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Cache(dict[K, V]):
    """A dict of at most two generations of ``limit`` entries. Hot paths, also those in C++, look in it as in any dict;
    `find` looks in the generation before as well, so that what is asked for once in ``limit`` new entries stays.

    There is no lock: a step is one operation on one dict, and what two threads lose by doing it at once is made again.
    """

    __slots__ = ("limit", "older")

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self.older: dict[K, V] = {}

    def find(self, key: K) -> V | None:
        """The entry of a key, which is among the latest from now on; None where there is none."""
        found = self.get(key)
        if found is None and (found := self.older.get(key)) is not None:
            self.keep(key, found)
        return found

    def keep(self, key: K, value: V) -> None:
        """Adds an entry. Where there are ``limit`` already they become the generation before, whose place they take."""
        self._make_room()
        self[key] = value

    def keep_first(self, key: K, value: V) -> V:
        """The entry that another thread has added meanwhile, where one has; else adds this one."""
        self._make_room()
        return self.setdefault(key, value)

    def _make_room(self) -> None:
        if len(self) >= self.limit:
            self.older = dict(self)
            super().clear()

    def clear(self) -> None:
        """Forgets everything."""
        self.older = {}
        super().clear()
