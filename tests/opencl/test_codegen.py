"""Intel GPUs, compiled only: every kernel compiles for three generations; the matrix product's registers fit; nothing
is fused that the source does not fuse, and subnormals are kept. Needs ocloc (Debian package intel-opencl-icd), no
GPU."""

from __future__ import annotations

import pytest
from intel_cases import on_null, product, row_kind, softmax_rows
from intel_code import (
    DIVISIONS,
    OCLOC,
    ROUNDED_DOWN,
    SUBNORMALS,
    TARGETS,
    TOWARDS_ZERO,
    Code,
    Target,
    compiled,
    expected,
)

import accel
from accel.backends.base import Call
from accel.boxes import boxes
from accel.dtypes import TABLE
from accel.kernels.opencl import (
    attention,
    build,
    convolution,
    factor,
    join,
    matmul_tiles,
    pointwise,
    quantized_matmul,
    reduce,
    row,
)
from accel.layout import Layout, layout
from accel.ops.parameters import Attention, Convolution, Factor, Join, Quantized
from accel.scalar import ProgramBuilder, count_fma, program_for

pytestmark = pytest.mark.skipif(OCLOC is None, reason="ocloc is not installed (Debian package intel-opencl-icd)")

ALL_OR_ONE = [pytest.param(t, id=t.name, marks=[pytest.mark.slow] * (t.name != "pvc")) for t in TARGETS]
"""Kernels whose code hardly depends on the generation are compiled for the one that has every dtype, and for the others
with --deep."""


def compile_for(target: Target, source: str) -> list[Code]:
    """Every kernel in a source, which is of the bit contract. Fails with the compiler's words; where a multiply-add is
    none of the source's, nor of a division's or square root's; and where subnormals are not kept, or the rounding mode
    is changed but inside of these."""
    module = compiled(target, source)
    assert not module.calls(r"llvm\.fmuladd\.\w+")
    assert sum(kernel.fused for kernel in module.kernels) == expected(target, module)
    divides = any(map(module.calls, (*DIVISIONS.values(), ROUNDED_DOWN)))
    for kernel in module.kernels:
        first, *turned = kernel.control
        assert first == SUBNORMALS
        assert turned == [TOWARDS_ZERO] * len(turned)
        assert len(turned) % 2 == 0
        assert divides or not turned
    return module.kernels


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "float64"])
def test_matmul_compiles_and_fits_the_registers(target: Target, dtype: str) -> None:
    if dtype == "float64" and not target.fp64:
        pytest.skip(f"{target.name} has no float64")
    for k in (256, 1024):
        (code,) = compile_for(target, product(dtype, k, target.sub_group))
        assert code.spills == 0


def test_spills_would_be_seen() -> None:
    """The control: accumulators twice as wide, which numbers in matmul.py say do not fit."""
    target = TARGETS[2]
    (code,) = compile_for(target, product("float32", 1024, 32))
    assert code.spills > 0


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_matmul_fuses_what_is_written_and_no_more(target: Target) -> None:
    """All multiply-adds are the fma of a register tile; a bias after the product stays an addition of its own."""
    with_bias = ProgramBuilder("float32", "float32")
    bias = with_bias.finish(with_bias.apply("add", with_bias.apply("multiply", *with_bias.inputs), with_bias.inputs[1]))
    tile = matmul_tiles.TILES[4][0]
    counts = []
    for epilogue in (None, bias):
        assert epilogue is None or count_fma(epilogue) == 0
        source = product("float32", 1024, target.sub_group, epilogue)
        (code,) = compile_for(target, source)
        counts.append(code.fused)
    assert counts[0] == counts[1] > 0
    assert counts[0] % (tile.micro_m * tile.micro_n) == 0


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_what_the_compiler_fuses_would_be_seen(target: Target) -> None:
    """The control of `compile_for`: without the pragma a product and a sum become one multiply-add."""
    source = "__kernel void apart(__global float *x) { const size_t i = get_global_id(0); x[i] = x[i] * x[i + 1] + 1; }"
    module = compiled(target, source)
    assert expected(target, module) == 0
    assert [kernel.fused for kernel in module.kernels] == [1]
    module = compiled(target, f"#pragma OPENCL FP_CONTRACT OFF\n{source}")
    assert [kernel.fused for kernel in module.kernels] == [0]


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_pointwise_fuses_what_is_written_and_no_more(target: Target) -> None:
    """x * y + z is two roundings; the control, an expression with an fma, shows that the count sees one."""
    build_program = ProgramBuilder("float32", "float32", "float32")
    x, y, z = build_program.inputs
    apart = build_program.finish(build_program.apply("add", build_program.apply("multiply", x, y), z))
    together = program_for("exp", ("float32",))
    assert count_fma(apart) == 0 < count_fma(together)
    for program in (apart, together):
        walk = pointwise.walk((1000,), [(1,)] * (1 + len(program.inputs)))
        (code,) = compile_for(target, pointwise.source(program, walk, "lanes", False, True))
        assert code.fused == count_fma(program)


POINTWISE = (
    ("gelu", ("float32",), None, (3, 5, 70)),
    ("pow", ("float16", "float16"), None, (70, 3)),
    ("floor_divide", ("int64", "int64"), None, (5000,)),
    ("divide", ("float32", "float32"), "bfloat16", (4, 9, 2, 2, 3)),
    ("where", ("bool", "uint8", "uint8"), None, (5000,)),
    ("tanh", ("float64",), None, (9, 9)),
)


@pytest.mark.parametrize("target", ALL_OR_ONE)
@pytest.mark.parametrize("case", POINTWISE, ids=lambda c: c[0])
def test_pointwise_compiles(target: Target, case: tuple) -> None:
    """Both geometries, operands gathered through strides on every axis; soft division where rounding is not
    promised."""
    name, dtypes, output, shape = case
    if "float64" in dtypes and not target.fp64:
        pytest.skip(f"{target.name} has no float64")
    program = program_for(name, dtypes, output)
    strides = tuple(2 * 3**i for i in range(len(shape)))
    walk = pointwise.walk(shape, [tuple(reversed(strides)), *(strides for _ in dtypes)])
    compile_for(target, pointwise.source(program, walk, "lanes", False, True))
    compile_for(target, pointwise.source(program, walk, "loops", False, False))


@pytest.mark.parametrize("target", ALL_OR_ONE)
@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("cholesky", "float32"), ("lu", "float64"), ("qr", "float32"), ("solve_unit", "float64"), ("jacobi", "float32")],
)
def test_factor_compiles(target: Target, kind: str, dtype: str, pairs: bool) -> None:
    """Blocks of the most columns, in the GPUs' geometry, without spills."""
    if dtype == "float64" and not target.fp64:
        pytest.skip(f"{target.name} has no float64")
    device = accel.device("null")

    def made(*shape: int, of: str = dtype) -> Layout:
        return layout(TABLE[of], shape, None, device)

    inputs = (made(8, 32, 32), made(8, 32, 100)) if kind.startswith("solve") else (made(8, 32, 32),)
    beside = {"lu": (made(8, 32, of="int64"),), "qr": (made(8, 32),), "jacobi": (made(8, 1),)}
    parts = 2 if pairs else 1
    outputs = (*(made(*inputs[-1].shape),) * parts, *beside.get(kind, ()))
    inputs = tuple(x for x in inputs for _ in range(parts))
    call = Call(
        "factor", inputs, outputs, Factor(kind, pairs, 20 if kind == "jacobi" else 0), device, accel.config.current()
    )
    for code in compile_for(target, factor.source(call, "lanes", True)):
        # complex rotations hold the addresses of two rows of each part beside four sums
        assert code.spills <= (512 if kind == "jacobi" and pairs else 0)


@pytest.mark.parametrize("target", ALL_OR_ONE)
@pytest.mark.parametrize(
    ("dtype", "d", "every"), [("float32", 64, False), ("float16", 128, True), ("float64", 64, False)]
)
def test_attention_compiles_without_spills(target: Target, dtype: str, d: int, every: bool) -> None:
    """With every operand and option, and with none; chunks in sequence, and shared out."""
    if dtype == "float64" and not target.fp64:
        pytest.skip(f"{target.name} has no float64")
    device = accel.device("null")
    others = {
        "mask": layout(TABLE["bool"], (2, 8, 70, 300), None, device),
        "sinks": layout(TABLE["float32"], (8,), None, device),
        "slopes": layout(TABLE["float32"], (8,), None, device),
        "starts": layout(TABLE["int64"], (2,), None, device),
        "lengths": layout(TABLE["int64"], (2,), None, device),
    }
    params = Attention(0.125, after=0)
    if every:
        params = Attention(0.125, 30.0, True, 128, 0, tuple(others))
    shapes = [(2, 8, 70, d), (2, 8, 70, d), (2, 2, 300, d), (2, 2, 300, d)]
    call = on_null("attention", params, dtype, shapes, *(others.values() if every else ()))
    for shared_out in (False, True):
        source, _ = attention.source(call, "lanes", True, shared_out)
        for code in compile_for(target, source):
            assert code.spills == 0
            assert not code.matrix


@pytest.mark.parametrize("target", ALL_OR_ONE)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_convolution_compiles_without_spills(target: Target, dtype: str) -> None:
    if dtype == "float64" and not target.fp64:
        pytest.skip(f"{target.name} has no float64")
    """A residual is added, and the sum activated."""
    build = ProgramBuilder(dtype, dtype)
    epilogue = build.finish(build.apply("silu", build.apply("add", *build.inputs)), dtype)
    params = Convolution((2, 2), (1, 1), (1, 1), (1, 1), (1, 1), False, epilogue)
    for groups, channels in ((1, 64), (64, 1)):
        each = 64 // groups
        shapes = [
            (8, groups, each, 28, 28),
            (8, groups, channels, 56, 56),
            (groups, each, channels, 3, 3),
            (groups, each),
            (8, groups, each, 28, 28),
        ]
        source = convolution.source(on_null("convolution", params, dtype, shapes), True)
        for code in compile_for(target, source):
            assert code.spills == 0
            assert not code.matrix


@pytest.mark.parametrize("target", ALL_OR_ONE)
@pytest.mark.parametrize(("bits", "dtype"), [(8, "float32"), (4, "bfloat16")])
def test_quantized_matmul_compiles_without_spills(target: Target, bits: int, dtype: str) -> None:
    """One row, and the most rows of a work-item."""
    device, params, k = accel.device("null"), Quantized(f"int{bits}", 1000, 32, dtype), 4096
    kinds = ("int8" if bits == 8 else "uint8", "float32", "int8")
    weights = [layout(TABLE[d], shape, None, device) for d, shape in zip(kinds, params.shapes(k), strict=True)]
    for m in (1, 100):
        call = on_null("quantized_matmul", params, dtype, [(m, 1000), (m, k)], *weights)
        for code in compile_for(target, quantized_matmul.source(call, True)):
            assert code.spills == 0
            assert not code.matrix


REDUCTIONS = (("sum", "float32"), ("sum", "float16"), ("prod", "int16"), ("max", "bfloat16"), ("argmax", "float32"),
              ("all", "uint64"), ("sum", "float64"))  # fmt: skip


@pytest.mark.parametrize("target", ALL_OR_ONE)
@pytest.mark.parametrize(("kind", "dtype"), REDUCTIONS, ids=str)
def test_reduce_compiles(target: Target, kind: str, dtype: str) -> None:
    """First and last launch over rows, first over columns, without spills in the GPUs' geometry."""
    if dtype == "float64" and not target.fp64:
        pytest.skip(f"{target.name} has no float64")
    row = TABLE[dtype]
    output = TABLE["int64" if kind.startswith("arg") else "bool" if kind == "all" else dtype]
    how = reduce.scheme(kind, row, output)
    for axes, strides in (((1,), (1,)), ((0,), (1,))):
        plan = reduce.levels((5000, 5000), (5000, 1), axes, strides, "lanes", 1)
        for level in plan if axes == (1,) else plan[:1]:
            source = reduce.source(how, level, "lanes", True)
            for code in compile_for(target, source):
                assert code.spills == 0


@pytest.mark.parametrize("target", ALL_OR_ONE)
@pytest.mark.parametrize(("count", "shape"), [(2, (5000,)), (16, (70, 90)), (8, (7, 8, 9, 10))], ids=str)
def test_join_compiles_without_spills(target: Target, count: int, shape: tuple[int, ...]) -> None:
    cpu = accel.device("cpu")
    for dtype in ("uint8", "int64"):
        x = layout(TABLE[dtype], shape, tuple(range(2, 2 + len(shape))), cpu)
        out = layout(TABLE[dtype], (*shape[:-1], count * shape[-1]), None, cpu)
        starts = tuple((*(0,) * (len(shape) - 1), i * shape[-1]) for i in range(count))
        made = boxes(Call("join", (x,) * count, (out,), Join(out.shape, starts), cpu, accel.config.current()))
        for geometry in ("lanes", "loops"):
            source = join.source(made, *join.grouped(made), x.dtype.itemsize, geometry)
            for code in compile_for(target, source):
                assert code.spills == 0


ROWS = ((1000, 3), (1000, 200), (1000, 1000), (1000, 5000), (3, 1 << 20))


@pytest.mark.parametrize("target", ALL_OR_ONE)
@pytest.mark.parametrize("shape", ROWS, ids=str)
def test_softmax_of_rows_compiles_without_spills(target: Target, shape: tuple[int, int]) -> None:
    """Rows in registers, in local memory, read again, by teams, with blocks shared out; and rows that are columns."""
    programs = [("bfloat16", (shape[1], 1)), ("float32", (1, shape[0]))]
    for dtype, strides in programs[: 2 if shape[0] > 3 else 1]:
        source = row.source(row_kind(softmax_rows(dtype), shape, strides), True)
        for code in compile_for(target, source):
            assert code.spills == 0


def test_every_storage_type_is_covered() -> None:
    """Each dtype has its OpenCL C type."""
    assert set(build.STORAGE) == set(TABLE)
