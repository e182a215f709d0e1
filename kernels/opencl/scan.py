"""Scans in the canonical order: one launch for rows of one block, two for rows of more."""

from __future__ import annotations

from functools import partial

from accel.backends.base import Call, Kernel, Prepared, Slot
from accel.dtypes import TABLE, DType
from accel.layout import span
from accel.numerics import SCAN
from accel.ops.parameters import COMBINES
from accel.scalar import Program, Step
from accel.scan_passes import Pass, Place, passes

from . import build

GROUPS = (1, 16, 256)
"""Work-items of a block in the lanes geometry; each takes a group of SCAN elements."""

ITEMS = 256
"""Work-items of a work-group at most, and on a CPU device, where they take turns."""

BLOCK = 4096
"""Elements of a block where one work-item takes it, and rows are fewer than keep a device busy. Of SCAN times as many
where a CPU device is busy with such blocks."""

LEVELS = (3, 5, 15)
"""Digits of a number of groups that kernels of single work-items are compiled for."""

RANKS = (1, 3, 7)
"""Kept axes that kernels are compiled for; others are filled up with leading axes of length 1."""

SPAN = SCAN * SCAN
"""Elements that such a work-item takes at a time where they are consecutive, by vectors."""

ALONE = 1 << 18
"""Elements of a row up to which it takes the row as one block then: more launches cost more."""

VECTORS = {"sum": ("((a) + (b))", "-0.0f", "0"), "prod": ("((a) * (b))", "1.0f", "1")}
"""Kinds that vectors of elements are scanned by: the operation, and the identities of floats and of integers."""

BUSY = {"loops": 4, "lanes": 4096}
"""Rows per compute unit, or rows on a GPU, from which on each is one block."""


def accumulator(kind: str, dtype: DType, output: DType) -> DType:
    """The dtype that a scan is computed in: integers are unsigned where they may wrap, and of 32 bits at least."""
    if dtype.kind == "f":
        return TABLE[dtype.accumulator]
    size = 64 if (output if kind in ("sum", "prod") else dtype).itemsize == 8 else 32
    return TABLE[f"int{size}" if dtype.kind == "i" and kind not in ("sum", "prod") else f"uint{size}"]


def combination(kind: str, dtype: DType) -> Program:
    """The operation on two accumulators."""
    return Program((dtype.name,) * 2, (Step(COMBINES[kind], dtype.name, (0, 1)),), dtype.name)


def by_items(x: Place, rows: int, geometry: str) -> bool:
    """Whether single work-items take blocks: on CPU devices, and where neighbouring rows lie next to each other."""
    return geometry == "loops" or (x.kept[-1] == 1 and x.step != 1 and rows >= 16)


def by_vectors(call: Call, its: Pass, geometry: str) -> bool:
    """Whether the elements of a row are consecutive, no fewer than a span, and sums or products of what they are stored
    as."""
    (x,), (out,), kind = call.inputs, call.outputs, call.params.kind
    acc = accumulator(kind, x.dtype, out.dtype)
    stored = [x.dtype] * its.reads_input + [out.dtype] * its.writes_output
    plain = all(d.kind != "b" and d.itemsize == acc.itemsize and (d.kind == "f") == (acc.kind == "f") for d in stored)
    consecutive = its.x.step == 1 and (its.totals or its.out.step == 1)
    enough = min(its.n, its.width) >= SPAN
    return geometry == "loops" and kind in VECTORS and plain and consecutive and enough and not its.exclusive


def width(geometry: str, units: int, n: int, rows: int, x: Place, simple: bool = True) -> int:
    """Elements of a block. simple: sums or products."""
    if not by_items(x, rows, geometry):
        return SCAN * next((items for items in GROUPS if SCAN * items >= n), GROUPS[-1])
    busy = BUSY[geometry] * (units if geometry == "loops" else 1)
    if rows >= busy or n <= SCAN:
        return max(n, 1)
    if geometry == "loops" and simple and x.step == 1 and n <= ALONE:
        return n
    if geometry == "loops":  # each block walks the totals of those before it
        return SCAN * BLOCK if n >= busy * SCAN * BLOCK else BLOCK
    return BLOCK if n > 16 * BLOCK else SCAN * SCAN


def definitions(call: Call, its: Pass, geometry: str) -> dict[str, object]:
    """What the sources need defined."""
    (x,), (out,), params = call.inputs, call.outputs, call.params
    acc = build.STORAGE[accumulator(params.kind, x.dtype, out.dtype).name]
    lengths, strides = [(*its.kept, its.n + 1)], [(*its.x.kept, its.x.step), (*its.out.kept, its.out.step)]
    reach = [b for s in strides for b in span(lengths[0], s)]
    levels = next(k for k in LEVELS if SCAN**k > max(its.width // SCAN, its.blocks))
    items = its.width // SCAN
    groups = {"ITEMS": items, "ROWS": _rows(its)}
    if by_vectors(call, its, geometry):
        combine, real, whole = VECTORS[params.kind]
        vectors = {"VECTOR_COMBINE(a, b)": combine, "IDENTITY": real if x.dtype.kind == "f" else whole}
    else:
        vectors = {}
    return {
        **build.index_types(its.rows * its.blocks, its.n + 1, *reach),
        "IN": build.STORAGE[x.dtype.name] if its.reads_input else acc,
        "ACC": acc,
        "OUT": build.STORAGE[out.dtype.name] if its.writes_output else acc,
        "FIRST": _identity(params.kind, out.dtype),
        "KEPT": len(its.kept),
        "TOTALS": int(its.totals),
        "BEFORE": 0 if its.before is None else 1 + its.scanned,
        "EXCLUSIVE": int(its.exclusive),
        **vectors,
        **({"LEVELS": levels} if by_items(its.x, its.rows, geometry) else groups),
    }


def _rows(its: Pass) -> int:
    """Rows of a work-group in the lanes geometry: short ones share it."""
    rows = 1
    while rows < its.rows and 2 * rows * (its.width // SCAN) <= ITEMS:
        rows *= 2
    return rows


def _identity(kind: str, output: DType) -> str:
    one = {"float16": "0x3c00", "bfloat16": "0x3f80"}.get(output.name, "1")
    return one if kind == "prod" else "0"


def functions(call: Call, its: Pass) -> tuple[str, bool]:
    """The text of widen, combine and finish, and whether they compute in float64."""
    (x,), (out,), kind = call.inputs, call.outputs, call.params.kind
    acc = accumulator(kind, x.dtype, out.dtype)
    programs = {
        "widen": build.cast(x.dtype.name if its.reads_input else acc.name, acc.name),
        "combine": combination(kind, acc),
        "finish": build.cast(acc.name, out.dtype.name if its.writes_output else acc.name),
    }
    text = "".join(build.function(program, name) for name, program in programs.items())
    return text, acc.name == "float64" or build.uses_fp64(*programs.values())


def source(call: Call, its: Pass, geometry: str, correctly_rounded: bool) -> str:
    """The whole OpenCL C of one launch."""
    text, fp64 = functions(call, its)
    if by_vectors(call, its, geometry):
        stems = "scan", "scan_prefix", "scan_vectors"
    elif by_items(its.x, its.rows, geometry):
        stems = "scan", "scan_prefix", "scan_loops"
    else:
        stems = "scan", "scan_lanes"
    defined = definitions(call, its, geometry)
    return build.assemble((), defined, text, fp64=fp64, correctly_rounded=correctly_rounded) + "".join(
        map(build.text, stems)
    )


def launch_size(its: Pass, geometry: str, vectors: bool = False) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Range and work-group size. vectors: see `by_vectors`."""
    if vectors:
        return (its.rows * its.blocks,), (1,)
    if by_items(its.x, its.rows, geometry):
        items = its.rows * its.blocks
        local = min(ITEMS, max(1, items // 8)) if geometry == "loops" else ITEMS
        return (-(-items // local) * local,), (local,)
    items, rows = its.width // SCAN, _rows(its)
    return (items * its.blocks, -(-its.rows // rows) * rows), (items, rows)


def _supports(call: Call) -> str | None:
    device, kind = build.device_of(call), call.params.kind
    if call.inputs[0].dtype.kind == "f" and kind in ("sum", "prod", "logaddexp"):
        return device.inexact(call.settings)
    return None


def _prepare(call: Call) -> Prepared:
    device = build.device_of(call)
    (x,), (out,) = call.inputs, call.outputs
    geometry = device.geometry
    size = accumulator(call.params.kind, x.dtype, out.dtype).itemsize
    simple = call.params.kind in VECTORS
    plan, scratch = passes(call, partial(width, geometry, device.details["compute units"], simple=simple), RANKS)
    each = 4 + build.operations(combination(call.params.kind, accumulator(call.params.kind, x.dtype, out.dtype)))
    launches = []
    for its in plan:
        code = source(call, its, geometry, device.correctly_rounded)
        kernel = device.kernel("kernels/opencl/scan.cl", code, "scan")
        places = [its.out, its.x, *([its.before] if its.before else [])]
        before = its.before or Place(Slot("scratch"), (0,) * len(its.kept), 0)
        fields = build.pack(
            definitions(call, its, geometry),
            *(
                *its.kept,
                *its.x.kept,
                *its.out.kept,
                *before.kept,
                its.x.step,
                its.out.step,
                before.step,
                int(its.initial),
            ),
        )
        build.set_numbers(device, kernel, 2 * len(places), fields, its.n, its.width, its.blocks, its.rows)
        operands = tuple(place.slot for place in places)
        units = [size if slot.kind == "scratch" else 1 for slot in operands]
        ranges = launch_size(its, geometry, by_vectors(call, its, geometry))
        launches.append(build.launch(device, kernel, operands, *ranges, units, each * its.rows * its.n))
    return Prepared(tuple(launches), tuple(count * size for count in scratch))


KERNELS = (Kernel("scan", "opencl.scan", "opencl/scan.cl", _supports, _prepare),)
