"""Matrix products: which kernel and tiles serve which dtypes, and whether a GPU's tl.dot keeps the canonical order.

float32 (and 16-bit floats widened to it, in "reproducible") goes to tl.dot at full precision: a chain of fma over
ascending k on NVIDIA GPUs of every architecture from sm_80 to sm_120, as executed in the emulator (and on an H200, for
sm_90), and on gfx1100 by its machine code. On gfx90a and gfx942 it is compiled to float32 matrix instructions, which
others found to be such a chain too. float64 goes to NVIDIA's matrix instructions, whose order is not documented and is
such a chain on an H200; elsewhere the chain is written out. As the rest was not executed, every real GPU is asked once
per tile shape: where tl.dot differs from the written-out chain in a bit, the chain serves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import gcd, prod
from typing import Any

import numpy as np
import triton.language as tl

from accel import tuning
from accel.array import empty
from accel.backends.base import Call, Choice, Kernel, Prepared, Slot, Tunable, slots
from accel.backends.triton_kernel import Pointer, Specialization, prepare, storage
from accel.conversion import from_numpy, to_numpy
from accel.dtypes import TABLE, DType
from accel.kernels.triton import matmul_streamed, matmul_turned
from accel.kernels.triton.device import matmul as device_code
from accel.kernels.triton.device import matmul_small as small_code
from accel.kernels.triton.dies import dies
from accel.kernels.triton.matmul_tiles import (
    Config,
    chain_tile,
    chip_number,
    fitted,
    matrices_together,
    matrix_tile,
    neighbours,
    vector_tile,
)
from accel.kernels.triton.pointwise import needs_wide, power_of_two
from accel.kernels.triton.reduce import cast, same, wide
from accel.kernels.triton.row import FILLED
from accel.layout import collapse, layout
from accel.numerics import KC
from accel.ops.primitive.matmul import Product
from accel.scalar import Program, compose

GROUP = 8
"""Tiles along m that run together and share b's."""

STEPS = 4
"""Steps of k that are written out for small matrices, at most; they divide `KC`."""

UNCHUNKED = 1 << 30
"""Chunk length of products whose order is not promised."""

DOUBLE_UNITS = ("sm_80", "sm_90", "sm_100")
"""Architectures whose matrix units take float64 at a rate worth using."""

SUBNORMAL = {"float32": 1e-42, "float64": 1e-310}
"""What makes numbers near 1 subnormal."""

INT8_CHUNK = 1 << 16
"""Chunk length of int8 products: in one, no total leaves int32, where NVIDIA's matrix units saturate."""


def choose(device: Any, operand: DType, output: DType, m: int, n: int, numerics: str, finished: bool = False) -> Config:
    """How a device multiplies (…, m, k) by (…, k, n). output: the product's dtype, before an epilogue. finished: by an
    epilogue, which wants registers of its own."""
    config = _chosen(device, operand, output, m, n, numerics, finished)
    if config.kernel != "dot":
        return config
    tile, stages = fitted(device.architecture, config.tile, config.num_stages, TABLE[config.load].itemsize)
    return replace(config, tile=tile, num_stages=stages)


def _chosen(device: Any, operand: DType, output: DType, m: int, n: int, numerics: str, finished: bool) -> Config:
    architecture, name = device.architecture, operand.name
    stages = 3 if architecture.startswith("sm_") else 2
    if operand.kind != "f":
        if name == "int8" and output.name in ("int8", "int32") and has_matrix_units(architecture):
            tile, warps = matrix_tile(device, m, n, 1, finished)
            return Config("dot", "int8", "int8", "int32", tile, warps, stages, kc=INT8_CHUNK)
        return Config("chain", name, wide(output), wide(output), *chain_tile(device, m, n), kc=UNCHUNKED)
    if name == "float64" and not (device.kind == "gpu" and architecture in DOUBLE_UNITS):
        return Config("chain", name, name, name, *chain_tile(device, m, n))
    if operand.itemsize == 2 and numerics != "reproducible" and has_matrix_units(architecture):
        tile, warps = matrix_tile(device, m, n, 2, finished)
        return Config("dot", name, name, "float32", tile, warps, stages, kc=UNCHUNKED)
    if name == "float32" and numerics == "fast" and has_tf32(architecture):
        tile, warps = matrix_tile(device, m, n, 4, finished)
        return Config("dot", name, name, "float32", tile, warps, stages, "tf32", UNCHUNKED)
    config = vector_config(device, operand, m, n)
    return replace(config, num_warps=2 * config.num_warps) if finished else config


def several(operand: DType, output: DType, m: int, n: int, together: int) -> Config:
    """How so many small matrices are multiplied by one program instance, in the canonical order in every mode."""
    floating = operand.kind == "f"
    load, total = (storage(operand.name), operand.accumulator) if floating else (operand.name, wide(output))
    tile = (power_of_two(m), power_of_two(n), together)
    warps = max(1, min(4, prod(tile) // 128))
    return Config("several", load, total, total, tile, warps, kc=KC if floating else UNCHUNKED)


def vector_config(device: Any, operand: DType, m: int, n: int) -> Config:
    """How tl.dot serves the canonical order of floats that are widened to the accumulator's dtype."""
    architecture, total = device.architecture, operand.accumulator
    tile, warps = vector_tile(device, m, n, 8 if architecture.startswith("sm_") and architecture != "sm_90" else 16)
    if architecture.startswith("gfx1"):
        warps *= 2  # of half as many lanes as other GPUs of AMD have
    return Config("dot", storage(operand.name), total, total, tile, warps, 3 if architecture.startswith("sm_") else 2)


def allows_matrix_units(call: Call) -> bool:
    """Whether a call's mode and device let matrix units compute a sum of products that is not ``matmul``."""
    dtype, device = call.inputs[0].dtype, call.device
    architecture = device.architecture  # type: ignore[attr-defined]
    if call.settings.numerics != "fast" or dtype.itemsize > 4 or not has_matrix_units(architecture):
        return False
    return dtype.itemsize == 2 or has_tf32(architecture) or architecture == "interpreter"


def has_matrix_units(architecture: str) -> bool:
    """Whether tl.dot of 16-bit floats and int8 reaches them; elsewhere it gains nothing, or fails."""
    return architecture not in ("sm_70", "sm_72", "sm_75", "gfx906")


def has_tf32(architecture: str) -> bool:
    """Whether tl.dot rounds float32 operands to TF32 (NVIDIA) or XF32 (AMD) there."""
    return chip_number(architecture) >= 80 or architecture == "gfx942"


def epilogue(params: Product, config: Config, output: DType, extras: Sequence[DType]) -> Program:
    """The program from a total and the extras to what is stored."""
    if params.epilogue is None:
        return cast(config.accumulator, output.name)
    first = params.epilogue.inputs[0]
    if first == config.accumulator:
        return params.epilogue
    return compose(params.epilogue, cast(config.accumulator, first), *(same(x.name) for x in extras))


def _supports(call: Call) -> str | None:
    return None


def _computed(call: Call) -> Config:
    """How a call is computed, before its device is asked about the order."""
    a, (out,) = call.inputs[0], call.outputs
    *_, m, n = out.shape
    finished = call.params.epilogue is not None
    result = TABLE[call.params.epilogue.inputs[0]] if finished else out.dtype
    together = matrices_together(m, n, prod(out.shape[:-2]))
    if together > 1:
        return several(a.dtype, result, m, n, together)
    config = choose(call.device, a.dtype, result, m, n, call.settings.numerics, finished)
    # With one k, no loop stands between tl.dot and what is added next, and Triton adds that inside of it.
    return written_out(config) if config.ordered and a.shape[-1] == 1 else config


def _shape(call: Call) -> tuple[str, tuple[int, ...]]:
    config, (words, lengths) = _computed(call), tuning.product(call)
    return f"{config.kernel} {config.precision} {config.accumulator} {words}", lengths


def _default(call: Call) -> Choice:
    config = _computed(call)
    return (*config.tile, config.num_warps, config.num_stages, FILLED, 0)


def _choices(call: Call) -> tuple[Choice, ...]:
    """Neighbours of the computed choice. Where the order is not promised, nothing that shares out or steps through k
    is changed."""
    config, default, k = _computed(call), _default(call), call.inputs[0].shape[-1]
    if config.kernel == "several":
        height, width, together, warps, *rest = default
        near = [(x, w) for x in (together, 2 * together, together // 2) for w in (warps, 2 * warps, warps // 2)]
        return tuple((height, width, x, w, *rest) for x, w in near if x > 1 and w > 0)
    architecture, total = call.device.architecture, TABLE[config.accumulator]
    free, (*batch, m, n) = config.ordered or total.kind != "f", call.outputs[0].shape
    tiles = -(-m // config.tile[0]) * -(-n // config.tile[1]) * prod(batch)
    if not free and tiles < FILLED:  # chunks depend on the tiles
        return (default,)
    other = 0 if tiles < FILLED or not free else UNCHUNKED
    found = [default]
    for tile, warps, stages in neighbours(config.tile, config.num_warps, config.num_stages, m, n, architecture):
        same, itemsize = tile == config.tile, TABLE[config.load].itemsize
        if config.kernel == "dot" and fitted(architecture, tile, stages, itemsize) != (tile, stages):
            continue
        if tile[2] != config.tile[2] and not (free and config.kernel == "dot"):
            continue
        few = (FILLED, other) if config.ordered and k > KC and same else (FILLED,) if free else (0,)
        found += [(*tile, warps, stages, each, 0) for each in few]
        if tile[2] == config.tile[2]:
            near = replace(config, tile=tile, num_stages=stages)
            found += [(*tile, warps, stages, FILLED, way) for way in matmul_streamed.ways(call, near)]
    return tuple(dict.fromkeys(found))


def _prepared(call: Call, choice: Choice) -> Prepared:
    height, width, depth, warps, stages, few, stream = choice
    computed, tile = _computed(call), (height, width, depth)
    config = replace(computed, tile=tile, num_warps=warps, num_stages=stages, stream=stream)
    if config.ordered and config.kernel == "dot" and call.device.kind == "gpu" and not keeps_order(call.device, config):
        config = written_out(config)
    if config.kernel == "dot" and (its := matmul_turned.turned(call)):
        return matmul_turned.after_copies(call, its, lambda call: multiply(call, config, few))
    return multiply(call, config, few)


def _prepare(call: Call) -> Prepared:
    return _prepared(call, tuning.choice(ROW, call))


def written_out(config: Config) -> Config:
    """The same product with every fma in the source."""
    (height, width, _), warps = config.tile, config.num_warps
    if min(height, width) >= 16:
        height, width, warps = min(32, height), min(32, width), max(1, warps // 2)
    return replace(config, kernel="chain", tile=(height, width, 4), num_warps=warps)


def multiply(call: Call, config: Config, few: int = FILLED, grouped: int = 0) -> Prepared:
    """A call by a config. few: the tiles below which chunks are shared out, each one's result going to scratch.
    grouped: 1 or 2, where the third input has the ends of the groups that are the batch: of rows, which b has a matrix
    of each for, or of k, of which the output has a product for each."""
    (a, b, *extras), (out,), device = call.inputs, call.outputs, call.device
    ends = extras.pop(0) if grouped else None
    *_, m, n = out.shape
    k, groups = a.shape[-1], ends.shape[0] if ends else 0
    operands = (out, a, b, *extras)
    batch, batches = collapse(out.shape[:-2], [x.strides[:-2] for x in operands])
    strides = [(over, *x.strides[-2:]) for over, x in zip(batches, operands, strict=True)]
    height, width, depth = config.tile
    few = 0 if config.kernel == "several" else few
    tiles_m, tiles_n = -(-m // height), -(-n // width)
    if grouped == 1:
        tiles_m = m // height + groups  # see `group_of`
    tiles = tiles_m * tiles_n * (1 if grouped == 1 else prod(batch))
    kc = config.kc if config.kc == KC or tiles >= few else min(config.kc, _share(k, tiles))
    chunks = max(1, -(-k // kc))
    shared = chunks > 1 and tiles < few
    size = prod(out.shape) if shared else 0
    far = needs_wide(*((x.shape, x.strides) for x in operands), ((chunks * size,), (1,)))
    widen, last = device.functions(
        {
            "widen": cast(a.dtype.name, config.operand),
            "epilogue": epilogue(call.params, config, out.dtype, [x.dtype for x in extras]),
        }
    )
    if config.load == config.operand:
        widen = device.kernel(device_code.__file__, "as_loaded")
    floating = TABLE[config.accumulator].kind == "f"
    geometry = {
        "m": m, "n": n, "chunks": chunks, "size": size, "tiles_m": tiles_m, "tiles_n": tiles_n, "batch": batch,
        "EPILOGUE": last, "ACC": getattr(tl, config.accumulator), "NOTHING": -0.0 if floating else 0,
        "BM": height, "BN": width, "GROUP": GROUP, "DIES": dies(device), "INDEX": tl.int64 if far else tl.int32,
    }  # fmt: skip
    finishing = {
        "out": Pointer(storage(out.dtype.name)), "extras": tuple(Pointer(storage(x.dtype.name)) for x in extras),
        "out_strides": strides[0], "extra_strides": tuple(strides[3:]),
    }  # fmt: skip
    arguments = {
        **geometry, **finishing, "a": Pointer(config.load), "b": Pointer(config.load), "k": k,
        "a_strides": strides[1], "b_strides": strides[2], "WIDEN": widen, "SHARED": shared, "BK": depth, "KC": kc,
        "MASKED": grouped == 2 or k % depth != 0, "GROUPED": grouped, "groups": groups,
        "halvings": max(0, groups - 1).bit_length(), "ends": (Pointer(ends.dtype.name),) if ends else (),
    }  # fmt: skip
    if config.kernel == "dot":
        arguments |= {"PRECISION": config.precision, "SIGNED": config.ordered}
    else:
        arguments["FUSED"] = floating
    if config.kernel == "several":
        arguments |= {"count": tiles, "MATRICES": depth, "STEPS": gcd(k, STEPS)}
        tiles = -(-tiles // depth)
    if shared:
        arguments |= {"out": Pointer(config.accumulator), "extras": (), "extra_strides": ()}
    index = "i64" if far else "i32"
    *inputs, result = slots(call)
    sizes = [x.dtype.itemsize for x in (*operands[:3], *((ends,) if ends else ()), *extras)]
    if config.stream:
        return matmul_streamed.prepared(call, config, arguments, (result, *inputs), sizes)
    file = small_code if config.kernel == "several" else device_code
    kernel = device.kernel(file.__file__, config.kernel)
    what = Specialization(kernel, arguments, index, config.num_warps, config.num_stages)
    if not shared:
        return Prepared((prepare(device, what, tiles, (result, *inputs), sizes),))
    parts = Slot("scratch", 0)
    made = prepare(device, what, tiles * chunks, (parts, *inputs[:2]), [1, *sizes[1:3]])
    what, tiles = folding(device, config.accumulator, geometry | finishing)
    folded = prepare(device, what, tiles, (result, parts, *inputs[2:]), [sizes[0], 1, *sizes[3:]])
    return Prepared((made, folded), (chunks * size * TABLE[config.accumulator].itemsize,))


def folding(device: Any, accumulator: str, arguments: dict[str, Any]) -> tuple[Specialization, int]:
    """What adds the chunks' results, and its program instances. arguments: of `fold`, but for its tiles and parts."""
    m, n, batch = (arguments[name] for name in ("m", "n", "batch"))
    width = min(256, power_of_two(n))
    height = min(max(4, 256 // width), power_of_two(m))
    tiles_m, tiles_n = -(-m // height), -(-n // width)
    arguments = {
        **arguments, "parts": Pointer(accumulator), "ACC": getattr(tl, accumulator), "tiles_m": tiles_m,
        "tiles_n": tiles_n, "BM": height, "BN": width, "GROUP": GROUP,
    }  # fmt: skip
    kernel, index = device.kernel(device_code.__file__, "fold"), "i64" if arguments["INDEX"] is tl.int64 else "i32"
    return Specialization(kernel, arguments, index, max(1, height * width // 256)), tiles_m * tiles_n * prod(batch)


def _share(k: int, tiles: int) -> int:
    """Chunk length of a product whose order is not promised, for two program instances a multiprocessor."""
    return max(1, -(-k * tiles // (2 * FILLED * KC))) * KC


_orders: dict[tuple[Any, Config], bool] = {}


def keeps_order(device: Any, config: Config) -> bool:
    """Whether tl.dot gives the written-out chain's bits on a device, for this config's tiles; found out once.

    One tile over a chunk and a half, of numbers whose exponents are spread so that nearly every addition rounds; in two
    rows the operands are subnormal, and in two columns of these the results.
    """
    dtype = TABLE[config.accumulator]
    config = replace(config, load=dtype.name)
    key = (device, config)
    if key not in _orders:
        (height, width, _), k = config.tile, KC + KC // 2
        rng = np.random.default_rng(2)
        a, b = (rng.standard_normal(s) * 2.0 ** rng.integers(-20, 20, s) for s in ((height, k), (k, width)))
        a[:2] *= SUBNORMAL[dtype.name]
        b[:, :2] *= 1e-6
        operands = [from_numpy(x.astype(dtype.numpy), device) for x in (a, b)]
        results = []
        for way in (config, written_out(config)):
            result = empty((height, width), dtype, device)
            call = Call(
                "matmul",
                tuple(x.layout for x in operands),
                (layout(dtype, (height, width), None, device),),
                Product(),
                device,
                None,  # type: ignore[arg-type]
            )
            (launch,) = multiply(call, way, few=0).launches
            launch.on(operands, [result])
            results.append(to_numpy(result).tobytes())
        _orders[key] = results[0] == results[1]
    return _orders[key]


NAMES = ("BM", "BN", "BK", "warps", "stages", "few", "stream")
"""What the numbers of a choice are; few: see `multiply`; stream: see `Config`."""

ROW = Kernel(
    "matmul", "triton.matmul", "triton/device/matmul.py", _supports, _prepare,
    Tunable(lambda call: NAMES, _shape, _default, _choices, _prepared),
)  # fmt: skip
KERNELS = (ROW,)
