"""Scans in the canonical order: one launch for rows of one block, two for rows of more."""

from __future__ import annotations

from math import prod
from typing import Any

import triton.language as tl

from accel.backends.base import Call, Kernel, Prepared
from accel.backends.triton_kernel import Pointer, Specialization, prepare, storage
from accel.dtypes import TABLE, DType
from accel.kernels.triton.device import scan as device_code
from accel.kernels.triton.pointwise import needs_wide, power_of_two
from accel.kernels.triton.reduce import cast, wide
from accel.numerics import SCAN
from accel.ops.parameters import COMBINES
from accel.scalar import Program, Step
from accel.scan_passes import Pass, Place, passes

GROUPS = (1, 16, 256)
"""Groups of a block."""

ELEMENTS = {"interpreter": 1 << 16}
"""Elements of a tile by architecture; 4096 elsewhere."""

SIDE_BY_SIDE = 16
"""Rows that lie next to each other, from which on blocks are so short that a tile has as many."""


def accumulator(kind: str, dtype: DType, output: DType) -> DType:
    """The dtype that a scan is computed in: integers are unsigned where they may wrap, and of 32 bits at least."""
    if dtype.kind == "f":
        return TABLE[dtype.accumulator]
    if kind in ("sum", "prod"):
        return TABLE["uint64" if output.itemsize == 8 else "uint32"]
    return TABLE[wide(dtype)]


def width(n: int, rows: int, x: Place) -> int:
    """Elements of a block."""
    groups = next((g for g in GROUPS if SCAN * g >= n), GROUPS[-1])
    if x.kept[-1] == 1 and x.step != 1 and rows >= SIDE_BY_SIDE and n <= (SCAN * 16) ** 2:
        groups = min(groups, 16)
    return SCAN * groups


def specialization(call: Call, its: Pass) -> tuple[Specialization, int]:
    """The kernel of a launch and its program instances."""
    (x,), (out,), device, kind = call.inputs, call.outputs, call.device, call.params.kind
    acc = accumulator(kind, x.dtype, out.dtype)
    source = x.dtype.name if its.reads_input else acc.name
    target = out.dtype.name if its.writes_output else acc.name
    programs = {
        "widen": cast(source, acc.name),
        "combine": Program((acc.name,) * 2, (Step(COMBINES[kind], acc.name, (0, 1)),), acc.name),
        "finish": cast(acc.name, target),
    }
    groups = its.width // SCAN
    outer, rows = its.kept[:-1], its.kept[-1]
    most = ELEMENTS.get(device.architecture, 4096)
    tile = min(power_of_two(rows), max(1, most // its.width))
    before = its.before or Place(its.x.slot, (0,) * len(its.kept), 0)
    block_groups = next(g for g in GROUPS if SCAN * g >= its.blocks) if its.before and not its.scanned else 1
    shape = (*its.kept, (its.blocks + 1) * its.width)
    far = needs_wide(*((shape, (*p.kept, p.step)) for p in (its.x, its.out, before)))
    one = {"float16": 0x3C00, "bfloat16": 0x3F80}.get(target, 1)
    arguments: dict[str, Any] = {
        "out": Pointer(storage(target)), "x": Pointer(storage(source)),
        "before": Pointer(acc.name if its.before else storage(source)),
        "n": its.n, "blocks": its.blocks, "rows": rows, "outer": outer,
        "x_outer": its.x.kept[:-1], "x_row": its.x.kept[-1], "x_step": its.x.step,
        "out_outer": its.out.kept[:-1], "out_row": its.out.kept[-1], "out_step": its.out.step,
        "before_outer": before.kept[:-1], "before_row": before.kept[-1], "before_step": before.step,
        "ACC": getattr(tl, acc.name), "ROWS": tile, "GROUPS": groups,
        "BEFORE": 0 if its.before is None else 1 + its.scanned, "BLOCK_GROUPS": block_groups,
        "BITS": (SCAN * block_groups).bit_length() - 1, "TOTALS": its.totals, "EXCLUSIVE": its.exclusive,
        "INITIAL": its.initial, "FIRST": one if kind == "prod" else 0, "INDEX": tl.int64 if far else tl.int32,
    }  # fmt: skip
    arguments |= dict(zip(("WIDEN", "COMBINE", "FINISH"), device.functions(programs), strict=True))
    kernel = device.kernel(device_code.__file__, "scan")
    warps = min(8, max(1, tile * its.width // 512))
    grid = its.blocks * -(-rows // tile) * prod(outer)
    return Specialization(kernel, arguments, "i64" if far else "i32", warps), grid


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    (x,), (out,) = call.inputs, call.outputs
    size = accumulator(call.params.kind, x.dtype, out.dtype).itemsize
    plan, scratch = passes(call, width)
    launches = []
    for its in plan:
        what, grid = specialization(call, its)
        places = (its.out, its.x, its.before or its.x)
        sizes = {"input": x.dtype.itemsize, "output": out.dtype.itemsize, "scratch": 1}
        operands = tuple(place.slot for place in places)
        launches.append(prepare(call.device, what, grid, operands, [sizes[slot.kind] for slot in operands]))
    return Prepared(tuple(launches), tuple(count * size for count in scratch))


KERNELS = (Kernel("scan", "triton.scan", "triton/device/scan.py", _supports, _prepare),)
