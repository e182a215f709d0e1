"""A repeated call on complex arrays is launches alone, on parts where they lie: views, given outputs, parts apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import accel
from accel import _core, dispatch
from accel.parts import halves, pair

LAUNCHED = {
    "add": lambda x, y, r: x + y,
    "add a real": lambda x, y, r: r + y,
    "multiply": lambda x, y, r: x * y,
    "multiply by a real": lambda x, y, r: x * r,
    "divide": lambda x, y, r: x / y,
    "negative": lambda x, y, r: -x,
    "square": lambda x, y, r: accel.square(x),
    "abs": lambda x, y, r: accel.abs(x),
    "equal": lambda x, y, r: x == y,
    "exp": lambda x, y, r: accel.exp(x),
    "conj": lambda x, y, r: accel.conj(x),
    "where": lambda x, y, r: accel.where(r > 0.0, x, y),
    "sum": lambda x, y, r: accel.sum(x),
    "sum of rows": lambda x, y, r: accel.sum(x, axis=-1),
    "cumulative_sum": lambda x, y, r: accel.cumulative_sum(x, axis=0),
    "matmul": lambda x, y, r: accel.matmul(x, accel.matrix_transpose(y)),
    "take": lambda x, y, r: accel.take(x, POSITIONS, axis=0),
    "concat": lambda x, y, r: accel.concat([x, y]),
    "copy": lambda x, y, r: accel.asarray(x, copy=True),
    "fused": accel.fuse(lambda x, y, r: (x * y + r, accel.abs(x))),
}
POSITIONS = accel.asarray([2, 0], device="cpu")
MOVED = ("concat",)
"""Calls that become another one first, which has its own plan."""


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def operands(dtype="complex64", shape=(3, 4)) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(3)
    x, y = ((rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype) for _ in range(2))
    return x, y, rng.standard_normal(shape).astype(x.real.dtype)


def each(result):
    return result if isinstance(result, tuple) else (result,)


def same(got, want) -> None:
    for x, y in zip(each(got), each(want), strict=True):
        x, y = np.asarray(x), np.asarray(y)
        assert (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes())


def planned() -> list:
    """The plans of calls with a complex operand."""
    found = dict(dispatch._plans)
    return [plan for key, plan in found.items() if any(x.dtype.kind == "c" for x in key[4:])]


@pytest.mark.parametrize("name", [name for name in LAUNCHED if name not in MOVED])
def test_a_repeated_call_is_launches_alone(name):
    arrays = tuple(map(accel.asarray, operands()))
    dispatch.forget()
    first = LAUNCHED[name](*arrays)
    plans = planned()
    assert plans and all(isinstance(plan, _core.Plan) for plan in plans)
    same(LAUNCHED[name](*arrays), first)
    assert len(planned()) == len(plans)


def test_a_plan_of_another_kind_is_seen():
    arrays = tuple(map(accel.asarray, operands()))
    dispatch.forget()
    with accel.config(fusion="off"):
        LAUNCHED["multiply"](*arrays)
    assert not any(isinstance(plan, _core.Plan) for plan in planned())


@pytest.mark.parametrize(("name", "launches"), [("conj", 1), ("negative", 1), ("add a real", 2)])
def test_launches(name, launches):
    """Of a conjugate's parts, side by side, one; of a real number and a complex one, whose parts share nothing, two."""
    dispatch.forget()
    LAUNCHED[name](*map(accel.asarray, operands()))
    (plan,) = planned()
    assert len(plan.description.launches) == launches


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (7, 3), (2000,), (70001,)])
def test_conjugates_to_the_bit(shape, dtype):
    """Zeros of both signs, infinities and the smallest numbers change the imaginary part's sign alone."""
    info = np.finfo(dtype)
    numbers = np.array([0.0, -0.0, np.inf, -np.inf, info.smallest_subnormal, -info.max, 1.5], info.dtype)
    rng = np.random.default_rng(5)
    x = np.empty(shape, dtype)
    x.real, x.imag = (rng.choice(numbers, shape) for _ in range(2))
    same(accel.conj(accel.asarray(x)), np.conj(x))
    same(accel.conj(pair(accel.asarray(x.real.copy()), accel.asarray(x.imag.copy()))), np.conj(x))


def lying(x: np.ndarray, how: str) -> accel.Array:
    """The same elements elsewhere in memory: behind others, between others, backwards, by columns."""
    if how == "behind":
        base = np.full((x.shape[0] + 1, x.shape[1]), np.nan, x.dtype)
        base[1:] = x
        return accel.asarray(base)[1:]
    if how == "between":
        base = np.full((2 * x.shape[0] + 1, 2 * x.shape[1] + 1), np.nan, x.dtype)
        base[1::2, 1::2] = x
        return accel.asarray(base)[1::2, 1::2]
    if how == "backwards":
        return accel.asarray(x[::-1, ::-1].copy())[::-1, ::-1]
    if how == "columns":
        return accel.asarray(x.T.copy()).T
    return accel.asarray(x)


LIES = st.sampled_from(("rows", "behind", "between", "backwards", "columns"))


@settings(max_examples=40)
@given(st.sampled_from(list(LAUNCHED)), st.tuples(LIES, LIES, LIES), st.sampled_from(["complex64", "complex128"]))
def test_bits_do_not_depend_on_where_numbers_lie(name, lies, dtype):
    given_ = operands(dtype)
    want = LAUNCHED[name](*map(accel.asarray, given_))
    arrays = [lying(x, how) for x, how in zip(given_, lies, strict=True)]
    for _ in range(2):  # the second one by the plan of the first
        same(LAUNCHED[name](*arrays), want)
    same(tuple(arrays), given_)


@pytest.mark.parametrize("name", ["add", "multiply", "exp", "negative"])
@pytest.mark.parametrize("how", ["rows", "behind", "between", "columns"])
def test_given_outputs(name, how):
    x, y, _ = operands()
    function = getattr(accel, name)
    more = () if name in ("exp", "negative") else (accel.asarray(y),)
    spec = accel.registry.OPS[name]
    want = np.asarray(function(accel.asarray(x), *more))
    for _ in range(2):
        out = lying(np.full_like(x, 7j), how)
        assert dispatch.call(spec, (accel.asarray(x), *more), None, out) is out
        same(out, want)
        out = lying(x.copy(), how)  # of itself
        dispatch.call(spec, (out, *more), None, out)
        same(out, want)
    memory = np.concatenate([x.reshape(-1), np.zeros(1, x.dtype)])
    source, target = (accel.asarray(memory)[at : at + x.size] for at in (0, 1))
    flat = tuple(accel.reshape(z, (-1,)) for z in more)
    dispatch.call(spec, (source, *flat), None, target)
    same(target, want.reshape(-1))


def test_several_outputs_of_which_some_are_complex():
    x, y, r = map(accel.asarray, operands())
    product, size = LAUNCHED["fused"](x, y, r)
    same(product, np.asarray(x * y + r))
    same(size, np.asarray(accel.abs(x)))
    assert (product.strides, size.strides) == ((4, 1), (4, 1))


@pytest.mark.parametrize("name", LAUNCHED)
def test_parts_that_lie_apart_are_brought_together(name):
    """Also by a call whose plan is there."""
    x, y, r = operands()
    arrays = tuple(map(accel.asarray, (x, y, r)))
    want = LAUNCHED[name](*arrays)
    re, im = (accel.asarray(part.copy()) for part in (x.real, x.imag))
    assert halves(arrays[0])[0].strides == (8, 2) and re.strides == (4, 1)
    same(LAUNCHED[name](pair(re, im), *arrays[1:]), want)
