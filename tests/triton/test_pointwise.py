"""Pointwise kernels: special values, every layout, both index widths, against the evaluator's bits."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import accel
from accel.array import Array
from accel.backends.base import Call
from accel.conversion import from_numpy, to_numpy
from accel.dtypes import TABLE
from accel.kernels.triton.pointwise import KERNELS, needs_wide
from accel.layout import layout
from accel.ops.primitive.pointwise import cast_program
from accel.plan import run_on
from accel.registry import OPS
from accel.scalar import Program, ProgramBuilder, Step
from accel.scalar.evaluate import evaluate
from accel.testing.compare import check, differing, fetch, place

RNG = np.random.default_rng(7)
EDGES = [
    0.0,
    -0.0,
    np.inf,
    -np.inf,
    np.nan,
    1.0,
    -1.5,
    2.5,
    1e-45,
    -1e-40,
    3e38,
    65519.0,
    65520.0,
    3e-8,
    1e300,
    -1e-310,
]


def floats(dtype, size=600):
    values = np.concatenate(
        [EDGES, RNG.standard_normal(size // 2), RNG.standard_normal(size) * 10.0 ** RNG.integers(-40, 38, size)]
    )
    with np.errstate(all="ignore"):
        return values.astype(dtype)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_special_values(device, dtype):
    """Each of the special values with each other one, in kernels that round, compare and take bits apart."""
    x = floats(getattr(ml_dtypes, dtype, dtype))[:40]
    left, right = x[:, None], x[None, :]
    for name in ("add", "maximum", "divide"):
        check(OPS[name], device, (left, right), {})
    for name in ("exp", "floor", "sqrt"):
        check(OPS[name], device, (x,), {})


@pytest.mark.parametrize(("source", "target"), [
    ("float32", "float16"), ("float64", "bfloat16"), ("float16", "float64"), ("float32", "int8"), ("float64", "uint64"),
    ("int64", "float32"), ("uint64", "bfloat16"), ("int8", "uint32"), ("bfloat16", "bool"), ("bool", "float16"),
])  # fmt: skip
def test_casts(device, source, target):
    dtype = accel.dtypes.TABLE[source]
    if dtype.kind == "f":
        x = floats(dtype.numpy)
    elif dtype.kind == "b":
        x = RNG.integers(0, 2, 100).astype(bool)
    else:
        info = np.iinfo(source)
        x = RNG.integers(info.min, info.max, 500, dtype=source, endpoint=True) >> RNG.integers(
            0, 8 * dtype.itemsize, 500
        ).astype(source)
    check(OPS["astype"], device, (x, accel.dtypes.TABLE[target]), {})


def test_fused_program(device):
    """Several steps and dtypes in one kernel: gelu(x + bias) * flag, rounded once to bfloat16."""
    build = ProgramBuilder("bfloat16", "float32", "bool")
    x, bias, flag = build.inputs
    program = build.finish(build.apply("multiply", build.apply("gelu", build.apply("add", x, bias)), flag), "bfloat16")
    operands = (
        floats(ml_dtypes.bfloat16, 64)[:60].reshape(12, 5),
        floats(np.float32)[20:25],
        RNG.integers(0, 2, (12, 1)).astype(bool),
    )
    check(OPS["pointwise"], device, (program, *operands), {})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_several_results(device, dtype):
    """Four results, of other dtypes and with strides of their own, one of them an operand; a transposed operand."""
    steps = (Step("multiply", dtype, (0, 1)), Step("exp", dtype, (2,)), Step("less", dtype, (0, 1)),
             Step("cast", "bfloat16", (3,)))  # fmt: skip
    program = Program((dtype, dtype), steps, dtype, (3, 4, 5, 1))
    x = floats(dtype, 700)[:700].reshape(35, 20), floats(dtype, 700)[50:750].reshape(20, 35).T
    operands = [place(v, device) for v in x]
    shape, results = (35, 20), []
    for name in program.outputs:
        room = place(np.zeros((35, 45), TABLE[name].numpy), device)
        results.append(room.view(shape, (45, 2) if len(results) % 2 else (1, 40), 3))
    what = Call("pointwise", tuple(v.layout for v in operands), tuple(v.layout for v in results), program, device,
                accel.config.current())  # fmt: skip
    run_on(what, KERNELS[0].prepare(what), operands, results)
    for got, value in zip(results, program.values, strict=True):
        one = Program((dtype, dtype), steps, program.value_dtypes()[value], (value,))
        assert not differing(fetch(got), evaluate(one, *x)).any()


def layouts():
    """Pairs of operands that broadcast, in layouts that collapse to none, one, two and more axes."""
    a = RNG.standard_normal((6, 5, 4, 3)).astype(np.float32)
    long = RNG.standard_normal((70, 90)).astype(np.float32)
    many = RNG.standard_normal((2,) * 10).astype(np.float32)
    return {
        "scalars": (a[0, 0, 0, :1].reshape(()), a[1, 1, 1, :1].reshape(())),
        "one element": (a[:1, :1, 0, 0], a[0, 0, 0, :1]),
        "row-major": (a, a + 1),
        "stretched": (a, a[0, :1, :, :1]),
        "outer": (a[:, 0, 0, :1], a[0, 0, :, 0]),
        "permuted": (a.transpose(3, 1, 0, 2), a.transpose(3, 1, 0, 2)[::-1]),
        "mixed": (a.transpose(0, 2, 1, 3), a.reshape(6, 4, 5, 3)),
        "sliced": (a[::2, 1:4, ::3, 1:], a[1::2, :3, 1::2, :2]),
        "reversed": (a[::-1, :, ::-1], a[..., ::-1]),
        "transposed": (long.T, np.ascontiguousarray(long.T)),
        "unaligned": (long.reshape(-1)[1:], long.reshape(-1)[:-1]),
        "ten axes": (many.transpose(7, 2, 9, 0, 4, 6, 1, 3, 8, 5), many[::-1, :, ::-1, :, :, ::-1]),
    }


@pytest.mark.parametrize("case", layouts())
def test_layouts(device, case):
    check(OPS["subtract"], device, layouts()[case], {})


def test_views_are_written_in_place(device):
    x = RNG.standard_normal((9, 40)).astype(np.float32)
    array = place(x, device)
    array[1::3, 5:37:2] = place(x[:3, :16], device)
    array[:, 0] = 7.0
    array[::-1] = array  # the operand and the output overlap
    want = x.copy()
    want[1::3, 5:37:2] = x[:3, :16]
    want[:, 0] = 7.0
    np.testing.assert_array_equal(to_numpy(array), want[::-1])


def test_offsets_beyond_32_bits(device):
    """Two elements 2**31 + 16 apart, in memory of which only their pages are touched."""
    step = (1 << 31) + 16
    assert needs_wide(((2,), (step,)))
    memory = Array(device.allocate(step + 64), 0, layout(accel.uint8, (step + 64,), None, device))
    pair = memory.view((2,), (step,), 5)
    pair[...] = from_numpy(np.array([3, 250], np.uint8), device)
    np.testing.assert_array_equal(to_numpy(pair), [3, 250])
    np.testing.assert_array_equal(to_numpy(accel.add(pair, pair)), [6, 244])
    np.testing.assert_array_equal(to_numpy(accel.add(pair[::-1], pair)), [253, 253])


def test_the_comparison_sees_a_changed_bit(device):
    """Control: operands off by one in the last place give other bits, and the comparison says so."""
    x = floats(np.float32)[10:]
    got = to_numpy(accel.multiply(place(np.nextafter(x, np.float32(np.inf)), device), place(x, device)))
    assert differing(got, OPS["multiply"].canonical(x, x)).any()


def test_every_call_is_served(device):
    """Nothing falls back: the row has no requirement that a layout could miss."""
    call = Call("pointwise", (), (), cast_program(accel.float32, accel.float32), device, accel.config.current())
    assert [row.supports(call) for row in KERNELS] == [None]
