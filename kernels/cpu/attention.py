"""Attention: tiles of queries and blocks of keys, or chunks of keys where there are few queries."""

from __future__ import annotations

from accel.backends.base import Call, Kernel, Prepared, one_launch
from accel.backends.cpu import isa, native, threads
from accel.numerics import ATTENTION


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    (query, key, value, *others), (out,), params = call.inputs, call.outputs, call.params
    kernel = native().Attention(isa(call.settings.cpu_isa), query.dtype.name)
    batch, heads, queries, d = query.shape
    _, shared, keys, dv = value.shape
    mask = next((x.dtype.name for n, x in zip(params.given, others, strict=True) if n == "mask"), "bool")
    run = kernel.launch(
        (batch, heads, shared, queries, keys, d, dv), list(params.given),
        [x.strides for x in (query, key, value, out, *others)], mask, params.scale, params.softcap, params.from_end,
        *(-1 if side is None else side for side in (params.before, params.after)), ATTENTION, threads(call.settings),
    )  # fmt: skip
    return one_launch(call, run, kernel)


KERNELS = (Kernel("attention", "cpu.attention", "csrc/attention.hpp", _supports, _prepare),)
