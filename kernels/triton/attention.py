"""Attention: a program instance for each tile of queries of the heads of a sequence that share keys. Where that is
too few to fill a GPU, one for each chunk of keys as well, and a second launch joins the chunks.

In "fast", 16-bit floats and float32 go to matrix units (device/flash.py) where sequences are neither packed nor paged
and no weight is dropped. Where a query may not see all keys, the canonical kernel follows for tiles in which a value
that is no number has met the weight 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import e, inf, log2
from typing import Any

import triton.language as tl

from accel.backends.base import Call, Kernel, Prepared, Slot, slots
from accel.backends.triton_kernel import WIDE, Pointer, Specialization, prepare, storage
from accel.dtypes import TABLE
from accel.kernels.triton.device import attention as device_code
from accel.kernels.triton.device import flash as flash_code
from accel.kernels.triton.dies import dies
from accel.kernels.triton.matmul import allows_matrix_units
from accel.kernels.triton.pointwise import needs_wide, power_of_two
from accel.kernels.triton.reduce import cast, same
from accel.kernels.triton.row import FILLED
from accel.numerics import ATTENTION, LANES
from accel.ops.parameters import ATTENTION_OPERANDS, attention_sizes, attention_strides
from accel.scalar import program_for

WARPS = 8
"""Of a program instance: with fewer, compilers spill registers."""


def _rows(device: Any, wide: int) -> int:
    """Queries of a tile at most. wide: bytes of a row of the accumulator."""
    if device.architecture == "interpreter":
        return 64
    return 8 if device.architecture.startswith("sm_") and wide > 256 else 16


CANONICAL = (
    "sequences", "pages", "page", "dropped", "WIDEN", "DIVIDE", "EXP", "OFFSETS", "PAGES", "DROPOUT", "RANDOM", "KEPT",
    "T", "BITS", "LANES", "FOLDS", "REPAIR",
)  # fmt: skip
"""Arguments that the kernel on matrix units lacks."""

OTHERS = frozenset({"offsets", "pages", "dropout"})
"""Operands that only the canonical kernel takes."""

STEPS = {"starts": 1, "lengths": 1, "sinks": 1, "slopes": 1, "offsets": 1, "pages": 2, "dropout": 2}
"""Operands whose strides the kernel takes, in this order, and how many each has."""


def _splits(call: Call, tiles: int, rows: int) -> int:
    """Chunks that programs share out of those that a tile may see, 1 for none. tiles, rows: to a head of keys."""
    its, params = attention_sizes(call.inputs, call.params), call.params
    busy = its.sequences * tiles
    if "offsets" in params.given:  # of the others' tiles, most hold no query
        busy = min(busy, its.sequences + its.heads // its.shared * its.queries // rows)
    chunks = -(-its.keys // ATTENTION)
    if its.shared * busy >= FILLED or its.heads * its.queries * chunks * its.dv >= WIDE:
        return 1
    if params.before is None or params.after is None:
        return chunks
    queries = min(its.queries, (rows - 2) // (its.heads // its.shared) + 2)
    return min(chunks, (params.before + params.after + queries - 2) // ATTENTION + 2)


def _shared_out(what: Specialization, splits: int, call: Call) -> Specialization:
    """A kernel, for one chunk to a program instance."""
    wide = TABLE[call.inputs[0].dtype.accumulator].name
    its = attention_sizes(call.inputs, call.params)
    lines = (0 if "offsets" in call.params.given else its.heads * its.queries, its.queries, 1)
    arguments = what.arguments | {
        "out": Pointer(wide), "states": (Pointer(wide),), "splits": splits, "SPLIT": True,
        "out_strides": (*(splits * n for n in lines), 1),
    }  # fmt: skip
    return replace(what, arguments=arguments, general=what.general | {"splits", "out_strides"})


def _merge(what: Specialization, splits: int, call: Call, unit: float, exponential: str) -> Specialization:
    """What joins the chunks of each row. what: the kernel that computed them. unit: of maxima, for sinks."""
    (query, *_), (out,), params, device = call.inputs, call.outputs, call.params, call.device
    wide, its = TABLE[query.dtype.accumulator].name, attention_sizes(call.inputs, params)
    given, sinks = what.arguments, "sinks" in params.given
    functions = device.functions(
        {
            "narrow": cast(wide, query.dtype.name),
            "divide": program_for("divide", (wide,) * 2),
            "exp": program_for(exponential, (wide,)),
        }
    )
    arguments = {
        "out": Pointer(storage(query.dtype.name)), "parts": Pointer(wide), "states": Pointer(wide),
        "sinks": (Pointer(wide),) * sinks, "queries": its.queries, "heads": its.heads, "splits": splits, "dv": its.dv,
        "sink_step": given["steps"][2], "out_strides": attention_strides(call.inputs, out, params)[3],
        **dict(zip(("NARROW", "DIVIDE", "EXP"), functions, strict=True)), "SINKS": sinks, "UNIT": unit,
        "DROPOUT": "dropout" in params.given, "KEPT": params.kept, "NOTHING": -inf, "T": getattr(tl, wide),
        "WIDTH": power_of_two(its.dv), "INDEX": given["INDEX"],
    }  # fmt: skip
    warps = max(1, min(4, arguments["WIDTH"] // 64))
    return Specialization(
        device.kernel(device_code.__file__, "merge"),
        arguments,
        what.index,
        warps,
        general=frozenset({"queries", "splits"}),
    )


def specialization(call: Call, repair: bool = False) -> tuple[Specialization, int]:
    """The canonical kernel of a call and its program instances. repair: only what holds a NaN."""
    (query, _, value, *others), (out,), params, device = call.inputs, call.outputs, call.params, call.device
    dtype, wide = query.dtype.name, TABLE[query.dtype.accumulator]
    named = dict(zip(params.given, others, strict=True))
    place = {name: i for i, name in enumerate(params.given)}
    mask = named["mask"].dtype if "mask" in named else None
    width = power_of_two(value.shape[3])
    its, (q, k, v, o) = attention_sizes(call.inputs, params), attention_strides(call.inputs, out, params)
    shared = its.heads // its.shared
    rows = min(power_of_two(shared * its.queries), _rows(device, width * wide.itemsize))
    rows = 8 if rows == 4 and device.architecture == "sm_80" else rows  # of 4, ptxas spills
    tiles = -(-shared * its.queries // rows)
    far = needs_wide(*((x.shape, x.strides) for x in (*call.inputs, out)))
    programs = {
        "widen": cast(dtype, wide.name),
        "narrow": cast(wide.name, dtype),
        "load_mask": cast(mask.name, wide.name) if mask is not None and mask.kind == "f" else same("uint8"),
        "divide": program_for("divide", (wide.name,) * 2),
        "exp": program_for("exp", (wide.name,)),
        "tanh": program_for("tanh", (wide.name,)),
        "philox": program_for("philox", ("uint64",) * 3),
    }
    functions = device.functions(programs)
    arguments: dict[str, Any] = {
        "out": Pointer(storage(dtype)), "query": Pointer(storage(dtype)), "key": Pointer(storage(dtype)),
        "value": Pointer(storage(dtype)), "others": tuple(Pointer(storage(x.dtype.name)) for x in others),
        "states": (), "queries": its.queries, "keys": its.keys, "d": its.d, "dv": its.dv, "few": its.shared,
        "shared": shared, "tiles": tiles, "splits": 1, "sequences": its.sequences, "pages": its.pages,
        "page": its.page, "dropped": params.dropped, "out_strides": o, "query_strides": q, "key_strides": k,
        "value_strides": v, "mask_strides": named["mask"].strides if mask is not None else (0,) * 4,
        "steps": tuple(
            step for name, n in STEPS.items() for step in (named[name].strides if name in named else (0,) * n)
        ),
        "before": params.before or 0, "after": params.after or 0,
        **dict(zip(("WIDEN", "NARROW", "LOAD_MASK", "DIVIDE", "EXP", "TANH", "RANDOM"), functions, strict=True)),
        "MASK": 0 if mask is None else 1 if mask.kind == "b" else 2,
        **{name.upper(): place.get(name, -1) for name in ATTENTION_OPERANDS[1:]},
        "FROM_END": params.from_end, "BEFORE": params.before is not None, "AFTER": params.after is not None,
        "SCALE": params.scale, "CAP": params.softcap, "KEPT": params.kept, "NOTHING": -inf, "T": getattr(tl, wide.name),
        "BITS": getattr(tl, f"int{8 * wide.itemsize}"), "ROWS": rows, "WIDTH": width,
        "LANES": LANES, "FOLDS": LANES.bit_length() - 1, "CHUNK": ATTENTION, "DIES": dies(device),
        "INDEX": tl.int64 if far else tl.int32,
        "SPLIT": False, "REPAIR": repair,
    }  # fmt: skip
    general = frozenset({"queries", "keys", "before", "after", "sequences", "pages", "page", "dropped"})
    what = Specialization(
        device.kernel(device_code.__file__, "attention"), arguments, "i64" if far else "i32", WARPS, general=general
    )
    return what, its.sequences * its.shared * tiles


@dataclass(frozen=True)
class Tile:
    """Rows and keys of a tile on matrix units."""

    rows: int
    keys: int
    num_warps: int
    num_stages: int = 2


def tile(device: Any, rows: int, wide: int, busy: bool) -> Tile:
    """For as many rows to a head of keys, and keys or values of so many bytes. busy: more is done with scores than to
    scale them, which wants registers."""
    architecture = device.architecture
    least = min(max(16, power_of_two(rows)), 128)
    if architecture == "interpreter":
        return Tile(least, 64, 4)
    if device.kind == "emulated":  # 32 rows avoid wgmma, which the emulator lacks
        return Tile(min(32, least), 32, 4)
    if architecture.startswith("gfx1"):
        warps = 8 if wide > 128 and busy else 4
        return Tile(min(32 if wide > 128 or busy else 64, least), 32, warps if least > 16 else 2, 1)
    if architecture.startswith("gfx"):
        most, keys = (64, 32) if wide > 256 or busy else (128, 64)
        return Tile(min(most, least), keys, 4 if least > 16 else 2, 1)
    if wide > 256:
        return Tile(min(32 if wide > 512 else 64, least), 32, 4)
    most, keys = (32, 32) if busy else (128, 32 if architecture == "sm_80" and wide > 128 else 64)
    return Tile(min(most, least), keys, 8 if min(most, least) >= 128 else 4, 2 if wide > 128 else 3)


def flash(call: Call) -> tuple[Specialization, int]:
    """The kernel on matrix units and its program instances."""
    what, _ = specialization(call)
    (query, _, value, *_), params, device = call.inputs, call.params, call.device
    dtype = query.dtype.name
    few, shared = what.arguments["few"], what.arguments["shared"]
    widths = [max(16, power_of_two(x.shape[3])) for x in (query, value)]
    shifted = bool(params.softcap) or "slopes" in params.given or what.arguments["MASK"] == 2
    how = tile(
        device, shared * query.shape[2], max(widths) * query.dtype.itemsize, shifted or what.arguments["MASK"] != 0
    )
    tiles = -(-shared * query.shape[2] // how.rows)
    arguments = {name: its for name, its in what.arguments.items() if name not in CANONICAL}
    arguments |= {
        **{name: Pointer(dtype) for name in ("query", "key", "value")},
        "tiles": tiles, "SCALE": params.scale * (1.0 if shifted else log2(e)),
        "LOG2E": log2(e), "PRECISION": "tf32" if dtype == "float32" else "ieee", "ROWS": how.rows, "KEYS": how.keys,
        "D": widths[0], "WIDTH": widths[1],
    }  # fmt: skip
    made = replace(
        what, function=device.kernel(flash_code.__file__, "flash"), arguments=arguments,
        num_warps=how.num_warps, num_stages=how.num_stages,
    )  # fmt: skip
    return made, query.shape[0] * few * tiles


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    *inputs, output = slots(call)
    (query, *_), (out,), params = call.inputs, call.outputs, call.params
    sizes, wide = [x.dtype.itemsize for x in (out, *call.inputs)], TABLE[query.dtype.accumulator].itemsize
    units = allows_matrix_units(call) and not OTHERS.intersection(params.given)
    what, grid = flash(call) if units else specialization(call)
    splits = _splits(call, what.arguments["tiles"], what.arguments["ROWS"])
    scratch: tuple[int, ...] = ()
    if splits == 1:
        launches = [prepare(call.device, what, grid, (output, *inputs), sizes)]
    else:
        parts, states = Slot("scratch", 0), Slot("scratch", 1)
        rows = query.size // query.shape[3]
        scratch = (rows * splits * out.shape[3] * wide, rows * splits * 2 * wide)
        what = _shared_out(what, splits, call)
        join = _merge(what, splits, call, *((log2(e), "exp2") if units else (1.0, "exp")))
        sinks = [inputs[3 + params.given.index("sinks")]] if "sinks" in params.given else []
        launches = [
            prepare(call.device, what, grid * splits, (parts, *inputs, states), (1, *sizes[1:], 1)),
            prepare(call.device, join, rows, (output, parts, states, *sinks), (sizes[0], 1, 1, *(wide for _ in sinks))),
        ]
    if units and ("mask" in params.given or params.before is not None or params.after is not None):
        what, grid = specialization(call, repair=True)
        launches.append(prepare(call.device, what, grid, (output, *inputs), sizes))
    return Prepared(tuple(launches), scratch)


KERNELS = (Kernel("attention", "triton.attention", "triton/device/attention.py", _supports, _prepare),)
