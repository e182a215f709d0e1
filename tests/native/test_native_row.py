"""The row kernel: the bits of the canonical form of its program, on every instruction set."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native_reference import BLOCK, FLOATS, numpy_dtype, random, same
from row_programs import Build, choices, cross_entropy, integers, layer_norm, run, softmax, wanted

import accel
from accel.backends.base import Call
from accel.kernels.cpu.pointwise import KERNELS as POINTWISE
from accel.kernels.cpu.row import KERNELS
from accel.ops.primitive.row import Rows
from accel.plan import run_on
from accel.scalar import Program, RowProgram, Step
from accel.scalar.evaluate import evaluate

LENGTHS = (1, 2, 15, 47, 49, 63, 64, 65, 1000, 1025, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 37)
LONG = 66 * BLOCK + 37  # of which nothing of 8 bytes and more is kept from stage to stage


def check(cpu, isa, program: RowProgram, reduced: int, *inputs: np.ndarray, threads: tuple[int, ...] = (1, 3)) -> None:
    want = wanted(program, reduced, *inputs)
    for count in threads:
        got = run(cpu, isa, program, reduced, *inputs, threads=count)
        for k, (x, y) in enumerate(zip(got, want, strict=True)):
            assert same(x, y), (isa, [i.shape for i in inputs], count, f"output {k}")


def rows_of(n: int) -> int:
    return 3 if n > BLOCK else 21 if n > 64 else 150


def norm_operands(rng: np.random.Generator, dtype: str, kept: tuple[int, ...], *row: int) -> list[np.ndarray]:
    shape = (*kept, *row)
    weight, bias = random(rng, dtype, row, 1), random(rng, "float32", row, 1)
    scale = np.full((1,) * len(kept), 1 / np.prod(row), np.float32)
    weight, bias = np.broadcast_to(weight, shape), np.broadcast_to(bias, shape)
    return [random(rng, "float32", shape, 1), weight, bias, np.broadcast_to(scale, kept)]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", ["softmax", "log_softmax", "logsumexp"])
def test_softmax(cpu, isa, kind, dtype):
    rng = np.random.default_rng(1)
    for n in LENGTHS:
        check(cpu, isa, softmax(dtype, kind), 1, random(rng, dtype, (rows_of(n), n), 1))


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_layer_norm(cpu, isa, dtype):
    """A weight and a bias of each column, and results of each row beside those of each element."""
    rng = np.random.default_rng(2)
    for n in LENGTHS:
        check(cpu, isa, layer_norm(dtype), 1, *norm_operands(rng, dtype, (rows_of(n),), n))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_cross_entropy(cpu, isa, dtype):
    """Selects on the element's own index."""
    rng = np.random.default_rng(3)
    for n in LENGTHS:
        rows = rows_of(n)
        check(cpu, isa, cross_entropy(dtype), 1, random(rng, dtype, (rows, n), 1), rng.integers(0, n, rows))


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("elsewhere", [0.0, -0.0, 1.5, np.nan])
def test_choices(cpu, isa, elsewhere, swapped):
    """Blocks without the element that a sum has are passed by where all else is +0, and there alone; of rows that are
    neighbours, too, and of several that choose otherwise."""
    rng = np.random.default_rng(31)
    for dtype, n, across in (("float32", 65, False), ("float32", 3 * BLOCK + 37, False), ("float64", BLOCK + 1, True)):
        rows = 7
        x, weight = (random(rng, dtype, (n, rows) if across else (rows, n), 1) for _ in range(2))
        x, weight = (x.T, weight.T) if across else (x, weight)
        numbers = [rng.integers(0, n, rows) for _ in range(2)]
        numbers[0][:5] = -1, n, 0, n - 1, min(n - 1, BLOCK)
        numbers[1][:3] = n - 1, -(2**63), 2**63 - 1
        weight[0, n - 1], x[3, n - 1], x[2, 0] = -0.0, np.nan, -np.inf
        value = np.full(rows, elsewhere, dtype)
        value[5] = 0.0
        check(cpu, isa, choices(dtype, swapped), 1, x, weight, *numbers, value, threads=(1, 2, 5))


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint32", "int64", "uint64"])
def test_integers(cpu, isa, dtype):
    rng = np.random.default_rng(4)
    for n in LENGTHS:
        check(cpu, isa, integers(dtype), 1, random(rng, dtype, (rows_of(n), n)))


@pytest.mark.parametrize("name", ["float32", "float64", "layer_norm", "integers"])
def test_long_rows(cpu, isa, name):
    """Few of them share their blocks out; of float64, values are computed again in each stage."""
    rng = np.random.default_rng(5)
    if name == "layer_norm":
        check(cpu, isa, layer_norm("float32"), 1, *norm_operands(rng, "float32", (2,), LONG), threads=(1, 2, 5))
    elif name == "integers":
        check(cpu, isa, integers("int32"), 1, random(rng, "int32", (1, LONG)), threads=(1, 2, 5))
    else:
        check(cpu, isa, softmax(name), 1, random(rng, name, (2, LONG), 1), threads=(1, 2, 5))


def between_casts(dtypes: tuple[str, str, str], of_rows: tuple[bool, bool], first: str, *others: str) -> RowProgram:
    """An operand widened from the first dtype to the second, steps on it and on operands of each row or each element,
    and the result rounded to the third."""
    dtype, wide, rounded = dtypes
    b = Build(dtype, *(f"row {wide}" if of_row else wide for of_row in of_rows))
    value = b.step("cast", wide, 0)
    for k, function in enumerate((first, *others)):
        value = b.step(function, wide, value, *(() if function in ("square", "exp") else (k + 1,)))
    return b.finish(b.step("cast", rounded, value))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_casts_in_a_pass_with_other_steps(cpu, isa, dtype):
    """What is widened, rounded or both in one loop with one or two steps; and what must not be, though it looks so."""
    rng = np.random.default_rng(15)
    arithmetic = ["add", "subtract", "multiply", "divide"]
    chains = [(f,) for f in (*arithmetic, "square")] + [(f, g) for f in arithmetic[:3] for g in arithmetic]
    chains += [("subtract", "square"), ("subtract", "exp")]
    other = {"float16": "bfloat16", "bfloat16": "float16"}[dtype]
    special = np.array([0, -0.0, np.inf, -np.inf, np.nan, 2.0**-24, 65504, 1, -1])
    dtypes = [("float32", dtype), ("float32", "float32"), ("float32", other), ("float64", dtype)]
    of_rows = [(True, True), (True, False), (False, True)]
    for chain in chains:
        for (wide, rounded), which in itertools.product(dtypes, of_rows):
            program = between_casts((dtype, wide, rounded), which, *chain)
            for n, spread in [(3, 1), (150, 1), (1000, 8)]:
                rows = 40 if n < 48 else 4
                x = random(rng, dtype, (rows, n), spread)
                x[::3, ::5] = rng.choice(special, x[::3, ::5].shape).astype(x.dtype)
                inputs = [x]
                for its in program.inputs[1:]:
                    inputs.append(random(rng, wide, (rows, n) if its.each else (rows,), spread))
                check(cpu, isa, program, 1, *inputs, threads=(1,))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bit_results_past_the_caches(cpu, isa, dtype):
    """They are streamed, also to rows that start at no cache line."""
    rows, n = 61, 280_001
    x = np.resize(random(np.random.default_rng(16), dtype, (101, 997), 1), (rows, n))
    for function in ("divide", "subtract"):
        b = Build(dtype)
        wide = b.step("cast", "float32", 0)
        program = b.finish(b.step("cast", dtype, b.step(function, "float32", wide, b.fold("max", wide))))
        memory = np.full((rows, n + 3), 7, numpy_dtype(dtype))
        run(cpu, isa, program, 1, x, threads=2, outputs=[memory[:, 1:-2]])
        assert same(np.ascontiguousarray(memory[::20, 1:-2]), wanted(program, 1, x[::20])[0])
        assert (memory[:, [0, -2, -1]] == 7).all()


def test_quotients_of_every_size(cpu, isa):
    """Numerators and denominators from the subnormal to the infinite, zeros of both signs."""
    rng = np.random.default_rng(6)
    for dtype in ("float32", "float64"):
        b = Build(dtype, f"row {dtype}")
        program = b.finish(b.step("divide", dtype, 0, 1))
        info = np.finfo(dtype)
        special = np.array([0, -0.0, np.inf, -np.inf, np.nan, info.tiny, -info.smallest_subnormal, info.max, 1, -1])
        for spread in (1, 20, 60, 90, info.maxexp - 3):
            for n in (64, 257, 1000):
                x = random(rng, dtype, (60, n), spread)
                y = random(rng, dtype, (60,), spread / 3)
                x[::2, ::9] = rng.choice(special, x[::2, ::9].shape)
                x[1::4, 5] = -0.0
                y[:20:2] = special
                check(cpu, isa, program, 1, x, y.astype(dtype), threads=(1,))


def views(rng: np.random.Generator, kept: int, n: int) -> list[np.ndarray]:
    """Arrays of (kept, n) in other ways of memory."""
    x = random(rng, "float32", (2 * kept, 2 * n), 1)
    return [
        np.ascontiguousarray(x[:kept, :n].T).T,
        x[::2, ::2],
        x[:kept, :n][::-1, ::-1],
        np.ascontiguousarray(x[:, :n].T).T[::-2],
        np.broadcast_to(x[0, :n], (kept, n)),
        np.broadcast_to(x[:kept, :1], (kept, n)),
        np.broadcast_to(x[:1, :1], (kept, n)),
    ]


def test_strided_operands(cpu, isa):
    """Every layout of the operand with every one of the result, where no row is contiguous and where some are."""
    rng = np.random.default_rng(7)
    for kept, n in [(37, 21), (5, 300), (40, 1100), (3, BLOCK + 5), (20, BLOCK + 70)]:
        program = softmax("float32")
        for x in views(rng, kept, n):
            (want,) = wanted(program, 1, x)
            space = np.full((2 * kept, 2 * n), 7, np.float32)
            across = np.full((2 * n, 2 * kept), 7, np.float32)
            targets = [(space, space[:kept, :n]), (space, space[::-2, ::2]), (across, across[:n, :kept].T)]
            targets += [(across, across[::-2, ::-2].T)]
            for (memory, target), threads in zip(targets, (1, 2, 2, 1), strict=True):
                memory[...] = 7
                run(cpu, isa, program, 1, x, threads=threads, outputs=[target])
                assert same(target, want)
                assert (memory == 7).sum() >= memory.size - target.size


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
def test_folds_of_neighbouring_rows(cpu, isa, dtype):
    """Nothing but folds of operands and steps on their results: rows that are neighbours are folded where they are."""
    acc = "float64" if dtype == "float64" else "float32"
    b = Build(dtype, dtype, f"row {acc}")
    x, y = b.step("cast", acc, 0), b.step("cast", acc, 1)
    total, most, product = b.fold("sum", x), b.fold("max", x), b.fold("prod", y)
    mean = b.step("divide", acc, total, 2)
    program = b.finish(b.step("cast", dtype, mean), most, product, total)
    rng = np.random.default_rng(12)
    for n, rows in ((1, 9), (65, 7), (65, 8), (300, 5000), (BLOCK, 70), (2 * BLOCK + 37, 130)):
        x, y = (random(rng, dtype, (n, rows), 1).T for _ in range(2))
        check(cpu, isa, program, 1, x, y, np.full(rows, n, acc))
        check(cpu, isa, program, 1, x, np.ascontiguousarray(y), np.full(rows, n, acc))
        check(cpu, isa, program, 1, x[::-1], y[::2].repeat(2, 0)[:rows], np.full(rows, n, acc))


def test_several_axes(cpu, isa):
    """Reduced axes that no single stride crosses, and kept ones on both sides of them: batch, group and layer norm."""
    rng = np.random.default_rng(8)
    for batch, channels, space in [(3, 5, 21), (2, 19, 400), (7, 3, 1500)]:
        _, weight, bias, scale = norm_operands(rng, "float32", (channels,), batch, space)
        memory = random(rng, "float32", (batch, channels, space), 1)
        moved = memory.transpose(1, 0, 2)
        program = layer_norm("float32")
        want = wanted(program, 2, moved, weight, bias, scale)
        out = np.empty_like(memory)
        for threads in (1, 2):
            got = run(
                cpu,
                isa,
                program,
                2,
                moved,
                weight,
                bias,
                scale,
                threads=threads,
                outputs=[out.transpose(1, 0, 2), *(np.empty(channels, np.float32) for _ in range(2))],
            )
            assert all(same(x, y) for x, y in zip(got, want, strict=True))
        # A weight of each channel, of which a row has several.
        each = np.broadcast_to(random(rng, "float32", (channels, 1), 1), (batch, channels, space))
        check(cpu, isa, program, 2, memory, each, each, np.broadcast_to(scale[0], (batch,)))
        # Channels last.
        last = np.ascontiguousarray(moved.transpose(1, 2, 0)).transpose(2, 0, 1)
        check(cpu, isa, program, 2, last, weight, bias, scale)


def test_operands_as_results(cpu, isa):
    """Outputs that are an operand, the index, one value under two names, a value that the next stage needs too."""
    b = Build("float32", "row float64")
    i = b.index()
    e = b.step("exp", "float32", 0)
    same_e = b.step("cast", "float32", e)
    s = b.fold("sum", e)
    y = b.step("multiply", "float32", e, s)
    z = b.step("multiply", "float64", 1, 1)
    b.step("tanh", "float32", y)  # dead
    program = b.finish(0, i, e, same_e, y, s, 1, z)
    rng = np.random.default_rng(9)
    for n in (1, 40, 65, 1500, BLOCK + 9):
        rows = rows_of(n)
        x = random(rng, "float32", (rows, n), 1)
        check(cpu, isa, program, 1, x, random(rng, "float64", (rows,), 1))
        check(cpu, isa, program, 1, np.ascontiguousarray(x.T).T, random(rng, "float64", (rows,), 1))


def test_no_operand_of_each_element(cpu, isa):
    for rows, n in [(5, 70), (3, BLOCK + 9)]:
        out, numbers = np.empty((rows, n), np.int64), np.empty((rows, n), np.int64)
        given, steps = np.arange(rows) * 1000, [("index", "", []), ("add", "int64", [1, 0])]
        kernel = cpu.Row(isa, [("int64", False)], steps, [2, 1])
        at = [x.ctypes.data for x in (out, numbers)]
        kernel.run([given.ctypes.data], at, [rows], [n], [[n, 1]] * 2, [[1]], 1)
        assert np.array_equal(out, given[:, None] + np.arange(n)) and (numbers == np.arange(n)).all()


def test_results_past_the_caches(cpu, isa):
    """More than 32 MiB of results are streamed, also to rows that start at no cache line."""
    x = random(np.random.default_rng(10), "float32", (33, 280_001), 1)
    for function in ("divide", "multiply"):
        b = Build("float32")
        program = b.finish(b.step(function, "float32", 0, b.fold("max", 0)), 0)
        memory = np.full((2, 33, 280_004), 7, np.float32)
        out, copy = memory[..., 1:-2]
        run(cpu, isa, program, 1, x, threads=2, outputs=[out, copy])
        assert same(np.ascontiguousarray(out[::11]), wanted(program, 1, x[::11])[0])
        assert same(np.ascontiguousarray(copy), x)
        assert (memory[..., [0, -2, -1]] == 7).all()


DTYPES = ("float32", "float64", "int64", "uint64")


@st.composite
def programs(draw: st.DrawFn) -> RowProgram:
    """Steps over elements and rows of mixed dtypes, folds in up to three stages, several outputs."""
    inputs = draw(st.lists(st.sampled_from(["float32", "float16", "row float32", "float64", "int32"]), max_size=3))
    b = Build("float32", *inputs)

    def of(dtype: str) -> int:
        """A value of this dtype."""
        program = RowProgram(b.inputs, tuple(b.steps), (0,))
        value = draw(st.integers(0, len(program.values) - 1))
        return value if program.values[value].dtype == dtype else b.step("cast", dtype, value)

    for _ in range(draw(st.integers(2, 12))):
        kind = draw(st.sampled_from(["fold", "one", "two", "two", "two", "where", "index"]))
        dtype = draw(st.sampled_from(DTYPES[:2] if kind == "one" else DTYPES))
        if kind == "fold":
            b.fold(draw(st.sampled_from(["sum", "prod", "max", "min"])), of(dtype))
        elif kind == "one":
            b.step(draw(st.sampled_from(["exp", "square", "abs"])), dtype, of(dtype))
        elif kind == "two":
            names = ["add", "subtract", "multiply"] + (["divide", "less"] if dtype[0] == "f" else [])
            b.step(draw(st.sampled_from(names)), dtype, of(dtype), of(dtype))
        elif kind == "where":
            condition = b.step("less", dtype, of(dtype), of(dtype))
            b.step("where", dtype, condition, of(dtype), of(dtype))
        else:
            b.index()
    values = len(b.inputs) + len(b.steps)
    outputs = draw(st.lists(st.integers(0, values - 1), min_size=1, max_size=4, unique=True))
    return b.finish(*outputs)


NUMBERS = itertools.count()


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(program=programs(), n=st.sampled_from([1, 3, 17, 64, 200, 1030, BLOCK + 1]), layout=st.integers(0, 2))
def test_random_programs(cpu, program, n, layout):
    isa = cpu.isas()[next(NUMBERS) % len(cpu.isas())]
    rng = np.random.default_rng(11)
    rows = 4 if n > 1000 else 12
    inputs = []
    for its in program.inputs:
        x = random(rng, its.dtype, (rows, n) if its.each else (rows,), 1)
        if its.each and layout == 1:
            x = np.ascontiguousarray(x.T).T
        if its.each and layout == 2 and inputs:
            x = np.broadcast_to(x[0], x.shape)
        inputs.append(x)
    check(cpu, isa, program, 1, *inputs, threads=(1, 2))


def test_another_order_would_be_seen(cpu, isa):
    """The control: elements that have changed places give other sums, and a last bit is seen."""
    rng = np.random.default_rng(12)
    x = random(rng, "float32", (8, 2 * BLOCK + 70), 1)
    program = softmax("float32")
    (got,) = run(cpu, isa, program, 1, x)
    order = rng.permutation(x.shape[1])
    (other,) = wanted(program, 1, np.ascontiguousarray(x[:, order]))
    assert np.allclose(got[:, order], other, rtol=1e-5)
    assert not same(np.ascontiguousarray(got[:, order]), other)
    got[3, 5] = np.nextafter(got[3, 5], np.float32(1))
    assert not same(got, wanted(program, 1, x)[0])


def test_refuses_what_does_not_fit(cpu, isa):
    f = "float32"
    for inputs, steps, outputs, message in [
        ([(f, True)], [("fold", "mean", [0])], [1], "no reduction mean"),
        ([("float16", True)], [("fold", "sum", [0])], [1], "of float16"),
        ([("int32", True)], [("fold", "sum", [0])], [1], "of int32"),
        ([(f, True)], [("fold", "sum", [])], [1], "takes one"),
        ([(f, True)], [("fold", "sum", [1])], [1], "takes one"),
        ([(f, True)], [("index", "", [0])], [1], "no argument"),
        ([(f, True)], [("exp", f, [1])], [1], "refers to value 1"),
        ([(f, True)], [("exp", f, [-1])], [1], "refers to value -1"),
        ([(f, True)], [("exp", "int8", [0])], [1], "no such function"),
        ([(f, True)], [("add", f, [0])], [1], "takes 2 arguments"),
        ([("float16", True)], [("exp", f, [0])], [1], "cannot be float16"),
        ([(f, True)], [], [], "needs an output"),
        ([(f, True)], [], [1], "is no value"),
        ([("text", True)], [], [0], "unknown dtype"),
    ]:
        with pytest.raises(ValueError, match=message):
            cpu.Row(isa, inputs, steps, outputs)
    kernel = cpu.Row(isa, [(f, True), (f, False)], [("add", f, [0, 1]), ("fold", "sum", [2])], [2, 3])
    x, y = np.zeros((4, 6), f), np.zeros(4, f)
    good = [[x.ctypes.data, y.ctypes.data], [x.ctypes.data, y.ctypes.data], [4], [6], [[6, 1], [1]], [[6, 1], [1]], 1]
    kernel.run(*good)
    for position, value in [
        (0, [x.ctypes.data]),
        (0, [x.ctypes.data, 0]),
        (1, [x.ctypes.data, y.ctypes.data + 1]),
        (1, []),
        (2, [-4]),
        (2, [4, 1]),
        (2, [2**60]),
        (3, [0]),
        (3, []),
        (4, [[6, 1]]),
        (4, [[6, 1], [1, 1]]),
        (5, [[6], [1]]),
        (6, 0),
    ]:
        bad = list(good)
        bad[position] = value
        with pytest.raises(ValueError):
            kernel.run(*bad)


def test_the_row_of_the_kernel_table():
    """A call prepared as the dispatcher does, on arrays, an element apart from their buffers' start."""
    rng = np.random.default_rng(13)
    program = layer_norm("float16")
    operands = norm_operands(rng, "float16", (5, 3), 7, 30)
    arrays = [accel.asarray(x) for x in operands]
    outputs = [accel.zeros(shape, dtype=accel.float32) for shape in ((5, 3, 7, 30), (5, 4), (5, 3))]
    outputs[1] = outputs[1][:, 1:]
    (kernel,) = KERNELS
    layouts = [tuple(x.layout for x in these) for these in (arrays, outputs)]
    call = Call("row", *layouts, Rows(program, 2), accel.device("cpu"), accel.config.current())
    assert kernel.op == "row" and kernel.supports(call) is None
    (launch,) = kernel.prepare(call).launches
    launch.on(arrays, outputs)
    for x, y in zip(outputs, wanted(program, 2, *operands), strict=True):
        assert same(np.asarray(x), y)
    for bad in ((*arrays, *outputs[:2]), (*arrays[1:], *outputs), outputs[0]):
        with pytest.raises(TypeError, match="expected one sequence of 4 inputs and 3 outputs"):
            launch.run(bad)


def test_pointwise_programs_of_several_results():
    """Results of several dtypes and layouts, one of them the memory of an operand and one an operand itself."""
    f = "float32"
    steps = (
        Step("add", f, (0, 1)),
        Step("cast", "float64", (3,)),
        Step("less", f, (0, 2)),
        Step("multiply", f, (3, 2)),
    )
    program = Program((f, f, f), steps, f, (6, 4, 5, 0, 3))
    (kernel,) = POINTWISE
    rng = np.random.default_rng(14)
    for shape in [(), (1,), (5000,), (3, 5), (70, 33), (4, 3, 1100), (300, 4), (2, 1, 9000)]:
        x, y = random(rng, f, shape, 1), random(rng, f, shape, 1)
        weight = random(rng, f, shape[-1:], 1)
        given = (x, y, np.broadcast_to(weight, shape))
        parts = [
            Program(program.inputs, steps[: v - 2], d)
            for v, d in zip(program.values, program.outputs, strict=True)
            if v > 2
        ]
        wants = [evaluate(part, *given) for part in parts]
        wants.insert(3, x)
        for in_place, threads in [(False, 1), (True, 2)]:
            operands = [accel.asarray(a, copy=True) for a in (x, y, weight)]
            outputs = [
                accel.zeros(shape[::-1], dtype=accel.dtypes.TABLE[d]).mT
                if len(shape) == 2
                else accel.zeros(shape, dtype=accel.dtypes.TABLE[d])
                for d in program.outputs
            ]
            if in_place:
                outputs[4], outputs[0] = operands[0], operands[1]
            layouts = [tuple(a.layout for a in these) for these in (operands, outputs)]
            with accel.config(num_threads=threads):
                call = Call("pointwise", *layouts, program, accel.device("cpu"), accel.config.current())
            run_on(call, kernel.prepare(call), operands, outputs)
            for got, want in zip(outputs, wants, strict=True):
                assert same(np.asarray(got), np.asarray(want)), (shape, in_place)
