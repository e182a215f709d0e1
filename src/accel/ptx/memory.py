"""Address spaces: the process's own memory as PTX global memory, and private windows for shared and local memory."""

import ctypes
import platform
import re
from collections.abc import Iterable
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from .formats import TYPES, UINT, Bits
from .parse import Variable

Addresses = npt.NDArray[np.int64]

WINDOW = {"shared": 1 << 56, "local": 1 << 57}  # what cvta adds, to make a generic address


class BadAccess(Exception):
    """A misaligned address, or one outside the memory that the kernel may use."""


class Memory(Protocol):
    """An address space: `views` are its bytes as unsigned integers of 1, 2, 4 and 8 bytes."""

    views: dict[int, Bits]

    def at(self, address: Addresses, m: npt.NDArray[np.bool_] | None, size: int, text: str) -> Addresses:
        """Checked byte offsets in `views` of the active lanes' addresses; each is the start of `size` bytes.

        Raises BadAccess, with the instruction's text.
        """


def _demand_alignment(address: Addresses, size: int, text: str) -> None:
    misaligned = address % size != 0
    if misaligned.any():
        raise BadAccess(f"misaligned address {int(address[misaligned][0]):#x}: {text}")


class Global:
    """The process's own memory.

    ranges: the (address, bytes) that accesses must stay in, or None for all of it, and then a stray access crashes.
    """

    BASE = 1 << 16
    TOP = 1 << (48 if platform.machine() in ("aarch64", "arm64") else 47)  # of user addresses

    def __init__(self, ranges: Iterable[tuple[int, int]] | None) -> None:
        whole = np.ctypeslib.as_array((ctypes.c_uint8 * (self.TOP - self.BASE)).from_address(self.BASE))
        self.views = {n: whole.view(t) for n, t in UINT.items()}
        self.ranges = None
        if ranges is not None:
            self.ranges = np.array(sorted((a, a + n) for a, n in ranges), np.int64).reshape(-1, 2)

    def at(self, address: Addresses, m: npt.NDArray[np.bool_] | None, size: int, text: str) -> Addresses:
        if m is not None:
            address = address[m]
        _demand_alignment(address, size, text)
        if self.ranges is None:
            bad = (address < self.BASE) | (address > self.TOP - size)
        elif len(self.ranges):
            row = np.searchsorted(self.ranges[:, 0], address, "right") - 1
            bad = (row < 0) | (address + size > self.ranges[row, 1])
        else:
            bad = np.ones(len(address), bool)
        if bad.any():
            raise BadAccess(f"address {int(address[bad][0]):#x} is outside the allowed ranges: {text}")
        return address - self.BASE


class Private:
    """Shared memory (one window a CTA) or local memory (one a lane); window: each lane's window number."""

    def __init__(self, size: int, windows: int, window: npt.NDArray[np.integer]) -> None:
        self.size = -(-size // 16) * 16
        self.bytes = np.full(self.size * windows, 0xA5, np.uint8)
        self.views = {n: self.bytes.view(t) for n, t in UINT.items()}
        self.offset = window.astype(np.int64) * self.size

    def at(self, address: Addresses, m: npt.NDArray[np.bool_] | None, size: int, text: str) -> Addresses:
        offset = self.offset
        if m is not None:
            address, offset = address[m], offset[m]
        _demand_alignment(address, size, text)
        bad = (address < 0) | (address + size > self.size)
        if bad.any():
            raise BadAccess(f"address {int(address[bad][0]):#x} is outside {self.size} bytes: {text}")
        return address + offset


class Layout(NamedTuple):
    """Where a module's variables are."""

    symbols: dict[str, int]  # addresses in the variable's own space
    sizes: dict[str, int]  # bytes of shared memory a CTA, of local memory a lane
    constants: list[npt.NDArray[np.uint8]]  # .const and .global variables, which live as long as this list


def place_variables(variables: Iterable[Variable], shared_bytes: int) -> Layout:
    """Gives variables addresses: the dynamic shared array at 0 with shared_bytes, static shared ones after it."""
    layout = Layout({}, {"shared": shared_bytes, "local": 0}, [])
    for v in variables:
        width = TYPES[v.kind].itemsize
        size = width * int(v.count or (0 if v.count == "" else 1))
        if v.space in layout.sizes:
            if v.count == "":
                layout.symbols[v.name] = 0
                continue
            layout.symbols[v.name] = start = -(-layout.sizes[v.space] // 16) * 16
            layout.sizes[v.space] = start + size
            continue
        values = _initial_values(v.init or "")
        if values is None:
            continue
        data = np.zeros(size + 16, np.uint8)
        data = data[-data.ctypes.data % 16 :][: max(size, 1)]
        data[: width * len(values)] = np.array([n & (1 << 8 * width) - 1 for n in values], UINT[width]).view(np.uint8)
        layout.constants.append(data)
        layout.symbols[v.name] = data.ctypes.data
    return layout


def _initial_values(text: str) -> list[int] | None:
    """The numbers of an initialiser, as bits; None if it has an address: the name stays unknown, and its use raises."""
    try:
        return [
            int(word[2:], 16) if word[:2].lower() in ("0f", "0d") else int(word, 0)
            for word in re.findall(r"[-\w.]+", text)
        ]
    except ValueError:
        return None
