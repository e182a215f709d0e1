"""Rows stored, or combined, where numbers of cells say, in blocks of the values' elements, once cells are sorted."""

from __future__ import annotations

from math import prod
from typing import Any

import triton.language as tl

from accel.backends import scattering
from accel.backends.base import Call, Launch, Slot
from accel.backends.triton_kernel import Pointer, Specialization, prepare, storage
from accel.kernels.triton.device import scatter as device_code
from accel.kernels.triton.pointwise import needs_wide, power_of_two
from accel.numerics import BLOCK, LANES
from accel.ops.parameters import SCATTER_FOLDS, placement, scattered_operands
from accel.sort_keys import key_rule

from . import pointwise, sort

ELEMENTS = {"interpreter": 1 << 16}
"""Elements of a program instance by architecture; 1024 elsewhere. To fold, a lane counts as one."""


def _refusal(call: Call) -> str | None:
    _, _, cells, _ = scattered_operands(call.inputs, call.params)
    count = cells.size
    return f"sums of more than {BLOCK**3} rows" if count > BLOCK**3 else None


def _own(call: Call, operands: scattering.Operands) -> Launch:
    (out,), device, params, dtype = call.outputs, call.device, call.params, call.outputs[0].dtype
    _, *read = scattered_operands(call.inputs, params)
    its = placement(call.inputs, out, params)
    columns, floats = prod(its.rows), params.folds and dtype.kind == "f"
    total = its.count * columns
    block = min(power_of_two(total), ELEMENTS.get(device.architecture, 1024) // (LANES if params.folds else 1))
    ahead = BLOCK**2 if params.folds else block  # what loops and instances go beyond the last row
    far = needs_wide(*((x.shape, x.strides) for x in (out, *read) if x is not None), ((total + ahead,), (1,)))
    element = storage(dtype.name) if floats else f"uint{8 * dtype.itemsize}"
    arguments: dict[str, Any] = {
        "out": Pointer(element), "values": Pointer(element), "cells": Pointer("int64"), "order": Pointer("int64"),
        "sources": Pointer("int64"), "count": its.count, "columns": columns, "lengths": its.lengths,
        "steps": its.steps, "rows": its.rows, "out_rows": its.out_rows, "value_rows": its.value_rows,
        "value_step": its.value_step, "cell_step": its.cell_step, "source_step": its.source_step, "held": its.held,
        "ORDERED": operands.order is not None, "SOURCED": params.sourced, "BLOCK": block,
        "INDEX": tl.int64 if far else tl.int32,
    }  # fmt: skip
    arranged = operands.order is not None or params.ascending
    if params.folds:
        nothing = SCATTER_FOLDS[params.kind]
        arguments |= {
            "search": its.count.bit_length(), "NOTHING": nothing if floats else int(nothing),
            "ACC": getattr(tl, element), "MULTIPLY": params.kind == "multiply", "LANES": LANES,
            "FOLDS": LANES.bit_length() - 1, "WIDTH": BLOCK,
        }  # fmt: skip
        name = "fold_rows"
    elif params.kind in ("max", "min"):
        size, rule = dtype.itemsize, key_rule(dtype, False)
        arguments |= {
            "search": its.count.bit_length(), "SIGN": rule.sign, "INFINITE": rule.infinity, "ALL": (1 << 8 * size) - 1,
            "KEY": getattr(tl, f"uint{8 * max(4, size)}"), "MAX": params.kind == "max",
            "FIRST": int(params.kind == "min" and dtype.kind == "f"), "SORTED": arranged,
        }  # fmt: skip
        name = "keep_extremes"
    else:
        arguments["SORTED"] = arranged
        name = "store_rows"
    # a fold has three sums of each lane, and with sources an address of each besides
    warps = 8 if name == "fold_rows" and params.sourced else 4
    what = Specialization(
        device.kernel(device_code.__file__, name), arguments, "i64" if far else "i32", num_warps=warps
    )
    cells = operands.cells  # takes the place of what there is not
    slots = (Slot("output"), operands.values, cells, operands.order or cells, operands.sources or cells)
    size = dtype.itemsize
    return prepare(device, what, -(-total // block), slots, [size, size, 8, 8, 8])


KERNELS = (
    scattering.kernel(
        "triton.scatter",
        "triton/device/scatter.py",
        (*pointwise.KERNELS, *sort.KERNELS),
        _own,
        in_sequence=False,
        refusal=_refusal,
    ),
)
