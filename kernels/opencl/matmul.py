"""Matrix products: register tiles on CPUs, of panels packed on the device or of operands as they lie; tiles in local
memory on GPUs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from math import prod

from accel import tuning
from accel.backends.base import Call, Choice, Kernel, Prepared, Slot, Tunable, slots
from accel.dtypes import TABLE, DType
from accel.layout import Shape, row_major
from accel.numerics import KC
from accel.scalar import Program

from . import build
from .matmul_tiles import (
    TURNED,
    Panels,
    Problem,
    Stripes,
    Tile,
    direct,
    few,
    fitting_tiles,
    panels,
    problem,
    register_tiles,
    stripes,
    tile,
    width_of,
)


@dataclass(frozen=True)
class Arithmetic:
    """Types and generated functions of a product. accumulator: the type; its dtype is what an epilogue takes first."""

    operand: DType
    output: DType
    accumulator: str
    itemsize: int
    functions: str
    definitions: dict[str, object]
    fp64: bool


def arithmetic(operand: DType, output: DType, epilogue: Program | None) -> Arithmetic:
    """How operands of a dtype are multiplied into an output dtype, with an epilogue (see
    `accel.ops.primitive.matmul.Product`)."""
    stored = build.STORAGE[operand.name]
    if operand.kind == "f":
        accumulated = TABLE[operand.accumulator]
        accumulator, size = build.STORAGE[accumulated.name], accumulated.itemsize
        load = build.function(build.cast(operand.name, accumulated.name), "load")
        multiply_add, convert = "fma(a, b, c)", ""
    else:
        accumulated = TABLE[epilogue.inputs[0]] if epilogue else output
        size = 8 if accumulated.itemsize == 8 else 4
        accumulator = {4: "uint", 8: "ulong"}[size]
        load = f"static inline {accumulator} load({stored} x) {{ return ({accumulator})x; }}\n"
        multiply_add, convert = "((a) * (b) + (c))", f"({build.STORAGE[accumulated.name]})"
    exact_float = operand.itemsize == 1 and size == 4  # 256 products of 8 bits are below 2^24
    program = epilogue or build.cast(accumulated.name, output.name)
    further = program.inputs[1:]
    definitions = {
        "IN": stored,
        "ACC": accumulator,
        "OUT": build.STORAGE[output.name],
        "MULTIPLY_ADD(a, b, c)": multiply_add,
        **_terms(accumulator, multiply_add, exact_float),
        "EXTRAS(X)": " ".join(f"X({i}, {build.STORAGE[d]})" for i, d in enumerate(further)),
        "EXTRA_COUNT": max(1, len(further)),
        "EPILOGUE(total, extras)": f"epilogue({convert}(total) extras)",
        "KC": KC,
    }
    fp64 = (size == 8 and operand.kind == "f") or build.uses_fp64(program)
    return Arithmetic(operand, output, accumulator, size, load + build.function(program, "epilogue"), definitions, fp64)


def _terms(accumulator: str, multiply_add: str, as_float: bool) -> dict[str, object]:
    """What matmul.cl computes a chunk in. as_float: of integers, instead of the accumulator's type."""
    return {
        "TERM": "float" if as_float else accumulator,
        "term(x)": "(float)(x)" if as_float else "load(x)",
        "TERM_ADD(a, b, c)": "fma(a, b, c)" if as_float else multiply_add,
        "SUM_OF(x)": f"JOIN(as_{accumulator}, VECTOR)(JOIN(convert_int, VECTOR)(x))" if as_float else "(x)",
    }


def _source(how: Arithmetic, definitions: dict[str, object], correctly_rounded: bool) -> str:
    return build.assemble(("matmul",), definitions, how.functions, fp64=how.fp64, correctly_rounded=correctly_rounded)


def tile_source(how: Arithmetic, its: Problem, t: Tile, correctly_rounded: bool, sub_group: int | None) -> str:
    """OpenCL C of `multiply` in the lanes geometry. sub_group: the sub-group size to ask for (see `Tile`)."""
    defined = {
        **build.index_types(*its.reach),
        **how.definitions,
        "BATCH": len(its.batch),
        "OUT_COLUMN": _out_column(its),
        "LANES": 1,
        "CHUNKED": int(its.k > KC),
        "TILE_M": t.m,
        "TILE_N": t.n,
        "TILE_K": t.k,
        "MICRO_M": t.micro_m,
        "MICRO_N": t.micro_n,
        **({"SUB_GROUP": sub_group} if sub_group else {}),
        "A_ALONG_K": int(abs(its.a[-1]) <= abs(its.a[-2])),
        "B_ALONG_K": int(abs(its.b[-2]) < abs(its.b[-1])),
        **dict(its.definitions),
    }
    return _source(how, defined, correctly_rounded)


def pack_source(how: Arithmetic, width: int, axes: int, wide: dict[str, str], correctly_rounded: bool) -> str:
    """OpenCL C of `pack` for panels of a width."""
    defined = {**wide, **how.definitions, "BATCH": axes, "LANES": 0, "PACK": 1, "WIDTH": width}
    return _source(how, defined, correctly_rounded)


def panel_source(how: Arithmetic, its: Problem, p: Panels, wide: dict[str, str], correctly_rounded: bool) -> str:
    """OpenCL C of `multiply` in the loops geometry."""
    defined = {
        **wide,
        **how.definitions,
        "BATCH": len(its.batch),
        "OUT_COLUMN": _out_column(its),
        "LANES": 0,
        "PACK": 0,
        "DIRECT": 0,
        "ROWS": p.rows,
        "VECTORS": p.vectors,
        "VECTOR": p.vector,
    }
    return _source(how, defined, correctly_rounded)


def _loaded(how: Arithmetic, vector: int) -> str:
    """LOAD_VECTOR(x), which widens a vector of operands."""
    if how.operand.name == "bfloat16":
        return f"as_float{vector}(convert_uint{vector}(x) << 16)"
    if how.operand.kind == "f":
        return "(x)"
    if how.definitions["TERM"] == "float":
        return f"convert_float{vector}(x)"
    signed = how.accumulator.removeprefix("u") if how.operand.kind == "i" else how.accumulator
    return f"as_{how.accumulator}{vector}(convert_{signed}{vector}(x))"


def stripe_source(how: Arithmetic, its: Problem, s: Stripes, vector: int, correctly_rounded: bool) -> str:
    """OpenCL C of `multiply` for few rows in stripes. vector: accumulators of a SIMD register."""
    defined = {
        **build.index_types(*its.reach),
        **how.definitions,
        "BATCH": len(its.batch),
        "OUT_COLUMN": _out_column(its),
        "STRIPES": 1,
        "B_ALONG_K": int(its.b[-1] != 1),
        "LOAD_VECTOR(x)": _loaded(how, vector),
        "VECTOR": vector,
        "WIDTH": s.width,
        "ROWS": s.rows,
        "PASSES": s.passes,
        "TILES": s.tiles,
    }
    return build.assemble(
        ("matmul", "matmul_few"), defined, how.functions, fp64=how.fp64, correctly_rounded=correctly_rounded
    )


def direct_source(how: Arithmetic, its: Problem, p: Panels, correctly_rounded: bool) -> str:
    """OpenCL C of `multiply` in the loops geometry that packs nothing."""
    along_k = its.b[-1] != 1  # element by element, and each meets few rows: floats would cost more than they save
    as_they_are = _terms(how.accumulator, str(how.definitions["MULTIPLY_ADD(a, b, c)"]), False)
    defined = {
        **build.index_types(*its.reach),
        **how.definitions,
        **(as_they_are if along_k else {}),
        "BATCH": len(its.batch),
        "OUT_COLUMN": _out_column(its),
        "LANES": 0,
        "PACK": 0,
        "DIRECT": 1,
        "B_ALONG_K": int(along_k),
        "BLOCK": TURNED,
        "LOAD_VECTOR(x)": _loaded(how, p.vector),
        "ROWS": p.rows,
        "VECTORS": p.vectors,
        "VECTOR": p.vector,
        **dict(its.definitions),
    }
    return _source(how, defined, correctly_rounded)


def _out_column(its: Problem) -> str:
    return "column" if its.out[-1] == 1 else "column * g.out[BATCH + 1]"


def geometry_fields(its: Problem, a: Shape, b: Shape) -> tuple[int, ...]:
    """Fields of Geometry in matmul.cl. a, b: batch strides, then two more."""
    extras = its.extras or ((0,) * (len(its.batch) + 2),)
    return (*its.batch, *a, *b, *its.out, *(s for e in extras for s in e), its.m, its.n, its.k)


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
    (a, b, *extras), (out,) = call.inputs, call.outputs
    return problem(out.shape, a.shape[-1], [a.strides, b.strides, out.strides, *(x.strides for x in extras)])


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
    straight = direct(its, how.operand, how.itemsize, device.vector, device.details["compute units"])
    p = straight or panels(its, how.itemsize, device.vector)
    return int(straight is None), p.rows, p.vectors


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
    return (_packed if packed else _direct)(call, how, its, p)


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


def _packed(call: Call, how: Arithmetic, its: Problem, p: Panels) -> Prepared:
    device = build.device_of(call)
    rounded, obtain = device.correctly_rounded, device.kernel
    wide = build.index_types(*its.reach)
    launches, skips, scratch = [], [], []
    for operand, (strides, length, width) in enumerate(
        (
            ((*its.a[:-2], its.a[-2], its.a[-1]), its.m, p.rows),
            ((*its.b[:-2], its.b[-1], its.b[-2]), its.n, p.columns),
        )
    ):
        lengths, steps, skip = packed_batch(its.batch, strides[:-2])
        kernel = obtain(NAME, pack_source(how, width, len(lengths), wide, rounded), "pack")
        fields = build.pack(wide, *lengths, *steps, *strides[-2:], length, its.k)
        build.set_numbers(device, kernel, 4, fields)
        size = (-(-its.k // KC), -(-length // width), prod(lengths))
        if its.k:
            ends = (Slot("scratch", operand), Slot("input", operand))
            packed = PACK_EACH * its.k * length * prod(lengths)
            launches.append(build.launch(device, kernel, ends, size, (1, 1, 1), (how.itemsize, 1), packed))
        scratch.append(size[1] * size[2] * its.k * width * how.itemsize)
        skips.append((*skip, 0, 0))
    multiply = obtain(NAME, panel_source(how, its, p, wide, rounded), "multiply")
    arrays = 3 + len(its.extras)
    build.set_numbers(device, multiply, 2 * arrays, build.pack(wide, *geometry_fields(its, *skips)))
    size = (-(-its.m // p.rows), -(-its.n // p.columns), prod(its.batch))
    _, _, *extras, out = slots(call)
    operands = (out, Slot("scratch", 0), Slot("scratch", 1), *extras)
    units = (1, how.itemsize, how.itemsize, *(1 for _ in extras))
    launches.append(build.launch(device, multiply, operands, size, (1, 1, 1), units, work_of(its)))
    return Prepared(tuple(launches), tuple(scratch))


def _direct(call: Call, how: Arithmetic, its: Problem, p: Panels) -> Prepared:
    device = build.device_of(call)
    kernel = device.kernel(NAME, direct_source(how, its, p, device.correctly_rounded), "multiply")
    fields = build.pack(build.index_types(*its.reach), *geometry_fields(its, its.a, its.b))
    build.set_numbers(device, kernel, 2 * (3 + len(its.extras)), fields)
    *inputs, out = slots(call)
    size = (-(-its.m // p.rows), -(-its.n // p.columns), prod(its.batch))
    return Prepared((build.launch(device, kernel, (out, *inputs), size, (1, 1, 1), work=work_of(its)),))


def _striped(call: Call, how: Arithmetic, its: Problem) -> Prepared:
    device = build.device_of(call)
    s = stripes(its, how.itemsize, device.vector, device.details["compute units"])
    code = stripe_source(how, its, s, width_of(how.itemsize, device.vector), device.correctly_rounded)
    kernel = device.kernel("kernels/opencl/matmul_few.cl", code, "multiply")
    fields = build.pack(build.index_types(*its.reach), *geometry_fields(its, its.a, its.b))
    build.set_numbers(device, kernel, 2 * (3 + len(its.extras)), fields)
    *inputs, out = slots(call)
    size = (-(-its.m // (s.rows * s.passes)), s.groups, prod(its.batch))
    return Prepared((build.launch(device, kernel, (out, *inputs), size, (1, 1, 1), work=work_of(its)),))


NAMES = {"loops": ("packed", "rows", "vectors"), "lanes": ("m", "n", "k", "micro_m", "micro_n")}
"""What the numbers of a choice are, by geometry."""


def _names(call: Call) -> tuple[str, ...]:
    return NAMES[build.device_of(call).geometry]


ROW = Kernel(
    "matmul", "opencl.matmul", "opencl/matmul.cl", _supports, _prepare,
    Tunable(_names, _shape, _default, _choices, _prepared),
)  # fmt: skip
KERNELS = (ROW,)
