"""Reductions in the canonical order: one launch per level of blocks, each level's results in scratch memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from accel.backends.base import Call, Kernel, Prepared, Slot
from accel.dtypes import TABLE, DType
from accel.layout import Shape, collapse, row_major, span
from accel.numerics import BLOCK, LANES

from . import build

UNSIGNED = {1: "uchar", 2: "ushort", 4: "uint", 8: "ulong"}
SIGNED = {1: "char", 2: "short", 4: "int", 8: "long"}
LOWEST = {"int": "(-0x7fffffff - 1)", "long": "(-0x7fffffffffffffffL - 1L)"}
HIGHEST = {"int": "0x7fffffff", "long": "0x7fffffffffffffffL"}
BITS = {"float16": ("0x7fff", "0x7c00"), "bfloat16": ("0x7fff", "0x7f80"), "float32": ("0x7fffffff", "0x7f800000"),
        "float64": ("0x7fffffffffffffffL", "0x7ff0000000000000L")}  # fmt: skip
"""All bits but the sign, and infinity, of each floating dtype."""

COLUMN_OUTPUTS = 32
"""Neighbouring outputs that a work-group takes in the lanes geometry."""

FEW = LANES // 2
"""Elements of an output up to which a CPU device's vectors are of outputs: vectors of lanes would be mostly empty."""

WORK_EACH, MIN_COUNT = 3, 16
"""Work of an element, as `build.launch` counts it, and elements that each output counts for at least."""

WORK = 16384
"""Elements that a work-item of a CPU device takes, so that starting it costs little."""


@dataclass(frozen=True)
class Scheme:
    """How a kind of reduction computes a dtype.

    storage: type of the elements as loaded. accumulator, itemsize: type of lanes and block results, and its bytes.
    load: which LOAD_ of reduce.cl. finish: text of ``OUT finish(ACC)``. more: further definitions.
    """

    storage: str
    accumulator: str
    itemsize: int
    load: str
    combine: str
    identity: str
    empty: str
    finish: str
    result: str
    indexed: bool = False
    more: dict[str, object] = field(default_factory=dict)


def scheme(kind: str, dtype: DType, output: DType) -> Scheme:
    """The scheme of a reduction of a dtype to an output dtype."""
    if kind in ("any", "all"):
        return _truth(kind, dtype)
    if kind in ("max", "min", "argmax", "argmin"):
        return _extreme(kind, dtype)
    combine = "((a) + (b))" if kind == "sum" else "((a) * (b))"
    result = build.STORAGE[output.name]
    if dtype.kind == "f":
        accumulator = build.STORAGE[dtype.accumulator]
        suffix = "f" if accumulator == "float" else ""
        load = {"float16": "FLOAT16", "bfloat16": "BFLOAT16"}.get(dtype.name, "SAME")
        finish = build.function(build.cast(dtype.accumulator, output.name), "finish")
        identity, empty = (f"-0.0{suffix}", f"0.0{suffix}") if kind == "sum" else (f"1.0{suffix}",) * 2
        size = TABLE[dtype.accumulator].itemsize
        return Scheme(build.STORAGE[dtype.name], accumulator, size, load, combine, identity, empty, finish, result)
    size = 8 if output.itemsize == 8 else 4
    accumulator, identity = UNSIGNED[size], "0" if kind == "sum" else "1"
    finish = f"static inline {result} finish({accumulator} x) {{ return ({result})x; }}\n"
    wide = (SIGNED if dtype.kind == "i" else UNSIGNED)[size]
    return Scheme(
        *(build.STORAGE[dtype.name], accumulator, size, "INTEGER", combine, identity, identity, finish, result),
        more={"WIDE": wide},
    )


def _truth(kind: str, dtype: DType) -> Scheme:
    combine, identity = ("max(a, b)", "0") if kind == "any" else ("min(a, b)", "1")
    finish = "static inline uchar finish(int x) { return (uchar)x; }\n"
    magnitude = BITS[dtype.name][0] if dtype.kind == "f" else "-1"
    storage = UNSIGNED[dtype.itemsize]
    return Scheme(
        storage, "int", 4, "TRUTH", combine, identity, identity, finish, "uchar", more={"MAGNITUDE": magnitude}
    )


def _extreme(kind: str, dtype: DType) -> Scheme:
    """Keys: see reduce.cl. NaN gets the key that wins, missing elements the one that loses."""
    size = 8 if dtype.itemsize == 8 else 4
    key, result = SIGNED[size], build.STORAGE[dtype.name]
    most = kind in ("max", "argmax")
    indexed = kind.startswith("arg")
    identity = (LOWEST if most else HIGHEST)[key]
    sign = f"({UNSIGNED[size]})1 << {8 * size - 1}"
    more: dict[str, object] = {}
    if dtype.kind == "f":
        storage, load, result = SIGNED[dtype.itemsize], "KEY_FLOAT", UNSIGNED[dtype.itemsize]
        magnitude, infinite = BITS[dtype.name]
        more = {"MAGNITUDE": magnitude, "INFINITE": infinite, "NAN_KEY": (HIGHEST if most else LOWEST)[key],
                "ZERO_KEY": "0" if indexed else "-1"}  # fmt: skip
        back = f"({result})(x ^ ((x >> {8 * size - 1}) & ({key}){magnitude}))"
    elif dtype.kind == "u" and dtype.itemsize == size:
        storage, load, more = result, "KEY_FLIPPED", {"SIGN": f"({sign})"}
        back = f"as_{result}(x) ^ ({sign})"
    else:
        storage, load, back = result, "KEY_INTEGER", f"({result})x"
    if indexed:
        more["BEFORE(a, b)"] = "((a) > (b))" if most else "((a) < (b))"
        result = "long"
    finish = f"static inline {result} finish({key} x) {{ return {back if not indexed else '0'}; }}\n"
    combine = "max(a, b)" if most else "min(a, b)"
    return Scheme(storage, key, size, load, combine, identity, identity, finish, result, indexed, more)


@dataclass(frozen=True)
class Level:
    """One launch: `count` elements for each of `outputs` results, in `blocks` blocks.

    kept, reduced: collapsed lengths. kept_in, kept_out, reduced_in: strides. access: ROWS, COLUMNS or GATHER. whole:
    a work-item makes all blocks of an output and folds them.
    """

    count: int
    blocks: int
    outputs: int
    first: bool
    last: bool
    kept: Shape
    kept_in: Shape
    kept_out: Shape
    reduced: Shape
    reduced_in: Shape
    access: str
    whole: bool


def levels(
    shape: Shape, strides: Shape, axes: Shape, out_strides: Shape, geometry: str, units: int
) -> tuple[Level, ...]:
    """The launches of a reduction of an operand over axes; the last writes the output. units: the device's."""
    kept_axes = [a for a in range(len(shape)) if a not in axes]
    kept_shape = tuple(shape[a] for a in kept_axes)
    reduced_shape, reduced_strides = tuple(shape[a] for a in axes), tuple(strides[a] for a in axes)
    kept_strides = tuple(strides[a] for a in kept_axes)
    outputs, count, found = prod(kept_shape), prod(reduced_shape), []
    if count == 0:
        reduced_shape, reduced_strides = (0,), (1,)
    while True:
        blocks = max(1, -(-count // BLOCK))
        reduced, (reduced_in,) = collapse(reduced_shape, [reduced_strides])
        kept, (kept_in, kept_out) = collapse(kept_shape, [kept_strides, out_strides])
        kept, kept_in, kept_out = kept or (1,), kept_in or (0,), kept_out or (0,)
        reduced, reduced_in = reduced or (1,), reduced_in or (1,)
        access = _access(kept, kept_in, reduced, reduced_in, geometry)
        enough = outputs >= 4 * units or WORK_EACH * outputs * count <= build.LIGHT
        whole = geometry == "loops" and access != "COLUMNS" and 1 < blocks <= LANES and enough
        first, last = not found, blocks == 1 or whole
        level = Level(count, blocks, outputs, first, last, kept, kept_in, kept_out, reduced, reduced_in, access, whole)
        found.append(level)
        if last:
            return tuple(found)
        count = blocks
        reduced_shape, reduced_strides = (count,), (1,)
        kept_strides = tuple(s * count for s in row_major(kept_shape))


def _access(kept: Shape, kept_in: Shape, reduced: Shape, reduced_in: Shape, geometry: str) -> str:
    if geometry == "loops" and kept[-1] >= 8 and prod(reduced) <= FEW:
        return "COLUMNS"
    if len(reduced) == 1 and reduced_in[0] == 1:
        return "ROWS"
    neighbours = kept_in[-1] == 1 and kept[-1] >= (8 if geometry == "loops" else 16)
    if geometry == "loops":
        return "COLUMNS" if neighbours else "GATHER"
    return "COLUMNS" if neighbours and reduced_in[-1] != 1 else "ROWS"


def _packed(level: Level) -> bool:
    """Whether a vector of outputs is so many whole vectors of elements, which are turned round in registers."""
    follows = level.reduced_in == (1,) and level.kept_in[-1] == level.count
    return level.access == "COLUMNS" and follows and level.count in (2, 4, 8, 16)


def work_group(level: Level, items: int = 256) -> tuple[int, int, int]:
    """Lanes with elements, work-items across them, and outputs of a work-group, in the lanes geometry."""
    lanes = 1
    while lanes < LANES and lanes < level.count:
        lanes *= 2
    if level.access == "COLUMNS":
        across = min(lanes, max(1, items // COLUMN_OUTPUTS))
        return lanes, across, COLUMN_OUTPUTS
    outputs = 1
    while outputs < level.outputs and outputs * 2 * lanes <= items:
        outputs *= 2
    return lanes, lanes, outputs


def definitions(how: Scheme, level: Level, geometry: str) -> dict[str, object]:
    """What reduce.cl needs defined."""
    reach = (
        *span(level.kept, level.kept_in),
        *span(level.kept, level.kept_out),
        *span(level.reduced, level.reduced_in),
    )
    lanes, across, outputs = work_group(level) if geometry == "lanes" else (0, 0, 0)
    return {
        **build.index_types(level.outputs * level.blocks, level.count, *reach),
        "IN": how.storage if level.first else how.accumulator,
        "ACC": how.accumulator,
        "ACC_BITS": 8 * how.itemsize,
        "OUT": how.result if level.last else how.accumulator,
        "LOAD": how.load if level.first else "SAME",
        "COMBINE(a, b)": how.combine,
        "IDENTITY": how.identity,
        "EMPTY": how.empty,
        "INDEXED": int(how.indexed),
        "LOOKUP": int(not level.first),
        "LAST": int(level.last),
        "WHOLE": int(level.whole),
        "PACKED": level.count if _packed(level) else 0,
        "KEPT": len(level.kept),
        "REDUCED": len(level.reduced),
        "ACCESS_ROWS": int(level.access == "ROWS"),
        "ACCESS_COLUMNS": int(level.access == "COLUMNS"),
        "COLUMN_STEP": 1 if level.kept_in[-1] == 1 else "g.kept_in[KEPT - 1]",
        "LANES": lanes,
        "ACROSS": across,
        "OUTPUTS": outputs,
        "BLOCK": BLOCK,
        **how.more,
    }


def source(how: Scheme, level: Level, geometry: str, correctly_rounded: bool) -> str:
    """The whole OpenCL C of one level."""
    return build.assemble(
        ("reduce", f"reduce_{geometry}"),
        definitions(how, level, geometry),
        how.finish if level.last else "",
        fp64=how.accumulator == "double",
        correctly_rounded=correctly_rounded,
    )


def launch_size(level: Level, geometry: str, units: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Range, work-group size, and the numbers that follow the geometry argument. units: compute units of the device."""
    if geometry == "lanes":
        _, across, outputs = work_group(level)
        groups = -(-level.outputs // outputs)
        if level.access == "ROWS":
            size, local = (across * level.blocks, outputs * groups), (across, outputs)
        else:
            size, local = (outputs * groups, across * level.blocks), (outputs, across)
        return size, local, (level.count, level.blocks, level.outputs)
    tasks, length = level.outputs * level.blocks, min(level.count, BLOCK)
    if level.whole:
        tasks, length = level.outputs, level.count
    if level.access == "COLUMNS":
        tasks, length = level.outputs // level.kept[-1] * -(-level.kept[-1] // 16) * level.blocks, 16 * length
    each = max(1, min(WORK // max(1, length), -(-tasks // (4 * units))))
    return (-(-tasks // each),), (1,), (level.count, level.blocks, level.outputs, tasks, each)


def _supports(call: Call) -> str | None:
    if call.params.kind in ("sum", "prod") and call.inputs[0].dtype.kind == "f":
        return build.device_of(call).inexact(call.settings)
    return None


def _prepare(call: Call) -> Prepared:
    device = build.device_of(call)
    (x,), (out,) = call.inputs, call.outputs
    geometry = device.geometry
    how = scheme(call.params.kind, x.dtype, out.dtype)
    units = device.details["compute units"]
    plan = levels(x.shape, x.strides, call.params.axes, out.strides, geometry, units)
    source_slot, target, launches, scratch = Slot("input"), Slot("output"), [], []
    read, unit, places_read = source_slot, 1, target  # what a level reads; the places are read from the second on
    for level in plan:
        defined = definitions(how, level, geometry)
        code = source(how, level, geometry, device.correctly_rounded)
        kernel = device.kernel("kernels/opencl/reduce.cl", code, "reduce")
        size, local, numbers = launch_size(level, geometry, units)
        fields = build.pack(defined, *level.kept, *level.kept_in, *level.kept_out, *level.reduced, *level.reduced_in)
        build.set_numbers(device, kernel, 2 * (4 if how.indexed else 2), fields, *numbers)
        write = places = target
        if not level.last:
            write = Slot("scratch", len(scratch))
            scratch.append(level.outputs * level.blocks * how.itemsize)
            if how.indexed:
                places = Slot("scratch", len(scratch))
                scratch.append(level.outputs * level.blocks * 8)
        operands = [(write, how.itemsize), (read, unit)]
        if how.indexed:
            operands += [(places, 8), (places_read, 8)]
        sizes = [size_of if slot.kind == "scratch" else 1 for slot, size_of in operands]
        its_slots = tuple(slot for slot, _ in operands)
        work = WORK_EACH * level.outputs * (level.count if _packed(level) else max(level.count, MIN_COUNT))
        launches.append(build.launch(device, kernel, its_slots, size, local, sizes, work))
        read, unit, places_read = write, how.itemsize, places
    return Prepared(tuple(launches), tuple(scratch))


KERNELS = (Kernel("reduce", "opencl.reduce", "opencl/reduce.cl", _supports, _prepare),)
