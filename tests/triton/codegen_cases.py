"""Kernels of the Triton backend that are compiled for real GPUs without one: what for, and with which operands."""

from __future__ import annotations

from functools import cache
from math import prod

from triton.backends.compiler import GPUTarget
from triton_rows import call_of, layer_norm, softmax

import accel
from accel.backends.base import Call
from accel.backends.triton_kernel import functions, load
from accel.dtypes import TABLE
from accel.kernels.triton import attention, convolution, factor, join, matmul, pointwise, quantized_matmul, reduce, row
from accel.layout import layout
from accel.ops.composed.butterfly import butterfly
from accel.ops.parameters import Attention, Convolution, Factor, Join, Quantized
from accel.ops.primitive.matmul import Product
from accel.ops.primitive.reduce import Reduction
from accel.scalar import Program, ProgramBuilder, Step, program_for

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


class Recorder:
    """A device that keeps what it is to prepare. grids: of each. moved: bytes of all operands and results, read or
    written once."""

    kind = "gpu"
    backend = "triton"

    def __init__(self, architecture):
        self.architecture, self.prepared, self.grids, self.moved = architecture, [], [], 0

    def call(self, op, inputs, outputs, params, numerics="default"):
        """A call that a kernel is to be prepared for."""
        return self.count(Call(op, tuple(inputs), tuple(outputs), params, self, settings(numerics)))

    def count(self, call):
        """The same call, its bytes counted."""
        for each in (*call.inputs, *call.outputs):
            distinct = [n for n, step in zip(each.shape, each.strides, strict=True) if step]
            self.moved += prod(distinct) * each.dtype.itemsize
        return call

    def kernel(self, path, name):
        return getattr(load(path, False), name)

    def functions(self, programs):
        return functions(programs, False)

    def prepare(self, what, grid, sizes):
        self.prepared.append(what)
        self.grids.append(grid)


def settings(numerics):
    with accel.config(numerics=numerics):
        return accel.config.current()


def butterfly_case(radix, dtype):
    """A stage of a Fourier transform of 2^20 points: halves of arrays in, lines of 8 out."""

    def prepare(device):
        program, m = butterfly(radix, dtype, True, False), (1 << 17) // radix
        like = TABLE[dtype]
        steps = [(8, 1)] * (2 * radix) + [(1, 0)] * (2 * radix - 2)
        steps += [(0, 0)] * (len(program.inputs) - len(steps))
        inputs = tuple(layout(like, (m, 8), each, device) for each in steps)
        outs = (layout(like, (m, 8), (8 * radix, 1), device),) * (2 * radix)
        pointwise._prepare(device.call("pointwise", inputs, outs, program))

    return prepare


def pointwise_case(program, shape=(1 << 20,), strides=None):
    def prepare(device):
        inputs = tuple(layout(TABLE[d], shape, strides, device) for d in program.inputs)
        out = layout(TABLE[program.output], shape, None, device)
        pointwise._prepare(device.call("pointwise", inputs, (out,), program))

    return prepare


def reduce_case(kind, source, target, shape, axis):
    def prepare(device):
        x = layout(TABLE[source], shape, None, device)
        out = layout(TABLE[target], tuple(n for a, n in enumerate(shape) if a != axis), None, device)
        reduce._prepare(device.call("reduce", (x,), (out,), Reduction(kind, (axis,))))

    return prepare


def matmul_case(source, target, m, n, k, numerics="reproducible", epilogue=None, extras=(), chain=False):
    def prepare(device):
        a, b = layout(TABLE[source], (m, k), None, device), layout(TABLE[source], (k, n), None, device)
        rest = tuple(layout(TABLE[d], (m, n), (0, 1), device) for d in extras)
        out = layout(TABLE[target], (m, n), None, device)
        config = matmul.choose(device, TABLE[source], TABLE[target], m, n, numerics, epilogue is not None)
        call = device.call("matmul", (a, b, *rest), (out,), Product(epilogue))
        matmul.multiply(call, matmul.written_out(config) if chain else config)

    return prepare


def row_case(program, rows, n):
    def prepare(device):
        row.KERNELS[0].prepare(device.count(call_of(program, rows, n, device)))

    return prepare


def join_case(dtype, *columns, rows=1024):
    """Matrices of so many columns side by side."""

    def prepare(device):
        inputs = tuple(layout(TABLE[dtype], (rows, n), None, device) for n in columns)
        out = layout(TABLE[dtype], (rows, sum(columns)), None, device)
        starts = tuple((0, sum(columns[:i])) for i in range(len(columns)))
        join._prepare(device.call("join", inputs, (out,), Join(out.shape, starts)))

    return prepare


def factor_case(kind, dtype, m, n, pairs=False):
    def prepare(device):
        def made(*shape, of=dtype):
            return layout(TABLE[of], shape, None, device)

        inputs = (made(8, m, m), made(8, m, n)) if kind.startswith("solve") else (made(8, m, n),)
        beside = {"lu": (made(8, m, of="int64"),), "qr": (made(8, n),)}
        parts = 2 if pairs else 1
        outputs = (*(made(8, m, n),) * parts, *beside.get(kind, ()))
        inputs = tuple(x for x in inputs for _ in range(parts))
        factor._prepare(device.call("factor", inputs, outputs, Factor(kind, pairs)))

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
        inputs += tuple(others[name] for name in names)
        call = device.call("attention", inputs, (made(2, heads[0], queries, d),), params, numerics)
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
        convolution._prepare(device.call("convolution", (x, weight, bias), (out,), params, numerics))

    return prepare


def quantized_case(dtype, bits, m, n, k, group=64, numerics="default"):
    def prepare(device):
        params = Quantized(f"int{bits}", n, group, dtype)
        x, out = layout(TABLE[dtype], (m, k), None, device), layout(TABLE[dtype], (m, n), None, device)
        kinds = ("int8" if bits == 8 else "uint8", "float32", "int8")
        weights = [layout(TABLE[d], shape, None, device) for d, shape in zip(kinds, params.shapes(k), strict=True)]
        call = device.call("quantized_matmul", (x, *weights), (out,), params, numerics)
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
def recorded(case, architecture):
    """The device that a case's kernels were prepared for."""
    device = Recorder(architecture)
    CASES[case](device)
    return device


@cache
def compiled(case, architecture, fusion=False):
    """[(specialization, Triton's CompiledKernel)] of a case."""
    prepared = recorded(case, architecture).prepared
    return [(what, what.compile(TARGETS[architecture], True, fusion)) for what in prepared]
