"""Reductions whose result does not depend on the order of elements read memory as it lies; all others do not."""

from __future__ import annotations

import time

import numpy as np
import pytest

import accel
from accel import dispatch, registry
from accel.dtypes import as_dtype
from accel.layout import collapse
from accel.testing.compare import differing, place

CHOICES = ("max", "min", "any", "all")

VIEWS = {
    "transposed": (lambda x: x.T, (24,), (1,)),
    "permuted": (lambda x: x.transpose(2, 0, 1), (24,), (1,)),
    "backwards": (lambda x: x[::-1, :, ::-1], (24,), (1,)),
    "with gaps": (lambda x: x[:, ::-2].transpose(2, 0, 1), (2, 2, 4), (12, 8, 1)),
    "a column": (lambda x: x[:, :, 2].T, (6,), (4,)),
    "stretched": (lambda x: np.broadcast_to(x[:, :1].transpose(2, 1, 0), (5, 4, 3, 2)), (2, 4), (12, 1)),
    "one element": (lambda x: np.broadcast_to(x[0, 0, 0], (7, 8)), (), ()),
}
"""A view of a (2, 3, 4) array, and the shape and strides of what a choice reads."""


def collapsed(its):
    shape, (strides,) = collapse(its.shape, [its.strides])
    return shape, strides


@pytest.mark.parametrize("kind", CHOICES)
@pytest.mark.parametrize("name", VIEWS)
def test_choices_read_memory_as_it_lies(null, name, kind):
    view, shape, strides = VIEWS[name]
    x = place(view(np.zeros((2, 3, 4), np.float32)), null)
    for keepdims in (False, True):
        result = getattr(accel, kind)(x, keepdims=keepdims)
        assert result.shape == ((1,) * x.ndim if keepdims else ())
        call = null.launches.pop()
        assert call.params.axes == tuple(range(call.inputs[0].ndim))
        assert collapsed(call.inputs[0]) == (shape, strides)


def test_some_axes_are_taken_in_their_order_too(null):
    x = accel.empty((2, 3, 4, 5), dtype="uint8", device=null).permute((3, 1, 0, 2))
    assert accel.max(x, axis=(0, 2, 3)).shape == (3,)
    (call,) = null.launches
    assert (call.inputs[0].shape, call.inputs[0].strides) == ((3, 2, 4, 5), (20, 60, 5, 1))
    assert call.params.axes == (1, 2, 3)


def test_integer_sums_wrap_in_any_order_but_count_every_element(null):
    x = accel.empty((3, 4), dtype="int8", device=null)
    accel.sum(x.T)
    accel.prod(accel.broadcast_to(x[:, ::-1].T, (5, 4, 3)))
    first, second = null.launches
    assert (first.inputs[0].shape, first.inputs[0].strides) == ((3, 4), (4, 1))
    assert (second.inputs[0].shape, second.inputs[0].strides) == ((3, 4, 5), (4, 1, 0))


def test_what_depends_on_the_order_keeps_it(null):
    """Float sums, whose order is the contract's, and indices."""
    x = accel.empty((3, 4), dtype="float32", device=null).T
    for call in (accel.sum, accel.prod, accel.mean, accel.argmax, accel.argmin):
        call(x)
        assert all(launch.inputs[0].strides == (1, 4) for launch in null.launches if launch.op == "reduce")
        assert null.launches
        null.launches.clear()
    values = np.random.default_rng(0).standard_normal((300, 400)).astype(np.float32)
    straight, across = (np.asarray(accel.sum(accel.asarray(v, device="cpu"))) for v in (values, values.T))
    assert straight.tobytes() != across.tobytes(), "a control: order makes a difference where it may"


def test_a_repeated_call_finds_its_plan_at_once(null, monkeypatch):
    x = accel.empty((3, 4), dtype="uint8", device=null)
    accel.max(x.T)
    monkeypatch.setattr(dispatch, "_call", None)
    accel.max(x.T)
    first, second = null.launches
    assert first is second


def sample(dtype: str) -> np.ndarray:
    """Numbers of a dtype, with NaN, infinities and zeros of both signs where it has them."""
    rng, its = np.random.default_rng(1), as_dtype(dtype)
    base = rng.integers(0, 3 if dtype == "bool" else 100, (4, 6, 70)).astype(its.numpy)
    if its.kind == "f":
        base = np.where(base > 50, -base, base).astype(its.numpy)
        base[0, :, :9] = np.array([0.0, -0.0, -0.0, 0.0, np.inf, -np.inf, -0.0, 1, 2], its.numpy)
        base[1] = base[3] = -0.0
        base[1, 2, 3] = 0.0
        base[2, 1, 5] = np.nan
    return base


ORDERS = (
    lambda x: x.T,
    lambda x: x[3::-1, :, ::-1],
    lambda x: x[:, ::-2].transpose(2, 0, 1),
    lambda x: x[3:].T,
    lambda x: x[1:2].T,
    lambda x: np.broadcast_to(x[:, :1, ::3], (4, 5, 24)),
    lambda x: x.transpose(1, 2, 0)[::2],
)


def holds(device, kind, view, axis):
    got = np.asarray(getattr(accel, kind)(place(view, device), axis=axis))
    want = np.asarray(registry.OPS[kind].canonical(np.ascontiguousarray(view), axis=axis))
    assert got.dtype == want.dtype
    assert not differing(got, want).any(), (kind, view.strides)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("axis", [None, 0, (0, 2), (1, 2), (2,)])
def test_the_same_bits_as_in_order(dtype, axis):
    """Any layout against the canonical answer of its elements in order."""
    for view in ORDERS:
        for kind in (*CHOICES, "sum", "prod"):
            holds(accel.device("cpu"), kind, view(sample(dtype)), axis)


@pytest.mark.parametrize(("kind", "dtype"), [("max", "bfloat16"), ("any", "float32"), ("sum", "int8")])
def test_the_same_bits_as_in_order_everywhere(target, kind, dtype):
    with target.in_force() as device:
        for view, axis in zip(ORDERS[1:3], (None, (0, 2)), strict=True):
            holds(device, kind, view(sample(dtype)), axis)


@pytest.mark.parametrize("spot", [None, (0, 0), (150, 101), (299, 399)])
@pytest.mark.parametrize("threads", [1, 3])
def test_every_block_of_scattered_elements_counts(spot, threads):
    """The first, the last and those between, whoever finds what settles the result."""
    wide = np.zeros((300, 800), bool)
    x = wide[:, ::2]
    if spot:
        x[spot] = True
    y, z = accel.asarray(x, device="cpu"), accel.asarray(~wide, device="cpu")[:, ::2].T
    with accel.config(num_threads=threads):
        assert bool(accel.any(y)) == bool(accel.max(y)) == bool(spot)
        assert bool(accel.all(z)) == bool(accel.min(z)) == (not spot)
        assert np.asarray(accel.any(y, axis=0)).tolist() == x.any(0).tolist()


def test_a_settled_result_ends_the_walk(null):
    x = accel.empty((2, 3), dtype="bool", device=null)
    accel.max(x)
    accel.min(x)
    assert [call.params.kind for call in null.launches] == ["any", "all"], "which end at the first"
    wide = np.zeros((2000, 4000), bool)
    none = accel.asarray(wide, device="cpu")[:, ::2]
    first = accel.asarray(wide.copy(), device="cpu")[:, ::2]
    first[0, 0] = True
    best = {True: 1.0, False: 1.0}
    with accel.config(num_threads=1):
        for _ in range(7):
            for y in (none, first):
                start = time.perf_counter()
                found = bool(accel.any(y))
                best[found] = min(best[found], time.perf_counter() - start)
    assert best[True] < best[False] / 3, "a tenth or less, of 4 million elements"


def test_errors_are_those_of_the_op():
    x = accel.ones((3, 4), dtype="int32", device="cpu").T
    with pytest.raises(accel.AxisError, match="max: axis: 2 is out of range"):
        accel.max(x, axis=2)
    with pytest.raises(accel.ShapeError, match="nothing to choose from"):
        accel.max(x[:0])
    assert not bool(accel.any(x[:0])) and bool(accel.all(x[:0]))
