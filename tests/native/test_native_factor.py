"""accel._cpu.Factor: every kind on every instruction set and with threads, and arguments that do not fit."""

from __future__ import annotations

import numpy as np
import pytest
from native_reference import random, same, strides

from accel.ops.primitive import factor, factor_pair, jacobi


def run(cpu, isa, kind, threads, out, *operands, order=None):
    kernel = cpu.Factor(isa, kind, out.dtype.name)
    outs = [out] if order is None else [out, order]
    steps = [strides(x) if x.ndim == 3 else [*strides(x), 0] for x in outs]
    pointers = [x.ctypes.data for x in operands], [x.ctypes.data for x in outs]
    kernel.run(*pointers, *out.shape, steps, [strides(x) for x in operands], threads)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_blocks(cpu, isa, dtype, threads):
    rng = np.random.default_rng(0)
    for count, n in ((1, 1), (3, 7), (2, 16), (40, 17), (2, 32)):
        half = random(rng, dtype, (count, n, n))
        x = (half @ half.mT + n * np.eye(n, dtype=dtype)).astype(dtype)
        for a in (x, np.asfortranarray(x), x[:, ::-1, ::-1]):
            made = np.full(x.shape, np.nan, dtype)
            run(cpu, isa, "cholesky", threads, made, a)
            assert same(made, factor.cholesky(a))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_change_places(cpu, isa, dtype):
    rng = np.random.default_rng(1)
    for count, m, n in ((1, 1, 1), (2, 3, 5), (2, 33, 32), (1, 1000, 31), (5, 15, 4)):
        x = random(rng, dtype, (count, n, m)).mT
        made, order = np.full((count, m, n), np.nan, dtype), np.full((count, m), -1)
        run(cpu, isa, "lu", 2, made, x, order=order)
        want = factor.lu(np.ascontiguousarray(x))
        assert same(made, want[0]) and (order == want[1]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_reflections(cpu, isa, dtype):
    rng = np.random.default_rng(3)
    for count, m, n in ((1, 1, 1), (2, 5, 3), (2, 64, 32), (1, 1001, 31), (5, 15, 4)):
        x = random(rng, dtype, (count, n, m)).mT
        made, tau = np.full((count, m, n), np.nan, dtype), np.full((count, n), np.nan, dtype)
        run(cpu, isa, "qr", 2, made, x, order=tau)
        want = factor.qr(np.ascontiguousarray(x))
        assert same(made, want[0]) and same(tau, want[1])


@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_right_hand_sides(cpu, isa, dtype, unit):
    rng = np.random.default_rng(2)
    for count, n, columns in ((1, 1, 1), (3, 32, 1), (2, 17, 130), (1, 32, 1000), (2, 5, 15)):
        triangle = random(rng, dtype, (count, n, n)) + 2 * np.eye(n, dtype=dtype)
        triangle[:, np.triu(np.ones((n, n), bool), 0 if unit else 1)] = np.nan
        for b in (random(rng, dtype, (count, n, columns)), random(rng, dtype, (count, columns, n)).mT):
            made = np.full(b.shape, np.nan, dtype)
            run(cpu, isa, "solve_unit" if unit else "solve", 3, made, triangle, b)
            assert same(made, factor.solve(triangle, np.ascontiguousarray(b), unit))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["cholesky", "lu", "qr", "solve", "solve_unit"])
def test_pairs(cpu, isa, kind, dtype):
    """Parts that lie side by side in one array, and results that do."""
    rng, solves = np.random.default_rng(4), kind.startswith("solve")
    for count, m, n in ((1, 1, 1), (3, 7, 7), (2, 32, 32), (1, 200, 17) if kind in ("lu", "qr") else (5, 17, 17)):
        x = random(rng, dtype, (count, m, n, 2)) + (2 * np.eye(m, n, dtype=dtype))[:, :, None]
        given = [x[..., 0], x[..., 1]]
        if solves:
            given += [v.mT for v in random(rng, dtype, (2, count, 70, m))]
        outs = [*np.full((*given[-1].shape, 2), np.nan, dtype).transpose(3, 0, 1, 2)]
        if kind in ("lu", "qr"):
            outs.append(np.full((count, m), -1) if kind == "lu" else np.full((count, n), np.nan, dtype))
        steps = [strides(o) if o.ndim == 3 else [*strides(o), 0] for o in outs]
        kernel = cpu.Factor(isa, kind, dtype, pairs=True)
        pointers = [v.ctypes.data for v in given], [o.ctypes.data for o in outs]
        kernel.run(*pointers, *outs[0].shape, steps, [strides(v) for v in given], 2)
        want = factor_pair.steps(factor_pair.Steps(), kind, *given)
        assert all(same(np.ascontiguousarray(o), np.ascontiguousarray(w)) for o, w in zip(outs, want, strict=True))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("parts", [1, 2])
def test_rotations(cpu, isa, dtype, parts, threads):
    """Few rows and many, of several blocks, alone and as a batch, in any layout: rounds that threads share too."""
    rng = np.random.default_rng(5)
    for count, rows, n, length in ((1, 2, 2, 2), (3, 6, 20, 17), (1, 4, 4200, 4198), (1, 36, 140, 130)):
        given = [random(rng, dtype, (count, n, rows)).mT for _ in range(parts)]
        outs = [np.full((count, rows, n), np.nan, dtype) for _ in range(parts)] + [np.full((count, 1), np.nan, dtype)]
        steps = [strides(o) if o.ndim == 3 else [*strides(o), 0] for o in outs]
        kernel = cpu.Factor(isa, "jacobi", dtype, pairs=parts == 2)
        pointers = [v.ctypes.data for v in given], [o.ctypes.data for o in outs]
        kernel.run(*pointers, count, rows, n, steps, [strides(v) for v in given], threads, length)
        want = jacobi.steps(length, *map(np.ascontiguousarray, given))
        assert all(same(o, w) for o, w in zip(outs, want, strict=True))


def test_what_does_not_fit(cpu):
    for shape, length in (((1, 3, 4), 4), ((1, 4, 4), 5), ((1, 4, 4), -1), ((1, 2, 1 << 25), 1 << 25)):
        with pytest.raises(ValueError, match=r"even|length|large"):
            cpu.Factor("baseline", "jacobi", "float32").launch(*shape, [[9, 3, 1], [1, 1, 0]], [[9, 3, 1]], 1, length)
    for kind, dtype in (("svd", "float32"), ("lu", "int32"), ("solve", "float16"), ("lu", "nothing")):
        with pytest.raises(ValueError, match=r"unknown|take"):
            cpu.Factor("baseline", kind, dtype)
    steps = [9, 3, 1]
    for kind, shape, outs, ins in (
        ("cholesky", (1, 3, 4), [steps], [steps]),
        ("cholesky", (1, 33, 33), [steps], [steps]),
        ("cholesky", (-1, 3, 3), [steps], [steps]),
        ("cholesky", (1 << 40, 1 << 5, 1 << 5), [steps], [steps, steps]),
        ("lu", (1, 3, 33), [steps, steps], [steps]),
        ("lu", (1, 3, 3), [steps], [steps]),
        ("qr", (1, 3, 4), [steps, steps], [steps]),
        ("solve", (1, 3, 3), [steps], [steps]),
        ("solve", (1, 3, 3), [steps], [steps, [1, 2]]),
        ("solve", (1 << 30, 3, 1 << 40), [steps], [steps, steps]),
    ):
        with pytest.raises(ValueError, match=r"columns|rows|square|negative|large|there are|strides"):
            cpu.Factor("baseline", kind, "float32").launch(*shape, outs, ins, 1)
    with pytest.raises(ValueError, match="there are"):
        cpu.Factor("baseline", "lu", "float32", pairs=True).launch(1, 3, 3, [steps, steps], [steps, steps], 1)
    with pytest.raises(ValueError, match="threads"):
        cpu.Factor("baseline", "lu", "float32").launch(1, 3, 3, [steps, steps], [steps], 0)
