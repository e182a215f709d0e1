"""Ways to multiply matrices on GPUs, and their tiles: the computed ones, cut to what an architecture has room for, and
their neighbours, among which measuring chooses."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from accel.dtypes import TABLE
from accel.kernels.triton.pointwise import power_of_two
from accel.numerics import KC

Tile = tuple[int, int, int]
"""(m, n, k) of a program instance."""

MANY = 1 << 22
"""Elements of an output from which on tiles of 128 by 256 are enough for all multiprocessors of an H200."""

SHARED_MEMORY = {
    **dict.fromkeys(("sm_86", "sm_89", "sm_120"), 99 << 10), "sm_80": 163 << 10, "sm_87": 163 << 10,
    "sm_90": 227 << 10, "sm_100": 227 << 10, "gfx950": 160 << 10, "interpreter": 1 << 30,
}  # fmt: skip
"""Bytes of shared memory (AMD: LDS) that a program instance may take, by architecture. Every other one that Triton
compiles for has `LEAST` at least."""

LEAST = 64 << 10

LONG = 8192
"""Columns (or rows) from which on tiles of 256 are enough for all multiprocessors, each of a chunk of a long k."""

SMALL = 8
"""Rows and columns of products that share a program instance, at most: of 16 by 16 one to an instance is faster, by
half the instructions."""

INSTANCES = 256
"""Program instances that small products are to have at least."""

REGISTERS = 128
"""Sums of a thread at most among neighbours: half of its registers."""


@dataclass(frozen=True)
class Config:
    """One way to multiply.

    kernel: ``dot``, ``chain``, or ``several``, whose tile is (m, n, matrices) of a program instance. load: dtype that
    elements are loaded as. operand: dtype that they are widened to, where it is another. accumulator: what products are
    added in. tile: (m, n, k) of a program instance. precision: tl.dot's. kc: chunk length. stream: 0, or one of
    `matmul_streamed`'s ways.
    """

    kernel: str
    load: str
    operand: str
    accumulator: str
    tile: tuple[int, int, int]
    num_warps: int
    num_stages: int = 2
    precision: str = "ieee"
    kc: int = KC
    stream: int = 0

    @property
    def ordered(self) -> bool:
        """Whether its bits are promised to be those of the canonical order."""
        return self.kc == KC and self.kernel == "dot" and TABLE[self.accumulator].kind == "f"


def chip_number(architecture: str) -> int:
    """Of NVIDIA's: 90 of sm_90; 0 of all others."""
    number = architecture.removeprefix("sm_")
    return int(number) if number.isdecimal() else 0


def vector_tile(device: Any, m: int, n: int, depth: int) -> tuple[Tile, int]:
    """(tile, warps) for multiplication by fma: two accumulators of at most 32 values a thread fit its registers."""
    if min(m, n) < 16:
        return thin_tile(device, m, n, depth)
    largest = 128 if device.architecture == "interpreter" else 64 if depth > 4 else 32
    height, width = (min(largest, max(16, power_of_two(size))) for size in (m, n))
    return (height, width, depth), max(1, min(4, height * width // 256))


def thin_tile(device: Any, m: int, n: int, depth: int) -> tuple[Tile, int]:
    """(tile, warps) where one operand has few rows (or columns), no more than which a tile has: the other operand is
    read once, and what a fma costs beside that must not keep the memory waiting."""
    most = 256 if max(m, n) >= LONG else 128
    height, width = min(most, power_of_two(m)), min(most, power_of_two(n))
    lanes = 64 if device.architecture.startswith("gfx") else 32
    return (height, width, depth), max(1, min(4, height * width // lanes))


def matrices_together(m: int, n: int, count: int) -> int:
    """How many of count small products a program instance has, 1 where they are not small or too few to fill a GPU:
    8 sums a lane of four warps at most."""
    if max(m, n) > SMALL:
        return 1
    most = min(1024 // (power_of_two(m) * power_of_two(n)), count // INSTANCES)
    return 1 << (most.bit_length() - 1) if most > 1 else 1


def chain_tile(device: Any, m: int, n: int) -> tuple[Tile, int]:
    """(tile, warps) for fma that is written out; NVIDIA's compiler gives more warps too few registers each."""
    tile, warps = vector_tile(device, m, n, 4)
    return tile, max(1, warps // 2) if min(m, n) >= 16 and device.architecture.startswith("sm_") else warps


def matrix_tile(device: Any, m: int, n: int, itemsize: int, finished: bool) -> tuple[Tile, int]:
    """(tile, warps) for matrix units, of no more rows and columns than there are, but 16. 32 rows avoid wgmma, which
    the emulator lacks; RDNA is short of registers."""
    depth = {1: 64, 2: 32 if device.architecture.startswith("gfx1") else 64, 4: 32}[itemsize]
    most = 32 if device.kind == "emulated" and device.architecture == "sm_90" else 64
    if min(m, n) >= 128 and device.kind == "gpu":
        if device.architecture == "sm_90" and not finished:  # as measured on an H200
            return ((128, 128, 128) if itemsize == 1 else (128, 256 if m * n >= MANY else 128, depth)), 8
        return (128, 64 if finished else 128, depth), 8
    return (min(most, max(16, power_of_two(m))), min(64, max(16, power_of_two(n))), depth), 4


def fitted(architecture: str, tile: Tile, stages: int, itemsize: int) -> tuple[Tile, int]:
    """A tile of tl.dot and its stages that an architecture has the shared memory for, where each stage holds both
    operands' tiles: the same, or fewer stages, or a smaller tile. So no GPU that is not known here is asked for more
    than it has."""
    most, (height, width, depth) = SHARED_MEMORY.get(architecture, LEAST), tile
    while stages * depth * (height + width) * itemsize > most:
        if stages > 2:
            stages -= 1
        elif width >= height:
            width //= 2
        else:
            height //= 2
    return (height, width, depth), stages


def neighbours(
    tile: Tile, warps: int, stages: int, m: int, n: int, architecture: str
) -> Iterator[tuple[Tile, int, int]]:
    """(tile, warps, stages) with each number half or twice as large, and further stages of the tile itself, as far as
    a product of m by n fills them and a thread's registers hold them."""
    depth, most = tile[2], [max(16, power_of_two(size)) for size in (m, n)]
    least = [min(16, size) for size in tile[:2]]
    lanes = 64 if architecture.startswith("gfx9") else 32
    heights, widths = (
        [h for h in (x, 2 * x, x // 2) if low <= h <= high] for x, low, high in zip(tile[:2], least, most, strict=True)
    )
    depths = [d for d in (depth, 2 * depth, depth // 2) if d >= min(depth, 8)]
    for h, w, d, ways in itertools.product(heights, widths, depths, (warps, 2 * warps, warps // 2)):
        if 1 <= ways <= 16 and 1 <= h * w // (lanes * ways) <= REGISTERS:
            for its in (stages, stages + 1, stages - 1) if (h, w, d) == tile else (stages,):
                if its:
                    yield (h, w, d), ways, its
