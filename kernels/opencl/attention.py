"""Attention: a work-item for each query of a sequence and head; where these are few, one for each chunk of its keys,
and a second launch joins the chunks."""

from __future__ import annotations

import numpy as np

from accel.backends.base import Call, Kernel, Launch, Prepared, Slot, slots
from accel.dtypes import TABLE
from accel.layout import span
from accel.numerics import ATTENTION, LANES
from accel.ops.parameters import ATTENTION_OPERANDS, attention_sizes, attention_strides
from accel.scalar import program_for

from . import build

ITEMS = {"lanes": 64, "loops": 1}
"""Work-items of a work-group by geometry."""

FULL = {"lanes": 256, "loops": 4}
"""Rows to a compute unit from which on each is one work-item, by geometry."""

WIDTH = 64
"""Elements of keys and values by which the arrays of a work-item grow."""


def splits(call: Call, geometry: str, units: int) -> int:
    """Chunks that work-items share out of those that a row may see, 1 for none. units: compute units of the device."""
    its, params = attention_sizes(call.inputs, call.params), call.params
    chunks = -(-its.keys // ATTENTION)
    if call.inputs[0].size // its.d >= FULL[geometry] * units:
        return 1
    if params.before is None or params.after is None:
        return chunks
    return min(chunks, (params.before + params.after - 1) // ATTENTION + 2)


def source(
    call: Call, geometry: str, correctly_rounded: bool, shared_out: bool = False
) -> tuple[str, dict[str, object]]:
    """The whole OpenCL C, and what it has defined. shared_out: the chunks of a row."""
    query, _, value, *others = call.inputs
    params, dtype = call.params, query.dtype
    wide = TABLE[dtype.accumulator]
    named = dict(zip(params.given, others, strict=True))
    reach = [b for x in (*call.inputs, *call.outputs) for b in span(x.shape, x.strides)]
    mask = named["mask"].dtype if "mask" in named else None
    its = attention_sizes(call.inputs, params)
    lengths = (
        *query.shape,
        its.keys,
        query.size * -(-its.keys // ATTENTION),
        its.sequences,
        *(2**24,) * ("dropout" in named),
    )
    defined: dict[str, object] = {
        **build.index_types(*reach, *lengths, *(n for n in (params.before, params.after) if n is not None)),
        "STORED": build.STORAGE[dtype.name],
        "T": build.STORAGE[wide.name],
        "D": -(-query.shape[3] // WIDTH) * WIDTH,
        "DV": -(-value.shape[3] // WIDTH) * WIDTH,
        "LANES": LANES,
        "CHUNK": ATTENTION,
        "MASK": 0 if mask is None else 1 if mask.kind == "b" else 2,
        "MASKED": build.STORAGE[mask.name] if mask is not None else "uchar",
        "CAPPED": int(params.softcap != 0),
        "SPLIT": int(shared_out),
        "COLUMNS": 1 if geometry == "lanes" else -(-value.shape[3] // WIDTH) * WIDTH,
        **{name.upper(): int(name in named) for name in ATTENTION_OPERANDS[1:]},
    }
    functions = [
        build.function(build.cast(dtype.name, wide.name), "load"),
        build.function(build.cast(wide.name, dtype.name), "narrow"),
        build.function(program_for("divide", (wide.name,) * 2), "quotient"),
        build.function(program_for("exp", (wide.name,)), "exponential"),
    ]
    if params.softcap:
        functions.append(build.function(program_for("tanh", (wide.name,)), "hyperbolic"))
    if "dropout" in named:
        functions.append(build.function(program_for("philox", ("uint64",) * 3), "random"))
    if mask is not None and mask.kind == "f":
        functions.append(build.function(build.cast(mask.name, wide.name), "load_mask"))
    code = build.assemble(
        ("attention",), defined, "".join(functions), fp64=wide.name == "float64", correctly_rounded=correctly_rounded
    )
    return code, defined


def _supports(call: Call) -> str | None:
    return build.device_of(call).inexact(call.settings)


def _prepare(call: Call) -> Prepared:
    device, params = build.device_of(call), call.params
    parts = splits(call, device.geometry, device.details["compute units"])
    code, defined = source(call, device.geometry, device.correctly_rounded, parts > 1)
    query, _, _, *others = call.inputs
    (out,) = call.outputs
    steps = dict(zip(params.given, (x.strides for x in others), strict=True))
    its, (q, k, v, o) = attention_sizes(call.inputs, params), attention_strides(call.inputs, out, params)
    sides = (-1 if side is None else side for side in (params.before, params.after))
    fields = build.pack(
        defined, *o, *q, *k, *v, *steps.get("mask", (0,) * 4),
        *(steps.get(name, (0,))[0] for name in ATTENTION_OPERANDS[1:6]), *steps.get("pages", (0, 0)),
        *steps.get("dropout", (0, 0)), its.sequences, its.heads, its.heads // its.shared, its.queries, its.keys,
        its.pages, its.page, params.dropped, parts, its.d, its.dv, LANES, int(params.from_end), *sides,
    )  # fmt: skip
    wide = TABLE[query.dtype.accumulator]
    numbers = np.array([params.scale, params.softcap, params.kept], wide.numpy)
    *inputs, output = slots(call)
    rows, items = query.size // query.shape[3], ITEMS[device.geometry]

    def launch(name: str, operands: tuple[Slot, ...], count: int) -> Launch:
        kernel = device.kernel("kernels/opencl/attention.cl", code, name)
        build.set_numbers(device, kernel, 2 * len(operands), fields, numbers, count)
        units = [wide.itemsize if slot.kind == "scratch" else 1 for slot in operands]
        return build.launch(device, kernel, operands, (-(-count // items) * items,), (items,), units)

    if parts == 1:
        return Prepared((launch("attention", (output, *inputs), rows),))
    accumulators, states = Slot("scratch", 0), Slot("scratch", 1)
    sinks = [inputs[3 + params.given.index("sinks")]] if "sinks" in params.given else []
    across = -(-its.dv // int(str(defined["COLUMNS"])))
    launches = (
        launch("attention", (accumulators, *inputs, states), rows * parts),
        launch("merge", (output, accumulators, states, *sinks), rows * across),
    )
    return Prepared(launches, (rows * parts * its.dv * wide.itemsize, rows * parts * 2 * wide.itemsize))


KERNELS = (Kernel("attention", "opencl.attention", "opencl/attention.cl", _supports, _prepare),)
