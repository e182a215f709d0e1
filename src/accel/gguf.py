"""Reading .gguf files: what they say of a model, and its tensors, which are read when they are asked for.

`read(path)` gives a `File`, whose tensors become packed weights of linear layers (`Tensor.packed`) or arrays
(`Tensor.array`). The layouts are in docs/quantization.md.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np

from .array import Array
from .errors import FileError
from .layout import Shape
from .memory import Device
from .ops.gguf_blocks import BLOCKS
from .ops.packed import PackedWeight
from .ops.views import reshape

__all__ = ["File", "Tensor", "read"]

NUMBERS = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "?", 10: "<Q", 11: "<q", 12: "<d",
}  # fmt: skip
"""Types of numbers among the metadata."""

STRING, ARRAY = 8, 9
"""Types of the other metadata."""

DEPTH = 4
"""Arrays within one another at most."""

AXES = 4
"""Of a tensor at most."""

KINDS = {0: "F32", 1: "F16", 2: "Q4_0", 8: "Q8_0", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 30: "BF16"}
"""Types of tensors that are read."""


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of a file. kind: its type, such as "Q4_K", or its number where accel cannot read it. shape: with the
    axis that varies fastest last, as everywhere in accel (the file has it first). begin, nbytes: its place in the
    file."""

    file: Path
    name: str
    kind: str
    shape: Shape
    begin: int
    nbytes: int

    def data(self) -> np.ndarray:
        """The bytes, uint8, read from the file. Raises FileError where it has become shorter, OSError."""
        with self.file.open("rb") as file:
            file.seek(self.begin)
            found = np.fromfile(file, np.uint8, self.nbytes)
        if found.size != self.nbytes:
            self._fail(f"has {self.nbytes} bytes, of which {found.size} are left in the file")
        return found

    def packed(self, device: str | Device | None = None) -> PackedWeight:
        """The weight of a linear layer (out, in). Raises FileError, which names the tensor, for other numbers of axes
        and types that are not read; DeviceError."""
        if len(self.shape) != 2 or self.shape[1] == 0:
            self._fail(f"is no weight (out, in): it has shape {self.shape}")
        return self._packed(self.shape, device)

    def array(self, device: str | Device | None = None) -> Array:
        """The elements: float32 of quantised ones, else as they are. Raises FileError, DeviceError."""
        if not self.shape or not prod(self.shape):
            self._fail(f"has no elements to read: it has shape {self.shape}")
        flat = (prod(self.shape[:-1]), self.shape[-1])
        whole = self._packed(flat, device).dequantize()
        result: Array = reshape(whole, self.shape)
        return result

    def _packed(self, shape: Shape, device: str | Device | None) -> PackedWeight:
        if self.kind not in BLOCKS:
            self._fail(f"is of {self.kind}; those that are read are {', '.join(BLOCKS)}")
        return PackedWeight.from_gguf(self.data(), shape, self.kind, device=device)

    def _fail(self, what: str) -> NoReturn:
        raise FileError(f"{self.file}: tensor {self.name} {what}")


@dataclass(frozen=True, eq=False)
class File:
    """metadata: by key: numbers, strings, NumPy arrays of numbers, lists of strings or of arrays. tensors: by name."""

    metadata: dict[str, Any]
    tensors: dict[str, Tensor]


def read(path: str | Path) -> File:
    """What a .gguf file of version 2 or 3 holds, little-endian; no tensor is loaded.

    Raises FileError, which names the tensor or the key, where the file is not whole or contradicts itself; OSError.
    """
    path = Path(path)
    with path.open("rb") as file:
        return _Reader(path, file).read()


class _Reader:
    """Walks over a file; `what` is being read."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self.source, self.at, self.what = path, file, 0, "the header"
        self.size = file.seek(0, 2)
        file.seek(0)

    def read(self) -> File:
        if self._take(4) != b"GGUF":
            self._fail("expected the bytes GGUF at the beginning: this is no .gguf file")
        version = self._number("<I")
        if version not in (2, 3):
            self._fail(f"version {version}: expected 2 or 3, little-endian")
        tensors, keys = self._number("<Q"), self._number("<Q")
        metadata = self._named(keys, "metadata", self._value)
        entries = self._named(tensors, "tensor", self._entry)
        alignment = metadata.get("general.alignment", 32)
        self.what = "general.alignment"
        if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
            self._fail(f"expected a power of two, got {alignment!r}")
        start = -(-self.at // alignment) * alignment
        return File(metadata, {name: self._tensor(name, start, alignment, *its) for name, its in entries.items()})

    def _named(self, count: int, kind: str, read: Callable[[], Any]) -> dict[str, Any]:
        """Names, each with what read gives behind it."""
        found: dict[str, Any] = {}
        for place in range(count):
            self.what = f"{kind} {place} of {count}"
            name = self._string()
            self.what = f"{kind} {name}"
            if name in found:
                self._fail("is there twice")
            found[name] = read()
        return found

    def _value(self) -> Any:
        return self._of(self._number("<I"), 0)

    def _of(self, kind: int, depth: int) -> Any:
        if kind in NUMBERS:
            return self._number(NUMBERS[kind])
        if kind == STRING:
            return self._string()
        if kind != ARRAY or depth == DEPTH:
            self._fail(f"type {kind} is unknown" if kind != ARRAY else f"more than {DEPTH} arrays in one another")
        inner, count = self._number("<I"), self._number("<Q")
        if inner in NUMBERS:
            numbers = np.dtype(NUMBERS[inner])
            return np.frombuffer(self._take(count * numbers.itemsize), numbers)
        return [self._of(inner, depth + 1) for _ in range(count)]

    def _entry(self) -> tuple[Shape, int, int]:
        """Shape, type and offset of a tensor."""
        axes = self._number("<I")
        if axes > AXES:
            self._fail(f"{axes} axes: expected {AXES} at most")
        shape = tuple(self._number("<Q") for _ in range(axes))[::-1]
        return shape, self._number("<I"), self._number("<Q")

    def _tensor(self, name: str, start: int, alignment: int, shape: Shape, number: int, offset: int) -> Tensor:
        self.what, kind = f"tensor {name}", KINDS.get(number, f"type {number}")
        if offset % alignment:
            self._fail(f"begins at byte {offset} of the data: expected a multiple of {alignment}")
        begin = start + offset
        if kind not in BLOCKS:
            return Tensor(self.path, name, kind, shape, begin, 0)
        block = BLOCKS[kind]
        if shape and shape[-1] % block.elements:
            self._fail(f"rows of {shape[-1]} elements: {kind} has blocks of {block.elements}")
        nbytes = prod(shape) // block.elements * block.bytes
        if begin + nbytes > self.size:
            self._fail(f"ends at byte {begin + nbytes}: the file ends at byte {self.size}")
        return Tensor(self.path, name, kind, shape, begin, nbytes)

    def _take(self, count: int) -> bytes:
        found = self.source.read(count) if count <= self.size - self.at else b""
        if len(found) != count:
            self._fail(f"{count} bytes from byte {self.at} on: the file ends at byte {self.size}")
        self.at += count
        return found

    def _number(self, kind: str) -> Any:
        its = struct.Struct(kind)
        return its.unpack(self._take(its.size))[0]

    def _string(self) -> str:
        raw = self._take(self._number("<Q"))
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self._fail(f"{raw[:40]!r}: expected UTF-8")

    def _fail(self, what: str) -> NoReturn:
        raise FileError(f"{self.path}: {self.what}: {what}")
