"""Attention: a work-item for each query of a sequence and head, on CPU devices for several that read the same keys;
where these are few, one for each chunk of their keys, and a second launch joins the chunks."""

from __future__ import annotations

import numpy as np

from accel.backends.base import Call, Kernel, Launch, Prepared, Slot, slots
from accel.dtypes import TABLE, DType
from accel.layout import span
from accel.numerics import ATTENTION, LANES
from accel.ops.parameters import ATTENTION_OPERANDS, attention_sizes, attention_strides
from accel.scalar import opencl, program_for

from . import build

ITEMS = {"lanes": 64, "loops": 1}
"""Work-items of a work-group by geometry."""

FULL = {"lanes": 256, "loops": 4}
"""Work-items to a compute unit from which on each has rows with all their keys, by geometry."""

BAND = 6
"""Rows that a CPU device's work-item has in registers."""

HEIGHT = 96
"""Rows of a CPU device's work-item at most, and twice those of float64: each block of keys is turned round for them."""

LEAST = BAND
"""Rows that a work-item has before chunks are shared out, if there are so many."""

WIDTH = 64
"""Elements of keys and values by which the arrays of a work-item grow."""


GIVEN = {"mask": ("MASKED", "mask"), "sinks": ("T", "sinks"), "slopes": ("T", "slopes"),
         "pages": ("long", "table"), "dropout": ("ulong", "dropout")}  # fmt: skip
"""Type and name of an argument that there may be; of others long, and its own."""


def _tallest(dtype: DType) -> int:
    return HEIGHT if dtype.accumulator == "float32" else HEIGHT // 2


def _groups(call: Call) -> tuple[int, int]:
    """Groups of rows that read the same keys, as far as packed sequences do, and the rows of one."""
    batch, heads, queries, _ = call.inputs[0].shape
    few = attention_sizes(call.inputs, call.params).shared
    return batch * few, heads // few * queries


def height(call: Call, geometry: str, units: int) -> int:
    """Rows of a work-item. units: compute units of the device."""
    if geometry == "lanes":
        return 1
    groups, lines = _groups(call)
    rows = min(max(groups * lines // (FULL[geometry] * units), LEAST), _tallest(call.inputs[0].dtype))
    return -(-rows // BAND) * BAND


def splits(call: Call, geometry: str, units: int) -> int:
    """Chunks that work-items share out of those that a row may see, 1 for none. units: compute units of the device."""
    its, params = attention_sizes(call.inputs, call.params), call.params
    chunks = -(-its.keys // ATTENTION)
    groups, lines = _groups(call)
    if groups * -(-lines // height(call, geometry, units)) >= FULL[geometry] * units:
        return 1
    if params.before is None or params.after is None:
        return chunks
    return min(chunks, (params.before + params.after - 1) // ATTENTION + 2)


def source(
    call: Call, geometry: str, correctly_rounded: bool, shared_out: bool = False, vector: int = 8
) -> tuple[str, dict[str, object]]:
    """The whole OpenCL C, and what it has defined. shared_out: the chunks of a row. vector: float32 elements of a CPU
    device's SIMD register."""
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
        "GIVEN": "".join(map(_argument, params.given)) + ("__global T* states, long states_at," if shared_out else ""),
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
    files = ("vectors",) if geometry == "loops" else ()
    if geometry == "loops":
        elements = min(16, 2 * vector) * 4 // wide.itemsize  # two registers, or one of the longest
        defined |= {
            "VECTOR": elements,
            "MASKS": f"{'int' if wide.itemsize == 4 else 'long'}{elements}",
            "BAND": BAND,
            "ABREAST": 2 if vector == 16 else 1,
            "HEIGHT": _tallest(query.dtype),
        }
        functions.append(opencl.print_vectors(program_for("exp", (wide.name,)), "exponentials", elements))
    code = build.assemble(
        ("attention", *files, f"attention_{geometry}"), defined, "".join(functions), fp64=wide.name == "float64",
        correctly_rounded=correctly_rounded,
    )  # fmt: skip
    return code, defined


def _argument(name: str) -> str:
    kind, its = GIVEN.get(name, ("long", name))
    return f"__global const {kind}* {its}, long {its}_at, "


def _supports(call: Call) -> str | None:
    return build.device_of(call).inexact(call.settings)


def _prepare(call: Call) -> Prepared:
    device, params = build.device_of(call), call.params
    geometry, units = device.geometry, device.details["compute units"]
    parts, tall = splits(call, geometry, units), height(call, geometry, units)
    code, defined = source(call, geometry, device.correctly_rounded, parts > 1, device.vector)
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
    rows, items = query.size // query.shape[3], ITEMS[geometry]
    groups, lines = _groups(call)
    work_items = groups * -(-lines // tall)
    more = (tall,) if geometry == "loops" else ()

    def launch(name: str, operands: tuple[Slot, ...], count: int, *more: int) -> Launch:
        kernel = device.kernel("kernels/opencl/attention.cl", code, name)
        build.set_numbers(device, kernel, 2 * len(operands), fields, numbers, count, *more)
        units = [wide.itemsize if slot.kind == "scratch" else 1 for slot in operands]
        return build.launch(device, kernel, operands, (-(-count // items) * items,), (items,), units)

    if parts == 1:
        return Prepared((launch("attention", (output, *inputs), work_items, *more),))
    accumulators, states = Slot("scratch", 0), Slot("scratch", 1)
    sinks = [inputs[3 + params.given.index("sinks")]] if "sinks" in params.given else []
    across = -(-its.dv // int(str(defined["COLUMNS"])))
    launches = (
        launch("attention", (accumulators, *inputs, states), work_items * parts, *more),
        launch("merge", (output, accumulators, states, *sinks), rows * across),
    )
    return Prepared(launches, (rows * parts * its.dv * wide.itemsize, rows * parts * 2 * wide.itemsize))


KERNELS = (Kernel("attention", "opencl.attention", "opencl/attention.cl", _supports, _prepare),)
