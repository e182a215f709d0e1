"""Reductions: what is computed at which dtype, and how rows, blocks and passes are shared out.

Block results go to scratch memory. The last program instance of a row to be done reduces them, in the same launch;
where they are more than a block's, or the rows too many, another launch of the same kernel does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import triton.language as tl

from accel.backends.base import Call, Kernel, Prepared, Slot, slots
from accel.backends.triton_kernel import COUNTERS, Pointer, Specialization, prepare, storage
from accel.dtypes import DType, as_dtype
from accel.kernels.triton.device import reduce as device_code
from accel.kernels.triton.pointwise import needs_wide, power_of_two
from accel.layout import Shape, collapse, row_major
from accel.numerics import BLOCK, LANES
from accel.scalar import Program, ProgramBuilder, Step

ELEMENTS = {"interpreter": 1 << 16}
"""Elements of a tile by architecture; 8192 bytes of accumulators elsewhere."""

ENOUGH = 264
"""Program instances, two for each multiprocessor of an H100, below which tiles are halved."""

UNROLL = 4


# what is computed


@dataclass(frozen=True)
class Recipe:
    """A kind of reduction at an operand dtype: dtype of the accumulator and its start, and the scalar programs."""

    accumulator: str
    identity: float | int
    widen: Program
    combine: Program | None
    finish: Program


def same(dtype: str) -> Program:
    """The program that changes nothing."""
    return Program((dtype,), (), dtype)


def cast(source: str, target: str) -> Program:
    """The program that casts."""
    return same(source) if source == target else Program((source,), (Step("cast", target, (0,)),), target)


def recipe(kind: str, source: DType, output: DType) -> Recipe:
    """How to reduce elements of source to a result of output. Narrow integers are reduced in 32 bits."""
    if kind in ("any", "all"):
        build = ProgramBuilder(source.name)
        widen = build.finish(build.cast(build.cast(0, "bool"), "uint32"))
        combine = _pair("maximum" if kind == "any" else "minimum", "uint32")
        return Recipe("uint32", int(kind == "all"), widen, combine, cast("uint32", "bool"))
    if kind in ("sum", "prod"):
        if source.kind == "f":
            accumulator, start = source.accumulator, (-0.0 if kind == "sum" else 1.0)
        else:
            accumulator, start = wide(output), int(kind == "prod")
        combine = _pair({"sum": "add", "prod": "multiply"}[kind], accumulator)
        return Recipe(accumulator, start, cast(source.name, accumulator), combine, cast(accumulator, output.name))
    accumulator = source.accumulator if source.kind == "f" else wide(source)
    limits = np.iinfo(accumulator) if source.kind != "f" else None
    low, high = (limits.min, limits.max) if limits else (float("-inf"), float("inf"))
    widen, start = cast(source.name, accumulator), low if kind in ("max", "argmax") else high
    if kind in ("argmax", "argmin"):
        return Recipe(accumulator, start, widen, None, same("int64"))
    combine = _pair("maximum" if kind == "max" else "minimum", accumulator)
    return Recipe(accumulator, start, widen, combine, cast(accumulator, output.name))


def wide(dtype: DType) -> str:
    """The integer dtype of at least 32 bits that values of an integer dtype, or bool, are computed in."""
    if dtype.itemsize >= 4:
        return dtype.name
    return "int32" if dtype.kind == "i" else "uint32"


def _pair(function: str, dtype: str) -> Program:
    return Program((dtype, dtype), (Step(function, dtype, (0, 1)),), dtype)


# how it is shared out


@dataclass(frozen=True)
class Geometry:
    """One pass over n elements of each row. Strides are of the pass's input and output, in elements.

    joined: whether the last instance of each row reduces its block results too, so that the output is of rows.
    """

    kept: Shape
    x_kept: Shape
    reduced: Shape
    x_reduced: Shape
    out_kept: Shape
    out_block: int
    joined: bool = False

    @property
    def n(self) -> int:
        return prod(self.reduced)

    @property
    def blocks(self) -> int:
        return max(1, -(-self.n // BLOCK))

    def arguments(self, architecture: str, itemsize: int, size: int) -> tuple[dict[str, Any], int, str, int]:
        """(arguments of the kernels that depend on it, program instances, type of its integers, warps). itemsize: of
        accumulators. size: of elements that are read."""
        outer, rows = self.kept[:-1], self.kept[-1]
        lanes = min(LANES, power_of_two(max(1, self.n)))  # with fewer elements the other lanes hold the identity
        tile = ELEMENTS.get(architecture, 8192 // power_of_two(max(4, itemsize))) // lanes
        by_block = rows < min(tile, self.blocks)
        length = self.blocks if by_block else rows
        tile = min(tile, power_of_two(length))
        others = prod(outer) * (rows if by_block else self.blocks)
        if architecture not in ELEMENTS and self.x_reduced[-1] == 1:
            least = 16 * (64 if architecture.startswith("gfx9") else 32) // (size * lanes)  # 16 bytes of each thread
            while tile > max(1, least) and -(-length // tile) * others < ENOUGH:
                tile //= 2
        tiles = -(-length // tile)
        width = BLOCK if self.blocks > 1 else -(-self.n // lanes) * lanes
        whole = (*self.kept, *self.reduced), (*self.x_kept, *self.x_reduced)
        results = (prod(self.kept) * self.blocks,)
        far = needs_wide(whole, ((*self.kept, self.blocks), (*self.out_kept, self.out_block)), (results, (1,)))
        arguments = {
            "n": self.n, "width": width, "blocks": self.blocks, "rows": rows, "tiles": tiles, "outer": outer,
            "x_outer": self.x_kept[:-1], "x_row": self.x_kept[-1], "reduced": self.reduced, "x_reduced": self.x_reduced,
            "out_outer": self.out_kept[:-1], "out_row": self.out_kept[-1], "out_block": self.out_block,
            "BY_BLOCK": by_block, "ROWS": tile, "LANES": lanes,
            "JOINED": min(LANES, power_of_two(self.blocks)) if self.joined else 0,
            "partial": 0, "places": 0, "counters": 0, "INDEX": tl.int64 if far else tl.int32,
        }  # fmt: skip
        return arguments, tiles * others, "i64" if far else "i32", min(8, max(1, tile * lanes // 256))


def passes(call: Call) -> list[Geometry]:
    """The passes of a reduction: the first reads the operand, the last writes the output; scratch is row-major."""
    (x,), (out,), axes = call.inputs, call.outputs, call.params.axes
    strides = [tuple(x.strides[a] for a in range(x.ndim) if a not in axes), out.strides]
    kept, (x_kept, out_kept) = collapse(out.shape, strides)
    if not kept:
        kept, x_kept, out_kept = (1,), (0,), (0,)
    lengths = tuple(x.shape[a] for a in axes)
    reduced, (x_reduced,) = ((0,), [(0,)]) if 0 in lengths else collapse(lengths, [tuple(x.strides[a] for a in axes)])
    if not reduced:
        reduced, x_reduced = (1,), (0,)
    result = []
    while True:
        blocks = max(1, -(-prod(reduced) // BLOCK))
        if blocks == 1:
            result.append(Geometry(kept, x_kept, reduced, x_reduced, out_kept, 0))
            return result
        *scratch, step = row_major((*kept, blocks))
        result.append(Geometry(kept, x_kept, reduced, x_reduced, tuple(scratch), step))
        x_kept, reduced, x_reduced = tuple(scratch), (blocks,), (step,)


def _supports(call: Call) -> str | None:
    return None


def _joined(geometries: list[Geometry], architecture: str, itemsize: int, size: int) -> list[Geometry]:
    """The passes, of which the last two are one where there are not too many rows to have a counter each.

    itemsize: of accumulators. size: of elements of the operand.
    """
    if len(geometries) == 1:
        return geometries
    *before, shared, last = geometries
    shared = replace(shared, out_kept=last.out_kept, out_block=0, joined=True)
    its, *_ = shared.arguments(architecture, itemsize, itemsize if before else size)
    return [*before, shared] if _groups(its) <= COUNTERS else geometries


def _groups(arguments: dict[str, Any]) -> int:
    """Rows, or tiles of rows, that have a last instance."""
    return prod(arguments["outer"]) * (arguments["rows"] if arguments["BY_BLOCK"] else arguments["tiles"])


def _prepare(call: Call) -> Prepared:
    (x,), (out,), device = call.inputs, call.outputs, call.device
    how = recipe(call.params.kind, x.dtype, out.dtype)
    arg = how.combine is None
    width = as_dtype(how.accumulator).itemsize
    itemsize = width + (8 if arg else 0)
    geometries = _joined(passes(call), device.architecture, itemsize, x.dtype.itemsize)
    launches, scratch = [], []
    first, *_, result = slots(call)
    at = known = (first, x.dtype.itemsize)
    target = (result, out.dtype.itemsize)
    for number, geometry in enumerate(geometries):
        last = geometry is geometries[-1]
        read = x.dtype.itemsize if number == 0 else width
        arguments, grid, index, warps = geometry.arguments(device.architecture, itemsize, read)
        identity = how.identity
        if geometry.n == 0 and call.params.kind == "sum" and x.dtype.kind == "f":
            identity = 0.0  # the sum of nothing is +0; -0 is what adding changes nothing to
        arguments |= {"IDENTITY": identity, "ACC": getattr(tl, how.accumulator)}
        source = Pointer(storage(x.dtype.name) if number == 0 else how.accumulator)
        widen = how.widen if number == 0 else same(how.accumulator)
        if arg:
            (arguments["WIDEN"],) = device.functions({"widen": widen})
            arguments |= {
                "values": Pointer(how.accumulator),
                "indices": Pointer("int64"),
                "x": source,
                "known": Pointer("int64"),
            }
            arguments |= {"MAXIMUM": call.params.kind == "argmax", "FIRST": number == 0, "LAST": last}
            kernel = device.kernel(device_code.__file__, "locate")
        else:
            finish = how.finish if last else same(how.accumulator)
            programs = {"widen": widen, "combine": how.combine, "finish": finish}
            arguments |= dict(zip(("WIDEN", "COMBINE", "FINISH"), device.functions(programs), strict=True))
            arguments |= {
                "out": Pointer(storage(out.dtype.name) if last else how.accumulator),
                "x": source,
                "UNROLL": UNROLL,
            }
            kernel = device.kernel(device_code.__file__, "accumulate")
        results = []
        if not last or geometry.joined:
            dtypes = {"partial": how.accumulator, "places": "int64"} if arg else {"partial": how.accumulator}
            for dtype in dtypes.values():
                results.append((Slot("scratch", len(scratch)), 1))
                scratch.append(prod(geometry.kept) * geometry.blocks * as_dtype(dtype).itemsize)
        counters = 0
        if geometry.joined:
            counters = _groups(arguments)
            arguments |= {name: Pointer(dtype) for name, dtype in dtypes.items()} | {"counters": Pointer("int64")}
        to = [target] * (1 + arg) if last else results
        operands, sizes = zip(*to, *([at, known] if arg else [at]), *(results if geometry.joined else ()), strict=True)
        what = Specialization(kernel, arguments, index, warps, counters=counters)
        launches.append(prepare(device, what, grid, operands, sizes))
        at, known = to[0], to[-1]
    return Prepared(tuple(launches), tuple(scratch))


KERNELS = (Kernel("reduce", "triton.reduce", "triton/device/reduce.py", _supports, _prepare),)
