"""Row programs: which form serves which rows, its tiles, and its launches.

Rows of at most a block are kept in registers, several of them in a tile where they are short. Longer ones are walked by
a program instance each where there are enough of them, and else shared out by blocks: one launch for every level of
folds, and one more where outputs are of each element.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import triton.language as tl

from accel.backends.base import Call, Kernel, Prepared, Slot, slots
from accel.backends.triton_kernel import Pointer, Specialization, prepare, printed, storage
from accel.dtypes import as_dtype
from accel.kernels.triton import row_source
from accel.kernels.triton.pointwise import needs_wide, power_of_two
from accel.layout import Shape, collapse
from accel.numerics import BLOCK, LANES
from accel.scalar import RowProgram

LONGEST = BLOCK * BLOCK
"""Elements of a row whose blocks are reduced as one block."""

WIDTHS = (16, 64, 256, 1024, BLOCK)
"""Columns of a tile: few, so that the lengths of rows share compiled code."""

ELEMENTS = {"interpreter": 1 << 16}
"""Elements of a tile of several rows by architecture; elsewhere 1024: 8 for each thread of 4 warps."""

STRIDE = 1024
"""Columns of a tile in loops over a long row: a block at once gains nothing there, and takes longer to compile."""

THREADS = 512
"""Most threads of a program instance."""

HELD = 256
"""Bytes of elements' values that a thread may hold from one stage to the next: half of its registers with so many
threads."""

SUMS = 2
"""Folds whose order matters in a program whose rows are kept in the widest tile, each of which is 64 additions of code:
more take longer than 3 s to compile."""

FILLED = 128
"""Program instances that are enough work for a GPU; below that long rows, and chunks of products and of keys, are
shared out. An H100 has 132 multiprocessors."""


@dataclass(frozen=True)
class Shared:
    """How rows are shared out. form: as in row_source. rows, width: of a tile."""

    form: str
    rows: int
    width: int
    warps: int


def share(program: RowProgram, rows: int, n: int, size: int, architecture: str) -> Shared:
    """The form and the tile for a number of rows of n elements.

    size: bytes of an element of the narrowest operand; a thread has at least 16 bytes of it, where there are so many.
    """
    live, widest = live_bytes(program), BLOCK if row_source.sums(program) <= SUMS else STRIDE
    fitting = [w for w in WIDTHS if w * live <= THREADS * HELD and w <= widest] or WIDTHS[:1]
    width = next((w for w in fitting if n <= w), None)
    form = "kept" if width is not None else "looped" if rows >= FILLED or n <= BLOCK else "shared"
    if width is None:
        width = min(fitting[-1], STRIDE)
    tile = max(1, ELEMENTS.get(architecture, 1024) // width) if form == "kept" else 1
    tile = min(tile, power_of_two(rows))
    elements = tile * width
    threads = min(THREADS, max(min(128, elements // 8), elements * live // 256), elements * size // 16)
    warp = 64 if architecture.startswith("gfx9") else 32
    return Shared(form, tile, width, max(1, power_of_two(threads) // warp))


@lru_cache(maxsize=512)
def live_bytes(program: RowProgram) -> int:
    """Bytes that an element's values need at once."""
    return max(4, row_source.live_bytes(program))


def _supports(call: Call) -> str | None:
    n = prod(_domain(call)[1])
    return f"rows of {n} elements; at most {LONGEST} are reduced by blocks of blocks" if n > LONGEST else None


def _domain(call: Call) -> tuple[Shape, Shape]:
    """Lengths of the kept axes, and of the reduced ones."""
    shape = next(x.shape for x, its in zip(call.inputs, call.params.program.inputs, strict=True) if its.each)
    kept = len(shape) - call.params.reduced
    return shape[:kept], shape[kept:]


def _axes(shape: Shape, strides: Sequence[Shape]) -> tuple[Shape, list[Shape]]:
    """Axes and strides collapsed, to one axis at least."""
    lengths, steps = collapse(shape, strides)
    return (lengths, steps) if lengths else ((1,), [(0,)] * len(strides))


def specializations(call: Call) -> list[tuple[Specialization, int]]:
    """The kernels of a call and their numbers of program instances, in order; all take the same pointers."""
    program, device = call.params.program, call.device
    kept, reduced = _domain(call)
    rows, n = prod(kept), prod(reduced)
    operands = (*call.outputs, *call.inputs)
    values = [*(program.values[v] for v in program.outputs), *program.inputs]
    size = min(x.dtype.itemsize for x, its in zip(operands, values, strict=True) if its.each)
    how = share(program, rows, n, size, device.architecture)
    blocks = -(-n // BLOCK)
    far = needs_wide(*((x.shape, x.strides) for x in operands), ((rows, n), (n, 1)))
    axes = len(reduced)
    across = [x.strides[-axes:] if its.each else (0,) * axes for x, its in zip(operands, values, strict=True)]
    kept, kept_strides = _axes(kept, [x.strides[: len(kept)] for x in operands])
    reduced, reduced_strides = _axes(reduced, across)
    held = next(w for w in WIDTHS if blocks <= w) if how.form == "shared" else WIDTHS[0]
    arguments: dict[str, Any] = {
        "n": n, "rows": rows, "blocks": blocks, "kept": kept, "reduced": reduced,
        "ROWS": how.rows, "WIDTH": how.width, "LANES": min(how.width, LANES), "BLOCKS": held,
        "BLOCK_LANES": min(held, LANES), "INDEX": tl.int64 if far else tl.int32,
    }  # fmt: skip
    for name, x, over, along in zip(row_source.operands(program), operands, kept_strides, reduced_strides, strict=True):
        arguments |= {name: Pointer(storage(x.dtype.name)), f"{name}_kept": over, f"{name}_reduced": along}
    for name, dtype in zip(row_source.scratch(program, how.form), scratch_dtypes(program), strict=False):
        arguments[name] = Pointer(dtype)
    found, count = [], row_source.launches(program, how.form)
    for level in range(1, count + 1):
        text = row_source.source(program, how.form, level)
        kernel = device.kernel(printed("row", text), "row")
        joined = how.form == "shared" and level == max(row_source.levels(program)) == count
        its = arguments | {"counters": Pointer("int64") if joined else 0}
        what = Specialization(kernel, its, "i64" if far else "i32", how.warps, counters=rows if joined else 0)
        found.append((what, rows * blocks if how.form == "shared" else -(-rows // how.rows)))
    return found


def scratch_dtypes(program: RowProgram) -> list[str]:
    """The dtypes of the folds' block results."""
    return [program.values[v].dtype for v in row_source.folds(program)]


def _prepare(call: Call) -> Prepared:
    program, device = call.params.program, call.device
    kept, reduced = _domain(call)
    made = specializations(call)
    results = prod(kept) * -(-prod(reduced) // BLOCK)
    shared = len(made) > 1 or made[0][0].counters > 0
    folds = scratch_dtypes(program) if shared else []
    its, n = slots(call), len(call.inputs)
    operands = (*its[n:], *its[:n], *(Slot("scratch", i) for i in range(len(folds))))
    sizes = [*(x.dtype.itemsize for x in (*call.outputs, *call.inputs)), *(1 for _ in folds)]
    launches = tuple(prepare(device, what, grid, operands, sizes) for what, grid in made)
    return Prepared(launches, tuple(results * as_dtype(dtype).itemsize for dtype in folds))


KERNELS = (Kernel("row", "triton.row", "triton/row_source.py", _supports, _prepare),)
