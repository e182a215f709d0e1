"""accel._cpu.Reduce against the canonical order, bit for bit, on every instruction set."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from native_reference import BLOCK, DTYPES, FLOATS, INTEGERS, LANES, fold, numpy_dtype, random, run_reduce, same

# Lengths about the lane count, the block and a second level of blocks.
LENGTHS = [1, 2, 63, 64, 65, 130, 500, 4095, 4096, 4097, 3 * 4096 + 70]


def accumulator(dtype: str) -> np.dtype:
    return np.dtype("float32") if dtype in ("float16", "bfloat16") else numpy_dtype(dtype)


def arrange(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The kept axes, then the reduced ones flattened row-major."""
    kept = [d for d in range(x.ndim) if d not in axes]
    return np.ascontiguousarray(x.transpose([*kept, *axes])).reshape([x.shape[d] for d in kept] + [-1])


def layouts(x: np.ndarray) -> list[np.ndarray]:
    """Views with x's values: as it is, column-major, sliced, reversed."""
    sliced = np.zeros([2 * n + 1 for n in x.shape], x.dtype)[tuple(slice(1, 2 * n, 2) for n in x.shape)]
    sliced[...] = x
    everywhere = tuple(slice(None, None, -1) for _ in x.shape)
    return [x, np.asfortranarray(x), sliced, np.ascontiguousarray(x[everywhere])[everywhere]]


@pytest.mark.parametrize("kind", ["sum", "prod"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_float_sums_and_products(cpu, isa, kind, dtype):
    rng = np.random.default_rng(0)
    for length in LENGTHS:
        # Products stay in range: factors near 1.
        x = random(rng, dtype, (3, length), 0.01 if kind == "prod" else 6)
        if kind == "prod":
            x = (1 + x.astype(np.float64) / 64).astype(x.dtype)
        want = fold(kind, x.astype(accumulator(dtype)))
        for output in {accumulator(dtype).name, dtype}:
            for view, threads in zip(layouts(x), (1, 2, 1, 3), strict=True):
                got = run_reduce(cpu, isa, kind, view, (1,), output, threads)
                with np.errstate(over="ignore"):
                    assert same(got, want.astype(numpy_dtype(output))), (length, output)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8"])
@pytest.mark.parametrize("shape", [(5, 70, 9), (130, 6, 20), (4, 300, 40), (2, 3, 5000), (5000, 3, 2), (1, 9000, 17)])
def test_axes(cpu, isa, dtype, shape):
    rng = np.random.default_rng(1)
    x = random(rng, dtype, shape)
    output = "int64" if dtype == "int8" else accumulator(dtype).name
    for count in (1, 2, 3):
        for axes in itertools.combinations(range(3), count):
            want = fold("sum", arrange(x, axes).astype(output))
            for view, threads in zip(layouts(x), (1, 2, 3, 2), strict=True):
                assert same(run_reduce(cpu, isa, "sum", view, axes, output, threads), want), axes
    # The order of the reduced axes is the order of the flattening.
    want = fold("sum", arrange(x, (2, 0)).astype(output))
    assert same(run_reduce(cpu, isa, "sum", x, (2, 0), output), want)


# Where the kernels take other ways: rows about chains of 8, folds of 8 and the 64 lanes; columns about the vectors, the
# narrow rows that are taken together, and a group.
ROWS = (1, 2, 3, 7, 8, 9, 15, 17, 33, 63, 64, 65, 127, 129, 511, 513, 577, 4097)
COLUMNS = (1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 129, 1025)


@pytest.mark.parametrize("kind", ["sum", "max", "any", "argmax"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int32", "uint8"])
def test_columns_and_rows_where_the_ways_part(cpu, isa, dtype, kind):
    """Both axes of matrices, adjacent and not, so that no element is missed, taken twice or read beyond the end."""
    rng = np.random.default_rng(10)
    total = accumulator(dtype).name if dtype in FLOATS else "int64"
    output = {"sum": total, "max": dtype, "any": "bool", "argmax": "int64"}[kind]
    for rows, columns in itertools.product(ROWS, COLUMNS):
        if rows * columns > 40_000:
            continue
        x = random(rng, dtype, (rows, columns))
        if kind == "any":
            x = np.where(rng.random(x.shape) < 1 / max(rows, columns), x, x.dtype.type(0))
        if kind == "argmax":
            x = (x.astype(np.float64) % 5).astype(x.dtype)
        apart = np.zeros((rows, columns + 3), x.dtype)[:, :columns]
        apart[...] = x
        for view, axis in itertools.product((x, apart), (0, 1)):
            lanes = arrange(x, (axis,))
            if kind == "any":
                want = (lanes != 0).any(-1)
            elif kind == "argmax":
                want = lanes.argmax(-1)
            else:
                want = fold(kind, lanes.astype(accumulator(dtype) if kind == "max" else total)).astype(
                    numpy_dtype(output)
                )
            assert same(run_reduce(cpu, isa, kind, view, (axis,), output), want), (rows, columns, axis)


@pytest.mark.parametrize("dtype", ["bool", "uint16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("kind", ["any", "all"])
def test_one_element_settles_it(cpu, isa, dtype, kind):
    """At every place about the steps of the search; a zero's sign makes it nothing else."""
    start = {"any": 0, "all": 1}[kind]
    for n in (1, 3, 15, 33, 64, 100, 257, 4095, 5000, 300_000):
        x = np.full(n, start, numpy_dtype(dtype))
        if dtype in FLOATS and kind == "any":
            x[::2] = -0.0
        assert run_reduce(cpu, isa, kind, x, (0,), "bool", 2) == start
        for at in {0, n // 3, n // 2, n - 1, max(0, n - 17)}:
            was, x[at] = x[at], 1 - start
            assert run_reduce(cpu, isa, kind, x, (0,), "bool", 2) == 1 - start, (n, at)
            x[at] = was


@pytest.mark.parametrize("dtype", [*INTEGERS, "bool"])
@pytest.mark.parametrize("kind", ["sum", "prod"])
def test_integers_wrap(cpu, isa, dtype, kind):
    rng = np.random.default_rng(2)
    for shape in [(4, 300), (300, 20), (2, 9000)]:
        x = random(rng, dtype, shape)
        if kind == "prod" and dtype != "bool":
            x |= 1  # odd numbers: the product stays odd
        for axis in (0, 1):
            with np.errstate(over="ignore"):
                want = getattr(np, kind)(x, axis=axis, dtype=np.int64)
                for output in ("int64", "uint64", "int32", "uint8"):
                    assert same(run_reduce(cpu, isa, kind, x, (axis,), output, 2), want.astype(output))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["max", "min"])
def test_extremes(cpu, isa, dtype, kind):
    rng = np.random.default_rng(3)
    for shape in [(6, 200), (200, 20), (3, 9000), (5, 1)]:
        x = random(rng, dtype, shape)
        for axis in (0, 1):
            want = fold(kind, arrange(x, (axis,)).astype(accumulator(dtype))).astype(x.dtype)
            for view in layouts(x):
                assert same(run_reduce(cpu, isa, kind, view, (axis,), dtype, 2), want)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "uint8"])
def test_more_than_caches_hold(cpu, isa, dtype):
    """Where cache lines are asked for ahead, up to and beyond the end; the last elements count."""
    rng = np.random.default_rng(12)
    n = (33 << 20) // numpy_dtype(dtype).itemsize
    few = random(rng, dtype, (n // 1000,))
    for x in (np.resize(few, (1, n)), np.resize(few, (n // 1025, 1025))):
        x[-1, -1] = 100
        total = "int64" if dtype == "uint8" else accumulator(dtype).name
        assert same(run_reduce(cpu, isa, "sum", x, (1,), total), fold("sum", x.astype(total)))
        assert same(run_reduce(cpu, isa, "max", x, (1,), dtype), x.max(-1))
        assert same(run_reduce(cpu, isa, "argmax", x, (1,), "int64"), x.argmax(-1))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
def test_rows_at_every_place_in_a_vector(cpu, isa, dtype):
    """The elements before a vector's boundary go to other lanes: neither an order nor an extreme among them is lost."""
    rng = np.random.default_rng(15)
    total = dtype if dtype in FLOATS else "int64"
    for n in (255, 256, 257, 300, 1000):
        memory = random(rng, dtype, (n + 32,), 6)
        for start in range(17):
            x = memory[start : start + n].reshape(1, n)
            assert same(run_reduce(cpu, isa, "sum", x, (1,), total), fold("sum", x.astype(total))), (n, start)
            for value in (np.nan, 0) if dtype in FLOATS else (0,):
                low = np.minimum(x, -1)
                low[0, start % 16] = value
                moved = np.concatenate([memory[:start], low[0]])[start:].reshape(1, n)
                assert same(run_reduce(cpu, isa, "max", moved, (1,), dtype), moved.max(-1)), (n, start)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["max", "min"])
def test_special_values_in_every_row_of_columns(cpu, isa, dtype, kind):
    """Eighths of the rows go together, and the rest: each may hold the NaN, or the only zero of the other sign."""
    rng = np.random.default_rng(13)
    sign = -1.0 if kind == "max" else 1.0
    for rows, columns in [(1, 40), (7, 40), (8, 33), (9, 40), (16, 130), (31, 17)]:
        for row in range(rows):
            x = random(rng, dtype, (rows, columns))
            x[row, ::2] = np.nan
            assert same(run_reduce(cpu, isa, kind, x, (0,), dtype), getattr(x, kind)(0)), (rows, row)
            zeros = np.full((rows, columns), sign * 0.0, dtype)
            zeros[row, ::2] = -sign * 0.0
            assert same(run_reduce(cpu, isa, kind, zeros, (0,), dtype), zeros[row]), (rows, row)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", ["max", "min"])
def test_extremes_of_special_values(cpu, isa, dtype, kind):
    rng = np.random.default_rng(4)
    for n in (1, 2, 3, 40, 70, 200, 5000):
        zeros = np.array([0.0, -0.0])[rng.integers(0, 2, (30, n))].astype(numpy_dtype(dtype))
        zeros[:10] = -0.0 if kind == "max" else 0.0
        negative = np.signbit(zeros.astype(np.float32))
        want = negative.all(-1) if kind == "max" else negative.any(-1)
        for view in layouts(zeros):
            got = run_reduce(cpu, isa, kind, view, (1,), dtype).astype(np.float32)
            assert np.array_equal(np.signbit(got), want) and (got == 0).all(), n
        x = random(rng, dtype, (9, n))
        x[np.arange(9), rng.integers(0, n, 9)] = np.nan
        x[0] = -np.inf if kind == "max" else np.inf
        for view in layouts(x):
            got = run_reduce(cpu, isa, kind, view, (1,), dtype).astype(np.float32)
            assert np.isnan(got[1:]).all() and got[0] == x[0, 0].astype(np.float32), n


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["argmax", "argmin"])
def test_first_extreme(cpu, isa, dtype, kind):
    rng = np.random.default_rng(5)
    for shape in [(6, 200), (200, 20), (3, 9000), (2, 13000), (5, 1), (70, 1, 3)]:
        x = random(rng, dtype, shape)
        few = (x.astype(np.float64) % 3).astype(x.dtype)  # many ties
        for data in (x, few):
            for axes in [(0,), (1,), tuple(range(len(shape)))]:
                want = getattr(np, kind)(arrange(data, axes), axis=-1)
                for view, threads in zip(layouts(data), (1, 2, 3, 2), strict=True):
                    got = run_reduce(cpu, isa, kind, view, axes, "int64", threads)
                    assert np.array_equal(got, want), (shape, axes)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", ["argmax", "argmin"])
def test_the_first_nan_wins_and_zeros_tie(cpu, isa, dtype, kind):
    rng = np.random.default_rng(6)
    for n in (2, 5, 70, 5000, 9000):
        x = random(rng, dtype, (20, n))
        x[:, n // 2] = np.inf if kind == "argmax" else -np.inf
        x[np.arange(20), rng.integers(0, n, 20)] = np.nan
        x[np.arange(20), rng.integers(0, n, 20)] = np.nan
        first = np.isnan(x.astype(np.float32)).argmax(-1)
        zeros = np.array([0.0, -0.0])[rng.integers(0, 2, (20, n))].astype(numpy_dtype(dtype))
        for view, threads in zip(layouts(x), (1, 2, 1, 2), strict=True):
            assert np.array_equal(run_reduce(cpu, isa, kind, view, (1,), "int64", threads), first), n
        for view in layouts(zeros):
            assert (run_reduce(cpu, isa, kind, view, (1,), "int64") == 0).all(), n


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["any", "all"])
def test_any_and_all(cpu, isa, dtype, kind):
    rng = np.random.default_rng(7)
    for shape in [(40, 3), (3, 40), (2, 9000)]:
        x = (rng.random(shape) < 0.5).astype(numpy_dtype(dtype))
        x[:, -1:] = kind == "all"
        x[0] = kind == "any"
        x[-1] = kind == "all"
        if dtype in FLOATS:
            x[x != 0] = np.nan  # true
        for axis in (0, 1):
            want = getattr(np, kind)(x.astype(np.float32) != 0, axis=axis)
            for view in layouts(x):
                assert np.array_equal(run_reduce(cpu, isa, kind, view, (axis,), "bool", 2), want)


def test_nothing_to_reduce(cpu, isa):
    for dtype in DTYPES:
        x = np.empty((3, 0), numpy_dtype(dtype))
        total = "int64" if dtype in ("bool", *INTEGERS) else dtype
        for kind, output, value in [("sum", total, 0), ("prod", total, 1), ("any", "bool", 0), ("all", "bool", 1)]:
            got = run_reduce(cpu, isa, kind, x, (1,), output)
            assert got.shape == (3,) and (got == value).all() and not np.signbit(got.astype(np.float32)).any()
        for kind in ("max", "min", "argmax", "argmin"):
            output = "int64" if kind.startswith("arg") else dtype
            with pytest.raises(ValueError, match="no elements"):
                run_reduce(cpu, isa, kind, x, (1,), output)
            assert run_reduce(cpu, isa, kind, x, (0,), output).shape == (0,)


def test_signs_of_zero_sums(cpu, isa):
    for dtype in ("float32", "float64"):
        for n in (1, 5, 70, 5000):
            x = np.full((2, n), -0.0, dtype)
            x[1, n // 2] = 0.0
            assert np.signbit(run_reduce(cpu, isa, "sum", x, (1,), dtype)).tolist() == [True, False]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_comparison_can_tell_other_orders(cpu, isa, dtype):
    """Controls: half the lanes, half the block, or the reverse order each give other bits on the tests' data."""
    x = random(np.random.default_rng(8), dtype, (20, 3 * 4096 + 70), 6)
    got = run_reduce(cpu, isa, "sum", x, (1,), dtype)
    assert same(got, fold("sum", x))
    assert not same(got, fold("sum", x, lanes=LANES // 2))
    assert not same(got, fold("sum", x, block=BLOCK // 2))
    assert not same(got, fold("sum", x[:, ::-1]))
    assert not same(got, fold("sum", x, lanes=1))


def test_refuses_what_does_not_fit(cpu, isa):
    for kind, dtype, output in [
        ("sum", "float32", "float64"),
        ("sum", "int32", "float32"),
        ("max", "float32", "float64"),
        ("argmax", "float32", "int32"),
        ("any", "int8", "int8"),
        ("mean", "float32", "float32"),
        ("sum", "complex64", "complex64"),
    ]:
        with pytest.raises(ValueError):
            cpu.Reduce(isa, kind, dtype, output)
    x, out = np.zeros((4, 6), np.float32), np.zeros(4, np.float32)
    kernel = cpu.Reduce(isa, "sum", "float32", "float32")
    good = [[x.ctypes.data], [out.ctypes.data], [4], [1], [6], [6], [1], 1]
    kernel.run(*good)
    for position, value in [
        (0, []),
        (0, [1]),
        (1, [0]),
        (2, [-4]),
        (2, [4, 1]),
        (3, []),
        (4, [6, 1]),
        (5, [2**62, 2]),
        (6, []),
        (7, 0),
    ]:
        bad = list(good)
        bad[position] = value
        with pytest.raises(ValueError):
            kernel.run(*bad)


@pytest.mark.parametrize("kind", ["any", "all"])
@pytest.mark.parametrize("at", [None, 0, 65_535, 65_536, 3_199_999])
def test_what_settles_a_long_row_may_be_anywhere(cpu, isa, kind, at):
    """The first elements are looked at alone before threads share the rest."""
    x = np.full(3_200_000, kind == "all")  # worth three threads
    if at is not None:
        x[at] = not x[at]
    want = x.any() if kind == "any" else x.all()
    for threads in (1, 2, 3):
        assert run_reduce(cpu, isa, kind, x, (0,), "bool", threads).item() == want
