"""Derivatives that ops state in the place of those of their bodies, and values that none passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from derived import gradients, graph_of, normal, on_cpu

import accel
from accel import dispatch
from accel.array import Array
from accel.config import config
from accel.conversion import to_numpy
from accel.graph import interpret
from accel.graph.compile import Stage, stages
from accel.graph.derivative import backward, forward, undivided
from accel.ops.primitive.pointwise import fn


def pulled(function: Callable[..., Any], arrays: list[Array], alone: frozenset[str]) -> Callable[..., Any]:
    """A function of operands and cotangents: the cotangents of the operands."""
    graph = graph_of(function, arrays, alone)

    def found(*given: Array) -> tuple[Array, ...]:
        made = backward(graph, forward(graph, given[: len(arrays)]), given[len(arrays) :])
        return tuple(g for g in made if g is not None)

    return found


def launched(function: Callable[..., Any], arrays: list[Array], alone: frozenset[str]) -> tuple[int, list[Stage]]:
    """How many nodes the graph of a derivative has, and its launches."""
    (result,) = graph_of(function, arrays).returned
    given = [*arrays, on_cpu(np.ones(result.layout.shape, result.layout.dtype.numpy))]
    graph = graph_of(pulled(function, arrays, alone), given)
    return len(graph.nodes), stages(graph, dispatch.chooser(given[0].device, config.current()))


STATED: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...], float, list[str]]] = {
    "softmax": (lambda x: accel.nn.softmax(x, axis=1), ((8, 64),), 0.7, ["row"]),
    "log_softmax": (lambda x: accel.nn.log_softmax(x, axis=1), ((8, 64),), 0.7, ["row"]),
    "logsumexp": (lambda x: accel.special.logsumexp(x, axis=1), ((8, 64),), 0.7, ["row"]),
    "a norm": (lambda x: accel.linalg.vector_norm(x, axis=1, ord=3.0), ((8, 64),), 0.7, ["row"]),
    "layer_norm": (
        lambda x, w, b: accel.nn.layer_norm(x, (64,), w, b),
        ((8, 64), (64,), (64,)),
        0.75,
        ["row", "reduce", "reduce"],
    ),
}
"""The function, shapes, how many of the nodes remain of the body's derivative at most, and the launches."""


@pytest.mark.parametrize("name", STATED)
def test_what_a_stated_derivative_saves(name):
    """Nodes; no launch and no error more than the derivative of the body, whose numbers are the same but for
    rounding."""
    function, shapes, share, kinds = STATED[name]
    operands = [normal(*shape).astype(np.float32) for shape in shapes]
    arrays = list(map(on_cpu, operands))
    nodes, made = launched(function, arrays, undivided())
    before, other = launched(function, arrays, frozenset())
    assert nodes <= share * before
    assert [stage.work.primitive for stage in made] == kinds
    assert len(made) <= len(other)
    g = normal(*graph_of(function, arrays).results[0].layout.shape).astype(np.float32)
    bounds = []
    for alone in (undivided(), frozenset()):
        results, _ = interpret.analyse(pulled(function, arrays, alone), *operands, g)
        bounds.append(results if isinstance(results, tuple) else (results,))
    for mine, bodys in zip(*bounds, strict=True):
        assert (np.abs(mine.value - bodys.value) <= mine.error + bodys.error).all()
        assert mine.error.mean() <= 1.001 * bodys.error.mean()
    print(f"{name}: the bound is {bounds[1][0].error.mean() / bounds[0][0].error.mean():.2f} times smaller")


def test_layer_norms_own_derivative_has_a_smaller_bound():
    function, shapes, *_ = STATED["layer_norm"]
    operands = [normal(*shape).astype(np.float32) for shape in (*shapes, shapes[0])]
    arrays = list(map(on_cpu, operands[:3]))
    mine, bodys = (
        interpret.analyse(pulled(function, arrays, alone), *operands)[0][0].error
        for alone in (undivided(), frozenset())
    )
    assert bodys.mean() > 1.3 * mine.mean()


def test_steps_beside_a_fold_of_an_operand_go_with_what_needs_them():
    """g * weight reads g as the bias's sum over the rows does, but is needed by sums along them."""
    function, shapes, *_ = STATED["layer_norm"]
    _, made = launched(function, [on_cpu(normal(*shape).astype(np.float32)) for shape in shapes], frozenset())
    assert [stage.work.primitive for stage in made] == ["row", "reduce", "reduce"]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_layer_norms_derivative_by_dtype(dtype):
    """Computed in float32 and rounded once, with the operands' dtypes."""
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    kind = accel.dtypes.as_dtype(dtype)
    operands = [normal(*shape).astype(kind.numpy) for shape in ((4, 33), (33,), (33,), (4, 33))]
    *arrays, g = map(on_cpu, operands)
    found = pulled(lambda x, w, b: accel.nn.layer_norm(x, (33,), w, b), arrays, undivided())(*arrays, g)
    theirs = [torch.tensor(x.astype(np.float64), requires_grad=True) for x in operands[:3]]
    torch.nn.functional.layer_norm(theirs[0], (33,), *theirs[1:]).backward(torch.tensor(operands[3].astype(np.float64)))
    eps = float(accel.finfo(kind).eps)
    for mine, x in zip(found, theirs, strict=True):
        assert mine.dtype is kind
        want = x.grad.numpy()
        assert (
            np.abs(to_numpy(mine).astype(np.float64) - want).max()
            <= (1 if dtype != "float32" else 16) * eps * np.abs(want).max()
        )


def test_a_stopped_value_is_a_constant():
    x, y = normal(3, 4), normal(3, 4)
    found, (g,) = gradients(lambda x, y: x * accel.stop_gradient(x * y)[:, ::-1] + accel.stop_gradient(y), [x, y])
    np.testing.assert_array_equal(found[0], g * (x * y)[:, ::-1])
    assert found[1] is None


def test_a_stopped_value_is_what_was_given():
    """The same memory, whatever array it is; and no node where nothing is derived."""
    special = np.array([0.0, -0.0, np.nan, np.inf, 1e-310])
    x = on_cpu(special)
    assert accel.stop_gradient(x).buffer is x.buffer
    mine = accel.stop_gradient(special)
    assert isinstance(mine, np.ndarray) and mine.tobytes() == special.tobytes()
    assert accel.stop_gradient(np.array([True, False])).tolist() == [True, False]
    assert accel.stop_gradient(np.arange(3)[::-1]).tolist() == [2, 1, 0]
    with accel.config(fusion="off"):
        assert to_numpy(accel.stop_gradient(x)).tobytes() == special.tobytes()
    plain, stopped = (graph_of(f, [x]) for f in (lambda x: fn.exp(x), lambda x: fn.exp(accel.stop_gradient(x))))
    assert str(plain) == str(stopped)
    kept = graph_of(lambda x: fn.exp(accel.stop_gradient(x)), [x], undivided())
    assert len(kept.nodes) == 2, "where something is derived it is one"
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    theirs = accel.stop_gradient(torch.tensor(special))
    assert isinstance(theirs, torch.Tensor) and theirs.numpy().tobytes() == special.tobytes()
