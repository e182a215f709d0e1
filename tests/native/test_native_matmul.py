"""accel._cpu.Matmul against the canonical order, bit for bit, on every instruction set."""

from __future__ import annotations

import numpy as np
import pytest
from native_reference import INTEGERS, KC, matmul, mul_add, numpy_dtype, random, run_matmul, same

# m, n, k: single elements, edges of every tile, several chunks, few rows or columns.
SHAPES = [
    (1, 1, 1),
    (1, 1, 700),
    (3, 5, 2),
    (1, 150, 513),
    (140, 1, 300),
    (2, 90, 257),
    (5, 130, 256),
    (13, 33, 300),
    (49, 67, 600),
    (64, 64, 64),
    (100, 97, 33),
    (150, 40, 260),
    (8, 0, 5),
    (0, 8, 5),
    (7, 9, 0),
    (70, 90, 0),
]
# How a matrix lies in memory: row-major, column-major, every second element, reversed.
LAYOUTS = ["rows", "columns", "sliced", "reversed"]


def lay(x: np.ndarray, layout: str) -> np.ndarray:
    """x's values in another layout (of its last two axes)."""
    if layout == "rows":
        return np.ascontiguousarray(x)
    if layout == "columns":
        return np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2)
    if layout == "reversed":
        return np.ascontiguousarray(x[..., ::-1, ::-1])[..., ::-1, ::-1]
    wide = np.zeros((*x.shape[:-2], 2 * x.shape[-2] + 1, 3 * x.shape[-1] + 1), x.dtype)
    view = wide[..., 1::2, 1::3]
    view[...] = x
    return view


def problem(dtype: str, m: int, n: int, k: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, m, n, k])
    return random(rng, dtype, (m, k)), random(rng, dtype, (k, n))


@pytest.fixture(scope="module")
def expected(ieee):
    """The canonical product of `problem`, by dtype and shape, each computed once."""
    known: dict[tuple, np.ndarray] = {}

    def product(dtype: str, m: int, n: int, k: int) -> np.ndarray:
        key = dtype, m, n, k
        if key not in known:
            a, b = problem(*key)
            fma = ieee.fma64 if dtype == "float64" else ieee.fma32
            wide = np.dtype("float64" if dtype == "float64" else "float32")
            known[key] = matmul(a.astype(wide), b.astype(wide), fma)
        return known[key]

    return product


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_in_every_layout(cpu, isa, expected, dtype):
    checked = 0
    for m, n, k in SHAPES:
        a, b = problem(dtype, m, n, k)
        want = expected(dtype, m, n, k)
        for la in LAYOUTS:
            for lb in LAYOUTS:
                for lc in LAYOUTS if la == lb else ["rows"]:
                    out = lay(np.full((m, n), 7, dtype), lc)
                    run_matmul(cpu, isa, lay(a, la), lay(b, lb), out, threads=1 + checked % 3)
                    assert same(out, want), (m, n, k, la, lb, lc)
                    checked += 1
    assert checked == len(SHAPES) * (4 * 3 + 4 * 4)


def test_a_strided_output_leaves_its_gaps(cpu, isa):
    a, b = problem("float32", 30, 50, 20)
    wide = np.full((61, 151), 7, np.float32)
    run_matmul(cpu, isa, a, b, wide[1::2, 1::3])
    gaps = np.ones(wide.shape, bool)
    gaps[1::2, 1::3] = False
    assert (wide[gaps] == 7).all() and not (wide[~gaps] == 7).any()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("output", ["float32", "narrow"])
def test_sixteen_bit_floats(cpu, isa, expected, dtype, output):
    output = dtype if output == "narrow" else output
    for m, n, k in SHAPES:
        a, b = problem(dtype, m, n, k)
        want = expected(dtype, m, n, k)
        with np.errstate(over="ignore"):
            want = want.astype(numpy_dtype(output))
        for la, lb in (("rows", "rows"), ("columns", "sliced"), ("reversed", "columns")):
            out = np.full((m, n), 7, numpy_dtype(output))
            run_matmul(cpu, isa, lay(a, la), lay(b, lb), out, threads=2)
            assert same(out, want), (m, n, k, la, lb)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("output", ["int8", "int32", "uint16", "uint32", "int64", "uint64"])
def test_integers_wrap(cpu, isa, dtype, output):
    for m, n, k in [(1, 1, 1), (3, 70, 5), (49, 67, 300), (90, 1, 40), (5, 9, 0)]:
        a, b = problem(dtype, m, n, k)
        with np.errstate(over="ignore"):
            want = (a.astype(np.uint64) @ b.astype(np.uint64)).astype(output)
        for la, lb, lc in (
            ("rows", "rows", "rows"),
            ("columns", "sliced", "columns"),
            ("reversed", "columns", "sliced"),
        ):
            out = lay(np.full((m, n), 7, output), lc)
            run_matmul(cpu, isa, lay(a, la), lay(b, lb), out, threads=2)
            assert same(out, want), (m, n, k, la, lb, lc)


@pytest.mark.parametrize("shape", [(5, 4, 3), (33, 70, 64), (20, 150, 300)])
def test_batches(cpu, isa, ieee, shape):
    m, n, k = shape
    rng = np.random.default_rng(3)
    cases = [
        (random(rng, "float32", (6, m, k)), random(rng, "float32", (6, k, n))),
        (random(rng, "float32", (6, m, k)), random(rng, "float32", (k, n))),  # folds into one matrix
        (random(rng, "float32", (m, k)), random(rng, "float32", (6, k, n))),
        (random(rng, "float32", (2, 1, m, k)), random(rng, "float32", (3, k, n))),
        (random(rng, "float32", (3, 2, m, k))[:, ::-1], random(rng, "float32", (2, 3, k, n)).swapaxes(0, 1)),
    ]
    for a, b in cases:
        want = matmul(a, b, ieee.fma32)
        for threads in (1, 2, 3):
            assert same(run_matmul(cpu, isa, a, b, np.full_like(want, 7), threads), want), (a.shape, b.shape)
        out = np.full((*want.shape[:-2], n, m), 7, np.float32).swapaxes(-1, -2)
        assert same(run_matmul(cpu, isa, a, b, out, 2), want), (a.shape, b.shape)
    nothing = np.empty((0, m, n), np.float32)
    run_matmul(cpu, isa, np.empty((0, m, k), np.float32), random(rng, "float32", (k, n)), nothing)


def relu_program(cpu, isa, dtype):
    """maximum(acc * scale + bias, 0)"""
    steps = [("multiply", dtype, [0, 1]), ("add", dtype, [4, 2]), ("maximum", dtype, [5, 3])]
    return cpu.Pointwise(isa, [dtype] * 4, steps, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(5, 7, 3), (70, 90, 600), (1, 300, 40), (60, 1, 400)])
def test_epilogue(cpu, isa, expected, dtype, shape):
    m, n, k = shape
    rng = np.random.default_rng(4)
    a, b = problem(dtype, m, n, k)
    scale, bias, zero = random(rng, dtype, (n,)), random(rng, dtype, (m, 1)), np.zeros((), dtype)
    product = expected(dtype, m, n, k)
    want = np.maximum(product * scale + bias, 0)
    for layout in LAYOUTS:
        for threads in (1, 2):
            out = lay(np.full((m, n), 7, dtype), layout)
            run_matmul(cpu, isa, a, b, out, threads, relu_program(cpu, isa, dtype), [scale, bias, zero])
            assert np.array_equal(out, want), layout
    residual = cpu.Pointwise(isa, [dtype] * 2, [("add", dtype, [0, 1])], dtype)
    out = random(rng, dtype, (m, n))
    want = product + out
    assert same(run_matmul(cpu, isa, a, b, out, 2, residual, [out]), want), "the output is an extra too"


def test_epilogue_of_other_dtypes(cpu, isa, expected):
    m, n, k = 49, 67, 600
    a, b = problem("float16", m, n, k)
    half = cpu.Pointwise(isa, ["float32"], [("negative", "float32", [0]), ("cast", "float16", [1])], "float16")
    out = np.empty((m, n), np.float16)
    with np.errstate(over="ignore"):
        assert same(run_matmul(cpu, isa, a, b, out, 2, half), (-expected("float16", m, n, k)).astype(np.float16))

    a, b = problem("int8", m, n, k)
    exact = a.astype(np.int64) @ b.astype(np.int64)
    scaled = cpu.Pointwise(
        isa, ["int32", "float32"], [("cast", "float32", [0]), ("multiply", "float32", [2, 1])], "float32"
    )
    scale = random(np.random.default_rng(5), "float32", (m, 1))
    out = np.empty((m, n), np.float32)
    assert same(run_matmul(cpu, isa, a, b, out, 2, scaled, [scale]), exact.astype(np.int32).astype(np.float32) * scale)
    # An accumulator narrower than the kernel's wraps before the epilogue sees it.
    doubled = cpu.Pointwise(
        isa, ["int8", "int16"], [("cast", "int16", [0]), ("add", "int16", [2, 2]), ("add", "int16", [3, 1])], "int16"
    )
    one = np.ones((), np.int16)
    out = np.empty((m, n), np.int16)
    assert same(run_matmul(cpu, isa, a, b, out, 2, doubled, [one]), exact.astype(np.int8).astype(np.int16) * 2 + 1)
    identity = cpu.Pointwise(isa, ["int8"], [], "int8")
    out = np.empty((m, n), np.int8)
    assert same(run_matmul(cpu, isa, a, b, out, 2, identity), exact.astype(np.int8))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_values(cpu, isa, ieee, dtype):
    rng = np.random.default_rng(6)
    tiny, huge = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    pool = np.array([0, -0.0, 1, -1, tiny, -tiny, huge, -huge, np.inf, -np.inf, np.nan, 3, 0.1], dtype)
    weights = np.array([8, 8, 8, 8, 8, 8, 3, 3, 0.05, 0.05, 0.05, 8, 8])
    fma = ieee.fma64 if dtype == "float64" else ieee.fma32
    kinds = set()
    for m, n, k in [(40, 70, 5), (30, 33, 300), (1, 70, 40), (3, 4, 2)]:
        a = rng.choice(pool, (m, k), p=weights / weights.sum())
        b = rng.choice(pool, (k, n), p=weights / weights.sum())
        want = matmul(a, b, fma)
        kinds |= {"nan"} if np.isnan(want).any() else set()
        kinds |= {"inf"} if np.isinf(want).any() else set()
        kinds |= {"subnormal"} if ((want != 0) & (np.abs(want) < np.finfo(dtype).smallest_normal)).any() else set()
        assert same(run_matmul(cpu, isa, a, b, np.empty((m, n), dtype)), want)
    assert kinds == {"nan", "inf", "subnormal"}
    # A chunk of products that underflow to -0 starts from +0 but ends at -0; nothing is added to a first chunk.
    a, b = np.full((3, 1), -tiny, dtype), np.full((1, 5), tiny, dtype)
    assert np.signbit(matmul(a, b, fma)).all() and same(
        run_matmul(cpu, isa, a, b, np.empty((3, 5), dtype)), matmul(a, b, fma)
    )
    nothing = run_matmul(cpu, isa, np.empty((3, 0), dtype), np.empty((0, 5), dtype), np.full((3, 5), 7, dtype))
    assert (nothing == 0).all() and not np.signbit(nothing).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_comparison_can_tell_other_orders(cpu, isa, ieee, expected, dtype):
    """Controls: half of KC, another split, two roundings, or descending k each give other bits on the tests' data."""
    m, n, k = 49, 67, 600
    a, b = problem(dtype, m, n, k)
    got = run_matmul(cpu, isa, a, b, np.empty((m, n), dtype))
    fma = ieee.fma64 if dtype == "float64" else ieee.fma32
    assert same(got, expected(dtype, m, n, k))
    assert not same(got, matmul(a, b, fma, kc=KC // 2))
    assert not same(got, matmul(a, b, fma, kc=k))
    assert not same(got, matmul(a, b, mul_add))
    assert not same(got, matmul(a[:, ::-1], b[::-1], fma))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_larger_problems_are_equal_on_every_isa_and_thread_count(cpu, dtype):
    """Beyond what the NumPy reference can do: several cache blocks in every direction."""
    m, n, k = 413, 1100, 530
    a, b = problem(dtype, m, n, k)
    first = run_matmul(cpu, "baseline", a, b, np.empty((m, n), dtype))
    near = a.astype(np.float64) @ b.astype(np.float64)
    if dtype != "int32":
        assert np.abs(first - near).max() <= 1e-3 * (np.abs(a.astype(np.float64)) @ np.abs(b)).max()
    for isa in cpu.isas():
        for threads in (1, 2, 3):
            assert same(run_matmul(cpu, isa, a, b, np.empty((m, n), dtype), threads), first), (isa, threads)
        # Few rows of many columns, and its transpose, take other paths.
        few = run_matmul(cpu, isa, a[:3], b, np.empty((3, n), dtype), 2)
        assert same(few, first[:3])
        tall = run_matmul(cpu, isa, b.T[:, :k], a.T[:, :2], np.empty((n, 2), dtype), 2)
        assert same(tall, first[:2].T)


def test_refuses_what_does_not_fit(cpu, isa):
    for dtype, output in [("bool", "bool"), ("float32", "float64"), ("float16", "bfloat16"), ("int8", "float32")]:
        with pytest.raises(ValueError, match="matmul"):
            cpu.Matmul(isa, dtype, output, None)
    with pytest.raises(ValueError, match="epilogue"):
        cpu.Matmul(isa, "float32", "float32", cpu.Pointwise(isa, ["float32"], [("cast", "float16", [0])], "float16"))
    kernel = cpu.Matmul(isa, "float32", "float32")
    x = np.zeros((4, 4), np.float32)
    at = x.ctypes.data
    good = [[at, at], [at], [], 4, 4, 4, [4, 1], [4, 1], [4, 1], [], 1]
    for position, value in [
        (0, [at]),
        (0, [0, at]),
        (0, [at, at + 3]),
        (1, [0]),
        (2, [2]),
        (3, -1),
        (5, -4),
        (6, [4]),
        (7, [4, 1, 1]),
        (9, [[4, 1]]),
        (10, 0),
    ]:
        bad = list(good)
        bad[position] = value
        with pytest.raises(ValueError):
            kernel.run(*bad)
    with pytest.raises(TypeError):
        kernel.run(*good[:9], "extras", 1)
