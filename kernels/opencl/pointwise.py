"""Scalar programs over strided, broadcast operands: one kernel per program, rank and kind of walk; lengths and
strides are arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from accel.backends.base import Call, Kernel, Prepared, slots
from accel.layout import Shape, broadcast_strides, collapse, span
from accel.scalar import Program

from . import build

RANKS = (1, 2, 3, 4, 6, 8)
"""Ranks that kernels are compiled for; others are filled up with leading axes of length 1."""

WORK = 16384
"""Elements that a work-item of a CPU device takes, so that starting it costs little."""


@dataclass(frozen=True)
class Walk:
    """The geometry of one launch. shape: collapsed, last axis innermost. strides: of each output, then of each
    input. shared: whether a kernel is given equal strides once, which another call of the program need not have."""

    shape: Shape
    strides: tuple[Shape, ...]
    shared: bool = False

    @property
    def steps(self) -> tuple[str, ...]:
        """How each output, then each input, walks the last axis."""
        return tuple({1: "UNIT", 0: "SAME"}.get(s[-1], "STRIDED") for s in self.strides)

    @property
    def distinct(self) -> tuple[Shape, ...]:
        """The strides that a kernel is given."""
        return tuple(dict.fromkeys(self.strides)) if self.shared else self.strides

    @property
    def types(self) -> dict[str, str]:
        """The integers that hold offsets and lengths."""
        reach = (end for s in self.strides for end in span(self.shape, s))
        return build.index_types(prod(self.shape), *reach)

    @property
    def nbytes(self) -> int:
        """Of a kernel's arguments."""
        size = 8 if self.types["INDEX"] == "long" else 4
        return size * len(self.shape) * (1 + len(self.distinct)) + 16 * len(self.strides) + 32


def walk(shape: Shape, strides: Sequence[Shape]) -> Walk:
    """The elements of operands (the outputs' strides first) with as few axes as possible, in the order of the first
    output's memory (elements may be computed in any order). shape has no 0."""
    order = sorted(range(len(shape)), key=lambda a: -abs(strides[0][a]))
    lengths, steps = collapse(tuple(shape[a] for a in order), [tuple(s[a] for a in order) for s in strides])
    rank = next((r for r in RANKS if r >= len(lengths)), len(lengths))
    fill = rank - len(lengths)
    steps = [(0,) * fill + s for s in steps]
    if not lengths:  # one element: whatever the walk, and UNIT is what other calls compile
        steps = [(0,) * (rank - 1) + (1,)] * len(strides)
    its = Walk((1,) * fill + lengths, tuple(steps))
    return replace(its, shared=its.nbytes > build.ARGUMENT_BYTES)


def definitions(program: Program, its_walk: Walk, geometry: str, packs_items: bool) -> dict[str, object]:
    """What pointwise.cl needs defined.

    packs_items: a CPU device whose compiler makes SIMD code of neighbouring work-items, and of loops only where they
    are simple: there the lanes geometry serves too, except that gathered elements take ten times longer than in a loop.
    """
    outputs, count = program.outputs, len(program.outputs)
    distinct = its_walk.distinct
    numbers = [distinct.index(s) for s in its_walk.strides] if its_walk.shared else range(len(distinct))
    described = [
        f"{build.STORAGE[dtype]}, {step}, {number}"
        for dtype, step, number in zip((*outputs, *program.inputs), its_walk.steps, numbers, strict=True)
    ]
    results, operands = described[:count], described[count:]
    lanes = geometry == "lanes" or (packs_items and "STRIDED" not in its_walk.steps)
    local_x, local_y = local_size(its_walk.shape, geometry)
    return {
        **its_walk.types,
        "RANK": len(its_walk.shape),
        "WALKS": len(distinct),
        "RESULTS(X)": " ".join(f"X({i}, {its})" for i, its in enumerate(results)),
        "OPERANDS(X)": " ".join(f"X({i}, {its})" for i, its in enumerate(operands)),
        "VALUES": ", ".join(
            [*(f"VALUE({i}, {its})" for i, its in enumerate(operands)), *(f"&r{i}" for i in range(count))]
        ),
        "LANES": int(lanes),
        **({"LOCAL_X": local_x, "LOCAL_Y": local_y, "EACH": each(its_walk.shape, geometry)} if lanes else {}),
    }


def local_size(shape: Shape, geometry: str) -> tuple[int, int]:
    """Work-group size along the last axis and along the rows. On a CPU device each group is a task of a thread, which
    starts anew with each of its rows: groups are long, and have as few rows as an axis allows."""
    rows, sizes, items = prod(shape[:-1]), (4, 16, 64, 256), 256
    if geometry != "lanes":
        sizes, items = (4, 16, 64, 256, 512, 1024, 2048), 1024
    if rows == 1:
        return items, 1
    along = next((s for s in sizes if shape[-1] <= s), sizes[-1])
    return along, max(1, items // along)


def each(shape: Shape, geometry: str) -> int:
    """Elements of one work-item: several on a GPU where the last axis is long."""
    return 4 if geometry == "lanes" and shape[-1] >= 4096 else 1


def source(program: Program, its_walk: Walk, geometry: str, packs_items: bool, correctly_rounded: bool) -> str:
    """The whole OpenCL C of a call."""
    return build.assemble(
        ("pointwise",),
        definitions(program, its_walk, geometry, packs_items),
        build.procedure(program, "program"),
        fp64=build.uses_fp64(program) or "float64" in (*program.inputs, *program.outputs),
        correctly_rounded=correctly_rounded,
    )


def _walk_of(call: Call) -> Walk:
    shape = call.outputs[0].shape
    return walk(shape, [*(x.strides for x in call.outputs), *(broadcast_strides(x, shape) for x in call.inputs)])


def _supports(call: Call) -> str | None:
    program, device = call.params, build.device_of(call)
    dtypes = program.value_dtypes()
    if (build.uses_fp64(program) or "float64" in dtypes) and (reason := device.missing("float64")):
        return reason
    floats = program.steps and any("float" in d for d in dtypes)
    if floats and (reason := device.inexact(call.settings)):
        return reason
    its_walk = _walk_of(call)
    if its_walk.nbytes > build.ARGUMENT_BYTES:
        return (
            f"{len(its_walk.strides)} operands of {len(its_walk.shape)} axes need {its_walk.nbytes} bytes of arguments"
        )
    return None


def _prepare(call: Call) -> Prepared:
    device, program, its_walk = build.device_of(call), call.params, _walk_of(call)
    geometry, packs = device.geometry, device.packs_items
    code = source(program, its_walk, geometry, packs, device.correctly_rounded)
    kernel = device.kernel("kernels/opencl/pointwise.cl", code, "pointwise")
    defined = definitions(program, its_walk, geometry, packs)
    rows, columns = prod(its_walk.shape[:-1]), its_walk.shape[-1]
    fields = build.pack(defined, *its_walk.shape, *(step for s in its_walk.distinct for step in s))
    arrays = len(call.outputs) + len(program.inputs)
    if defined["LANES"]:
        local = (defined["LOCAL_X"], defined["LOCAL_Y"])
        size = (_multiple(-(-columns // defined["EACH"]), local[0]), _multiple(rows, local[1]))
        build.set_numbers(device, kernel, 2 * arrays, fields, rows)
    else:
        columns_each = min(columns, WORK)
        rows_each = max(1, WORK // columns_each)
        local, size = (1, 1), (-(-columns // columns_each), -(-rows // rows_each))
        build.set_numbers(device, kernel, 2 * arrays, fields, rows, rows_each, columns_each)
    its = slots(call)
    n = len(call.inputs)
    moved = sum(view.dtype.itemsize for view in (*call.inputs, *call.outputs) if any(view.strides)) / 4
    work = prod(its_walk.shape) * (moved + build.operations(program) / device.vector)
    return Prepared((build.launch(device, kernel, (*its[n:], *its[:n]), size, local, work=work),))


def _multiple(n: int, of: int) -> int:
    return -(-n // of) * of


KERNELS = (Kernel("pointwise", "opencl.pointwise", "opencl/pointwise.cl", _supports, _prepare),)
