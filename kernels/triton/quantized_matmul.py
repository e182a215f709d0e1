"""Products with quantised weights: a program instance for each panel and block of rows; in "fast" on matrix units."""

from __future__ import annotations

from dataclasses import replace
from math import gcd

import triton.language as tl

from accel.backends.base import Call, Kernel, Prepared, Slot, slots
from accel.backends.triton_kernel import Pointer, Specialization, prepare, storage
from accel.kernels.triton.device import quantized_dot as dot_code
from accel.kernels.triton.device import quantized_matmul as device_code
from accel.kernels.triton.matmul import FEW, allows_matrix_units, folding
from accel.kernels.triton.pointwise import needs_wide, power_of_two
from accel.kernels.triton.reduce import cast, same
from accel.numerics import KC
from accel.ops.weight_formats import FLOATS, PANEL, SUPER

ROWS = 16
"""Rows of a program instance at most."""

RUN = 8
"""Steps of k that are written out at most."""


DEPTH = 64
"""Bytes of codes of a column at most in a step on matrix units; 16 at least, which are what tl.dot takes."""


def _dot_depth(call: Call) -> int:
    """Bytes of a step, or 0 where the canonical kernel serves: minima are subtracted from each weight, which loses less
    than to subtract them from sums."""
    its = call.params.its
    if not allows_matrix_units(call) or its.minors == "minima":
        return 0
    depth = gcd(call.params.group // its.steps, DEPTH)
    return depth if depth >= 16 else 0


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    (x, codes, scales, *minors), (out,), params, device = call.inputs, call.outputs, call.params, call.device
    its, small = params.its, FLOATS.get(params.its.codes)
    (m, n), k, group = out.shape, x.shape[1], max(1, params.group)
    depth = _dot_depth(call)
    most = 32 if device.kind == "emulated" else 64  # 32 rows avoid wgmma, which the emulator lacks
    height = min(max(16, power_of_two(m)), most) if depth else min(ROWS, power_of_two(m))
    tiles_m, chunks = -(-m // height), max(1, -(-k // KC))
    tiles = tiles_m * -(-n // PANEL)
    shared = not depth and chunks > 1 and tiles < FEW
    size = m * n if shared else 0
    far = needs_wide(*((its.shape, its.strides) for its in (x, codes, out)), ((chunks * size,), (1,)))
    exponents = scales.dtype.name == "uint8"
    widen, finish, scale = device.functions(
        {
            "widen": cast(x.dtype.name, "float32"),
            "finish": cast("float32", out.dtype.name),
            "scale": same("uint8") if exponents else cast(scales.dtype.name, "float32"),
        }
    )
    arguments = {
        "out": Pointer(storage(out.dtype.name)), "x": Pointer(storage(x.dtype.name)),
        "codes": Pointer(codes.dtype.name), "scales": Pointer(storage(scales.dtype.name)),
        "minors": tuple(Pointer(array.dtype.name) for array in minors),
        "m": m, "n": n, "k": k, "chunks": chunks, "size": size, "group": group, "tiles_m": tiles_m,
        "x_row": x.strides[0], "x_column": x.strides[1], "out_row": out.strides[0], "out_column": out.strides[1],
        "WIDEN": widen, "FINISH": finish, "SCALE": scale, "EXPONENTS": exponents, "STEPS": its.steps,
        "FLOAT": small is not None, "SIGN": small.sign if small else 0, "MANTISSA": small.mantissa if small else 0,
        "BIAS": small.bias if small else 0, "SPECIAL": small.top + 1 if small else 0,
        "SUPER": SUPER // group if its.super else 0, "EACH": 2 if its.minors == "minima" else 1,
        "ZEROS": its.minors == "zeros", "ZERO": its.zero, "RUN": gcd(group, RUN), "SHARED": shared, "BM": height,
        "PANEL": PANEL, "KC": KC, "INDEX": tl.int64 if far else tl.int32,
    }  # fmt: skip
    kernel, warps = device.kernel(device_code.__file__, "quantized_matmul"), max(1, height // 2)
    if depth:
        kernel, warps = device.kernel(dot_code.__file__, "quantized_dot"), 4
        for name in ("chunks", "size", "WIDEN", "EACH", "RUN", "SHARED", "KC"):
            del arguments[name]
        arguments["x"] = Pointer(x.dtype.name)
        arguments |= {"DEPTH": depth, "PRECISION": "tf32" if x.dtype.name == "float32" else "ieee"}
    what = Specialization(kernel, arguments, "i64" if far else "i32", warps, 3 if depth else 2)
    *inputs, output = slots(call)
    sizes = [its.dtype.itemsize for its in (out, *call.inputs)]
    if not shared:
        return Prepared((prepare(device, what, tiles, (output, *inputs), sizes),))
    what = replace(what, arguments=arguments | {"out": Pointer("float32")})
    parts = Slot("scratch", 0)
    made = prepare(device, what, tiles * chunks, (parts, *inputs), [1, *sizes[1:]])
    what, tiles = folding(
        device,
        "float32",
        {
            "m": m, "n": n, "chunks": chunks, "size": size, "batch": (1,), "out": arguments["out"], "extras": (),
            "out_strides": ((0,), *out.strides), "extra_strides": (), "EPILOGUE": finish,
            "NOTHING": -0.0, "INDEX": arguments["INDEX"],
        },
    )  # fmt: skip
    return Prepared((made, prepare(device, what, tiles, (output, parts), [sizes[0], 1])), (chunks * size * 4,))


KERNELS = (
    Kernel("quantized_matmul", "triton.quantized_matmul", "triton/device/quantized_matmul.py", _supports, _prepare),
)
