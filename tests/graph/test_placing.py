"""Joins of what groups compute: each part is written where it belongs, and the join is no launch."""

from __future__ import annotations

import numpy as np
import pytest
from tracing import staged, traced

import accel
from accel import composition, dispatch
from accel.config import config
from accel.graph.compile import stages

X = accel.asarray(np.random.default_rng(0).standard_normal((6, 8)).astype(np.float32), device="cpu")
Y = accel.asarray(np.random.default_rng(1).standard_normal((6, 8)).astype(np.float32), device="cpu")


def rotated(x):
    a, b = x[:, :4], x[:, 4:]
    return accel.concat([a * 0.6 - b * 0.8, b * 0.6 + a * 0.8], axis=1)


def then(value, function):
    return function(value)


PLACED = {
    "halves that swap": (rotated, (X,), ["pointwise"]),
    "new axis": (lambda x: accel.stack([x + 1.0, x * 2.0], axis=1), (X,), ["pointwise"]),
    "last axis": (lambda x: accel.stack([x + 1.0, x * 2.0], axis=-1), (X,), ["pointwise"]),
    "other lengths": (lambda x: accel.concat([x[:2] + 1.0, accel.exp(x)]), (X,), ["pointwise", "pointwise"]),
    "rows": (lambda x: accel.concat([accel.nn.softmax(x), -x], axis=0), (X,), ["row"]),
    "numbers of rows": (lambda x: accel.stack([accel.sum(x, axis=1), accel.max(x, axis=1)]), (X,), ["row"]),
    "joins of joins": (lambda x: accel.stack([rotated(x), rotated(x)[:, ::-1] * 1.0], axis=2), (X,), None),
    "one of three": (
        lambda x: accel.concat([accel.stack([x + 1.0, x - 1.0], axis=-1), accel.exp(x)[..., None]], axis=-1),
        (X,),
        ["pointwise"],
    ),
    "read on": (lambda x: accel.sum(accel.concat([x + 1.0, accel.exp(x)]), axis=0), (X,), ["pointwise", "reduce"]),
    "flattened": (lambda x: accel.reshape(accel.stack([x + 1.0, x * 2.0], axis=-1), (96,)), (X,), ["pointwise"]),
}


@pytest.mark.parametrize("name", PLACED)
def test_parts_are_computed_in_place(name):
    function, arrays, want = PLACED[name]
    found = [stage.work.primitive for stage in staged(function, *arrays)]
    assert "join" not in found
    assert want is None or found == want
    with accel.config(fusion="off"):
        apart = np.asarray(accel.fuse(function)(*arrays))
    assert np.array_equal(np.asarray(accel.fuse(function)(*arrays)), apart)
    eager = np.asarray(function(*arrays))
    assert np.array_equal(eager, apart)


KEPT = {
    "of operands": (lambda x, y: accel.concat([x, y]), (X, Y)),
    "one is an operand": (lambda x, y: accel.concat([x + 1.0, y]), (X, Y)),
    "read elsewhere too": (lambda x: then(x + 1.0, lambda z: (accel.concat([z, accel.exp(x)]), z)), (X,)),
    "twice the same": (lambda x: then(x + 1.0, lambda z: accel.concat([z, z])), (X,)),
    "turned": (lambda x: accel.concat([(x + 1.0).T, accel.exp(x).T]), (X,)),
    "a product": (lambda x: accel.concat([x @ x.T, accel.exp(x)[:, :6]]), (X,)),
}


@pytest.mark.parametrize("name", KEPT)
def test_a_join_that_stays(name):
    function, arrays = KEPT[name]
    assert "join" in [stage.work.primitive for stage in staged(function, *arrays)]
    got, apart = accel.fuse(function)(*arrays), function(*arrays)
    for a, b in zip(
        got if isinstance(got, tuple) else (got,), apart if isinstance(apart, tuple) else (apart,), strict=True
    ):
        assert np.array_equal(np.asarray(a), np.asarray(b))


def test_an_op_that_stands_alone():
    graph = traced(rotated, X)
    found = stages(graph, dispatch.chooser(X.device, config.current()), frozenset({"concat"}))
    assert [stage.work.primitive for stage in found] == ["pointwise", "join"]


@pytest.mark.parametrize("name", PLACED)
def test_a_group_without_a_kernel(name):
    """Called op by op, its results go to the same places."""
    function, arrays, _ = PLACED[name]
    graph = traced(function, *arrays)
    choose = dispatch.chooser(X.device, config.current())

    def some(work):
        steps = {step.function for step in work.params.steps} if work.primitive == "pointwise" else set()
        return (None, "none") if steps & {"add", "multiply"} else choose(work)

    made = stages(graph, some)
    assert any(stage.kernel is None for stage in made) or "row" in name
    plan = composition.compiled(graph, made, X.device, config.current(), dispatch.call, lambda arrays, out: None)
    assert np.array_equal(np.asarray(plan(list(arrays), None)), np.asarray(function(*arrays)))
