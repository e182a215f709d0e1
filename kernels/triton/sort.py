"""Sorting along one axis: blocks in registers, then one launch for each doubling of the runs."""

from __future__ import annotations

from typing import Any

import triton.language as tl

from accel.backends.base import Call, Kernel, Launch, Prepared, Slot
from accel.backends.triton_kernel import Pointer, Specialization, prepare
from accel.kernels.triton.device import sort as device_code
from accel.kernels.triton.pointwise import needs_wide, power_of_two
from accel.layout import collapse
from accel.sort_keys import key_rule

BLOCK = 1024
"""Elements of a block at most; with them 2^20 elements take 11 launches."""

ELEMENTS = {"interpreter": 1 << 16}
"""Elements of a program instance by architecture; 1024 elsewhere."""


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    device, (x,), (out,), params = call.device, call.inputs, call.outputs, call.params
    n, indices, size = x.shape[params.axis], params.kind == "indices", x.dtype.itemsize
    kept = [a for a in range(x.ndim) if a != params.axis]
    shape, (source, target) = collapse(
        tuple(x.shape[a] for a in kept), [tuple(its.strides[a] for a in kept) for its in (x, out)]
    )
    if not shape:
        shape, source, target = (1,), (0,), (0,)
    rows, steps = x.size // n, (x.strides[params.axis], out.strides[params.axis])
    block = min(BLOCK, power_of_two(n))
    blocks = -(-n // block)
    passes = (blocks - 1).bit_length()
    tile = ELEMENTS.get(device.architecture, 1024)
    far = needs_wide(
        *(((*shape, n + tile), (*its, step)) for its, step in zip((source, target), steps, strict=True)),
        ((rows * n + tile,), (1,)),
    )
    index, width = ("i64", 8) if far else ("i32", 4)
    rule, wide = key_rule(x.dtype, params.descending), max(4, size)
    element, keys = f"uint{8 * size}", f"uint{8 * wide}"
    common: dict[str, Any] = {
        "n": n, "count": out.shape[params.axis], "outer": shape, "out_outer": target, "out_step": steps[1],
        "SIGN": rule.sign, "INFINITE": rule.infinity, "ALL": (1 << 8 * size) - 1, "FLIP": rule.flip,
        "KEY": getattr(tl, keys), "INDICES": indices, "INDEX": tl.int64 if far else tl.int32,
    }  # fmt: skip

    def kept_in(piece: int) -> list[tuple[Slot, int]]:
        """Keys and indices of one of the two halves of the scratch; where there are no indices, the keys again."""
        return [(Slot("scratch", piece), 1), (Slot("scratch", piece + 2 * indices), 1)]

    def made(name: str, last: bool, to: list[Any], source: list[Any], more: dict[str, Any], grid: int) -> Launch:
        arguments = {**common, "LAST": last, **more}
        arguments["out"] = Pointer(("int64" if indices else element) if last else keys)
        arguments["places"] = arguments["out"] if last or not indices else Pointer(f"int{8 * width}")
        what = Specialization(device.kernel(device_code.__file__, name), arguments, index, 4)
        slots, sizes = zip(*to, *source, strict=True)
        return prepare(device, what, grid, slots, sizes)

    result = [(Slot("output"), out.dtype.itemsize)] * 2
    held = max(block, tile)
    more = {
        "x": Pointer(element), "blocks": blocks, "groups": rows * blocks, "x_outer": source, "x_step": steps[0],
        "SIZE": held, "BITS": block.bit_length() - 1,
    }  # fmt: skip
    grid = -(-rows * blocks // (held // block))
    given = [(Slot("input"), size)]
    launches = [made("sort_blocks", passes == 0, kept_in(0) if passes else result, given, more, grid)]
    for number in range(passes):
        last, run = number == passes - 1, block << number
        more = {
            "keys": Pointer(keys), "order": Pointer(f"int{8 * width}" if indices else keys), "run": run,
            "steps": run.bit_length(), "total": rows * n, "SIZE": tile,
        }  # fmt: skip
        to = result if last else kept_in(1 - number % 2)
        launches.append(made("merge_runs", last, to, kept_in(number % 2), more, -(-rows * n // tile)))
    if passes == 0:
        return Prepared(tuple(launches))
    return Prepared(tuple(launches), (rows * n * wide,) * 2 + ((rows * n * width,) * 2 if indices else ()))


KERNELS = (Kernel("sort", "triton.sort", "triton/device/sort.py", _supports, _prepare),)
