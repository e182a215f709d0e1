"""Tiles of matrix products: of work-groups on GPUs, of registers on CPUs; the computed ones, and those among which
measuring chooses. None of them changes the order of additions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

from accel.backends.base import Choice
from accel.dtypes import DType
from accel.layout import Shape, collapse, span


@dataclass(frozen=True)
class Tile:
    """One tile of the lanes geometry: m x n per work-group, k per slice in local memory, micro_m x micro_n per
    work-item.

    On Intel GPUs the accumulators fit the registers at the smallest sub-group size (8 on Gen12LP and Arc A, 16 on
    Data Center Max), without spills; left to itself the compiler takes 32 on Data Center Max, and spills.
    """

    m: int
    n: int
    k: int
    micro_m: int
    micro_n: int

    @property
    def items(self) -> int:
        return self.m // self.micro_m * (self.n // self.micro_n)

    def local_bytes(self, itemsize: int) -> int:
        """Two slices and the sums of finished chunks."""
        return itemsize * (self.k * (self.m + self.n + 8) + self.m * self.n)


TILES = {4: (Tile(64, 64, 16, 8, 4), Tile(32, 32, 16, 4, 4)), 8: (Tile(32, 64, 16, 4, 4), Tile(32, 32, 8, 4, 4))}
"""Tiles by the accumulator's bytes, the largest first. Sums of finished chunks wait in local memory, as a second set of
accumulators would not fit the registers."""

MORE_TILES = (Tile(64, 64, 8, 4, 4), Tile(64, 64, 32, 8, 4), Tile(128, 64, 16, 8, 8), Tile(64, 128, 16, 8, 8),
              Tile(32, 64, 16, 4, 4), Tile(64, 32, 16, 4, 4), Tile(32, 64, 8, 4, 8), Tile(32, 32, 32, 4, 4),
              Tile(32, 32, 16, 2, 4), Tile(16, 64, 16, 2, 4), Tile(16, 16, 16, 2, 2))  # fmt: skip
"""Further tiles that a device may be faster with, as measuring says (accel tune)."""

TUNED_ROWS, TUNED_VECTORS = (1, 2, 3, 4, 6, 8, 12), (1, 2, 4)
"""Register tiles among which measuring chooses, as far as they fit the registers."""

PANEL_ROWS = (1, 2, 4, 6, 12)
"""Rows of a register tile in the loops geometry; 12 x 2 vectors use 24 of 32 registers where those are 512 bits
wide."""

DIRECT_ROWS = (1, 2, 4, 8, 12)
"""Rows of a register tile that reads a as it lies, where it has no more."""

DIRECT_TILES = {16: ((6, 4), (8, 2), (8, 1)), 8: ((6, 2), (4, 2), (4, 1)), 4: ((4, 2), (4, 1))}
"""(rows, vectors) of register tiles that read a as it lies, where it has more rows; by float32 elements of a SIMD
register. Each row is a pointer, of which general registers hold few."""

FEW, FEW_WIDE = 16, 128
"""Rows of a up to which packing b costs more than it gains; the second where b is in rows and SIMD registers are of 512
bits: a tile as wide as four of them takes whole lines of b as it lies."""

SMALL, SMALL_WIDE = 1 << 17, 1 << 21
"""Bytes of a matrix b that stays in the caches however it is read, so that packing it costs more than it gains; the
second where SIMD registers are of 512 bits."""

TURNED, STREAMS = 2, 16
"""Vectors of columns that are read along k at a time, and for one row of a, whose time is that of reading, columns:
more are more streams than the hardware fetches ahead."""

STRIPE_BYTES = 1 << 15
"""Bytes of a stripe's sums, which are to stay in the first caches."""

STRIPE_VECTOR = 8
"""float32 elements of the widest SIMD register for which products of few rows are made in stripes: with twice as many,
tiles that read b as it lies take whole lines of it, and stripes were not measured."""

AS_THEY_LIE, BOTH_PACKED, B_PACKED = 0, 1, 2
"""What is packed into panels, as a choice says it."""


@dataclass(frozen=True)
class Panels:
    """The register tile of the loops geometry: rows x (vectors x vector)."""

    rows: int
    vectors: int
    vector: int

    @property
    def columns(self) -> int:
        return self.vectors * self.vector


@dataclass(frozen=True)
class Problem:
    """A product's geometry with collapsed batch axes. Strides are of the batch axes, then of rows, then of columns.
    definitions: more that its kernel needs (see `grouped_matmul`). turned: whether a and b are those of the product's
    transpose."""

    m: int
    n: int
    k: int
    batch: Shape
    a: Shape
    b: Shape
    out: Shape
    extras: tuple[Shape, ...]
    definitions: tuple[tuple[str, object], ...] = ()
    turned: bool = False

    @property
    def transpose(self) -> Problem:
        """The product of b's transpose by a's, which is this one's: the same sums of the same terms."""
        a, b, out, *extras = ((*s[:-2], s[-1], s[-2]) for s in (self.b, self.a, self.out, *self.extras))
        return replace(self, m=self.n, n=self.m, a=a, b=b, out=out, extras=tuple(extras), turned=not self.turned)

    @property
    def reach(self) -> tuple[int, ...]:
        """Every length and offset that an index type must hold."""
        ends: list[int] = [prod(self.batch), self.m, self.n, self.k]
        for strides, shape in ((self.a, (self.m, self.k)), (self.b, (self.k, self.n)), (self.out, (self.m, self.n))):
            ends += span((*self.batch, *shape), strides)
        for strides in self.extras:
            ends += span((*self.batch, self.m, self.n), strides)
        return tuple(ends)


def problem(shape: Shape, k: int, strides: Sequence[Shape]) -> Problem:
    """The geometry of a product of an output shape (…, m, n). strides: of a, b, the output, and each further
    operand."""
    *batch, m, n = shape
    axes, steps = collapse(tuple(batch), [s[:-2] for s in strides])
    if not axes:
        axes, steps = (1,), [(0,)] * len(strides)
    a, b, out, *extras = ((*s, *whole[-2:]) for s, whole in zip(steps, strides, strict=True))
    return Problem(m, n, k, axes, a, b, out, tuple(extras))


def width_of(itemsize: int, vector: int) -> int:
    """Accumulators of a vector. vector: float32 elements of a SIMD register."""
    return max(2, vector * 4 // itemsize)


def sums(vector: int) -> int:
    """SIMD registers that sums may take; the others hold b's vectors."""
    return 24 if vector == 16 else 12 if vector == 8 else 8


def panels(its: Problem, itemsize: int, vector: int) -> Panels:
    """The register tile for a problem. vector: float32 elements of a SIMD register."""
    return panels_of(its.m, its.n, itemsize, vector)


def panels_of(m: int, n: int, itemsize: int, vector: int) -> Panels:
    """The register tile for m rows of n columns."""
    width = width_of(itemsize, vector)
    largest = 12 if vector == 16 else 6 if vector == 8 else 4
    rows = next((r for r in PANEL_ROWS if r >= min(m, largest)), largest)
    return Panels(rows, 1 if n <= width else 2, width)


def direct(its: Problem, operand: DType, itemsize: int, vector: int, units: int) -> Panels | None:
    """The register tile of a product that reads its operands as they lie, or None where panels are packed: b in rows
    without gaps, small or for few rows of a, or in columns for few. units: compute units of the device."""
    width = width_of(itemsize, vector)
    in_rows, wide = its.b[-1] == 1, vector > STRIPE_VECTOR and its.a[-1] == 1
    small = in_rows and its.k * its.n * operand.itemsize <= (SMALL_WIDE if wide else SMALL)
    few = FEW_WIDE if wide and in_rows else FEW
    columns = width if in_rows else 1  # else those that are not there are read as the last one
    if not lies_well(its, operand, columns) or (its.m > few and not small):
        return None
    turned = min(TURNED, max(1, STREAMS // width)) if its.m == 1 else TURNED
    most = None if in_rows else turned
    return direct_panels(its.m, its.n, width, vector, units, prod(its.batch), most)


def direct_panels(
    m: int, n: int, width: int, vector: int, units: int, batch: int = 1, most: int | None = None
) -> Panels:
    """The register tile of `direct` for m rows of n columns, in vectors of so many columns. most: vectors, at most."""
    registers = sums(vector)
    most = registers if most is None else most

    def enough(rows: int, vectors: int) -> bool:
        """Whether every unit has a tile of the rows and of the columns to make, and more than one."""
        wide = vectors * width
        return vectors <= most and n >= wide and batch * -(-m // rows) * (n // wide) >= 2 * units

    rows = next((r for r in DIRECT_ROWS if m <= r <= registers), None)
    if rows is None:
        rows, vectors = next((tile for tile in DIRECT_TILES[vector] if enough(*tile)), DIRECT_TILES[vector][-1])
        return Panels(rows, vectors, width)
    vectors = 1
    while 2 * vectors * rows <= registers and enough(rows, 2 * vectors):
        vectors *= 2
    return Panels(rows, vectors, width)


@dataclass(frozen=True)
class Stripes:
    """Products of few rows in stripes of b's columns (matmul_few.cl): tiles of `width` columns, in passes of `rows`.
    groups: stripes. tiles: of each, at most."""

    rows: int
    passes: int
    width: int
    groups: int
    tiles: int


def few(its: Problem, operand: DType, vector: int) -> bool:
    """Whether a product is made in stripes: it has a few rows, and a b that does not stay in the caches."""
    large = its.k * its.n * operand.itemsize > SMALL
    return vector <= STRIPE_VECTOR and large and 2 <= its.m <= FEW and lies_well(its, operand, 2 * vector)


def stripes(its: Problem, itemsize: int, vector: int, units: int) -> Stripes:
    """How a product is made in stripes. units: compute units of the device."""
    lanes = width_of(itemsize, vector)
    if its.b[-1] != 1:  # along k: rows are lanes, and a tile's sums fill eight registers
        rows, passes = lanes, -(-its.m // lanes)
        width = max(1, 8 // passes)
    else:
        passes = -(-its.m // 8)
        rows = next(r for r in (2, 4, 6, 8) if r * passes >= its.m)
        width = lanes
    most = max(1, STRIPE_BYTES // (itemsize * rows * passes * width))
    across = -(-its.n // width)
    groups = -(-max(1, -(-across // most)) // units) * units
    groups = min(groups, across)
    return Stripes(rows, passes, width, groups, -(-across // groups))


def lies_well(its: Problem, operand: DType, columns: int) -> bool:
    """Whether a product may read its operands as they lie, by register tiles of so many columns."""
    return operand.name != "float16" and 1 in (its.b[-1], its.b[-2]) and its.n >= columns


def reads_well(its: Problem, operand: DType, vector: int) -> bool:
    """Whether a product may read a as it lies where b is packed: along k, of elements that are not widened, or that
    narrow registers do not have to widen again for few columns."""
    as_they_are = operand.name in ("float32", "float64")
    return its.a[-1] == 1 and (as_they_are or (operand.name == "bfloat16" and vector > STRIPE_VECTOR))


def register_tiles(its: Problem, operand: DType, itemsize: int, vector: int) -> Iterator[Choice]:
    """(packed, rows, vectors) of the register tiles that a problem may be measured with."""
    width = width_of(itemsize, vector)
    for rows in (r for r in TUNED_ROWS if r == 1 or r < 2 * its.m):
        for vectors in (v for v in TUNED_VECTORS if rows * v <= sums(vector) and (v == 1 or v * width < 2 * its.n)):
            yield BOTH_PACKED, rows, vectors
            yield B_PACKED, rows, vectors
            if lies_well(its, operand, vectors * width):
                yield AS_THEY_LIE, rows, vectors


def tile(its: Problem, itemsize: int, items: int, local_bytes: int) -> Tile | None:
    """The largest tile that fits the device (its work-group size and local memory) and is not mostly past the edge,
    else the smallest that fits."""
    fitting = [t for t in TILES[itemsize] if t.items <= items and t.local_bytes(itemsize) <= local_bytes]
    small = its.m <= 32 and its.n <= 32
    return fitting[-1 if small else 0] if fitting else None


def fitting_tiles(itemsize: int, items: int, local_bytes: int) -> tuple[Tile, ...]:
    """All tiles that fit a device: its work-group size and its local memory."""
    every = (*TILES[itemsize], *MORE_TILES)
    return tuple(t for t in every if t.items <= items and t.local_bytes(itemsize) <= local_bytes)
