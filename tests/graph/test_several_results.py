"""Nodes with several results: traced, printed, checked, grouped, launched, judged and differentiated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from tracing import staged, traced

import accel
from accel import dispatch, registry
from accel.array import Array
from accel.backends.base import Call, Kernel, Prepared, one_launch
from accel.conversion import on_host
from accel.dtypes import FLOAT32, INT64
from accel.errors import AccelError
from accel.graph.derivative import backward, forward
from accel.graph.graph import Read
from accel.ops import bounds
from accel.ops.primitive.pointwise import apply
from accel.ops.spec import Inferred, OpSpec
from accel.scalar import Program, Step

X = accel.asarray(np.random.default_rng(5).standard_normal((6, 8)).astype(np.float32))
Y = accel.asarray(np.linspace(0.5, 2.5, 8, dtype=np.float32))

BOTH = Program(
    ("float32", "float32"),
    (Step("multiply", "float32", (0, 1)), Step("exp", "float32", (1,)), Step("add", "float32", (2, 0))),
    "float32",
    (3, 2, 4),
)
"""exp(y), x y and x y + x, of which the first depends on y alone."""


def ordered(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    places = np.argsort(x, axis=-1, kind="stable")
    return np.take_along_axis(x, places, -1), places


SORTED = OpSpec(
    name="sorted_with_places",
    primitive="sorted_with_places",
    summary="",
    function=lambda x: dispatch.call(SORTED, (x,)),
    infer=lambda inputs, params: Inferred(((inputs[0].shape, FLOAT32), (inputs[0].shape, INT64)), None),
    canonical=ordered,
    reference=ordered,
    bound=bounds.none,
    bits=lambda dtype, numerics: "exact",
    samples=lambda dtype: (),
    dtypes=(FLOAT32,),
)
"""An op of two results whose primitive goes into no group."""


def _sort(call: Call) -> Prepared:
    def run(arrays: Sequence[Array]) -> None:
        for result, out in zip(ordered(on_host(arrays[0])), arrays[1:], strict=True):
            view = on_host(out)
            view.flags.writeable = True
            view[...] = result

    return one_launch(call, run)


@pytest.fixture
def sorting(monkeypatch):
    """A kernel of the CPU for it. The list returned: refusals to give, one for each time that it is asked."""
    refusals: list[str] = []
    kernel = Kernel(SORTED.name, "test.sort", "", lambda call: refusals.pop() if refusals else None, _sort)
    real = registry.kernels
    monkeypatch.setattr(registry, "kernels", lambda name: (*real(name), *([kernel] if name == "cpu" else [])))
    dispatch.forget()
    yield refusals
    dispatch.forget()


def around(x):
    """Steps before it, on each of its results, and on both."""
    values, places = dispatch.call(SORTED, (x * 2.0,))
    return accel.exp(values) + 1.0, accel.astype(places, accel.float32) * values, places


def expected(x: np.ndarray) -> tuple[np.ndarray, ...]:
    values, places = ordered(x * np.float32(2))
    powers = np.asarray(accel.exp(accel.asarray(values)))
    return powers + np.float32(1), places.astype(np.float32) * values, places


def same(got, want) -> None:
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        assert np.array_equal(np.asarray(a), b)
        assert not np.array_equal(np.asarray(a), b + 1)


def test_as_text_and_checked():
    graph = traced(lambda x: dispatch.call(SORTED, (accel.exp(x),))[1] + 1, X)
    text = str(graph).splitlines()
    assert "  %3: float32[6, 8], %4: int64[6, 8] = sorted_with_places(%2)" in text
    assert text[-2:] == ["  %5: int64[6, 8] = add(%4, %1)", "  return %5"]
    node = graph.nodes[1]
    for value in (3, 4):  # its own results
        own = replace(node, reads=(Read(value, graph.layout(value)),))
        with pytest.raises(AccelError, match="not there yet"):
            replace(graph, nodes=(graph.nodes[0], own, graph.nodes[2])).check()
    with pytest.raises(AccelError, match="as float32"):
        replace(graph, results=(Read(4, graph.layout(3)),)).check()


def test_it_stands_alone_and_its_results_go_into_groups(sorting):
    made = staged(around, X)
    assert [stage.work.primitive for stage in made] == ["pointwise", SORTED.name, "pointwise", "pointwise"]
    assert [len(stage.work.outputs) for stage in made] == [1, 2, 1, 1]
    same(accel.fuse(around)(X), expected(np.asarray(X)))


def test_a_result_that_nobody_reads_has_memory(sorting):
    second = accel.fuse(lambda x: dispatch.call(SORTED, (x,))[1] * 3)
    same([second(X)], [ordered(np.asarray(X))[1] * 3])


def test_one_without_a_kernel_is_called(sorting):
    """Refused as a part of the composition, and served when it is called by itself."""
    sorting.append("not now")
    same(accel.fuse(around)(X), expected(np.asarray(X)))
    assert not sorting


def test_no_elements(sorting):
    got = accel.fuse(around)(accel.asarray(np.ones((0, 4), np.float32)))
    assert [(x.shape, str(x.dtype)) for x in got] == [((0, 4), "float32"), ((0, 4), "float32"), ((0, 4), "int64")]


def several(x, y):
    a, b, c = apply(BOTH, accel.tanh(x), y)
    return a * b, c - a, b


def test_pointwise_ones_join_groups():
    assert [stage.work.primitive for stage in staged(several, X, Y)] == ["pointwise"]
    assert [stage.work.primitive for stage in staged(lambda x, y: accel.sum(several(x, y)[0], axis=1), X, Y)] == ["row"]
    with accel.config(fusion="off"):
        want = [np.asarray(x) for x in several(X, Y)]
    same(accel.fuse(several)(X, Y), want)


def test_after_a_product():
    """One of the results is an epilogue's; several are not."""
    w = accel.asarray(np.random.default_rng(6).standard_normal((8, 8)).astype(np.float32))

    def one(x, w, y):
        return apply(BOTH, x @ w, y)[2]

    def three(x, w, y):
        return apply(BOTH, x @ w, y)

    assert [stage.work.primitive for stage in staged(one, X, w, Y)] == ["matmul"]
    assert [stage.work.primitive for stage in staged(three, X, w, Y)] == ["matmul", "pointwise"]
    with accel.config(fusion="off"):
        want = [np.asarray(x) for x in three(X, w, Y)]
    same(accel.fuse(three)(X, w, Y), want)
    same([accel.fuse(one)(X, w, Y)], want[2:])


def test_judged():
    from accel.graph.interpret import analyse, canonical

    with accel.config(fusion="off"):
        want = [np.asarray(x) for x in several(X, Y)]
    x, y = np.asarray(X), np.asarray(Y)
    same(canonical(accel.fuse(several), x, y), want)
    found, _ = analyse(accel.fuse(several), x, y)
    same([each.value for each in found], want)
    assert all((each.error > 0).any() for each in found)


def test_derivative():
    """Against that of the same functions one by one; a result without a cotangent gives nothing."""

    def apart(x, y):
        a, b = accel.exp(y), accel.tanh(x) * y
        return a * b, b + accel.tanh(x) - a, b

    rng = np.random.default_rng(7)
    given = [accel.asarray(rng.standard_normal((6, 8)).astype(np.float32)) for _ in range(3)]
    found, want = (
        backward(graph, forward(graph, [X, Y]), given) for graph in (traced(several, X, Y), traced(apart, X, Y))
    )
    for a, b in zip(found, want, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-5, atol=1e-5)
        assert not np.allclose(np.asarray(a), np.asarray(b) * 1.001, rtol=1e-5, atol=1e-5)
    graph = traced(lambda x, y: apply(BOTH, x, y), X, Y)
    found = backward(graph, forward(graph, [X, Y]), [given[0], None, None])
    assert found[0] is None
    powers = np.exp(np.asarray(Y))
    np.testing.assert_allclose(np.asarray(found[1]), np.asarray(given[0]).sum(0) * powers, rtol=1e-5)


@pytest.mark.parametrize("n", [1, 5, 70])
def test_a_row_that_repeats_one_number_is_written_whole(n):
    """An operand that is stretched along the folded axis: what is made of it and of rows' numbers has a number for each
    element nevertheless."""

    def function(x, w):
        distance = x - accel.sum(x * w, axis=1, keepdims=True)
        return distance, distance * w

    column, weights = (np.random.default_rng(i).standard_normal(s).astype(np.float32) for i, s in ((0, (3, 1)), (1, n)))
    operands = [accel.asarray(v, device="cpu") for v in (np.broadcast_to(column, (3, n)), weights)]
    with accel.config(fusion="off"):
        want = function(*operands)
    stale = [np.full((3, n), np.nan, np.float32) for _ in range(20)]
    del stale
    for got, its in zip(accel.fuse(function)(*operands), want, strict=True):
        assert np.array_equal(np.asarray(got), np.asarray(its))
