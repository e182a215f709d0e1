"""Checks of positions: one out of range is an IndexError on every device, and in what a trace was compiled to.

Positions are looked at where an op takes them (`ops/primitive/gather.py`). In a trace, what is to be looked at becomes
a further result of the graph. Where a device runs launches behind the host's back, it keeps the look until it is
synchronised or copied from (`Device.settle`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ._core import within
from .array import Array
from .config import Settings
from .conversion import number, on_host
from .dtypes import UINT64


@dataclass(frozen=True)
class Check:
    """Positions are from least, which is not above 0, to length - 1.

    before, after: what the message says around the first one found that is not. line: where the traced function asked
    for it, with the words before it.
    """

    least: int
    length: int
    before: str
    after: str
    line: str = ""

    def look(self, array: Array) -> bool:
        """Raises IndexError. array: int64 positions, or one uint64 number, the largest of what they are above least,
        those below it being above all others. Whether none is known to be below 0."""
        if array.size == 0:
            return True
        forward = within(array, self.least, self.length)
        if forward is not None:
            return forward
        elements = on_host(array)
        if array.dtype is UINT64:
            far = number(elements)
            if far < self.length - self.least:
                return self.least == 0
            bad = far + self.least
            bad -= (bad >= 1 << 63) << 64
        else:
            low, high = number(elements.min()), number(elements.max())
            if low >= self.least and high < self.length:
                return low >= 0
            bad = high if high >= self.length else low
        raise IndexError(f"{self.before}{bad}{self.after}{self.line}")

    def on(self, array: Array, settings: Settings) -> bool:
        """A look at once, or, where the device is not done and nobody asked to wait for it, when it is. Whether no
        position is known to be below 0."""
        device = array.device
        if settings.check == "sync" or not device.asynchronous:
            return self.look(array)
        device.look_later(lambda: self.look(array))
        return False

    def at(self, line: str) -> Check:
        """The check of a traced function that stands at this line."""
        return self if self.line else replace(self, line=line)
