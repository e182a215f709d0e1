"""Attention: a program instance for each tile of queries of a sequence and head."""

from __future__ import annotations

from math import inf
from typing import Any

import triton.language as tl

from accel.backends.base import Call, Kernel, Prepared, slots
from accel.backends.triton_kernel import Pointer, Specialization, prepare, storage
from accel.dtypes import TABLE
from accel.kernels.triton.device import attention as device_code
from accel.kernels.triton.pointwise import needs_wide, power_of_two
from accel.kernels.triton.reduce import cast, same
from accel.numerics import ATTENTION, LANES
from accel.ops.parameters import ATTENTION_OPERANDS, attention_sizes, attention_strides
from accel.scalar import Program, Step

ROWS = {"interpreter": 64}
"""Queries of a tile by architecture; 16 elsewhere."""


STEPS = {"starts": 1, "lengths": 1, "sinks": 1, "slopes": 1, "offsets": 1, "pages": 2, "dropout": 2}
"""Operands whose strides the kernel takes, in this order, and how many each has."""


def _function(name: str, dtype: str, arity: int = 1) -> Program:
    return Program((dtype,) * arity, (Step(name, dtype, tuple(range(arity))),), dtype)


def specialization(call: Call) -> tuple[Specialization, int]:
    """The kernel of a call and its program instances."""
    (query, _, value, *others), (out,), params, device = call.inputs, call.outputs, call.params, call.device
    dtype, wide = query.dtype.name, TABLE[query.dtype.accumulator]
    named = dict(zip(params.given, others, strict=True))
    place = {name: i for i, name in enumerate(params.given)}
    mask = named["mask"].dtype if "mask" in named else None
    rows = min(power_of_two(query.shape[2]), ROWS.get(device.architecture, 16))
    tiles = -(-query.shape[2] // rows)
    far = needs_wide(*((x.shape, x.strides) for x in (*call.inputs, out)))
    programs = {
        "widen": cast(dtype, wide.name),
        "narrow": cast(wide.name, dtype),
        "load_mask": cast(mask.name, wide.name) if mask is not None and mask.kind == "f" else same("uint8"),
        "divide": _function("divide", wide.name, 2),
        "exp": _function("exp", wide.name),
        "tanh": _function("tanh", wide.name),
        "philox": _function("philox", "uint64", 3),
    }
    functions = device.functions(programs)
    its, (q, k, v, o) = attention_sizes(call.inputs, params), attention_strides(call.inputs, out, params)
    arguments: dict[str, Any] = {
        "out": Pointer(storage(dtype)), "query": Pointer(storage(dtype)), "key": Pointer(storage(dtype)),
        "value": Pointer(storage(dtype)), "others": tuple(Pointer(storage(x.dtype.name)) for x in others),
        "queries": its.queries, "keys": its.keys, "d": its.d, "dv": its.dv, "heads": its.heads,
        "shared": its.heads // its.shared, "tiles": tiles, "sequences": its.sequences, "pages": its.pages,
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
        "BITS": getattr(tl, f"int{8 * wide.itemsize}"), "ROWS": rows, "WIDTH": power_of_two(value.shape[3]),
        "LANES": LANES, "FOLDS": LANES.bit_length() - 1, "CHUNK": ATTENTION, "INDEX": tl.int64 if far else tl.int32,
    }  # fmt: skip
    general = frozenset({"queries", "keys", "before", "after", "sequences", "pages", "page", "dropped"})
    what = Specialization(
        device.kernel(device_code.__file__, "attention"), arguments, "i64" if far else "i32", general=general
    )
    return what, its.sequences * its.heads * tiles


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    what, grid = specialization(call)
    *inputs, output = slots(call)
    sizes = [x.dtype.itemsize for x in (*call.outputs, *call.inputs)]
    return Prepared((prepare(call.device, what, grid, (output, *inputs), sizes),))


KERNELS = (Kernel("attention", "triton.attention", "triton/device/attention.py", _supports, _prepare),)
