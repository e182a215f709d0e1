"""Rows stored, or combined, where numbers of cells say: one launch, after those that sort the cells."""

from __future__ import annotations

from math import prod

from accel.backends import scattering
from accel.backends.base import Call, Launch, Slot
from accel.dtypes import DType
from accel.layout import span
from accel.numerics import BLOCK, LANES
from accel.ops.parameters import SCATTER_FOLDS, Placement, placement, scattered_operands

from . import build, pointwise, sort
from .gather import STORAGE

GROUP = 64
"""Work-items of a work-group."""

EACH, BYTES = 16, 256
"""Elements of a vector on a CPU device, and bytes of neighbouring vectors that a work-item takes at once: rows that lie
anywhere are read by several cache lines then, and the lanes of a fold stay in the first cache."""


def piece_of(its: Placement, dtype: DType) -> tuple[int, int]:
    """Elements of a vector on a CPU device, and how many vectors a work-item takes at once."""
    if its.rows[-1] < EACH // 2:
        return 1, 1
    return EACH, max(1, min(BYTES // (EACH * dtype.itemsize), its.rows[-1] // EACH))


def definitions(call: Call, its: Placement, ordered: bool, each: int, parts: int) -> dict[str, object]:
    """What scatter.cl needs defined."""
    (out,), dtype = call.outputs, call.outputs[0].dtype
    _, *read = scattered_operands(call.inputs, call.params)
    reach = [bound for x in (out, *read) if x is not None for bound in span(x.shape, x.strides)]
    kind, floats = call.params.kind, call.params.folds and dtype.kind == "f"
    element = build.STORAGE[dtype.name] if floats else STORAGE[dtype.itemsize]
    vector = element if each == 1 else f"{element}{each}"
    if kind in ("max", "min"):  # keys of NaNs, which are the last ones, become the first ones for min
        first = kind == "min" and dtype.kind == "f"
        bits = f"({element})-(x)" if each == 1 else f"as_{vector}(x)"
        keys = {**sort.key_definitions(dtype, False), "KEY": vector, "BITS(x)": bits}
        combine = {**keys, "BETTER": ">" if kind == "max" else "<", "FIRST": int(first)}
    elif kind in SCATTER_FOLDS:
        sign = {"add": "+", "multiply": "*"}[kind]
        plain = each > 1 or floats or dtype.itemsize > 2  # small integers alone would become int, which may not wrap
        combine = {"COMBINE(a, b)": f"(VECTOR)({f'(a) {sign} (b)' if plain else f'(uint)(a) {sign} (uint)(b)'})"}
    else:
        combine = {}
    return {
        **build.index_types(prod(its.lengths), its.count, its.held, prod(its.rows), *reach),
        "ELEMENT": element,
        "EACH": each,
        "PARTS": parts,
        "VECTOR": vector,
        "AXES": len(its.lengths),
        "ROWS": len(its.rows),
        **combine,
        "FOLD": int(call.params.folds),
        "EXTREME": int(kind in ("max", "min")),
        "ORDERED": int(ordered),
        "SORTED": int(ordered or call.params.ascending),
        "SOURCED": int(call.params.sourced),
        "BLOCK": BLOCK,
        "LANES": LANES,
    }


def _refusal(call: Call) -> str | None:
    its = placement(call.inputs, call.outputs[0], call.params)
    nbytes = 8 * (2 * len(its.lengths) + 3 * len(its.rows) + 4) + 16 * 5 + 32
    if nbytes > build.ARGUMENT_BYTES:
        return f"{len(its.lengths)} axes of cells and {len(its.rows)} of rows need {nbytes} bytes of arguments"
    if its.count > BLOCK**3:
        return f"sums of more than {BLOCK**3} rows"
    return None


def _own(call: Call, operands: scattering.Operands) -> Launch:
    device, its = build.device_of(call), placement(call.inputs, call.outputs[0], call.params)
    loops, columns = device.geometry == "loops", prod(its.rows)
    each, parts = piece_of(its, call.outputs[0].dtype) if loops else (1, 1)
    defined, given = definitions(call, its, operands.order is not None, each, parts), operands.given
    fp64 = defined["ELEMENT"] == "double"
    files = ("sort_keys",) * int(defined["EXTREME"]) + ("scatter", f"scatter_{device.geometry}")
    code = build.assemble(files, defined, "", fp64=fp64, correctly_rounded=device.correctly_rounded)
    kernel = device.kernel(f"kernels/opencl/scatter_{device.geometry}.cl", code, "scatter")
    fields = build.pack(
        defined, *its.lengths, *its.steps, *its.rows, *its.out_rows, *its.value_rows, its.value_step, its.cell_step,
        its.source_step, its.held,
    )  # fmt: skip
    numbers = (its.count, columns)
    local: tuple[int, ...] = (GROUP,)
    size: tuple[int, ...] = (-(-its.count * columns // GROUP) * GROUP,)
    if loops:
        part = -(-columns // device.details["compute units"])  # long runs of each row, though one cell may have all
        columns_each = min(columns, -(-part // (each * parts)) * each * parts)
        rows_each = max(1, pointwise.WORK // columns_each)
        numbers = (*numbers, rows_each, columns_each)
        local, size = (1, 1), (-(-columns // columns_each), -(-its.count // rows_each))
    build.set_numbers(device, kernel, 2 * (len(given) + 1), fields, *numbers)
    return build.launch(device, kernel, (Slot("output"), *given), size, local)


KERNELS = (
    scattering.kernel(
        "opencl.scatter",
        "opencl/scatter.cl",
        (*pointwise.KERNELS, *sort.KERNELS),
        _own,
        in_sequence=False,
        refusal=_refusal,
    ),
)
