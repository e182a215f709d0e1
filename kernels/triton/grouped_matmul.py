"""Products of groups of rows: `triton.matmul`'s kernels, whose program instances find their group by its end."""

from __future__ import annotations

from dataclasses import replace

from accel.backends.base import Call, Kernel, Prepared
from accel.kernels.triton.matmul import choose, keeps_order, multiply, written_out
from accel.kernels.triton.matmul_tiles import Config
from accel.layout import Layout, layout
from accel.ops.parameters import Product

WHOLE = 64 * 64
"""Results of a tile that leaves no registers for the search of a group, but in more warps: sm_90 spills 24 bytes."""


def _supports(call: Call) -> str | None:
    return None


def config_of(call: Call) -> Config:
    """How a call is multiplied: by tiles as high as twice a group's average of rows."""
    (a, _, ends), (out,) = call.inputs, call.outputs
    *_, m, n = out.shape
    near = m if call.params.contracted else min(m, 2 * -(-m // ends.shape[0]))
    return choose(call.device, a.dtype, out.dtype, near, n, call.settings.numerics)


def with_room(config: Config) -> Config:
    """The same product with registers for the search of a group."""
    height, width, _ = config.tile
    return replace(config, num_warps=2 * config.num_warps) if config.ordered and height * width >= WHOLE else config


def batched(call: Call) -> Call:
    """The same as a product, with the groups as a batch's axis of all operands, along which some do not move."""

    def three(x: Layout) -> Layout:
        if x.ndim == 3:
            return x
        return layout(x.dtype, (call.inputs[2].shape[0], *x.shape), (0, *x.strides), x.device)

    a, b, ends = call.inputs
    return replace(call, inputs=(three(a), three(b), ends), outputs=(three(call.outputs[0]),), params=Product())


def _prepare(call: Call) -> Prepared:
    plain = config_of(call)
    config = with_room(plain)
    one = call.inputs[0].shape[1] == 1  # as of other products
    if config.ordered and (one or (call.device.kind == "gpu" and not keeps_order(call.device, config))):
        config = written_out(plain)
    return multiply(batched(call), config, few=0, grouped=2 if call.params.contracted else 1)


KERNELS = (Kernel("grouped_matmul", "triton.grouped_matmul", "triton/device/matmul.py", _supports, _prepare),)
