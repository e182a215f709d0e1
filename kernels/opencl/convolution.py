"""Convolutions with an epilogue. On GPUs a work-item makes a row of outputs' channels of one place; on CPU devices it
makes register tiles of what several places meet and of weights packed into panels."""

from __future__ import annotations

from dataclasses import astuple
from math import prod
from typing import Any

import numpy as np

from accel.backends.base import Call, Kernel, Prepared, Slot, slots
from accel.convolution_plan import Windows, windows
from accel.layout import span
from accel.numerics import KC
from accel.scalar import Program

from . import build, convolution_each
from .matmul import PACK_EACH
from .matmul_tiles import Panels, panels_of, width_of

ITEMS = 64
"""Work-items of a work-group: neighbouring places."""

ROWS = 4
"""Outputs that a work-item makes of its place."""

TOTALS = 384
"""Outputs of a work-item on CPU devices, at most: the sums of each place that it keeps in private memory."""

SHARES = 4
"""Work-items for each compute unit, below which the outputs of a place are shared out over several."""


def _terms(its: Windows) -> int:
    return prod(its.kernel) * its.channels


def _places(its: Windows) -> int:
    return its.batch * prod(its.places)


def definitions(call: Call, its: Windows) -> dict[str, object]:
    """What convolution.cl needs defined in either geometry."""
    reach = [b for x in (*call.inputs, *call.outputs) for b in span(x.shape, x.strides)]
    padded = [n * e for n, e in zip(its.lengths, its.spread, strict=True)]
    ends = [o * s + k * d for o, s, k, d in zip(its.places, its.stride, its.kernel, its.dilation, strict=True)]
    return {
        **build.index_types(*reach, *its.numbers, *padded, *ends, _places(its), _terms(its)),
        "T": build.STORAGE[call.inputs[0].dtype.name],
        "OUT": build.STORAGE[call.outputs[0].dtype.name],
        "EXTRAS(X)": " ".join(f"X({i}, {build.STORAGE[d]})" for i, d in enumerate(_epilogue(call).inputs[1:])),
        "EXTRA_COUNT": max(1, len(its.extras)),
        "EPILOGUE(sum, extras)": "epilogue(sum extras)",
        "KC": KC,
        "BIAS": int(bool(its.bias)),
    }


def _epilogue(call: Call) -> Program:
    dtype = call.inputs[0].dtype.name
    return call.params.epilogue or build.cast(dtype, dtype)


def _supports(call: Call) -> str | None:
    device, epilogue = build.device_of(call), call.params.epilogue
    if epilogue is not None and build.uses_fp64(epilogue) and (reason := device.missing("float64")):
        return reason
    nbytes = 8 * (4 + 7 * 3 + 3 * 6 + 2 + 6 * max(1, call.params.extras) + 1) + 16 * (len(call.inputs) + 2)
    if nbytes > build.ARGUMENT_BYTES:
        return f"{len(call.inputs)} operands need {nbytes} bytes of arguments"
    return device.inexact(call.settings)


def _source(call: Call, files: tuple[str, ...], more: dict[str, object], correctly_rounded: bool) -> str:
    return build.assemble(
        files,
        {**definitions(call, windows(call)), **more},
        build.function(_epilogue(call), "epilogue"),
        fp64=call.inputs[0].dtype.name == "float64" or build.uses_fp64(_epilogue(call)),
        correctly_rounded=correctly_rounded,
    )


def source(call: Call, correctly_rounded: bool) -> str:
    """The whole OpenCL C in the lanes geometry."""
    more = {"LANES": 1, "ITEMS": ITEMS, "ROWS": min(ROWS, windows(call).outputs)}
    return _source(call, ("convolution",), more, correctly_rounded)


def panel_source(call: Call, p: Panels, pack: bool, correctly_rounded: bool) -> str:
    """The whole OpenCL C of `pack`, or of `convolve`, in the loops geometry."""
    more = {
        "LANES": 0,
        "PACK": int(pack),
        "ROWS": p.rows,
        "VECTORS": p.vectors,
        "VECTOR": p.vector,
        "PANELS": max(1, TOTALS // p.rows),
        "SPREAD": int(set(windows(call).spread) != {1}),
        "LANE_NUMBERS": ", ".join(map(str, range(p.vector))),
        "MASK": "int" if call.inputs[0].dtype.itemsize == 4 else "long",
    }
    return _source(call, ("convolution", "vectors", "convolution_loops"), more, correctly_rounded)


def _fields(call: Call, its: Windows, panels: int) -> np.ndarray:
    """Geometry of convolution.cl."""
    return build.pack(definitions(call, its), *its.numbers, *its.x, *its.weight, *its.out, *(its.bias or (0, 0)),
                      *(step for extra in its.extras or ((0,) * 6,) for step in extra), panels)  # fmt: skip


def _prepare(call: Call) -> Prepared:
    device, its = build.device_of(call), windows(call)
    if device.geometry == "lanes":
        return _lanes(call, its)
    vector = width_of(call.inputs[0].dtype.itemsize, device.vector)
    wanted = SHARES * device.details["compute units"]
    each = convolution_each.tiling(its, call.inputs[0].dtype.itemsize, vector, wanted)
    return _loops(call, its) if each is None else _each(call, its, each, vector)


def _each(call: Call, its: Windows, t: convolution_each.Tiling, vector: int) -> Prepared:
    device, dtype = build.device_of(call), call.inputs[0].dtype
    more = {"LANES": 0, **convolution_each.definitions(its, dtype.itemsize, vector)}
    code = _source(call, ("convolution", "vectors", "convolution_each"), more, device.correctly_rounded)
    kernel = device.kernel("kernels/opencl/convolution_each.cl", code, "convolve")
    *inputs, out = slots(call)
    operands = (out, *inputs)
    tiled = build.pack(definitions(call, its), *astuple(t))
    build.set_numbers(device, kernel, 2 * len(operands), _fields(call, its, 0), tiled)
    size = (its.places[0] * t.bands * t.segments, -(-its.groups // t.groups), its.batch)
    work = _places(its) * its.groups * its.outputs * _terms(its)
    return Prepared((build.launch(device, kernel, operands, size, (1, 1, 1), work=work),))


def _lanes(call: Call, its: Windows) -> Prepared:
    device = build.device_of(call)
    kernel = device.kernel("kernels/opencl/convolution.cl", source(call, device.correctly_rounded), "convolve")
    *inputs, out = slots(call)
    operands = (out, *inputs)
    build.set_numbers(device, kernel, 2 * len(operands), _fields(call, its, 0))
    rows = -(-its.outputs // min(ROWS, its.outputs))
    size = (-(-_places(its) // ITEMS) * ITEMS, rows, its.groups)
    return Prepared((build.launch(device, kernel, operands, size, (ITEMS, 1, 1)),))


def _loops(call: Call, its: Windows) -> Prepared:
    device, terms, itemsize = build.device_of(call), _terms(its), call.inputs[0].dtype.itemsize
    p = panels_of(its.outputs, _places(its), itemsize, device.vector)
    panels, chunks, tiles = -(-its.outputs // p.rows), -(-terms // KC), -(-_places(its) // p.columns)
    shares = -(-SHARES * device.details["compute units"] // (tiles * its.groups))
    of_one = max(1, min(TOTALS // p.rows, -(-panels // shares)))
    fields, launches = _fields(call, its, of_one), []
    packed, wild = Slot("scratch", 0), Slot("scratch", 1)
    x, weight, *others, out = slots(call)

    def kernel(name: str) -> Any:
        code = panel_source(call, p, name == "pack", device.correctly_rounded)
        return device.kernel("kernels/opencl/convolution_loops.cl", code, name)

    if terms:
        pack, work = kernel("pack"), PACK_EACH * its.groups * its.outputs * terms
        build.set_numbers(device, pack, 6, fields)
        size = (chunks, panels, its.groups)
        launches.append(build.launch(device, pack, (packed, wild, weight), size, (1, 1, 1), (itemsize, 4, 1), work))
    convolve, operands = kernel("convolve"), (out, x, packed, wild, *others)
    build.set_numbers(device, convolve, 2 * len(operands), fields)
    size = (tiles, -(-panels // of_one), its.groups)
    units = (1, 1, itemsize, 4, *(1 for _ in others))
    work = _places(its) * its.groups * its.outputs * max(1, terms)
    launches.append(build.launch(device, convolve, operands, size, (1, 1, 1), units, work))
    number = its.groups * panels
    return Prepared(tuple(launches), (number * terms * p.rows * itemsize, number * chunks * 4))


KERNELS = (Kernel("convolution", "opencl.convolution", "opencl/convolution.cl", _supports, _prepare),)
