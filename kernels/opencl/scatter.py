"""Rows stored, or combined, where numbers of cells say: one launch, after those that sort the cells."""

from __future__ import annotations

from math import prod

from accel.backends import scattering
from accel.backends.base import Call, Launch, Slot
from accel.layout import span
from accel.numerics import BLOCK, LANES
from accel.ops.parameters import SCATTER_FOLDS, Placement, placement, scattered_operands

from . import build, pointwise, sort
from .gather import STORAGE

GROUP = 64
"""Work-items of a work-group."""


def definitions(call: Call, its: Placement, ordered: bool) -> dict[str, object]:
    """What scatter.cl needs defined."""
    (out,), dtype = call.outputs, call.outputs[0].dtype
    _, *read = scattered_operands(call.inputs, call.params)
    reach = [bound for x in (out, *read) if x is not None for bound in span(x.shape, x.strides)]
    kind, floats = call.params.kind, call.params.folds and dtype.kind == "f"
    suffix = "f" if dtype.itemsize == 4 else ""
    if kind in ("max", "min"):  # keys of NaNs, which are the last ones, become the first ones for min
        first = kind == "min" and dtype.kind == "f"
        combine = {**sort.key_definitions(dtype, False), "BETTER": ">" if kind == "max" else "<", "FIRST": int(first)}
    elif kind in SCATTER_FOLDS:
        sign = {"add": "+", "multiply": "*"}[kind]
        plain = f"(a) {sign} (b)" if floats or dtype.itemsize > 2 else f"(uint)(a) {sign} (uint)(b)"
        combine = {
            "COMBINE(a, b)": f"(ELEMENT)({plain})",
            "NOTHING": f"{SCATTER_FOLDS[kind]}{suffix}" if floats else int(SCATTER_FOLDS[kind]),
        }
    else:
        combine = {}
    return {
        **build.index_types(prod(its.lengths), its.count, its.held, prod(its.rows), *reach),
        "ELEMENT": build.STORAGE[dtype.name] if floats else STORAGE[dtype.itemsize],
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
    nbytes = 8 * (2 * len(its.lengths) + 3 * len(its.rows) + 4) + 16 * 5 + 16
    if nbytes > build.ARGUMENT_BYTES:
        return f"{len(its.lengths)} axes of cells and {len(its.rows)} of rows need {nbytes} bytes of arguments"
    if its.count > BLOCK**3:
        return f"sums of more than {BLOCK**3} rows"
    return None


def _own(call: Call, operands: scattering.Operands) -> Launch:
    device, its = build.device_of(call), placement(call.inputs, call.outputs[0], call.params)
    defined, given = definitions(call, its, operands.order is not None), operands.given
    fp64 = defined["ELEMENT"] == "double"
    files = ("sort_keys", "scatter") if defined["EXTREME"] else ("scatter",)
    code = build.assemble(files, defined, "", fp64=fp64, correctly_rounded=device.correctly_rounded)
    kernel = device.kernel("kernels/opencl/scatter.cl", code, "scatter")
    fields = build.pack(
        defined, *its.lengths, *its.steps, *its.rows, *its.out_rows, *its.value_rows, its.value_step, its.cell_step,
        its.source_step, its.held,
    )  # fmt: skip
    columns = prod(its.rows)
    build.set_numbers(device, kernel, 2 * (len(given) + 1), fields, its.count, columns)
    size = -(-its.count * columns // GROUP) * GROUP
    return build.launch(device, kernel, (Slot("output"), *given), (size,), (GROUP,))


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
