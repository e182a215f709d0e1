"""accel._cpu.Pointwise: every function and cast against the NumPy evaluator, and programs over strided operands."""

from __future__ import annotations

import functools

import ml_dtypes
import numpy as np
import pytest
from native_reference import DTYPES, FLOATS, INTEGERS, numpy_dtype, random, run_pointwise, same


@functools.cache
def samples(dtype: str) -> np.ndarray:
    """Special values, values of every magnitude, and values about 1."""
    target = numpy_dtype(dtype)
    rng = np.random.default_rng(sum(map(ord, dtype)))
    if dtype == "bool":
        return np.array([False, True])
    if dtype in INTEGERS:
        info = np.iinfo(target)
        edges = [info.min, info.min + 1, info.max, info.max - 1, 0, 1, 2, 3, 7, 8, 31, 33, 63, 64, 100, info.max // 2]
        edges += [-x for x in edges[4:] if info.min < 0]
        return np.concatenate(
            [np.array(edges, target), random(rng, dtype, (60,)), rng.integers(0, 9, 30).astype(target)]
        )
    info = ml_dtypes.finfo(target)
    edges = [0, 1, 0.5, 2, 3, 1.5, 2.5, info.max, info.smallest_normal, info.smallest_subnormal, np.inf, 0.1, 100, 88.7]
    edges += [65504, 65520, 2.0**31, 2.0**63, 2.0**64]
    with np.errstate(over="ignore"):
        edges = np.array([*edges, *(-x for x in edges), np.nan]).astype(target)
        bits = rng.integers(0, 2 ** (8 * target.itemsize), 150, np.uint64).astype(f"uint{8 * target.itemsize}")
        return np.concatenate([edges, bits.view(target), random(rng, dtype, (150,), 5.0)])


def pairs(dtype: str, count: int) -> list[np.ndarray]:
    """`count` arrays that meet in many combinations, the edge cases with each other first."""
    x = samples(dtype)
    grids = np.meshgrid(*[x[:45] if count == 2 else x[:12]] * count, indexing="ij")
    rng = np.random.default_rng(count)
    return [np.concatenate([g.ravel(), rng.choice(x, 1000)]) for g in grids]


def test_every_function_is_the_evaluators(cpu, scalar, evaluate, isa):
    checked = 0
    for name, row in scalar.FUNCTIONS.items():
        for dtype in row.dtypes:
            arguments = row.argument_dtypes(dtype)
            inputs = [samples(dtype)] if row.arity == 1 else pairs(dtype, row.arity)
            inputs = [x.astype(numpy_dtype(d)) for x, d in zip(inputs, arguments, strict=True)]
            output = row.result_dtype(dtype)
            steps = (scalar.Step(name, dtype, tuple(range(row.arity))),)
            want = known_evaluation(evaluate, scalar.Program(arguments, steps, output), inputs)
            program = cpu.Pointwise(isa, list(arguments), [(name, dtype, list(range(row.arity)))], output)
            got = run_pointwise(program, np.empty(inputs[0].shape, numpy_dtype(output)), inputs)
            assert same(got, want), (name, dtype)
            checked += 1
    assert checked > 250


EVALUATED: dict[object, np.ndarray] = {}


def known_evaluation(evaluate, program, inputs) -> np.ndarray:
    """Evaluated once for all instruction sets."""
    if program not in EVALUATED:
        EVALUATED[program] = evaluate(program, *inputs)
    return EVALUATED[program]


def test_every_cast_is_the_evaluators(cpu, scalar, evaluate, isa):
    for source in DTYPES:
        x = samples(source)
        for target in DTYPES:
            program = cpu.Pointwise(isa, [source], [("cast", target, [0])], target)
            got = run_pointwise(program, np.empty(x.shape, numpy_dtype(target)), [x])
            want = known_evaluation(
                evaluate, scalar.Program((source,), (scalar.Step("cast", target, (0,)),), target), [x]
            )
            assert same(got, want), (source, target)


def test_the_comparison_can_tell(cpu, evaluate, scalar, isa):
    """Control: multiply and add in two roundings is not what the evaluator's fma gives on the same samples."""
    x, y = pairs("float32", 2)
    steps = [("multiply", "float32", [0, 1]), ("add", "float32", [2, 0])]
    got = run_pointwise(cpu.Pointwise(isa, ["float32"] * 2, steps, "float32"), np.empty_like(x), [x, y])
    with np.errstate(all="ignore"):
        assert same(got, x * y + x)
    fma = evaluate.__globals__["fma32"]
    assert not same(got, fma(x, y, x))


# A program with a repeated argument, a dead step, a mask, and the input read again late.
STEPS = [
    ("add", "float32", [0, 1]),
    ("multiply", "float32", [2, 2]),
    ("negative", "float32", [0]),
    ("less", "float32", [3, 1]),
    ("subtract", "float32", [3, 0]),
    ("where", "float32", [5, 6, 0]),
]


def expected(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    t = (x + y) * (x + y)
    return np.where(t < y, t - x, x)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_layouts(cpu, isa, threads):
    program = cpu.Pointwise(isa, ["float32"] * 2, STEPS, "float32")
    rng = np.random.default_rng(0)
    shapes = [(), (1,), (7,), (1023,), (1025,), (5000,), (3, 4), (70, 3), (3, 1500), (40, 50, 3), (2, 300, 5, 1, 7)]
    shapes += [(0,), (5, 0, 3), (300, 400)]
    for shape in shapes:
        x, y = random(rng, "float32", shape), random(rng, "float32", shape)
        doubled = np.zeros([2 * n for n in shape], np.float32)
        every_second = doubled[(..., *(slice(None, None, 2) for _ in shape))]
        every_second[...] = y
        flipped = (..., *(slice(None, None, -1) for _ in shape))
        reversed_y = y[flipped].copy()[flipped]
        for view in (y, y.copy(order="F"), every_second, reversed_y):
            for out in (np.full(shape, 7, np.float32), np.full(shape, 7, np.float32, order="F")):
                assert same(run_pointwise(program, out, [x, view], threads), expected(x, y)), shape
            wide = np.full([3 * n + 1 for n in shape], 7, np.float32)
            out = wide[(..., *(slice(1, None, 3) for _ in shape))]
            assert same(run_pointwise(program, out, [x, view], threads), expected(x, y)), shape
            assert (wide == 7).sum() == wide.size - out.size, "outside the output"
        for axis in range(len(shape)):
            row = y.take([0], axis=axis) if shape[axis] else y
            got = run_pointwise(program, np.full(shape, 7, np.float32), [x, row], threads)
            assert same(got, expected(x, np.broadcast_to(row, shape))), (shape, axis)
        constant = np.array(0.75, np.float32)
        got = run_pointwise(program, np.full(shape, 7, np.float32), [constant, y], threads)
        assert same(got, expected(np.broadcast_to(constant, shape), y)), shape


def test_in_place(cpu, isa):
    program = cpu.Pointwise(isa, ["float32"] * 2, STEPS, "float32")
    rng = np.random.default_rng(1)
    for shape in [(10,), (5000,), (70, 3), (300, 400)]:
        x, y = random(rng, "float32", shape), random(rng, "float32", shape)
        want = expected(x, y)
        for threads in (1, 2):
            first, second = x.copy(), y.copy()
            assert same(run_pointwise(program, first, [first, second], threads), want)
            assert same(run_pointwise(program, second, [x, second], threads), want)
            view = np.asfortranarray(x.copy())[::-1]
            assert same(run_pointwise(program, view, [view, y], threads), expected(x[::-1], y))
            both = x.copy()
            assert same(run_pointwise(program, both, [both, both], threads), expected(x, x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_copies(cpu, isa, dtype):
    """A program without steps; also one whose only cast changes nothing."""
    rng = np.random.default_rng(2)
    for steps in ([], [("cast", dtype, [0])]):
        program = cpu.Pointwise(isa, [dtype], steps, dtype)
        for shape in [(5,), (3000,), (70, 90), (4, 5, 300), (600, 2, 3)]:
            x = random(rng, dtype, shape)
            for view in (x, np.asfortranarray(x), x[..., ::-1], x.transpose(), np.broadcast_to(x[:1], shape)):
                for threads in (1, 2):
                    assert same(run_pointwise(program, np.empty(view.shape, x.dtype), [view], threads), view)
                    spread = np.empty((*view.shape, 2), x.dtype)[..., 1]
                    assert same(run_pointwise(program, spread, [view], threads), view)


def test_sixteen_bit_floats_round_once(cpu, isa):
    for dtype in ("float16", "bfloat16"):
        x, y = pairs(dtype, 2)
        steps = [
            ("cast", "float32", [0]),
            ("cast", "float32", [1]),
            ("multiply", "float32", [2, 3]),
            ("cast", dtype, [4]),
        ]
        got = run_pointwise(cpu.Pointwise(isa, [dtype] * 2, steps, dtype), np.empty_like(x), [x, y])
        with np.errstate(all="ignore"):
            assert same(got, (x.astype(np.float32) * y.astype(np.float32)).astype(x.dtype))


def test_refuses_what_does_not_fit(cpu, isa):
    f = "float32"
    for inputs, steps, output, message in [
        ([f], [("no_such", f, [0])], f, "step 0 .no_such"),
        ([f], [("negative", f, [0]), ("add", "float16", [0, 1])], f, "step 1 .add"),
        ([f], [("add", f, [0])], f, "takes 2 arguments"),
        ([f], [("add", f, [0, 1])], f, "refers to value 1"),
        ([f], [("add", f, [0, -1])], f, "refers to value -1"),
        (["float64", f], [("add", f, [0, 1])], f, "argument 0 cannot be float64"),
        (["float16"], [("negative", "uint16", [0])], "uint16", "argument 0 cannot be float16"),
        ([f], [("cast", "complex64", [0])], "complex64", "complex64"),
        ([f], [("negative", f, [0])], "float64", "gives float32"),
        (["text"], [], "text", "unknown dtype"),
        ([], [], f, "needs an input"),
    ]:
        with pytest.raises(ValueError, match=message):
            cpu.Pointwise(isa, inputs, steps, output)
    with pytest.raises(ValueError, match="no instruction set"):
        cpu.Pointwise("mmx", [f], [], f)
    program = cpu.Pointwise(isa, [f, f], [("add", f, [0, 1])], f)
    x = np.zeros((4, 5), np.float32)
    at = x.ctypes.data
    good = [[at, at], [at], [4, 5], [5, 1], [[5, 1], [5, 1]], 1]
    program.run(*good)
    for position, value in [
        (0, [at]),
        (0, [at, 0]),
        (1, [0]),
        (1, [-8]),
        (1, [2**70]),
        (1, [at + 1]),
        (1, [at, at]),
        (2, [-4, 5]),
        (2, [4]),
        (2, [2**40, 2**40]),
        (2, [2**63, 1]),
        (2, [1] * 70),
        (3, [5]),
        (4, [[5, 1]]),
        (4, [[5, 1], [5, 1, 1]]),
        (5, 0),
        (5, -1),
    ]:
        bad = list(good)
        bad[position] = value
        with pytest.raises(ValueError):
            program.run(*bad)
    for position, value in [
        (0, 7),
        (0, ["x", at]),
        (1, at),
        (1, ["x"]),
        (2, 5),
        (2, ["4", 5]),
        (2, [4.0, 5]),
        (4, [1, 2]),
        (4, 7),
        (5, "1"),
    ]:
        bad = list(good)
        bad[position] = value
        with pytest.raises(TypeError):
            program.run(*bad)


def test_no_function_is_called_float16(cpu, isa):
    for dtype in FLOATS[:2]:
        with pytest.raises(ValueError, match="no such function"):
            cpu.Pointwise(isa, [dtype], [("negative", dtype, [0])], dtype)
