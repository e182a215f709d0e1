"""OpenCL C of matrix products: what matmul.cl, and what follows it, need defined."""

from __future__ import annotations

from dataclasses import dataclass

from accel.dtypes import TABLE, DType
from accel.layout import Shape
from accel.numerics import KC
from accel.scalar import Program

from . import build
from .matmul_tiles import Panels, Problem, Stripes, Tile


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
        "T": "TERM",  # what vectors are of
        "term(x)": "(float)(x)" if as_float else "load(x)",
        "TERM_ADD(a, b, c)": "fma(a, b, c)" if as_float else multiply_add,
        "SUM_OF(x)": f"JOIN(as_{accumulator}, VECTOR)(JOIN(convert_int, VECTOR)(x))" if as_float else "(x)",
    }


def _source(how: Arithmetic, definitions: dict[str, object], correctly_rounded: bool, *more: str) -> str:
    """more: stems of files that follow matmul.cl."""
    stems = ("matmul", *more)
    return build.assemble(stems, definitions, how.functions, fp64=how.fp64, correctly_rounded=correctly_rounded)


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


def pack_source(
    how: Arithmetic, width: int, vector: int, axes: int, wide: dict[str, str], correctly_rounded: bool
) -> str:
    """OpenCL C of `pack` for panels of a width; by vectors, where those are 1 element or more and lie along k."""
    defined = {
        **wide,
        **how.definitions,
        "BATCH": axes,
        "LANES": 0,
        "PACK": 1,
        "WIDTH": width,
        "VECTOR": vector,
        **({"LOAD_VECTOR(x)": _loaded(how, vector)} if vector > 1 else {}),
    }
    return _source(how, defined, correctly_rounded, "vectors", "matmul_loops")


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
    return _source(how, defined, correctly_rounded, "vectors", "matmul_loops")


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
    return _source(how, defined, correctly_rounded, "vectors", "matmul_few")


def direct_source(how: Arithmetic, its: Problem, p: Panels, correctly_rounded: bool, b_packed: bool = False) -> str:
    """OpenCL C of `multiply` in the loops geometry that packs nothing, or b alone."""
    along_k = not b_packed and its.b[-2] == 1 != its.b[-1] and how.operand.name != "float16"  # which nothing widens
    defined = {
        **build.index_types(*its.reach),
        **how.definitions,
        "BATCH": len(its.batch),
        "OUT_COLUMN": _out_column(its),
        "LANES": 0,
        "PACK": 0,
        "DIRECT": 1,
        "B_ALONG_K": int(along_k),
        "PACKED": int(b_packed),
        "GATHERED": int(not b_packed and its.n < p.columns),
        "LOAD_VECTOR(x)": "(x)" if b_packed else _loaded(how, p.vector),
        "ROWS": p.rows,
        "VECTORS": p.vectors,
        "VECTOR": p.vector,
        **dict(its.definitions),
    }
    return _source(how, defined, correctly_rounded, "vectors", "matmul_loops")


def _out_column(its: Problem) -> str:
    return "column" if its.out[-1] == 1 else "column * g.out[BATCH + 1]"


def geometry_fields(its: Problem, a: Shape, b: Shape) -> tuple[int, ...]:
    """Fields of Geometry in matmul.cl. a, b: batch strides, then two more."""
    extras = its.extras or ((0,) * (len(its.batch) + 2),)
    return (*its.batch, *a, *b, *its.out, *(s for e in extras for s in e), its.m, its.n, its.k)
