"""Products with quantised weights on the matrix units of Intel's GPUs, in "fast": as in dpas.py, of x and of what codes
stand for, in x's dtype, and scales multiply sums. What is shown of it without a GPU is as there.
"""

from __future__ import annotations

from math import prod

from accel.backends.base import Call, Kernel, Prepared, Slot, slots
from accel.numerics import KC
from accel.ops.weight_formats import PANEL

from . import build, dpas, matmul, quantized_matmul
from .matmul_tiles import FEW

TILE = 16
"""Steps of k of a tile of 16-bit floats."""

LARGE, SMALL = dpas.Tiles(4, 2, (dpas.LARGE_REGISTERS,)), dpas.Tiles(2, 2)
"""8 tiles of totals, as many of sums of a run, and 6 of operands take 176 of 256 registers; 4, 4 and 4 take 96 of
128."""


def run_of(k: int, group: int) -> tuple[int, int]:
    """(tiles, runs): how many tiles of k there are, from which on x and weights are filled up with zeros, and how many
    are added up before the scale multiplies them: KC steps at most, and no more than a group's. Groups are whole tiles,
    or one."""
    tiles, most = -(-min(k, group) // TILE), KC // TILE
    if group < k:
        run = next(length for length in range(min(tiles, most), 0, -1) if tiles % length == 0)
        return k // TILE, run
    parts = max(1, -(-tiles // most))
    run = max(1, -(-tiles // parts))
    return parts * run if k else 0, run


def choose(m: int, n: int, lanes: int, units: int) -> dpas.Tiles:
    """As in `dpas`."""
    made = -(-m // (LARGE.a * dpas.ROWS)) * -(-n // (LARGE.b * lanes))
    return LARGE if made >= units else SMALL


def _tiles(call: Call, lanes: int) -> dpas.Tiles | None:
    device = build.device_of(call)
    chosen = choose(*call.outputs[0].shape, lanes, device.details["compute units"])
    fitting = (t for t in (chosen, SMALL) if t.local_bytes(lanes) <= device.cl_device.local_mem_size)
    return next(fitting, None)


def definitions(call: Call, tiles: dpas.Tiles, lanes: int, reach: int) -> dict[str, object]:
    """What dpas_quantized.cl needs defined. reach: words of the longest panels."""
    x, params = call.inputs[0], call.params
    left, right, total = dpas.types(x.dtype, lanes)
    read = "intel_sub_group_block_read8(p)"
    if lanes == 16:
        read = "intel_sub_group_block_read_us8((__global const ushort *)(p))"
    found = quantized_matmul.definitions(call)
    if found["INDEX"] == "int":
        found |= build.index_types(reach)
    return {
        **{name: value for name, value in found.items() if name not in ("IN", "ROWS", "EACH", "KC")},
        "SUB_GROUP": lanes,
        "TILES_A": tiles.a,
        "TILES_B": tiles.b,
        "GROUP_A": dpas.GROUP[0],
        "GROUP_B": dpas.GROUP[1],
        "RUN": run_of(x.shape[1], max(1, params.group))[1],
        "LEFT": left,
        "RIGHT": right,
        "TOTAL": total,
        "READ_LEFT(p)": f"as_{left}({read})",
        "READ_RIGHT(p)": f"as_{right}(intel_sub_group_block_read8(p))",
        "MULTIPLY": dpas.builtin(x.dtype),
        "BFLOAT16": int(x.dtype.name == "bfloat16"),
    }


def pack_source(call: Call, defined: dict[str, object], correctly_rounded: bool) -> str:
    """OpenCL C of `pack`, of weights. defined: by `definitions`."""
    narrow = build.function(build.cast("float32", call.inputs[0].dtype.name), "narrow")
    return _source(call, {**defined, "PACK": 1}, narrow, correctly_rounded)


def source(call: Call, defined: dict[str, object], correctly_rounded: bool) -> str:
    """OpenCL C of `multiply`. defined: by `definitions`."""
    declared = dpas.declaration(call.inputs[0].dtype, int(str(defined["SUB_GROUP"])))
    return _source(call, {**defined, "PACK": 0}, declared, correctly_rounded)


def _source(call: Call, defined: dict[str, object], more: str, correctly_rounded: bool) -> str:
    functions, stems = quantized_matmul.functions(call) + more, ("small_floats", "dpas_quantized")
    return build.assemble(stems, defined, functions, fp64=False, correctly_rounded=correctly_rounded)


def _supports(call: Call) -> str | None:
    (x, *_), (out,), params = call.inputs, call.outputs, call.params
    lanes = build.device_of(call).matrix_lanes
    if lanes is None:
        return "the device has no cl_intel_subgroup_matrix_multiply_accumulate"
    if x.dtype.itemsize != 2:
        return f"the matrix units multiply float16 and bfloat16, not {x.dtype}"
    if call.settings.numerics != "fast":
        return f"the matrix units add in an order of their own (ACCEL_NUMERICS={call.settings.numerics})"
    if params.its.minors == "minima":
        return f"16 bits do not hold a weight of {params.format}, which a minimum is subtracted from"
    if params.group < x.shape[1] and params.group % TILE:
        return f"groups of {params.group} are no multiple of the {TILE} steps of k that an instruction takes"
    if min(out.shape) <= FEW:
        return f"packing operands costs more than {min(out.shape)} rows or columns gain"
    return None if _tiles(call, lanes) else "the device's local memory is too small"


NAME = "kernels/opencl/dpas_quantized.cl"


def _prepare(call: Call) -> Prepared:
    device, (x, *weights), (out,) = build.device_of(call), call.inputs, call.outputs
    lanes, rounded, group = device.matrix_lanes, device.correctly_rounded, max(1, call.params.group)
    assert lanes is not None  # _supports refuses otherwise
    tiles = _tiles(call, lanes)
    assert tiles is not None
    (m, n), k = out.shape, x.shape[1]
    depth, run = run_of(k, group)
    panels = dpas.Panels(True, tiles.a, dpas.ROWS, m, x.strides, (1,), (0,), ())
    columns = tiles.b * lanes
    across = -(-n // columns)
    runs, words = depth // run, (panels.words(depth), across * columns * depth * dpas.ROWS)
    defined = definitions(call, tiles, lanes, max(words))
    left, right, rests = (Slot("scratch", i) for i in range(3))
    x_slot, *weight_slots, output = slots(call)
    launches = []
    if k:
        how = matmul.arithmetic(x.dtype, out.dtype, None)
        wide = {name: str(defined[name]) for name in ("INDEX", "UINDEX")}
        kernel = device.kernel(dpas.NAME, dpas.pack_source(how, panels, wide, rounded), "pack")
        build.set_numbers(device, kernel, 4, build.pack(wide, 1, 0, *x.strides, m, k))
        items = dpas.ROWS**2
        size = (depth * tiles.a * items, panels.count, 1)
        launches.append(build.launch(device, kernel, (left, x_slot), size, (items, 1, 1), (4, 1)))
        kernel = device.kernel(NAME, pack_source(call, defined, rounded), "pack")
        build.set_numbers(device, kernel, 2 * (2 + len(weights)), build.pack(defined, k, group, across * columns))
        operands, units = (right, rests, *weight_slots), (4, 4, *(1 for _ in weights))
        size = (depth * PANEL, -(-across * columns // PANEL))
        launches.append(build.launch(device, kernel, operands, size, (PANEL, 1), units))
    kernel = device.kernel(NAME, source(call, defined, rounded), "multiply", tiles.options)
    build.set_numbers(device, kernel, 8, build.pack(defined, m, n, runs, *out.strides))
    items = lanes * prod(dpas.GROUP)
    size = (-(-across // dpas.GROUP[1]) * items, -(-panels.count // dpas.GROUP[0]))
    operands = (output, left, right, rests)
    launches.append(build.launch(device, kernel, operands, size, (items, 1), (1, 4, 4, 4)))
    return Prepared(tuple(launches), (4 * words[0], 4 * words[1], 4 * across * columns * runs))


KERNELS = (Kernel("quantized_matmul", "opencl.dpas_quantized", "opencl/dpas_quantized.cl", _supports, _prepare),)
