"""Matrix products: register tiles on CPUs, of panels packed on the device or of operands as they lie; tiles in local
memory on GPUs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple
from math import prod

from accel import tuning
from accel.backends.base import Call, Choice, Kernel, Prepared, Slot, Tunable, slots
from accel.layout import Shape, row_major
from accel.numerics import KC

from . import build
from .matmul_sources import (
    Arithmetic,
    arithmetic,
    direct_source,
    geometry_fields,
    pack_source,
    panel_source,
    stripe_source,
    tile_source,
)
from .matmul_tiles import (
    AS_THEY_LIE,
    B_PACKED,
    BOTH_PACKED,
    Panels,
    Problem,
    Tile,
    direct,
    direct_panels,
    few,
    fitting_tiles,
    panels,
    problem,
    reads_well,
    register_tiles,
    stripes,
    tile,
    width_of,
)


def _supports(call: Call) -> str | None:
    device, (a, *_), (out,) = build.device_of(call), call.inputs, call.outputs
    epilogue = call.params.epilogue
    floats = a.dtype.kind == "f" or (epilogue and any("float" in d for d in epilogue.value_dtypes()))
    if floats and (reason := device.inexact(call.settings)):
        return reason
    how = arithmetic(a.dtype, out.dtype, epilogue)
    if how.fp64 and (reason := device.missing("float64")):
        return reason
    its = _problem_of(call)
    nbytes = 8 * (len(its.batch) + 2) * (4 + max(1, len(its.extras))) + 16 * (3 + len(its.extras))
    if nbytes > build.ARGUMENT_BYTES:
        return f"{len(call.inputs)} operands with {len(its.batch)} batch axes need {nbytes} bytes of arguments"
    if device.geometry == "lanes" and _tile_of(call, how, its) is None:
        return "the device's work-groups or its local memory are too small for any tile"
    return None


def _problem_of(call: Call) -> Problem:
    """In the loops geometry the transpose where that has vectors of columns, and the product none."""
    (a, b, *extras), (out,), device = call.inputs, call.outputs, build.device_of(call)
    its = problem(out.shape, a.shape[-1], [a.strides, b.strides, out.strides, *(x.strides for x in extras)])
    narrow = its.n < width_of(_arithmetic_of(call).itemsize, device.vector) <= its.m
    return its.transpose if narrow and device.geometry == "loops" else its


def _tile_of(call: Call, how: Arithmetic, its: Problem) -> Tile | None:
    device = build.device_of(call).cl_device
    return tile(its, how.itemsize, device.max_work_group_size, device.local_mem_size)


def _arithmetic_of(call: Call) -> Arithmetic:
    return arithmetic(call.inputs[0].dtype, call.outputs[0].dtype, call.params.epilogue)


def _shape(call: Call) -> tuple[str, tuple[int, ...]]:
    words, lengths = tuning.product(call)
    return f"{build.device_of(call).geometry} {words}", lengths


def _default(call: Call) -> Choice:
    device, how, its = build.device_of(call), _arithmetic_of(call), _problem_of(call)
    if device.geometry == "lanes":
        t = _tile_of(call, how, its)
        assert t is not None  # _supports refuses otherwise
        return astuple(t)
    if few(its, how.operand, device.vector):
        return IN_STRIPES
    units = device.details["compute units"]
    if p := direct(its, how.operand, how.itemsize, device.vector, units):
        return AS_THEY_LIE, p.rows, p.vectors
    if reads_well(its, how.operand, device.vector):
        p = direct_panels(its.m, its.n, width_of(how.itemsize, device.vector), device.vector, units, prod(its.batch))
        return B_PACKED, p.rows, p.vectors
    p = panels(its, how.itemsize, device.vector)
    return BOTH_PACKED, p.rows, p.vectors


def _choices(call: Call) -> tuple[Choice, ...]:
    device, how, its = build.device_of(call), _arithmetic_of(call), _problem_of(call)
    if device.geometry == "loops":
        found: Iterable[Choice] = register_tiles(its, how.operand, how.itemsize, device.vector)
    else:
        its_device = device.cl_device
        fitting = fitting_tiles(how.itemsize, its_device.max_work_group_size, its_device.local_mem_size)
        found = map(astuple, fitting)
    return tuple(dict.fromkeys((_default(call), *found)))


def _prepared(call: Call, choice: Choice) -> Prepared:
    device, how, its = build.device_of(call), _arithmetic_of(call), _problem_of(call)
    if device.geometry == "lanes":
        return _lanes(call, how, its, Tile(*choice))
    if choice == IN_STRIPES:
        return _striped(call, how, its)
    packed, rows, vectors = choice
    p = Panels(rows, vectors, width_of(how.itemsize, device.vector))
    return _direct(call, how, its, p) if packed == AS_THEY_LIE else _packed(call, how, its, p, packed == B_PACKED)


def _prepare(call: Call) -> Prepared:
    return _prepared(call, tuning.choice(ROW, call))


NAME = "kernels/opencl/matmul.cl"

IN_STRIPES: Choice = (0, 0, 0)
"""The choice of matmul_few.cl, whose tiles follow from the shape."""

PACK_EACH = 4
"""Work of an element that is packed, as `build.launch` counts it."""


def work_of(its: Problem) -> float:
    """A product's work, as `build.launch` counts it."""
    return prod(its.batch) * its.m * its.n * max(1, its.k)


def _lanes(call: Call, how: Arithmetic, its: Problem, t: Tile) -> Prepared:
    device = build.device_of(call)
    code = tile_source(how, its, t, device.correctly_rounded, device.sub_group)
    kernel = device.kernel(NAME, code, "multiply")
    arrays = 3 + len(its.extras)
    fields = build.pack(build.index_types(*its.reach), *geometry_fields(its, its.a, its.b))
    build.set_numbers(device, kernel, 2 * arrays, fields)
    local = (t.n // t.micro_n, t.m // t.micro_m, 1)
    size = (-(-its.n // t.n) * local[0], -(-its.m // t.m) * local[1], prod(its.batch))
    *inputs, out = slots(call)
    return Prepared((build.launch(device, kernel, (out, *inputs), size, local, work=work_of(its)),))


def packed_batch(batch: Shape, strides: Shape) -> tuple[Shape, Shape, Shape]:
    """(lengths, strides) of the batch axes along which an operand's matrices differ, and per batch axis how many
    packed matrices one step skips: 0 where the operand is repeated."""
    kept = [i for i, s in enumerate(strides) if s != 0 and batch[i] > 1]
    lengths = tuple(batch[i] for i in kept)
    skips = dict(zip(kept, row_major(lengths), strict=True))
    return lengths or (1,), tuple(strides[i] for i in kept) or (0,), tuple(skips.get(i, 0) for i in range(len(batch)))


def _slots(call: Call, its: Problem) -> tuple[Slot, Slot, tuple[Slot, ...], Slot]:
    """Of a, b, what the epilogue takes further, and the output."""
    a, b, *extras, out = slots(call)
    return (b, a, tuple(extras), out) if its.turned else (a, b, tuple(extras), out)


def _packed(call: Call, how: Arithmetic, its: Problem, p: Panels, b_only: bool) -> Prepared:
    device = build.device_of(call)
    rounded, obtain = device.correctly_rounded, device.kernel
    wide = build.index_types(*its.reach)
    a, b, extras, out = _slots(call, its)
    packs = [(b, (*its.b[:-2], its.b[-1], its.b[-2]), its.n, p.columns)]
    if not b_only:
        packs.insert(0, (a, its.a, its.m, p.rows))
    launches, skips, scratch, panels_of = [], [], [], []
    for number, (operand, strides, length, width) in enumerate(packs):
        lengths, steps, skip = packed_batch(its.batch, strides[:-2])
        turns = strides[-1] == 1 and width % p.vector == 0 and how.operand.name != "float16"
        kernel = obtain(NAME, pack_source(how, width, p.vector if turns else 1, len(lengths), wide, rounded), "pack")
        fields = build.pack(wide, *lengths, *steps, *strides[-2:], length, its.k)
        build.set_numbers(device, kernel, 4, fields)
        size = (-(-its.k // KC), -(-length // width), prod(lengths))
        panels_of.append(Slot("scratch", number))
        if its.k:
            packed = PACK_EACH * its.k * length * prod(lengths)
            ends = (panels_of[-1], operand)
            launches.append(build.launch(device, kernel, ends, size, (1, 1, 1), (how.itemsize, 1), packed))
        scratch.append(size[1] * size[2] * its.k * width * how.itemsize)
        skips.append((*skip, 0, 0))
    if b_only:
        code = direct_source(how, its, p, rounded, b_packed=True)
        left, its_a, unit = a, its.a, 1
    else:
        code = panel_source(how, its, p, wide, rounded)
        left, its_a, unit = panels_of[0], skips[0], how.itemsize
    multiply = obtain(NAME, code, "multiply")
    operands = (out, left, panels_of[-1], *extras)
    build.set_numbers(device, multiply, 2 * len(operands), build.pack(wide, *geometry_fields(its, its_a, skips[-1])))
    size = (-(-its.m // p.rows), -(-its.n // p.columns), prod(its.batch))
    units = (1, unit, how.itemsize, *(1 for _ in extras))
    launches.append(build.launch(device, multiply, operands, size, (1, 1, 1), units, work_of(its)))
    return Prepared(tuple(launches), tuple(scratch))


def _direct(call: Call, how: Arithmetic, its: Problem, p: Panels) -> Prepared:
    device = build.device_of(call)
    kernel = device.kernel(NAME, direct_source(how, its, p, device.correctly_rounded), "multiply")
    fields = build.pack(build.index_types(*its.reach), *geometry_fields(its, its.a, its.b))
    build.set_numbers(device, kernel, 2 * (3 + len(its.extras)), fields)
    a, b, extras, out = _slots(call, its)
    size = (-(-its.m // p.rows), -(-its.n // p.columns), prod(its.batch))
    return Prepared((build.launch(device, kernel, (out, a, b, *extras), size, (1, 1, 1), work=work_of(its)),))


def _striped(call: Call, how: Arithmetic, its: Problem) -> Prepared:
    device = build.device_of(call)
    s = stripes(its, how.itemsize, device.vector, device.details["compute units"])
    code = stripe_source(how, its, s, width_of(how.itemsize, device.vector), device.correctly_rounded)
    kernel = device.kernel("kernels/opencl/matmul_few.cl", code, "multiply")
    fields = build.pack(build.index_types(*its.reach), *geometry_fields(its, its.a, its.b))
    build.set_numbers(device, kernel, 2 * (3 + len(its.extras)), fields)
    a, b, extras, out = _slots(call, its)
    size = (-(-its.m // (s.rows * s.passes)), s.groups, prod(its.batch))
    return Prepared((build.launch(device, kernel, (out, a, b, *extras), size, (1, 1, 1), work=work_of(its)),))


NAMES = {"loops": ("packed", "rows", "vectors"), "lanes": ("m", "n", "k", "micro_m", "micro_n")}
"""What the numbers of a choice are, by geometry."""


def _names(call: Call) -> tuple[str, ...]:
    return NAMES[build.device_of(call).geometry]


ROW = Kernel(
    "matmul", "opencl.matmul", "opencl/matmul.cl", _supports, _prepare,
    Tunable(_names, _shape, _default, _choices, _prepared),
)  # fmt: skip
KERNELS = (ROW,)
