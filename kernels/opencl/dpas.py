"""Matrix products on the matrix units of Intel's GPUs, whose instruction is dpas: 8-bit integers, which are exact, in
every mode; 16-bit floats where the mode leaves the order of their additions open.

Operands are packed into panels at each call, but for matrices that the device reads as they lie, by block reads of two
axes (cl_intel_subgroup_2d_block_io).

The built-ins of cl_intel_subgroup_matrix_multiply_accumulate are declared here, as compilers have them without always
declaring them (Debian 12's). No Intel GPU has run this: the tests read what ocloc compiles, and run the kernels on a
CPU device with the built-ins written out in OpenCL C. The extension's text says nothing of rounding or of subnormal
operands: on a GPU `accel conform` shows whether the bound holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import prod

from accel._core import FloatEnvironment
from accel.array import Array
from accel.backends.base import Call, Kernel, Launch, Prepared, Slot, slots
from accel.dtypes import DType
from accel.layout import Shape
from accel.numerics import KC

from . import build, dpas_reads, matmul, matmul_tiles
from .dpas_reads import LINE, PACKED, ROWS, steps_of

SHORT = {"float16": "f16", "bfloat16": "bf16", "int8": "i8", "uint8": "u8"}
"""Operands of the built-ins, by their names in these."""

GROUP = (2, 4)
"""Sub-groups of a work-group, along the rows and along the columns: they share what they read by the cache."""

LARGE_REGISTERS = "-cl-intel-256-GRF-per-thread"
"""Twice the registers for half the threads."""


@dataclass(frozen=True)
class Tiles:
    """What a sub-group makes: a x b tiles of ROWS x lanes. options: of the compiler."""

    a: int
    b: int
    options: tuple[str, ...] = ()

    def local_bytes(self, lanes: int) -> int:
        """The totals of a work-group."""
        return 4 * ROWS * self.a * self.b * lanes * prod(GROUP)


LARGE, SMALL = Tiles(4, 4, (LARGE_REGISTERS,)), Tiles(2, 2)
"""16 tiles of totals and 8 of operands take 192 of 256 registers; 4 and 4 take 64 of 128."""


@dataclass(frozen=True)
class Panels:
    """An operand as `pack` leaves it. left: whether it is a, whose tiles have a row's words side by side. width: of a
    tile. strides: of batch axes, along the width, along k. lengths, steps: of the batch axes along which matrices
    differ; skip: per batch axis, how many packed matrices one step skips."""

    left: bool
    tiles: int
    width: int
    length: int
    strides: Shape
    lengths: Shape
    steps: Shape
    skip: Shape

    @property
    def count(self) -> int:
        return -(-self.length // (self.tiles * self.width))

    def words(self, depth: int) -> int:
        """Words of 32 bits of all panels, of so many tiles along k."""
        return prod(self.lengths) * self.count * depth * self.tiles * self.width * ROWS


def choose(its: matmul_tiles.Problem, lanes: int, units: int) -> Tiles:
    """The larger tiles where they give each compute unit (of Intel's: a thread's vector engine) a sub-group."""
    made = -(-its.m // (LARGE.a * ROWS)) * -(-its.n // (LARGE.b * lanes)) * prod(its.batch)
    return LARGE if made >= units else SMALL


def panels(its: matmul_tiles.Problem, lanes: int, tiles: Tiles) -> tuple[Panels, Panels]:
    """Both operands, packed."""
    a = (*its.a[:-2], its.a[-2], its.a[-1])
    b = (*its.b[:-2], its.b[-1], its.b[-2])
    return (
        Panels(True, tiles.a, ROWS, its.m, a, *matmul.packed_batch(its.batch, a[:-2])),
        Panels(False, tiles.b, lanes, its.n, b, *matmul.packed_batch(its.batch, b[:-2])),
    )


def builtin(operand: DType) -> str:
    """The name of the built-in."""
    return f"intel_sub_group_{SHORT[operand.name]}_{SHORT[operand.name]}_matrix_mad_k{steps_of(operand)}"


def types(operand: DType, lanes: int) -> tuple[str, str, str]:
    """Of the built-in's arguments: eight rows of a, of which a lane has a word or half a word each, its column of b,
    and its column of totals."""
    unsigned = "u" if operand.kind == "u" else ""
    return (
        f"{unsigned}{'int' if lanes == 8 else 'short'}8",
        f"{unsigned}int8",
        "float8" if operand.kind == "f" else "int8",
    )


def declaration(operand: DType, lanes: int) -> str:
    """The built-in's prototype; where the compiler has declared it, this says the same again."""
    left, right, total = types(operand, lanes)
    return f"{total} __attribute__((overloadable)) {builtin(operand)}({left} a, {right} b, {total} c);\n"


def pack_source(how: matmul.Arithmetic, its: Panels, wide: dict[str, str], correctly_rounded: bool) -> str:
    """OpenCL C of `pack` for one operand."""
    defined = {
        **wide,
        **how.definitions,
        "BATCH": len(its.lengths),
        "DPAS": 1,
        "PACK": 1,
        "STEPS": steps_of(how.operand),
        "PART": dpas_reads.part_of(how.operand),
        "WIDTH": its.width,
        "TILES": its.tiles,
        "OF_A": int(its.left),
    }
    return _source(how, defined, "", correctly_rounded)


def source(
    how: matmul.Arithmetic,
    its: matmul_tiles.Problem,
    tiles: Tiles,
    lanes: int,
    wide: dict[str, str],
    rounded: bool,
    forms: tuple[str, str] = (PACKED, PACKED),
    multiple: int = 1,
) -> str:
    """OpenCL C of `multiply`. rounded: see `build.assemble`. forms: where tiles of a and b come from. multiple: of
    tiles along k, that there are."""
    left, right, total = types(how.operand, lanes)
    steps, at_once = steps_of(how.operand), dpas_reads.together(forms[0])
    defined = {
        **wide,
        **how.definitions,
        "BATCH": len(its.batch),
        "OUT_COLUMN": "column" if its.out[-1] == 1 else "column * g.out[BATCH + 1]",
        "DPAS": 1,
        "PACK": 0,
        "SUB_GROUP": lanes,
        "DEPTH": KC // steps if how.operand.kind == "f" else 0,
        "STEPS": steps,
        "PART": dpas_reads.part_of(how.operand),
        "TILES_A": tiles.a,
        "TILES_B": tiles.b,
        "TOGETHER": at_once,
        "MULTIPLE": multiple,
        "GROUP_A": GROUP[0],
        "GROUP_B": GROUP[1],
        "LEFT": left,
        "RIGHT": right,
        "TOTAL": total,
        **dpas_reads.of_a(forms[0], how.operand, left, lanes),
        **dpas_reads.of_b(forms[1], how.operand, right),
        "MULTIPLY": builtin(how.operand),
    }
    declared = declaration(how.operand, lanes) + dpas_reads.declarations(forms, how.operand)
    return _source(how, defined, declared, rounded)


def _source(how: matmul.Arithmetic, defined: dict[str, object], declared: str, rounded: bool) -> str:
    functions = how.functions + declared
    return build.assemble(("matmul", "dpas"), defined, functions, fp64=how.fp64, correctly_rounded=rounded)


def _problem(call: Call) -> tuple[matmul.Arithmetic, matmul_tiles.Problem]:
    (a, b, *extras), (out,) = call.inputs, call.outputs
    how = matmul.arithmetic(a.dtype, out.dtype, call.params.epilogue)
    strides = [a.strides, b.strides, out.strides, *(x.strides for x in extras)]
    return how, matmul_tiles.problem(out.shape, a.shape[-1], strides)


def _tiles(call: Call, its: matmul_tiles.Problem, lanes: int) -> Tiles | None:
    device = build.device_of(call)
    chosen = choose(its, lanes, device.details["compute units"])
    fitting = (t for t in (chosen, SMALL) if t.local_bytes(lanes) <= device.cl_device.local_mem_size)
    return next(fitting, None)


def _supports(call: Call) -> str | None:
    device, operand = build.device_of(call), call.inputs[0].dtype
    lanes = device.matrix_lanes
    if lanes is None:
        return "the device has no cl_intel_subgroup_matrix_multiply_accumulate"
    if operand.name not in SHORT:
        return f"the matrix units multiply {', '.join(SHORT)}, not {operand}"
    if operand.kind == "f" and call.settings.numerics == "reproducible":
        return "the matrix units add in an order of their own (ACCEL_NUMERICS=reproducible)"
    how, its = _problem(call)
    if how.itemsize != 4:
        return "the matrix units add integers modulo 2^32"
    if min(its.m, its.n) <= matmul_tiles.FEW:
        return f"packing operands costs more than {min(its.m, its.n)} rows or columns gain"
    if _tiles(call, its, lanes) is None:
        return "the device's local memory is too small"
    return matmul.KERNELS[0].supports(call)


NAME = "kernels/opencl/dpas.cl"


def _prepare(call: Call) -> Prepared:
    device, (how, its) = build.device_of(call), _problem(call)
    lanes, rounded = device.matrix_lanes, device.correctly_rounded
    assert lanes is not None  # _supports refuses otherwise
    tiles = _tiles(call, its, lanes)
    assert tiles is not None
    forms = dpas_reads.forms(its, how.operand) if device.reads_blocks else (PACKED, PACKED)
    multiple, both = dpas_reads.together(forms[0]), panels(its, lanes, tiles)
    depth = -(-its.k // (steps_of(how.operand) * multiple)) * multiple
    packed = {i: p for i, p in enumerate(both) if forms[i] == PACKED}
    wide = build.index_types(*its.reach, sum(p.words(depth) for p in packed.values()))
    launches = []
    a, b, *extras, out = slots(call)
    operands, units, strides = [out, a, b, *extras], [1] * (3 + len(extras)), [its.a, its.b]
    for number, (i, p) in enumerate(packed.items()):
        operands[1 + i], units[1 + i], strides[i] = Slot("scratch", number), 4, (*p.skip, 0, 0)
        if its.k:
            kernel = device.kernel(NAME, pack_source(how, p, wide, rounded), "pack")
            fields = build.pack(wide, *p.lengths, *p.steps, *p.strides[-2:], p.length, its.k)
            build.set_numbers(device, kernel, 4, fields)
            items = p.width * ROWS
            size = (depth * p.tiles * items, p.count, prod(p.lengths))
            ends = (operands[1 + i], Slot("input", i))
            launches.append(build.launch(device, kernel, ends, size, (items, 1, 1), (4, 1)))

    def multiply(forms: tuple[str, str]) -> Launch:
        text = source(how, its, tiles, lanes, wide, rounded, forms, multiple)
        kernel = device.kernel(NAME, text, "multiply", tiles.options)
        fields = build.pack(wide, *matmul.geometry_fields(its, *strides))
        build.set_numbers(device, kernel, 2 * len(operands), fields)
        items = lanes * prod(GROUP)
        size = (-(-both[1].count // GROUP[1]) * items, -(-both[0].count // GROUP[0]), prod(its.batch))
        return build.launch(device, kernel, tuple(operands), size, (items, 1, 1), units)

    launch = multiply(forms)
    if len(packed) < 2:
        anywhere = tuple(PACKED if i in packed else dpas_reads.ELEMENTS for i in range(2))
        read = [1 + i for i in range(2) if i not in packed]
        launch = _where_it_begins(call, launch, read, lambda: multiply(anywhere))
    return Prepared((*launches, launch), tuple(4 * p.words(depth) for p in packed.values()))


def _where_it_begins(call: Call, launch: Launch, read: Sequence[int], anywhere: Callable[[], Launch]) -> Launch:
    """A launch that is the given one where all operands that it reads by block reads begin at multiples of LINE, and
    else the other, which is compiled when it is first needed. A layout does not say where its array begins; buffers
    begin at multiples of more, if not made of the host's memory (see `Device.place`)."""
    device, size = build.device_of(call), call.inputs[0].dtype.itemsize
    other = cache(anywhere)

    def run(arrays: Sequence[Array]) -> None:
        if all((device.place(x.buffer)[1] + x.offset * size) % LINE == 0 for x in map(arrays.__getitem__, read)):
            launch.run(arrays)
            return
        with FloatEnvironment():  # a compiler may leave another one
            found = other()
        found.run(arrays)

    return replace(launch, run=run)


KERNELS = (Kernel("matmul", "opencl.dpas", "opencl/dpas.cl", _supports, _prepare),)
