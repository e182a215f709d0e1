"""Attention: tiles of queries and blocks of keys, or chunks of keys where there are few queries."""

from __future__ import annotations

from accel.backends.base import Call, Kernel, Prepared, one_launch
from accel.backends.cpu import isa, native, threads
from accel.numerics import ATTENTION
from accel.ops.parameters import attention_sizes, attention_strides


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    (query, _, _, *others), (out,), params = call.inputs, call.outputs, call.params
    kernel = native().Attention(isa(call.settings.cpu_isa), query.dtype.name)
    its, (q, k, v, o) = attention_sizes(call.inputs, params), attention_strides(call.inputs, out, params)
    mask = next((x.dtype.name for n, x in zip(params.given, others, strict=True) if n == "mask"), "bool")
    run = kernel.launch(
        (its.sequences, its.heads, its.shared, its.queries, its.keys, its.d, its.dv), (its.pages, its.page),
        list(params.given), [q, k, v, o, *(x.strides for x in others)], mask, params.scale, params.softcap,
        params.from_end, *(-1 if side is None else side for side in (params.before, params.after)), params.dropped,
        params.kept, ATTENTION, threads(call.settings),
    )  # fmt: skip
    return one_launch(call, run, kernel)


KERNELS = (Kernel("attention", "cpu.attention", "csrc/attention.hpp", _supports, _prepare),)
