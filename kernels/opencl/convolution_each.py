"""Convolutions of groups of one channel on CPU devices: tiles of neighbouring places, by vectors."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from accel.convolution_plan import Windows
from accel.numerics import KC

BUFFER = 1 << 14
"""Bytes of private memory for what a tile's places meet, which is to stay in the first cache beside what is stored."""

TILES = {False: (8, 1), True: (1, 8)}
"""(ROWS, VECTORS) of what is computed at a time; the key: whether there is a single row. As many sums as hide the
latency of fma."""

WIDEST = 128
"""Places of a tile along the last axis, at most."""

TALLEST = 32
"""Rows of a window, at most: code is written out for each."""

WRITTEN_OUT = 49
"""Elements of the last two axes of a window up to which code is written out for each."""

TOGETHER = 8
"""Groups of a work-item, at most: a runtime needs some 80 ns to begin with one."""

OUTPUTS = 4
"""Outputs of a group up to which places are computed here; more of them share what is gathered once."""


@dataclass(frozen=True)
class Tiling:
    """Fields of Tiling in convolution_each.cl."""

    band: int
    bands: int
    width: int
    segments: int
    rows: int
    pitch: int
    groups: int


def tile(its: Windows) -> tuple[int, int]:
    """(ROWS, VECTORS)."""
    return TILES[its.places[1] == 1]


def definitions(its: Windows, itemsize: int, vector: int) -> dict[str, object]:
    """What convolution_each.cl needs defined."""
    rows, vectors = tile(its)
    _, tall, broad = its.kernel
    return {
        "ROWS": rows,
        "VECTORS": vectors,
        "VECTOR": vector,
        "TALL": tall,
        "BROAD": broad,
        "DOWN": its.stride[1],
        "APART": its.dilation[1],
        "AT_ONCE": broad if tall * broad <= WRITTEN_OUT else 1,
        "BUFFER": BUFFER // itemsize,
    }


def tiling(its: Windows, itemsize: int, vector: int, wanted: int) -> Tiling | None:
    """The tiles of a convolution that is made here, or None. vector: elements of a SIMD register. wanted: tiles of all
    entries and groups, at least, where rows can be shared out."""
    if its.channels != 1 or its.outputs > OUTPUTS or set(its.spread) != {1}:
        return None
    if not 0 < prod(its.kernel) <= KC or its.kernel[1] > TALLEST:
        return None
    high, wide = tile(its)[0], tile(its)[1] * vector
    _, _, phases = its.stride
    width = min(-(-its.places[2] // wide), max(1, WIDEST // wide)) * wide
    pitch = width + (its.kernel[2] - 1) * its.dilation[2] // phases + 1

    def rows(band: int) -> int:
        return (band - 1) * its.stride[1] + (its.kernel[1] - 1) * its.dilation[1] + 1

    fitting = BUFFER // itemsize // (its.kernel[0] * phases * pitch)
    segments = -(-its.places[2] // width)
    most = -(-its.places[1] // high)
    others = its.batch * its.groups * its.places[0] * segments
    share = max(1, most // max(1, -(-wanted // others)))
    bands = [n * high for n in range(share, 0, -1) if rows(n * high) <= fitting]
    if not bands:
        return None
    band = bands[0]
    down = -(-its.places[1] // band)
    groups = min(its.groups, max(1, others * down // wanted), TOGETHER)
    return Tiling(band, down, width, segments, rows(band), pitch, groups)
