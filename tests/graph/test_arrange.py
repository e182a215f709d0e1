"""Graphs rewritten before they are grouped: random functions of views of steps on operands, and of products under other
shapes, give the bits of their calls one by one; and a view that is taken wrongly is seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tracing import traced

import accel
from accel.array import Array
from accel.graph import arrange, views
from accel.testing.compare import differing

nn = accel.nn


def cut(rng: np.random.Generator) -> Callable[[Array], Array]:
    """A view of arrays of two or three axes, reshapes among them."""
    kind, steps = rng.integers(0, 5), [int(rng.choice([1, 2, -1])) for _ in range(3)]
    if kind == 0:
        return lambda x: x[tuple(slice(None, None, step) for step in steps[: x.ndim])]
    if kind == 1:
        order = rng.permutation(3)
        return lambda x: x.permute(tuple(int(a) for a in order if a < x.ndim))
    if kind == 2:
        return lambda x: accel.reshape(x, (-1, x.shape[0]))
    if kind == 3:
        return lambda x: accel.reshape(x, (2, -1, x.shape[-1]) if x.size % (2 * x.shape[-1]) == 0 else x.shape)
    return lambda x: x[1:] if x.shape[0] > 1 else x[None, 0]


STEPS: tuple[Callable[[Array], Array], ...] = (
    lambda x: accel.astype(x, "float64"),
    lambda x: accel.astype(x, "float32"),
    lambda x: -x,
    lambda x: accel.exp(x * 0.25),
    lambda x: x * 3.0,
)


def of_views(seed: int) -> Callable[[Array], Any]:
    """Steps on an operand, seen once or twice, and what is made of that."""
    rng = np.random.default_rng(seed)
    before = [STEPS[i] for i in rng.integers(0, len(STEPS), rng.integers(1, 3))]
    first, second, folded = cut(rng), cut(rng), bool(rng.integers(0, 2))

    def function(x: Array) -> Any:
        for step in before:
            x = step(x)
        seen = [first(x), second(first(x))][: 1 + seed % 2]
        made = [accel.sum(v, axis=-1) if folded else accel.tanh(v) + 1.0 for v in seen]
        return tuple(accel.astype(accel.reshape(v, (-1,)), "float32") for v in made)

    return function


AFTER: tuple[Callable[[Array, Array], Array], ...] = (
    lambda y, gate: accel.tanh(y),
    lambda y, gate: y * gate,
    lambda y, gate: y + y * 0.5,
    lambda y, gate: y - gate[0, 0, 0],
    lambda y, gate: y,
)


def of_products(seed: int) -> Callable[[Array], Any]:
    """linear of three axes, and steps on it and beside it."""
    rng = np.random.default_rng(seed)
    kinds, view = rng.integers(0, 5, rng.integers(1, 5)), cut(rng)

    def function(x: Array) -> Any:
        weight = accel.reshape(accel.astype(x, "float32"), (-1, x.shape[-1]))
        y = nn.linear(accel.reshape(weight, (2, -1, x.shape[-1])), weight[:6])
        gate = nn.sigmoid(y[..., :1] if seed % 3 else accel.broadcast_to(weight[:6, 0], y.shape))
        for kind in kinds:
            y = AFTER[kind](y, gate)
        return y, accel.sum(y, axis=-1) if seed % 2 else view(y) * 2.0

    return function


OPERANDS = (
    accel.asarray(np.random.default_rng(1).standard_normal((8, 6)), dtype="float16", device="cpu"),
    accel.asarray(np.random.default_rng(2).standard_normal((6, 8)), dtype="float32", device="cpu").permute((1, 0)),
    accel.asarray(np.random.default_rng(3).standard_normal((4, 2, 6)), dtype="float32", device="cpu"),
)


def check(function: Callable[[Array], Any], x: Array) -> bool:
    """Whether the graph was rewritten."""
    with accel.config(fusion="off"):
        want = function(x)
    got = accel.fuse(lambda a: function(a))(x)
    for a, b in zip(got, want, strict=True):
        assert repr(a.layout) == repr(b.layout)
        assert not differing(np.asarray(a), np.asarray(b)).any()
    graph = traced(function, x)
    arranged = arrange.arranged(graph)
    arranged.check()
    return arranged != graph


@pytest.mark.parametrize("made", [of_views, of_products])
def test_the_bits_of_single_calls(made):
    rewritten = sum(check(made(seed), x) for seed in range(30) for x in OPERANDS)
    print(f"{made.__name__}: {rewritten} of {30 * len(OPERANDS)} rewritten")
    assert rewritten > 20


@pytest.mark.parametrize("wrong", ["offset", "strides"])
def test_a_view_that_is_taken_wrongly_is_seen(wrong, monkeypatch):
    """The control: a step on a view reads from the operand's first element on, or along its axes in another order."""
    through = views._through

    def other(*given: Any) -> Any:
        found = through(*given)
        if found is None:
            return None
        strides, offset = found
        return (strides, 0) if wrong == "offset" else (tuple(sorted(strides)), offset)

    monkeypatch.setattr(views, "_through", other)
    with pytest.raises((AssertionError, accel.AccelError)):
        for seed in range(30):
            for x in OPERANDS:
                check(of_views(seed), x)
