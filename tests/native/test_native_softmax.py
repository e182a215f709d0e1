"""The fused softmax, log-softmax and log-sum-exp: the bits of the steps they stand for, on every instruction set."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from native_reference import BLOCK, FLOATS, fold, numpy_dtype, random, run_pointwise, run_reduce, same, strides

KINDS = ("softmax", "log_softmax", "logsumexp")
# Around the lanes, a block, a group of rows, and the longest row whose powers are kept.
LENGTHS = (1, 2, 15, 16, 17, 63, 64, 65, 255, 257, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 8191, 8193, 3 * BLOCK + 70)
LONGEST_KEPT = 1 << 18


def results(dtype: str) -> tuple[str, ...]:
    return (dtype, "float32") if dtype in ("float16", "bfloat16") else (dtype,)


def accumulator(dtype: str) -> str:
    return "float64" if dtype == "float64" else "float32"


def run(
    cpu: ModuleType, isa: str, kind: str, x: np.ndarray, output: str, threads: int = 1, out: np.ndarray | None = None
) -> np.ndarray:
    """Along the last axis."""
    if out is None:
        out = np.empty(x.shape[:-1] if kind == "logsumexp" else x.shape, numpy_dtype(output))
    kept = x.ndim - 1
    cpu.Softmax(isa, kind, x.dtype.name, output).run(
        [x.ctypes.data], [out.ctypes.data], x.shape[:-1], strides(out)[:kept], strides(x)[:kept], x.shape[-1], threads
    )
    return out


def pointwise(cpu: ModuleType, isa: str, output: str, steps: list, *inputs: np.ndarray) -> np.ndarray:
    inputs = np.broadcast_arrays(*inputs)
    out = np.empty(inputs[0].shape, numpy_dtype(output))
    program = cpu.Pointwise(isa, [x.dtype.name for x in inputs], steps, output)
    return run_pointwise(program, out, inputs)


def composed(cpu: ModuleType, isa: str, kind: str, x: np.ndarray, output: str) -> np.ndarray:
    """The same from the extension's own steps: a cast, max, subtract and exp, sum, and the rest."""
    acc = accumulator(x.dtype.name)
    wide = pointwise(cpu, isa, acc, [("cast", acc, [0])], x)
    shift = run_reduce(cpu, isa, "max", wide, (wide.ndim - 1,), acc)[..., None]
    if kind == "logsumexp":
        shift = np.where(np.isfinite(shift), shift, shift.dtype.type(0))
    powers = pointwise(cpu, isa, acc, [("subtract", acc, [0, 1]), ("exp", acc, [2])], wide, shift)
    total = run_reduce(cpu, isa, "sum", powers, (powers.ndim - 1,), acc)[..., None]
    narrow = [("cast", output, [2])] if output != acc else []
    if kind == "softmax":
        return pointwise(
            cpu, isa, output, [("divide", acc, [0, 1]), *([("cast", output, [2])] if narrow else [])], powers, total
        )
    logarithm = pointwise(cpu, isa, acc, [("log", acc, [0])], total)
    if kind == "logsumexp":
        return pointwise(cpu, isa, output, [("add", acc, [0, 1]), *narrow], logarithm, shift)[..., 0]
    steps = [("subtract", acc, [0, 1]), ("subtract", acc, [3, 2])]
    return pointwise(cpu, isa, output, [*steps, *([("cast", output, [4])] if narrow else [])], wide, shift, logarithm)


@pytest.mark.parametrize("dtype", FLOATS)
def test_quotients_of_every_size(cpu, isa, dtype):
    """Powers down to the subnormal and zero: where a quotient is rounded without a division, and where it is not."""
    rng = np.random.default_rng(14)
    lowest = 750 if dtype == "float64" else 110
    for n in (17, 64, 100, 1000, 5000):
        for low in (lowest, lowest / 2):
            x = (rng.random((6, n)) * -low).astype(numpy_dtype(dtype))
            x[:3, ::7] = -np.inf
            x[1, 0] = 3
            for output in results(dtype):
                want = composed(cpu, isa, "softmax", x, output)
                assert same(run(cpu, isa, "softmax", x, output), want), (n, low, output)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_bits_of_its_steps(cpu, isa, kind, dtype):
    rng = np.random.default_rng(1)
    for n in LENGTHS:
        x = random(rng, dtype, (5, 4, n), 2)
        for output in results(dtype):
            want = composed(cpu, isa, kind, x, output)
            assert same(run(cpu, isa, kind, x, output), want), (n, output)
            assert same(run(cpu, isa, kind, x, output, 3), want), (n, output)
            # Rows apart, in another order, and backwards.
            for view in (np.repeat(x, 2, 0)[::2], np.ascontiguousarray(x.swapaxes(0, 1)).swapaxes(0, 1)):
                assert same(run(cpu, isa, kind, view, output, 2), want), (n, output)
            assert same(run(cpu, isa, kind, x[::-1], output), want[::-1]), (n, output)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [LONGEST_KEPT, LONGEST_KEPT + 1])
def test_long_rows(cpu, isa, kind, n):
    x = random(np.random.default_rng(2), "bfloat16", (2, n), 1)
    assert same(run(cpu, isa, kind, x, "bfloat16", 2), composed(cpu, isa, kind, x, "bfloat16"))


@pytest.mark.parametrize("output", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["softmax", "log_softmax"])
def test_results_past_the_caches(cpu, isa, kind, output):
    """More than 32 MiB of results are streamed, also to rows that start at no cache line."""
    x = random(np.random.default_rng(3), output, (61, 280_001), 1)
    out = np.empty((61, 280_004), numpy_dtype(output))
    out[:, -3:] = 7
    got = run(cpu, isa, kind, x, output, 2, out[:, 1:-2])
    part = np.ascontiguousarray(x[::20])
    assert same(np.ascontiguousarray(got[::20]), composed(cpu, isa, kind, part, output))
    assert (out[:, -2:] == 7).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_special_values(cpu, isa, dtype):
    inf, nan = np.inf, np.nan
    rows = [[inf, 1, 2], [-inf, -inf, -inf], [nan, 1, 2], [inf, -inf, inf], [-inf, 0, -0.0], [1, nan, inf], [3, 3, 3]]
    x = np.array(rows, numpy_dtype(dtype))
    for kind in KINDS:
        for output in results(dtype):
            assert same(run(cpu, isa, kind, x, output), composed(cpu, isa, kind, x, output))
    total = run(cpu, isa, "logsumexp", x, dtype).astype(np.float64)
    assert total[0] == total[3] == inf and total[1] == -inf and np.isnan(total[[2, 5]]).all()
    assert np.isnan(run(cpu, isa, "softmax", x, dtype)[[0, 1, 2, 3, 5]].astype(np.float64)).all()


def test_narrowing_to_bfloat16_is_that_of_the_cast(cpu, isa):
    """Differences of bfloat16 numbers of any two exponents, where log(1 + tiny) is 0: ties are among them."""
    rng = np.random.default_rng(4)
    x = -np.abs(random(rng, "bfloat16", (1 << 16, 2), 30).astype(np.float32)) - np.array([0, 200], np.float32)
    x = x.astype(numpy_dtype("bfloat16"))
    wide = x.astype(np.float32)
    ties = (wide - wide.max(-1, keepdims=True)).view(np.uint32) & 0xFFFF == 0x8000
    assert ties.sum() > 100
    assert same(run(cpu, isa, "log_softmax", x, "bfloat16"), composed(cpu, isa, "log_softmax", x, "bfloat16"))


def test_another_order_of_the_sum_would_be_seen(cpu, isa):
    x = random(np.random.default_rng(5), "float32", (20, 3 * BLOCK + 70), 1)
    shift = x.max(-1, keepdims=True)
    powers = pointwise(cpu, isa, "float32", [("subtract", "float32", [0, 1]), ("exp", "float32", [2])], x, shift)
    got = run(cpu, isa, "softmax", x, "float32")
    assert same(got, powers / fold("sum", powers)[:, None])
    assert not same(got, powers / fold("sum", powers, lanes=32)[:, None])
    assert not same(got, powers / fold("sum", powers, block=BLOCK // 2)[:, None])


def test_refuses_what_does_not_fit(cpu, isa):
    for kind, dtype, output in [
        ("softmin", "float32", "float32"),
        ("softmax", "int32", "int32"),
        ("softmax", "float32", "bfloat16"),
        ("logsumexp", "float16", "bfloat16"),
    ]:
        with pytest.raises(ValueError):
            cpu.Softmax(isa, kind, dtype, output)
    x, out = np.zeros((4, 6), np.float32), np.zeros((4, 6), np.float32)
    kernel = cpu.Softmax(isa, "softmax", "float32", "float32")
    good = [[x.ctypes.data], [out.ctypes.data], [4], [6], [6], 6, 1]
    kernel.run(*good)
    for position, value in [
        (0, []),
        (0, [1]),
        (1, [0]),
        (2, [-4]),
        (2, [4, 1]),
        (3, []),
        (4, [6, 1]),
        (5, 0),
        (5, 2**62),
        (6, 0),
    ]:
        bad = list(good)
        bad[position] = value
        with pytest.raises(ValueError):
            kernel.run(*bad)
