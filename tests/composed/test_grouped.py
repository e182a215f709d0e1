"""grouped_matmul as one launch: any sizes of groups, gradients, numbers that do not fit, on every device."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import accel
from accel import dispatch, nn
from accel.conversion import to_numpy
from accel.ops.primitive import grouped_matmul as primitive
from accel.testing.compare import differing, place

DEVICES = ("cpu", "opencl:intel", "opencl:pocl", "triton:interpreter")
RNG = np.random.default_rng(7)


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    try:
        accel.device(request.param)
    except accel.AccelError as error:
        pytest.skip(str(error))
    with accel.config(device=request.param):
        yield request.param


def on(device: str, x: np.ndarray) -> accel.Array:
    return accel.asarray(x, device=device)


def looped(x: Any, w: Any, counts: Any) -> Any:
    """Each group by itself."""
    ends = np.cumsum((0, *counts)).tolist()
    return accel.concat([accel.matmul(x[a:b], w[g]) for g, (a, b) in enumerate(pairwise(ends))], axis=0)


@settings(max_examples=30)
@given(
    counts=st.lists(st.sampled_from((0, 0, 1, 2, 5, 17, 40)), min_size=1, max_size=7),
    k=st.sampled_from((1, 9, 64, 300)),
    n=st.sampled_from((1, 5, 64, 130)),
    dtype=st.sampled_from((np.float32, np.float64, np.float16, ml_dtypes.bfloat16)),
    turned=st.booleans(),
    threads=st.sampled_from((1, 3)),
)
def test_any_sizes(counts: list[int], k: int, n: int, dtype: type, turned: bool, threads: int) -> None:
    x = RNG.standard_normal((sum(counts), k)).astype(dtype)
    w = RNG.standard_normal((len(counts), n, k) if turned else (len(counts), k, n)).astype(dtype)
    w = w.transpose(0, 2, 1) if turned else w
    with accel.config(device="cpu", numerics="reproducible", num_threads=threads):
        got = nn.grouped_matmul(x, w, np.array(counts))
        assert not differing(got, looped(x, w, counts)).any()


def test_threads_share_groups_and_columns() -> None:
    """Enough work for several threads, of groups that are cut and groups that are not."""
    counts = (90, 0, 1, 300, 7)
    x, w = (RNG.standard_normal(s).astype(np.float32) for s in ((398, 300), (5, 300, 1000)))
    with accel.config(device="cpu", num_threads=4):
        for weights in (w, np.ascontiguousarray(w.transpose(0, 2, 1)).transpose(0, 2, 1)):
            assert not differing(nn.grouped_matmul(x, weights, counts), looped(x, w, counts)).any()
        turned = nn.grouped_matmul(x.T, np.ascontiguousarray(x[:, :200]), counts)
    ends = np.cumsum((0, *counts))
    for g, (a, b) in enumerate(pairwise(ends.tolist())):
        assert not differing(turned[g], accel.matmul(x[a:b].T, x[a:b, :200])).any()


@pytest.mark.parametrize("device", ("cpu", "opencl:intel", "triton:interpreter"), indirect=True)
@pytest.mark.parametrize("contracted", [False, True])
def test_gradients_are_those_of_each_product(device: str, contracted: bool) -> None:
    """First and second ones."""
    counts = (3, 0, 20)
    x, w = (on(device, RNG.standard_normal(s).astype(np.float32)) for s in ((23, 9), (3, 9, 5)))
    if contracted:
        x, w = on(device, to_numpy(x)).mT, on(device, RNG.standard_normal((23, 5)).astype(np.float32))
    number = on(device, np.array(counts))
    ends = np.cumsum((0, *counts)).tolist()

    def grouped(x: Any, w: Any, number: Any) -> Any:
        return nn.grouped_matmul(x, w, number)

    def apart(x: Any, w: Any, number: Any) -> Any:
        if contracted:
            return accel.stack([accel.matmul(x[:, a:b], w[a:b]) for a, b in pairwise(ends)])
        return looped(x, w, counts)

    def slopes(function: Any) -> Any:
        return accel.grad(lambda *given: accel.sum(accel.exp(0.1 * function(*given))), argnums=(0, 1))

    def curved(function: Any) -> Any:
        return accel.grad(lambda *given: sum(accel.sum(g * g) for g in slopes(function)(*given)), argnums=(0, 1))

    for of in (slopes, curved) if device == "cpu" else (slopes,):
        for got, want in zip(of(grouped)(x, w, number), of(apart)(x, w, number), strict=True):
            assert not differing(np.asarray(got), np.asarray(want)).any()
            assert np.asarray(want).any()


def test_in_a_fused_function_counts_are_an_argument(device: str) -> None:
    x, w = (on(device, RNG.standard_normal(s).astype(np.float32)) for s in ((20, 30), (4, 30, 7)))
    fused = accel.fuse(lambda x, w, c: nn.grouped_matmul(accel.exp(x), w, c) * 2.0)
    for counts in ((5, 0, 14, 1), (0, 20, 0, 0)):
        want = to_numpy(nn.grouped_matmul(accel.exp(x), w, counts) * 2.0)
        assert np.array_equal(to_numpy(fused(x, w, on(device, np.array(counts)))), want)
    with pytest.raises(IndexError, match=r"counts: expected numbers from 0 on that sum to 20.*one is off by -1"):
        fused(x, w, on(device, np.array((5, 0, 13, 1))))
        accel.synchronize()


WRONG = {
    "counts": (((2, 0, 1), -1), ((5, -1, 0), -1), ((0, 0, 9), -5), ((2**62, 2**62, 4), -(2**63))),
    "offs": (((2, 2, 3), -1), ((5, 4, 4), -1), ((-2, 1, 4), -2), ((1, 9, 4), -5), ((0, 2**40, 2**41), 4 - 2**41)),
}


@pytest.mark.parametrize("name", WRONG)
def test_numbers_that_do_not_fit(device: str, name: str) -> None:
    """And nothing beyond the operands is read where nobody looks: guards around them are NaN."""
    where = accel.device(device)
    x, w = (place(RNG.standard_normal(s).astype(np.float32), where) for s in ((4, 9), (3, 9, 5)))
    good = {"counts": (2, 0, 2), "offs": (2, 2, 4)}[name]
    with accel.config(check="sync"):
        nn.grouped_matmul(x, w, **{name: place(np.array(good), where)})
        for numbers, off in WRONG[name]:
            with pytest.raises(IndexError, match=f"grouped_matmul: {name}: expected .* 4, .*off by {off}$"):
                nn.grouped_matmul(x, w, **{name: place(np.array(numbers), where)})
    with accel.config(check="off"):
        for numbers, _ in WRONG[name]:
            its = place(np.array(numbers), where)
            assert np.isfinite(to_numpy(nn.grouped_matmul(x, w, **{name: its}))).all()
            assert np.isfinite(to_numpy(nn.grouped_matmul(place(to_numpy(x).T, where), x, **{name: its}))).all()


def test_what_a_device_finds_of_ends(device: str) -> None:
    for ends, rows in (((3,), 3), ((0, 0, 5), 5), ((3,), 5), ((-3, 5), 5), ((4, 2, 5), 5), ((1, 7, 5), 5), ((1, 9), 5)):
        steps = [b - a for a, b in pairwise((0, *ends))] + [-abs(rows - ends[-1])]
        far = dispatch.call(primitive.STEPS, (on(device, np.array(ends)),), rows)
        assert int(to_numpy(far)) == max(step % 2**64 for step in steps)


def test_one_launch_and_one_look() -> None:
    null = accel.device("null:0")
    x, w, counts = (
        accel.zeros((6, 4), device=null),
        accel.zeros((3, 4, 5), device=null),
        accel.zeros(3, dtype="int64", device=null),
    )
    offs = accel.zeros(3, dtype="int32", device=null)

    def ops(**named: Any) -> list[str]:
        before = len(null.launches)
        nn.grouped_matmul(x, w, **named)
        return sorted(each.op for each in null.launches[before:])

    assert ops(counts=counts) == ["grouped_matmul", "row", "scan"]
    with accel.config(check="off"):
        assert ops(counts=counts) == ["grouped_matmul", "scan"]
        assert ops(offs=offs) == ops(counts=(1, 2, 3)) == ["grouped_matmul"]
