"""Scans: the rule, what the arguments mean, and how many launches they are."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import numpy as np
import pytest

import accel
from accel import registry, scan_passes
from accel.backends.base import Call
from accel.config import config
from accel.layout import layout
from accel.ops import canonical
from accel.ops.parameters import Scan
from accel.registry import OPS

NUMPY = {"cumulative_sum": np.cumsum, "cumulative_prod": np.cumprod}


def add(a: canonical.Parts, b: canonical.Parts) -> canonical.Parts:
    return (a[0] + b[0],)


def halves(x: np.ndarray) -> Any:
    """The sum of 2**k elements by pairs of neighbours."""
    while x.size > 1:
        x = x[::2] + x[1::2]
    return x[0]


def some(x: list[Any]) -> Any:
    """Fewer than 16 elements, or 16: aligned powers of two, the last ones added first."""
    at, total = len(x), None
    for bit in (1, 2, 4, 8, 16):
        if len(x) & bit:
            piece = halves(np.array(x[at - bit : at]))
            at -= bit
            total = piece if total is None else piece + total
    return total


def by_digits(x: np.ndarray, i: int) -> Any:
    """The sum up to element i as rule 5 is read by streaming kernels: digits of the group's number, highest first."""
    levels = [x]
    while len(levels[-1]) >= 16:
        whole = levels[-1][: len(levels[-1]) // 16 * 16].reshape(-1, 16)
        levels.append(np.array([halves(row) for row in whole]))
    pieces, number = [some(list(x[i // 16 * 16 : i + 1]))], i // 16
    for level in levels[1:]:
        if number % 16:
            pieces.append(some(list(level[number // 16 * 16 : number])))
        number //= 16
    total = pieces.pop()
    while pieces:
        total = total + pieces.pop()
    return total


@pytest.mark.parametrize("n", [1, 15, 16, 17, 256, 257, 1100, 4096, 4113, 66_000])
def test_the_rule_by_levels_is_the_rule_by_digits(n: int) -> None:
    x = np.random.default_rng(n).standard_normal(n).astype(np.float32)
    (whole,) = canonical.scan((x,), add)
    places = np.unique(np.r_[0, n - 1, np.random.default_rng(0).integers(0, n, 60)])
    assert all(whole[i] == by_digits(x, i) for i in places)
    (shorter,) = canonical.scan((x[: n // 2 + 1],), add)
    assert np.array_equal(shorter, whole[: n // 2 + 1])


def test_another_rule_would_be_seen() -> None:
    x = np.random.default_rng(0).standard_normal(300).astype(np.float32)
    (right,) = canonical.scan((x,), add)
    (groups_of_8,) = canonical.scan((x,), add, size=8)
    assert np.array_equal(accel.cumulative_sum(x), right)
    assert (groups_of_8 != right).any() and (np.cumsum(x) != right).any()


@pytest.mark.parametrize("name", NUMPY)
def test_integers_and_the_initial_element_are_numpys(name: str) -> None:
    function, numpy = getattr(accel, name), getattr(np, name)
    x = np.random.default_rng(0).integers(-3, 4, (3, 40), dtype=np.int8)
    for axis in (0, 1, -1, -2):
        for initial in (False, True):
            got = function(x, axis=axis, include_initial=initial)
            want = numpy(x, axis=axis, include_initial=initial, dtype=np.int64)
            assert got.dtype == np.int64 and np.array_equal(got, want)
    assert np.array_equal(function(x[0]), numpy(x[0], dtype=np.int64))
    assert np.array_equal(function(x, axis=1, dtype="uint8"), numpy(x, axis=1, dtype=np.uint8))
    assert np.array_equal(function(x, axis=1, dtype="bool"), numpy(x.astype(bool), axis=1, dtype=bool))
    assert (
        function(x[:, :0], axis=1, include_initial=True).tolist() == [[numpy(x[0, :0]).sum() + (name[-1] == "d")]] * 3
    )
    assert function(x[:, :0], axis=1).shape == (3, 0)
    half = function(x.astype(np.float16), axis=1, dtype="float32")
    assert half.dtype == np.float32


def test_extremes_propagate_nan_and_order_zeros() -> None:
    x = np.array([-0.0, 0.0, -0.0, 1, np.nan, 5, -np.inf])
    high, low = accel.cumulative_max(x), accel.cumulative_min(x)
    assert np.array_equal(high[:4], [0, 0, 0, 1]) and np.signbit(high[:4]).tolist() == [True, False, False, False]
    assert np.signbit(low[:4]).tolist() == [True] * 4
    assert np.isnan(high[4:]).all() and np.isnan(low[4:]).all()


def test_what_is_asked_for_wrongly() -> None:
    x = np.ones((2, 3), np.float32)
    with pytest.raises(accel.AxisError, match="cumulative_sum: axis: expected one of the 2 axes"):
        accel.cumulative_sum(x)
    with pytest.raises(accel.AxisError, match="out of range"):
        accel.cumulative_sum(x, axis=2)
    with pytest.raises(accel.ArgumentError, match="axis"):
        accel.cumulative_sum(x, axis=(0, 1))
    with pytest.raises(accel.ArgumentError, match="axis"):
        accel.cumulative_sum(x, axis=True)
    with pytest.raises(accel.ShapeError, match="without axes"):
        accel.cumulative_prod(np.float32(1) * np.ones(()))
    with pytest.raises(accel.DtypeError, match="floating"):
        accel.logcumsumexp(np.arange(3))
    with pytest.raises(accel.ArgumentError, match="include_initial"):
        accel.cumulative_sum(x, axis=0, include_initial="yes")
    wanted = (
        "(x: 'Any', /, *, axis: 'int | None' = None, dtype: 'Any' = None, include_initial: 'bool' = False) -> 'Any'"
    )
    assert str(inspect.signature(accel.cumulative_sum)) == str(inspect.signature(accel.cumulative_prod)) == wanted


def test_logarithms_of_no_probability_stay_so() -> None:
    x = np.array([-np.inf, -np.inf, 0, 0, np.inf, 1, np.nan], np.float32)
    got = accel.logcumsumexp(x)
    assert got[0] == got[1] == -np.inf and got[2] == 0 and got[4] == got[5] == np.inf and np.isnan(got[6])
    assert abs(got[3] - np.log(2)) < 1e-6


# launches, and more blocks than one launch scans


@pytest.fixture(params=["opencl:pocl", "opencl:intel", "triton:interpreter"])
def device(request: pytest.FixtureRequest) -> Any:
    try:
        return accel.device(request.param)
    except accel.AccelError as error:
        pytest.skip(str(error))


def launches(device: Any, shape: tuple[int, ...], axis: int) -> int:
    x = layout(OPS["cumulative_sum"].dtypes[-2], shape, None, device)
    call = Call("scan", (x,), (x,), Scan("sum", axis), device, config.current())
    (kernel,) = (k for k in registry.kernels(device.backend) if k.op == "scan")
    return len(kernel.prepare(call).launches)


def test_one_launch_for_a_block_and_two_for_more(device: Any) -> None:
    counts = [launches(device, shape, axis) for shape, axis in (((4096,), 0), ((3, 500), 1), ((500, 3), 0))]
    assert counts == [1, 1, 1]
    counts = [launches(device, shape, axis) for shape, axis in (((1 << 20,), 0), ((2048, 2048), 1), ((2048, 2048), 0))]
    assert max(counts) == 2


@pytest.mark.parametrize("geometry", ["lanes", "loops"])
def test_totals_of_many_blocks_are_scanned_by_launches_of_their_own(
    device: Any, geometry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if device.backend == "opencl":
        monkeypatch.setattr(device, "geometry", geometry)
        monkeypatch.setattr(importlib.import_module("accel.kernels.opencl.scan"), "ALONE", 0)  # no row is one block
    elif geometry == "loops":
        pytest.skip("Triton has one geometry")
    monkeypatch.setattr(scan_passes, "MOST", 3)
    rng = np.random.default_rng(0)
    columns = 17 if geometry == "lanes" else 3  # more than that, and each is one block
    more = len(geometry)  # so that each geometry has plans of its own
    for shape, axis in (((4 * 4096 + 77 + more,), 0), ((5 * 4096 + more, columns), 0)):
        x = rng.standard_normal(shape).astype(np.float32)
        assert launches(device, shape, axis) >= 3
        got = accel.cumulative_sum(accel.asarray(x, device=device), axis=axis)
        want = OPS["cumulative_sum"].canonical(x, axis=axis)
        assert np.array_equal(np.asarray(accel.asarray(got, device="cpu")), want)
