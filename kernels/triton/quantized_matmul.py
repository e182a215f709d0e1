"""Products with quantised weights: a program instance for each panel and block of rows, and where these are few for
each chunk of them; in "fast" on matrix units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import gcd
from typing import Any

import triton.language as tl

from accel.backends.base import Call, Kernel, Prepared, Slot, slots
from accel.backends.triton_kernel import Pointer, Specialization, prepare, storage
from accel.dtypes import FLOAT32
from accel.kernels.triton.device import quantized_dot as dot_code
from accel.kernels.triton.device import quantized_matmul as device_code
from accel.kernels.triton.dies import dies
from accel.kernels.triton.matmul import allows_matrix_units, folding, keeps_order, vector_config
from accel.kernels.triton.matmul_tiles import Config
from accel.kernels.triton.pointwise import needs_wide, power_of_two
from accel.kernels.triton.reduce import cast, same
from accel.kernels.triton.row import FILLED
from accel.numerics import KC
from accel.ops.weight_formats import FLOATS, PANEL, SUPER

ROWS = 16
"""Rows of a program instance at most, one outer product at a time."""

RUN = 8
"""Steps of k that are written out at most."""

DEPTH = 64
"""Bytes of codes of a column at most in a step on matrix units; 16 at least, which are what tl.dot takes."""

TILE_DEPTH = 16
"""Steps of k in a tile of weights that tl.dot takes in the canonical order."""


@dataclass(frozen=True)
class Form:
    """How a call is served. rows, panels: of a program instance. depth: steps of k, or bytes of codes, that are taken
    at once."""

    file: str
    kernel: str
    rows: int
    panels: int
    depth: int
    warps: int
    stages: int
    precision: str = "ieee"


def choose(call: Call, ordered: Callable[[Any, Config], bool] = keeps_order) -> Form:
    """Matrix units where the mode allows them; minima are subtracted from each weight, which loses less than to
    subtract them from sums. Else tiles by tl.dot, of rows enough, where it keeps the canonical order, as `ordered` says
    of a GPU; else one outer product at a time."""
    device, m, group, its = call.device, call.outputs[0].shape[0], max(1, call.params.group), call.params.its
    file, panels = device_code.__file__, -(-call.outputs[0].shape[1] // PANEL)
    depth = gcd(group // its.steps, DEPTH)
    if allows_matrix_units(call) and its.minors != "minima" and depth >= 16:
        most = 32 if device.kind == "emulated" else 64  # 32 rows avoid wgmma, which the emulator lacks
        precision = "tf32" if call.inputs[0].dtype.name == "float32" else "ieee"
        return Form(dot_code.__file__, "quantized_dot", min(max(16, power_of_two(m)), most), 1, depth, 4, 3, precision)
    config = vector_config(device, FLOAT32, m, PANEL)
    config = replace(config, tile=(*config.tile[:2], TILE_DEPTH))
    if m > 4 and group % TILE_DEPTH == 0 and (device.kind != "gpu" or ordered(device, config)):
        height, warps = config.tile[0], config.num_warps
        if device.architecture.startswith("sm_") and height == 64:  # type: ignore[attr-defined]
            warps *= 2  # making weights wants registers
        return Form(file, "quantized_tile", height, 1, TILE_DEPTH, warps, config.num_stages)
    height = min(ROWS, power_of_two(m))
    lanes = 64 if device.architecture.startswith("gfx9") else 32  # type: ignore[attr-defined]
    together = gcd(panels, 4 * lanes // PANEL) if height <= 4 else 1  # codes of four columns are 4 bytes
    return Form(file, "quantized_matmul", height, together, 0, max(1, height * PANEL * together // (4 * lanes)), 2)


def _supports(call: Call) -> str | None:
    return None


def multiply(call: Call, form: Form) -> Prepared:
    """A call by a form."""
    (x, codes, scales, *minors), (out,), params, device = call.inputs, call.outputs, call.params, call.device
    its, small = params.its, FLOATS.get(params.its.codes)
    (m, n), k, group = out.shape, x.shape[1], max(1, params.group)
    tiles_m, chunks = -(-m // form.rows), max(1, -(-k // KC))
    tiles = tiles_m * -(-n // PANEL) // form.panels
    shared = form.kernel != "quantized_dot" and chunks > 1 and tiles < FILLED
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
        "ZEROS": its.minors == "zeros", "ZERO": its.zero, "RUN": gcd(group, RUN), "DEPTH": form.depth,
        "PRECISION": form.precision, "SHARED": shared, "BM": form.rows, "PANELS": form.panels, "PANEL": PANEL, "KC": KC,
        "DIES": dies(device), "INDEX": tl.int64 if far else tl.int32,
    }  # fmt: skip
    if form.kernel == "quantized_dot":
        arguments["x"] = Pointer(x.dtype.name)
    kernel = device.kernel(form.file, form.kernel)
    what = Specialization(kernel, arguments, "i64" if far else "i32", form.warps, form.stages)
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


def _prepare(call: Call) -> Prepared:
    return multiply(call, choose(call))


KERNELS = (
    Kernel("quantized_matmul", "triton.quantized_matmul", "triton/device/quantized_matmul.py", _supports, _prepare),
)
