"""Convolutions with an epilogue: implicit products by tl.dot where it keeps the canonical order of float32's additions,
as each real GPU is asked (kernels/triton/matmul.py), or where "fast" lets matrix units change it; else a program
instance makes a tile of outputs and places, one outer product at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import triton.language as tl

from accel.backends.base import Call, Kernel, Prepared, slots
from accel.backends.triton_kernel import Pointer, Specialization, prepare, storage
from accel.convolution_plan import windows
from accel.dtypes import FLOAT32
from accel.kernels.triton.device import convolution as device_code
from accel.kernels.triton.device import convolution_dot as dot_code
from accel.kernels.triton.dies import dies
from accel.kernels.triton.matmul import UNCHUNKED, allows_matrix_units, keeps_order, vector_config
from accel.kernels.triton.matmul_tiles import Config
from accel.kernels.triton.pointwise import needs_wide, power_of_two
from accel.kernels.triton.reduce import same
from accel.numerics import KC

PLACES = {"interpreter": 1024}
"""Places of a tile at most by architecture; elsewhere such that there are 1,024 results, but 512 places at most."""

OLD = re.compile(r"sm_8\d")
"""Architectures whose compiler runs out of registers first."""

OUTPUTS = {"interpreter": 64}
"""Outputs of a tile at most by architecture; 16 elsewhere."""


def specialization(call: Call) -> tuple[Specialization, int]:
    """The kernel of outer products of a call, and its program instances."""
    device, its = call.device, windows(call)
    out, dtype = call.outputs[0], call.inputs[0].dtype.name
    extras = call.inputs[len(call.inputs) - call.params.extras :]
    places = its.batch * its.places[0] * its.places[1] * its.places[2]
    height = min(power_of_two(its.outputs), OUTPUTS.get(device.architecture, 16))
    width = min(power_of_two(places), PLACES.get(device.architecture, min(512, 1024 // height)))
    wide = [n * e for n, e in zip(its.lengths, its.spread, strict=True)]
    wide += [o * s + k * d for o, s, k, d in zip(its.places, its.stride, its.kernel, its.dilation, strict=True)]
    far = needs_wide(*((x.shape, x.strides) for x in (*call.inputs, *call.outputs)), *(((n,), (1,)) for n in wide))
    tiles, rows = -(-places // width), -(-its.outputs // height)
    terms = its.channels * its.kernel[0] * its.kernel[1] * its.kernel[2]
    (epilogue,) = device.functions({"epilogue": call.params.epilogue or same(dtype)})
    arguments: dict[str, Any] = {
        "out": Pointer(storage(out.dtype.name)), "x": Pointer(dtype), "weight": Pointer(dtype),
        "bias": (Pointer(dtype),) * bool(its.bias), "extras": tuple(Pointer(storage(x.dtype.name)) for x in extras),
        "outputs": its.outputs, "channels": its.channels, "terms": terms, "chunks": -(-terms // KC),
        "count": places, "tiles": tiles, "rows": rows,
        "lengths": its.lengths, "kernel": its.kernel, "places": its.places, "stride": its.stride, "low": its.low,
        "dilation": its.dilation, "spread": its.spread,
        "x_strides": its.x, "weight_strides": its.weight, "out_strides": its.out, "bias_strides": its.bias or (0, 0),
        "extra_strides": its.extras, "EPILOGUE": epilogue, "T": getattr(tl, dtype), "WIDTH": width, "HEIGHT": height,
        "KC": KC, "DIES": dies(device), "INDEX": tl.int64 if far else tl.int32,
        "ALONE": its.channels == 1 and terms <= KC,
    }  # fmt: skip
    kernel = device.kernel(device_code.__file__, "convolve")
    warps = 8 if its.kernel[0] > 1 else 4  # three axes want registers
    return Specialization(kernel, arguments, "i64" if far else "i32", warps), tiles * rows * its.groups


def dot(call: Call, config: Config) -> tuple[Specialization, int]:
    """The kernel of implicit products and its program instances."""
    what, _ = specialization(call)
    its, (width, height, depth) = windows(call), config.tile
    places, terms = what.arguments["count"], what.arguments["terms"]
    tiles, rows = -(-places // width), -(-its.outputs // height)
    gaps = set(its.spread) != {1}
    arguments = {
        **what.arguments,
        "chunks": -(-terms // config.kc), "tiles": tiles, "rows": rows, "PRECISION": config.precision,
        "WIDTH": width, "HEIGHT": height, "DEPTH": depth, "KC": config.kc, "APART": its.channels % depth == 0,
        "SPREAD": gaps, "SKIPS": gaps or any((*call.params.low, *call.params.high)),
    }  # fmt: skip
    kernel = call.device.kernel(dot_code.__file__, "convolve_dot")  # type: ignore[attr-defined]
    made = replace(what, function=kernel, arguments=arguments, num_warps=config.num_warps, num_stages=config.num_stages)
    return made, tiles * rows * its.groups


def choose(call: Call, ordered: Callable[[Any, Config], bool] = keeps_order) -> Config | None:
    """How tl.dot serves a call; None where outer products do. ordered: whether a GPU's tl.dot keeps the order."""
    device, its, dtype = call.device, windows(call), call.inputs[0].dtype.name
    places = its.batch * its.places[0] * its.places[1] * its.places[2]
    terms = its.channels * its.kernel[0] * its.kernel[1] * its.kernel[2]
    if its.outputs < 8 or terms < 16 or dtype != "float32":
        return None
    if allows_matrix_units(call):
        tile, warps = matrix_tile(device, places, its.outputs)
        stages = 2 if OLD.match(device.architecture) else 3
        return Config("dot", dtype, dtype, dtype, tile, warps, stages, "tf32", UNCHUNKED)
    config = vector_config(device, FLOAT32, places, its.outputs)
    if device.architecture.startswith("sm_"):  # windows want registers of their own, those of three axes more
        old, more = OLD.match(device.architecture) is not None, its.kernel[0] > 1
        depth, stages = (16, 2) if old and not more else (8, 3)
        warps = config.num_warps * (2 if old or more else 1)
        config = replace(config, tile=(*config.tile[:2], depth), num_warps=warps, num_stages=stages)
    return config if device.kind != "gpu" or ordered(device, config) else None


def matrix_tile(device: Any, places: int, outputs: int) -> tuple[tuple[int, int, int], int]:
    """(places, outputs, terms) of a program instance on matrix units, and its warps."""
    width, height = (max(16, power_of_two(n)) for n in (places, outputs))
    if device.kind == "emulated":  # 32 rows avoid wgmma, which the emulator lacks
        return (min(32, width), min(32, height), 16), 4
    if device.architecture == "interpreter":
        return (min(256, width), min(64, height), 32), 4
    depth = 16 if OLD.match(device.architecture) else 32
    return (min(128, width), min(64, height), depth), 4 if width < 128 else 8


def _supports(call: Call) -> str | None:
    return None


def convolve(call: Call, config: Config | None) -> Prepared:
    """A call by a config of tl.dot, or by outer products."""
    *inputs, out = slots(call)
    sizes = [x.dtype.itemsize for x in (*call.outputs, *call.inputs)]
    what, grid = specialization(call) if config is None else dot(call, config)
    return Prepared((prepare(call.device, what, grid, (out, *inputs), sizes),))


def _prepare(call: Call) -> Prepared:
    return convolve(call, choose(call))


KERNELS = (Kernel("convolution", "triton.convolution", "triton/device/convolution.py", _supports, _prepare),)
