"""What Triton makes of the kernels for real GPUs: no spills, no contraction, products in order.

Compiled here for NVIDIA sm_80, sm_90, sm_100 and AMD gfx90a, gfx942, gfx950, gfx1100, gfx1201. The emulator executes
the sm_* code in other tests; the gfx code is compiled only.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import triton
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import get_ptxas, sm_arch_from_capability
from triton_rows import call_of, layer_norm, softmax

import accel
from accel.backends.base import Call
from accel.backends.triton_host import EmulatedDevice
from accel.backends.triton_kernel import functions, load
from accel.dtypes import TABLE
from accel.kernels.triton import attention, convolution, factor, join, matmul, pointwise, quantized_matmul, reduce, row
from accel.layout import layout
from accel.ops.composed.butterfly import butterfly
from accel.ops.parameters import Attention, Convolution, Factor, Join, Quantized
from accel.ops.primitive.matmul import Product
from accel.ops.primitive.reduce import Reduction
from accel.registry import OPS
from accel.scalar import Program, ProgramBuilder, Step, count_fma, program_for
from accel.testing.compare import check

TARGETS = {
    "sm_80": GPUTarget("cuda", 80, 32),
    "sm_90": GPUTarget("cuda", 90, 32),
    "sm_100": GPUTarget("cuda", 100, 32),
    "gfx90a": GPUTarget("hip", "gfx90a", 64),
    "gfx942": GPUTarget("hip", "gfx942", 64),
    "gfx950": GPUTarget("hip", "gfx950", 64),
    "gfx1100": GPUTarget("hip", "gfx1100", 32),
    "gfx1201": GPUTarget("hip", "gfx1201", 32),
}
KIB = 1024
SHARED = {"sm_80": 163 * KIB, "sm_90": 227 * KIB, "sm_100": 227 * KIB, "gfx950": 160 * KIB} | dict.fromkeys(
    ("gfx90a", "gfx942", "gfx1100", "gfx1201"), 64 * KIB
)
"""Shared memory that one program instance can have, in bytes."""

CONTRACTIBLE = re.compile(r"\b(?:add|sub|mul)(?:\.ftz|\.sat)*\.f(?:32|64)\b")
INEXACT = re.compile(r"\S*(?:\.approx|\.ftz|div\.full)\S*")
AMD_FUSED = re.compile(r"\bv_(pk_|dual_)?(?:fma|fmac|fmaak|fmamk)_f(?:32|64)")
AMD_UNWANTED = re.compile(r"\bv_(?:pk_|dual_)?(?:fma_mix\w*|mad_(?:mix\w*|f\d\d|legacy\w*)|mac_\w*f\d\d)")


class Recorder:
    """A device that keeps what it is to prepare."""

    kind = "gpu"
    backend = "triton"

    def __init__(self, architecture):
        self.architecture, self.prepared = architecture, []

    def kernel(self, path, name):
        return getattr(load(path, False), name)

    def functions(self, programs):
        return functions(programs, False)

    def prepare(self, what, grid, sizes):
        self.prepared.append(what)


def butterfly_case(radix, dtype):
    """A stage of a Fourier transform of 2^20 points: halves of arrays in, lines of 8 out."""

    def prepare(device):
        program, m = butterfly(radix, dtype, True, False), (1 << 17) // radix
        like = TABLE[dtype]
        steps = [(8, 1)] * (2 * radix) + [(1, 0)] * (2 * radix - 2)
        steps += [(0, 0)] * (len(program.inputs) - len(steps))
        inputs = tuple(layout(like, (m, 8), each, device) for each in steps)
        outs = (layout(like, (m, 8), (8 * radix, 1), device),) * (2 * radix)
        pointwise._prepare(Call("pointwise", inputs, outs, program, device, accel.config.current()))

    return prepare


def pointwise_case(program, shape=(1 << 20,), strides=None):
    def prepare(device):
        inputs = tuple(layout(TABLE[d], shape, strides, device) for d in program.inputs)
        out = layout(TABLE[program.output], shape, None, device)
        pointwise._prepare(Call("pointwise", inputs, (out,), program, device, accel.config.current()))

    return prepare


def reduce_case(kind, source, target, shape, axis):
    def prepare(device):
        x = layout(TABLE[source], shape, None, device)
        out = layout(TABLE[target], tuple(n for a, n in enumerate(shape) if a != axis), None, device)
        reduce._prepare(Call("reduce", (x,), (out,), Reduction(kind, (axis,)), device, accel.config.current()))

    return prepare


def matmul_case(source, target, m, n, k, numerics="reproducible", epilogue=None, extras=(), chain=False):
    def prepare(device):
        a, b = layout(TABLE[source], (m, k), None, device), layout(TABLE[source], (k, n), None, device)
        rest = tuple(layout(TABLE[d], (m, n), (0, 1), device) for d in extras)
        out = layout(TABLE[target], (m, n), None, device)
        config = matmul.choose(device, TABLE[source], TABLE[target], m, n, numerics, epilogue is not None)
        call = Call("matmul", (a, b, *rest), (out,), Product(epilogue), device, accel.config.current())
        matmul.multiply(call, matmul.written_out(config) if chain else config)

    return prepare


def row_case(program, rows, n):
    def prepare(device):
        row.KERNELS[0].prepare(call_of(program, rows, n, device))

    return prepare


def join_case(dtype, *columns, rows=1024):
    """Matrices of so many columns side by side."""

    def prepare(device):
        inputs = tuple(layout(TABLE[dtype], (rows, n), None, device) for n in columns)
        out = layout(TABLE[dtype], (rows, sum(columns)), None, device)
        starts = tuple((0, sum(columns[:i])) for i in range(len(columns)))
        join._prepare(Call("join", inputs, (out,), Join(out.shape, starts), device, accel.config.current()))

    return prepare


def factor_case(kind, dtype, m, n, pairs=False):
    def prepare(device):
        def made(*shape, of=dtype):
            return layout(TABLE[of], shape, None, device)

        inputs = (made(8, m, m), made(8, m, n)) if kind.startswith("solve") else (made(8, m, n),)
        beside = {"lu": (made(8, m, of="int64"),), "qr": (made(8, n),), "jacobi": (made(8, 1),)}
        parts, params = 2 if pairs else 1, Factor(kind, pairs, n - m if kind == "jacobi" else 0)
        outputs = (*(made(8, m, n),) * parts, *beside.get(kind, ()))
        inputs = tuple(x for x in inputs for _ in range(parts))
        factor._prepare(Call("factor", inputs, outputs, params, device, accel.config.current()))

    return prepare


def attention_case(dtype, queries, keys, d, names=(), heads=(8, 2), numerics="default", **options):
    """A causal one. names: of operands beside query, key and value."""

    def prepare(device):
        def made(*shape, of=dtype):
            return layout(TABLE[of], shape, None, device)

        accumulator = TABLE[dtype].accumulator
        others = {
            "mask": made(2, heads[0], queries, keys, of="bool"), "sinks": made(heads[0], of=accumulator),
            "slopes": made(heads[0], of=accumulator), "starts": made(2, of="int64"), "lengths": made(2, of="int64"),
        }  # fmt: skip
        inputs = (made(2, heads[0], queries, d), made(2, heads[1], keys, d), made(2, heads[1], keys, d))
        params = Attention(d**-0.5, after=0, from_end=True, given=names, **options)
        with accel.config(numerics=numerics):
            settings = accel.config.current()
        inputs += tuple(others[name] for name in names)
        call = Call("attention", inputs, (made(2, heads[0], queries, d),), params, device, settings)
        attention._prepare(call)

    return prepare


def convolution_case(dtype, lengths, channels, outputs, kernel, stride=1, groups=1, last=False, numerics="default"):
    """A batch of 8, padded so that a kernel of stride 1 keeps the lengths."""

    def prepare(device):
        rank = len(lengths)
        params = Convolution(
            (stride,) * rank, (kernel // 2,) * rank, (kernel // 2,) * rank, (1,) * rank, (1,) * rank, last
        )
        places = params.places(lengths, (kernel,) * rank)
        shapes = [(8, groups, channels, *lengths), (8, groups, outputs, *places)]
        if last:
            shapes = [(8, *shape[3:], *shape[1:3]) for shape in shapes]
        x, out = (layout(TABLE[dtype], shape, None, device) for shape in shapes)
        weight = layout(TABLE[dtype], (groups, outputs, channels, *(kernel,) * rank), None, device)
        bias = layout(TABLE[dtype], (groups, outputs), None, device)
        with accel.config(numerics=numerics):
            settings = accel.config.current()
        convolution._prepare(Call("convolution", (x, weight, bias), (out,), params, device, settings))

    return prepare


def quantized_case(dtype, bits, m, n, k, group=64, numerics="default"):
    def prepare(device):
        params = Quantized(f"int{bits}", n, group, dtype)
        x, out = layout(TABLE[dtype], (m, k), None, device), layout(TABLE[dtype], (m, n), None, device)
        kinds = ("int8" if bits == 8 else "uint8", "float32", "int8")
        weights = [layout(TABLE[d], shape, None, device) for d, shape in zip(kinds, params.shapes(k), strict=True)]
        with accel.config(numerics=numerics):
            settings = accel.config.current()
        call = Call("quantized_matmul", (x, *weights), (out,), params, device, settings)
        quantized_matmul._prepare(call)

    return prepare


EVERY = ("mask", "sinks", "slopes", "starts", "lengths")


def bias_gelu(accumulator, dtype):
    build = ProgramBuilder(accumulator, dtype)
    return build.finish(build.apply("gelu", build.apply("add", *build.inputs)), dtype)


EXP, POW, GELU = (
    program_for("exp", ("float32",)),
    program_for("pow", ("float64",) * 2),
    program_for("gelu", ("bfloat16",)),
)
MULTIPLY_HALF = program_for("multiply", ("float16", "float16"))
SQUARE_PLUS = Program(("float32",), (Step("multiply", "float32", (0, 0)), Step("add", "float32", (1, 0))), "float32")

EXACT = {
    "exp": pointwise_case(EXP),
    "pow float64": pointwise_case(POW),
    "gelu bfloat16": pointwise_case(GELU),
    "multiply float16": pointwise_case(MULTIPLY_HALF),
    "x * x + x": pointwise_case(SQUARE_PLUS),
    "divide": pointwise_case(program_for("divide", ("float32", "float32"))),
    "floor_divide int64": pointwise_case(program_for("floor_divide", ("int64", "int64"))),
    "cast float64 bfloat16": pointwise_case(program_for("cast", ("float64",), "bfloat16")),
    "transposed": pointwise_case(program_for("add", ("float32", "float32")), (64, 128, 64), (1, 4096, 64)),
    "butterfly of 8": butterfly_case(8, "float32"),
    "butterfly of 7 float64": butterfly_case(7, "float64"),
    "sum rows": reduce_case("sum", "float32", "float32", (1000, 3000), 1),
    "sum columns float16": reduce_case("sum", "float16", "float16", (3000, 1000), 0),
    "prod float64": reduce_case("prod", "float64", "float64", (1000, 3000), 1),
    "max, two passes": reduce_case("max", "float32", "float32", (1 << 20,), 0),
    "argmax": reduce_case("argmax", "float32", "int64", (3000, 1000), 0),
    "matmul float32": matmul_case("float32", "float32", 1024, 1024, 1024),
    "matmul float32, small and odd": matmul_case("float32", "float32", 20, 40, 99),
    "matmul float16 widened": matmul_case("float16", "float16", 1024, 1024, 1024),
    "matmul bfloat16 widened, gelu": matmul_case(
        "bfloat16", "bfloat16", 1024, 1024, 1001, epilogue=bias_gelu("float32", "bfloat16"), extras=("bfloat16",)
    ),
    "matmul float32, gelu": matmul_case(
        "float32", "float32", 1024, 1024, 1024, epilogue=bias_gelu("float32", "float32"), extras=("float32",)
    ),
    "matmul float64, gelu": matmul_case(
        "float64", "float64", 1024, 1024, 1024, epilogue=bias_gelu("float64", "float64"), extras=("float64",)
    ),
    "matmul float64": matmul_case("float64", "float64", 1024, 1024, 1024),
    "matmul float64, chain": matmul_case("float64", "float64", 1024, 1024, 1024, chain=True),
    "matmul int8": matmul_case("int8", "int32", 1024, 1024, 1024),
    "matmul int32": matmul_case("int32", "int32", 1024, 1024, 1024),
    "softmax, short rows": row_case(softmax(), 1000, 64),
    "softmax, rows": row_case(softmax(), 1000, 1024),
    "softmax float16, rows": row_case(softmax("float16"), 1000, 1024),
    "softmax, few long rows": row_case(softmax(), 4, 128256),
    "layer_norm, rows": row_case(layer_norm(), 1000, 4096),
    "layer_norm float64, long rows": row_case(layer_norm("float64"), 1000, 8192),
    "join of any lengths": join_case("float32", *range(5, 21)),
    "join of lines": join_case("float32", 512, 64, 256),
    "cholesky float64": factor_case("cholesky", "float64", 32, 32),
    "lu float32": factor_case("lu", "float32", 1000, 32),
    "lu float64": factor_case("lu", "float64", 1000, 32),
    "qr float32": factor_case("qr", "float32", 1000, 32),
    "qr float64": factor_case("qr", "float64", 1000, 32),
    "solve float32": factor_case("solve", "float32", 32, 1000),
    "solve float64, unit": factor_case("solve_unit", "float64", 32, 1000),
    "jacobi float32": factor_case("jacobi", "float32", 64, 128),
    "jacobi float64, long rows": factor_case("jacobi", "float64", 6, 9000),
    "jacobi complex64": factor_case("jacobi", "float32", 64, 128, True),
    "jacobi complex128": factor_case("jacobi", "float64", 64, 128, True),
    "cholesky complex64": factor_case("cholesky", "float32", 32, 32, True),
    "lu complex128": factor_case("lu", "float64", 1000, 32, True),
    "qr complex64": factor_case("qr", "float32", 1000, 32, True),
    "solve complex64": factor_case("solve", "float32", 32, 1000, True),
    "join of lines float16": join_case("float16", 512, 64),
    "attention": attention_case("float32", 512, 512, 64),
    "attention of 128": attention_case("float32", 512, 512, 128),
    "attention float16, every option": attention_case("float16", 512, 512, 80, EVERY, softcap=30.0, before=256),
    "attention float64": attention_case("float64", 512, 512, 64),
    "attention, one query": attention_case("bfloat16", 1, 4096, 128, ("lengths",), (32, 8)),
    "convolution": convolution_case("float32", (56, 56), 64, 64, 3),
    "convolution float64, last, strided": convolution_case("float64", (28, 28), 128, 256, 3, 2, last=True),
    "convolution of 3 axes": convolution_case("float32", (8, 12, 12), 16, 20, 3),
    "convolution of each channel": convolution_case("float32", (56, 56), 1, 1, 3, groups=32),
    "quantized 8": quantized_case("float32", 8, 1, 4096, 4096),
    "quantized 4 bfloat16": quantized_case("bfloat16", 4, 8, 4096, 4096, 32),
    "quantized 4 float16, many rows": quantized_case("float16", 4, 512, 4096, 4096, 128),
}
MATRIX_UNITS = {
    "matmul float16": matmul_case("float16", "float16", 1024, 1024, 1024, "default"),
    "matmul float16, many tiles": matmul_case("float16", "float16", 4096, 4096, 1024, "default"),
    "matmul float16, gelu": matmul_case(
        "float16", "float16", 1024, 1024, 1024, "default", bias_gelu("float32", "float16"), ("float16",)
    ),
    "matmul bfloat16, small": matmul_case("bfloat16", "float32", 20, 40, 99, "default"),
    "matmul float32, fast": matmul_case("float32", "float32", 1024, 1024, 1024, "fast"),
    "attention, fast": attention_case("float32", 512, 512, 64, numerics="fast"),
    "attention float16, fast": attention_case("float16", 512, 512, 128, numerics="fast"),
    "attention bfloat16, fast, every option": attention_case(
        "bfloat16", 512, 512, 80, EVERY, numerics="fast", softcap=30.0, before=256
    ),
    "attention float16, fast, one query": attention_case("float16", 1, 4096, 128, ("lengths",), (32, 8), "fast"),
    "convolution, fast": convolution_case("float32", (56, 56), 64, 64, 3, numerics="fast"),
    "convolution, fast, last": convolution_case("float32", (28, 28), 128, 256, 3, 2, last=True, numerics="fast"),
    "convolution, fast, of 3 channels": convolution_case("float32", (112, 112), 3, 64, 7, 2, numerics="fast"),
    "quantized 8, fast": quantized_case("float32", 8, 512, 4096, 4096, numerics="fast"),
    "quantized 4 bfloat16, fast": quantized_case("bfloat16", 4, 512, 4096, 4096, 32, "fast"),
    "quantized 4 float16, fast, one row": quantized_case("float16", 4, 1, 4096, 4096, 128, "fast"),
}
CASES = EXACT | MATRIX_UNITS


@cache
def compiled(case, architecture, fusion=False):
    """[(specialization, Triton's CompiledKernel)] of a case."""
    device = Recorder(architecture)
    CASES[case](device)
    return [(what, what.compile(TARGETS[architecture], True, fusion)) for what in device.prepared]


def text(kernel):
    return kernel.asm["ptx"] if "ptx" in kernel.asm else kernel.asm["amdgcn"]


def spilled_bytes(kernel, architecture):
    """Bytes, or registers on AMD, that are kept in memory for want of registers."""
    if "amdgcn" in kernel.asm:
        return int(re.findall(r"\.vgpr_spill_count:\s+(\d+)", kernel.asm["amdgcn"])[0])
    tools = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
    with tempfile.TemporaryDirectory() as folder:
        binary = Path(folder) / "kernel.cubin"
        binary.write_bytes(kernel.asm["cubin"])
        usage = subprocess.run(
            [tools / "cuobjdump", "-res-usage", binary], capture_output=True, encoding="utf-8", check=True
        )
        (stack,) = re.findall(r"STACK:(\d+)", usage.stdout)
        if stack == "0":
            return 0
        # a stack frame need not be spills: the assembler says which, called as Triton calls it
        source = Path(folder) / "kernel.ptx"
        source.write_text(kernel.asm["ptx"], encoding="utf-8")
        command = [
            get_ptxas(TARGETS[architecture].arch).path,
            "-v",
            "-lineinfo",
            "--fmad=false",
            "--regAllocOptLevel=2",
        ]
        command += [f"--gpu-name={sm_arch_from_capability(TARGETS[architecture].arch)}", source, "-o", os.devnull]
        said = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
        return sum(map(int, re.findall(r"(\d+) bytes spill", said.stderr)))


SPILLED = {"jacobi": 1024}
"""By the first word of a case: Triton keeps all lanes of a row in one thread to fold them, of four sums at once."""


@pytest.mark.parametrize("architecture", TARGETS)
@pytest.mark.parametrize("case", CASES)
def test_resources(case, architecture):
    for what, kernel in compiled(case, architecture):
        assert spilled_bytes(kernel, architecture) <= SPILLED.get(case.partition(" ")[0], 0), what.name
        assert kernel.metadata.shared <= SHARED[architecture], what.name


@pytest.mark.parametrize("architecture", ["sm_80", "sm_100", "gfx1100"])
def test_a_spill_is_seen(architecture):
    """Control: a tile of twice the size each way has more accumulators than a thread has registers."""

    def choose(*arguments):
        return replace(real(*arguments), tile=(128, 128, 32))

    device, real = Recorder(architecture), matmul.choose
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matmul, "choose", choose)
        EXACT["matmul float32"](device)
    (what,) = device.prepared
    assert spilled_bytes(what.compile(TARGETS[architecture], True), architecture) > 0


def contractions(kernel):
    """Instructions whose bits are open, or that fuse or flush: none are wanted."""
    if "ptx" in kernel.asm:
        return CONTRACTIBLE.findall(text(kernel)) + INEXACT.findall(text(kernel))
    found = AMD_UNWANTED.findall(text(kernel))
    return found + [mode for mode in re.findall(r"denorm_mode_\w+ \d", text(kernel)) if not mode.endswith(" 3")]


def fused(kernel):
    """Fused multiply-adds of one thread; a packed one counts as two."""
    if "ptx" in kernel.asm:
        return sum(2 if "x2" in op else 1 for op in re.findall(r"\bfma\.\S+", text(kernel)))
    return sum(2 if packed == "pk_" else 1 for packed in AMD_FUSED.findall(text(kernel)))


@pytest.mark.parametrize("architecture", TARGETS)
@pytest.mark.parametrize("case", EXACT)
def test_nothing_is_contracted_or_flushed(case, architecture):
    for _, kernel in compiled(case, architecture):
        assert contractions(kernel) == []


def written(case, architecture):
    """Fused multiply-adds that a thread of a case's first kernel has in the source; division and roots add more."""
    (what, _), *_ = compiled(case, architecture)
    lanes = what.num_warps * TARGETS[architecture].warp_size
    programs = {"exp": EXP, "multiply float16": MULTIPLY_HALF, "x * x + x": SQUARE_PLUS}
    if case in programs:
        return count_fma(programs[case]) * what.arguments["BY"] * what.arguments["BX"] // lanes
    if case.startswith("matmul"):
        return what.arguments["BM"] * what.arguments["BN"] * what.arguments["BK"] // lanes
    return 0


@pytest.mark.parametrize("architecture", TARGETS)
@pytest.mark.parametrize(
    "case",
    ["exp", "multiply float16", "x * x + x", "sum rows", "sum columns float16", "max, two passes",
     "matmul float64, chain"],
)  # fmt: skip
def test_fused_only_where_written(case, architecture):
    """As many fused multiply-adds as the program has, for each element of a thread: contraction would add some."""
    for _, kernel in compiled(case, architecture):
        assert fused(kernel) == written(case, architecture)


@pytest.mark.parametrize("architecture", TARGETS)
def test_fusion_is_seen(architecture):
    """Control: with fusion allowed, x * x + x becomes a fused multiply-add on AMD, and may become one on NVIDIA."""
    for _, kernel in compiled("x * x + x", architecture, fusion=True):
        assert contractions(kernel) or fused(kernel) > written("x * x + x", architecture)


def test_a_mixed_fma_is_seen():
    """Control: what AMD's compiler makes of a product cast to float16, which scalar programs round by integers."""
    assert AMD_UNWANTED.findall(
        "\tv_fma_mixlo_f16 v0, v1, v2, 0\n\tv_mad_f32 v1, v2, v3, v4\n\tv_mac_f32_e32 v0, v1, v2"
    )
    assert not AMD_UNWANTED.findall(
        "\tv_fma_f32 v0, v1, v2, v3\n\tv_mad_u64_u32 v[0:1], s0, v1, v2, 0\n\tv_pk_mad_u16 v0, v1"
    )


# rows

ACCESS = re.compile(r"\b(?:ld|st)\.global\S*|\b(?:global|buffer)_(?:load|store)_\w+")
WIDE = re.compile(r"v4\.b32|v2\.b64|dwordx4|b128")


def narrow(kernel):
    """Accesses of global memory that are not 16 bytes wide, and how many are."""
    found = ACCESS.findall(text(kernel))
    return [access for access in found if not WIDE.search(access)], len(found)


@pytest.mark.parametrize("architecture", TARGETS)
def test_rows_are_accessed_16_bytes_at_once(architecture):
    """Elements of rows whose length is a multiple of 16; what is narrow are numbers of a whole row or block."""
    for case in ("softmax, short rows", "softmax, rows", "softmax float16, rows", "join of lines"):
        ((_, kernel),) = compiled(case, architecture)
        assert narrow(kernel) == ([], narrow(kernel)[1]), case
    for case in ("layer_norm, rows", "layer_norm float64, long rows", "softmax, few long rows"):
        for _, kernel in compiled(case, architecture):
            accesses, count = narrow(kernel)
            assert len(accesses) <= 3, case
            assert count > len(accesses), case


@pytest.mark.parametrize("architecture", ["sm_90", "gfx942", "gfx1201"])
def test_a_narrow_access_is_seen(architecture):
    """Control: rows of 1,001 elements begin at any address."""
    device = Recorder(architecture)
    row_case(softmax(), 1000, 1001)(device)
    (what,) = device.prepared
    assert narrow(what.compile(TARGETS[architecture], True))[0]


@pytest.mark.parametrize("architecture", ["sm_90", "gfx942"])
def test_rows_compile_quickly(architecture):
    """Each width of a tile takes at most 3 s of processor time; compiled anew, whatever Triton's cache has."""
    for n in (16, 64, 256, 1024, 4096, 8192):
        device = Recorder(architecture)
        row_case(layer_norm(), 1000, n)(device)
        for what in device.prepared:
            with triton.knobs.compilation.scope():
                triton.knobs.compilation.always_compile = True
                before = os.times()
                what.compile(TARGETS[architecture], True)
                after = os.times()
            seconds = sum(after[:4]) - sum(before[:4])
            print(f"{architecture} {n}: {what.num_warps} warps, tile {what.arguments['WIDTH']}: {seconds:.2f} s")
            assert 0.01 < seconds <= 3


# the order of float32 products


def ascending_chains(llir):
    """Lengths of the chains of fma in LLVM IR whose operands are read from ascending shared addresses, and of others.

    A chain goes on while an fma's addend is the fma before. An operand's place is the constant offset of its address
    from the register that the address starts from; what is not read from shared memory so has no place.
    """
    places, chains, last = {}, [], {}
    for line in llir.splitlines():
        name, _, value = line.strip().partition(" = ")
        if m := re.match(r"getelementptr .*?ptr addrspace\(3\) (%[\w.]+), i32 (\d+)\b", value):
            root, offset = places.get(m[1], (m[1], 0))
            places[name] = (root, offset + int(m[2]))
        elif m := re.match(r"load (?:float|<\d+ x float>), ptr addrspace\(3\) (%[\w.]+)", value):
            places[name] = places.get(m[1], (m[1], 0))
        elif (m := re.match(r"extractelement <\d+ x float> (%[\w.]+), i64 (\d+)", value)) and m[1] in places:
            root, offset = places[m[1]]
            places[name] = (root, offset + 4 * int(m[2]))
        elif m := re.match(r".*@llvm\.(?:fma|fmuladd)\.f32\(float (\S+), float (\S+), float (\S+)\)", value):
            chain = last.pop(m[3], None)
            if chain is None:
                chains.append(chain := [])
            chain.append((places.get(m[1]), places.get(m[2])))
            last[name] = chain
    good, bad = Counter(), Counter()
    for chain in chains:
        columns = [[place for place in column if place is not None] for column in zip(*chain, strict=True)]
        ordered = all(
            len(column) == len(chain)
            and len({root for root, _ in column}) == 1
            and column == sorted(set(column), key=lambda p: p[1])
            for column in columns
        )
        (good if ordered else bad)[len(chain)] += 1
    return good, bad


@pytest.mark.parametrize("architecture", ["sm_80", "gfx1100"])
def test_dot_is_an_ascending_chain_of_fma(architecture):
    """Every accumulator of a thread: one fma for each k of the tile, k ascending; as many fused in machine code.

    sm_80 shows that the method reads rightly, as its code is executed too; gfx1100 is compiled only.
    """
    ((what, kernel),) = compiled("matmul float32, small and odd", architecture)
    tile = what.arguments
    good, bad = ascending_chains(kernel.asm["llir"])
    accumulators = tile["BM"] * tile["BN"] // (what.num_warps * TARGETS[architecture].warp_size)
    assert not bad
    assert set(good) == {tile["BK"]}
    assert good[tile["BK"]] % accumulators == 0
    assert fused(kernel) == good[tile["BK"]] * tile["BK"]


def test_another_order_is_seen():
    """Control: the same reading of a chain whose k descends, and of one that repeats a k."""
    line = "  {} = tail call float @llvm.fmuladd.f32(float {}, float {}, float {})\n"
    load = "  %{0} = getelementptr inbounds nuw i8, ptr addrspace(3) %1, i32 {1}\n"
    load += "  %1{0} = load float, ptr addrspace(3) %{0}, align 4\n"
    head = "".join(load.format(n, 64 * n) for n in (2, 3, 4))
    for order, expected in (((2, 3, 4), True), ((4, 3, 2), False), ((2, 2, 3), False)):
        body, before = "", "0.0"
        for step, n in enumerate(order):
            body += line.format(f"%9{step}", f"%1{n}", f"%1{n}", before)
            before = f"%9{step}"
        good, bad = ascending_chains(head + body)
        assert bool(good) == expected
        assert bool(bad) != expected


@pytest.mark.parametrize("architecture", ["gfx90a", "gfx942"])
def test_dot_uses_float32_matrix_instructions(architecture):
    """float32 operands enter as they are, not as XF32 or bfloat16. Whether they add in order, each GPU is asked."""
    for case in ("matmul float32", "matmul float16 widened"):
        ((_, kernel),) = compiled(case, architecture)
        found = Counter(re.findall(r"\bv_mfma_\w+", text(kernel)))
        assert found
        assert all(re.fullmatch(r"v_mfma_f32_\d+x\d+x\d+_?f32(?:_e64)?", name) for name in found), found


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90", "sm_100"])
def test_float64_matrix_instructions(architecture):
    """float64 products have no fma beside NVIDIA's matrix instructions. Whether these add in order, each GPU is
    asked."""
    ((_, kernel),) = compiled("matmul float64", architecture)
    assert re.search(r"mma\.sync\.\S+\.f64\.f64\.f64\.f64", text(kernel))
    assert fused(kernel) == 0


@pytest.mark.parametrize("architecture", TARGETS)
def test_matrix_units_are_used(architecture):
    """16-bit products in "default" reach wgmma, tcgen05, mma, MFMA or WMMA."""
    unit = {"sm_80": "mma.sync", "sm_90": "wgmma", "sm_100": "tcgen05.mma"}.get(architecture)
    unit = unit or ("v_wmma" if architecture.startswith("gfx1") else "v_mfma")
    (_, kernel), *_ = compiled("matmul float16", architecture)
    assert unit in text(kernel)


@pytest.mark.parametrize(
    ("case", "count"),
    [("attention", 1), ("attention, one query", 1), ("attention, fast", 2), ("convolution", 1),
     ("convolution, fast", 2), ("quantized 8", 1), ("quantized 8, fast", 1), ("matmul float32", 1)],
)  # fmt: skip
def test_launches(case, count):
    """As docs/compositions.md lists them; these attentions are causal, these convolutions padded."""
    device = Recorder("sm_90")
    CASES[case](device)
    assert len(device.prepared) == count


FAST = [case for case in MATRIX_UNITS if "fast" in case and not case.startswith("matmul")]
"""Cases whose first kernel is for matrix units; a second one is the canonical one."""

UNIT = re.compile(r"\bmma\.sync|\bwgmma\.mma|\btcgen05\.mma|\bv_(?:s?wmma|s?mfmac?)_")


@pytest.mark.parametrize("architecture", TARGETS)
@pytest.mark.parametrize("case", FAST)
def test_matrix_units_are_used_in_fast(case, architecture):
    """Where they take the dtype: float32 as TF32 on NVIDIA and as XF32 on gfx942, elsewhere the canonical kernel."""
    (what, kernel), *rest = compiled(case, architecture)
    wide = what.arguments["x" if "x" in what.arguments else "query"].dtype == "float32"
    units = not wide or architecture.startswith("sm_") or architecture == "gfx942"
    assert bool(UNIT.search(text(kernel))) == units
    assert not any(UNIT.search(text(each)) for _, each in rest)


PROMISED = [case for case in EXACT if case.startswith(("attention", "convolution", "quantized"))]


@pytest.mark.parametrize("architecture", TARGETS)
@pytest.mark.parametrize("case", PROMISED)
def test_no_matrix_units_where_bits_are_promised(case, architecture):
    for _, kernel in compiled(case, architecture):
        assert not UNIT.search(text(kernel))


@pytest.mark.parametrize("architecture", ["sm_100", "sm_120"])
def test_dot_on_newer_chips(architecture):
    """The fma code of chips that no device stands for, executed."""
    device = EmulatedDevice("triton", f"triton:emulated-{architecture}", "emulated", "", selection="named")
    rng = np.random.default_rng(19)
    check(
        OPS["matmul"],
        device,
        (rng.standard_normal((20, 300), np.float32), rng.standard_normal((300, 70), np.float32)),
        {},
    )
    assert not any(device.counts.values())
