"""Derivatives of every primitive and view against those of whole functions, central differences and torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from derived import RNG, gradients, graph_of, normal, on_cpu

import accel
from accel.array import Array
from accel.conversion import to_numpy
from accel.graph.derivative import backward, forward
from accel.ops.composed.statistics import mean
from accel.ops.primitive.pointwise import fn
from accel.ops.primitive.reduce import max, min, prod, sum


def softmax_like(x: Array) -> Array:
    powers = fn.exp(x - max(x, axis=1, keepdims=True))
    return powers / sum(powers, axis=1, keepdims=True)


def layer_norm_like(x: Array, weight: Array, bias: Array) -> Array:
    centred = x - mean(x, axis=-1, keepdims=True)
    return centred * fn.rsqrt(mean(fn.square(centred), axis=-1, keepdims=True) + 1e-5) * weight + bias


def shared(x: Array, y: Array) -> tuple[Array, Array]:
    """Values that several nodes and two results need."""
    a = fn.tanh(x * y)
    return a * a + x, sum(a, axis=0)


def whole(*numbers: int) -> Array:
    """Positions, as a constant of a trace."""
    return on_cpu(np.array(numbers))


PLACES, MASK = on_cpu(np.array([[2, 0, 2], [1, 3, 1]])), on_cpu(np.array([[True, False, True, False]]))

BODIES: dict[str, tuple[Callable[..., Any], list[np.ndarray]]] = {
    "softmax": (softmax_like, [normal(3, 7)]),
    "layer_norm": (layer_norm_like, [normal(4, 5), normal(5), normal(5)]),
    "composed ops": (lambda x: accel.nn.log_softmax(accel.nn.rms_norm(x, (6,)), axis=0), [normal(3, 6)]),
    "product": (lambda a, b: fn.gelu(accel.matmul(a, b)), [normal(3, 4), normal(4, 5)]),
    "batched product": (accel.matmul, [normal(2, 1, 3, 4), normal(5, 4, 2)]),
    "product of vectors": (accel.matmul, [normal(6), normal(6)]),
    "layer_norm itself": (lambda x, w, b: accel.nn.layer_norm(x, (5,), w, b), [normal(4, 5), normal(5), normal(5)]),
    "layer_norm of a sum": (
        lambda x, y: accel.nn.layer_norm(x, (2, 3), residual=y, eps=1e-3),
        [normal(4, 2, 3), normal(4, 2, 3)],
    ),
    "log_softmax": (lambda x: accel.nn.log_softmax(x, axis=0), [normal(4, 5)]),
    "logsumexp": (lambda x: accel.special.logsumexp(x, axis=1), [normal(4, 5)]),
    "vector norm": (lambda x: accel.linalg.vector_norm(x, axis=1, ord=3.5), [normal(4, 5)]),
    "linear": (lambda x, w, b: accel.nn.linear(x, w, b, activation="silu"), [normal(3, 4), normal(5, 4), normal(5)]),
    "shared": (shared, [normal(3, 4), normal(4)]),
    "product of elements": (
        lambda x: prod(x, axis=1),
        [np.array([[1.5, -2.0, 3.0], [1.5, 0.0, 3.0], [0.0, 0.0, 3.0]])],
    ),
    "extremes": (lambda x: max(x, axis=0) * min(x), [np.array([[1.0, 2.0, 5.0], [1.5, 0.5, 3.0]])]),
    "views": (lambda x: (x.permute((1, 0))[:, ::-1] * 2.0)[None], [normal(3, 4)]),
    "samples at places": (
        lambda x, g: accel.nn.grid_sample(x, g, "bicubic", "border"),
        [normal(2, 3, 5, 4), RNG.uniform(-0.9, 0.9, (2, 3, 4, 2))],
    ),
    "places of a map": (lambda t: accel.nn.affine_grid(t, (2, 1, 3, 4)), [normal(2, 2, 3)]),
    "reshapes": (lambda x: fn.exp(accel.reshape(x * x, (2, 6))), [normal(3, 4)]),
    "slices": (lambda x: fn.sigmoid(x[:, 3:]) * x[:, :3] + x[:, ::2], [normal(4, 6)]),
    "joined": (
        lambda x, y: accel.pad(accel.concat([x * y, accel.roll(x, 1, axis=1)]), ((1, 0), (2, 1)), "reflect") * 2.0,
        [normal(3, 4), normal(3, 4)],
    ),
    "padded": (lambda x: accel.pad(x * x, 2, constant_values=5.0) * accel.pad(x, 2, "edge"), [normal(2, 3)]),
    "taken": (lambda x: accel.take(x * x, whole(2, 0, -1, 2), axis=1) * x[[1, 1, 0]], [normal(3, 4)]),
    "taken along": (
        lambda x: accel.take_along_axis(x, whole(2, 0, 3, 3, 1, -4).reshape((3, 2)), axis=1) * x[:, :2],
        [normal(3, 4)],
    ),
    "selected": (
        lambda x: fn.exp(x[[0, 2, 0], 1:, [[1], [-1]]]) * x[:2, :3, :3],
        [normal(3, 4, 5)],
    ),
    "sorted": (lambda x: accel.sort(x * x, axis=0, descending=True) * accel.sort(x[::-1]), [normal(3, 4)]),
    "put": (
        lambda x, y: fn.square(accel.put_along_axis(x * x, whole(1, 1, 0, -1, 2, -2).reshape((2, 3)), y * 3.0, axis=1)),
        [normal(2, 4), normal(2, 3)],
    ),
    "added": (lambda x, y: fn.square(accel.index_add(x, 1, whole(2, 0, 2), y)), [normal(2, 4, 3), normal(2, 3, 3)]),
    "segments": (
        lambda x: accel.nn.segment_max(x * x, whole(1, 0, 1, 1), 2) * accel.nn.segment_min(x, whole(0, 0, 1, 1), 2),
        [normal(4, 3)],
    ),
    "combined": (
        lambda x, y: (
            accel.scatter_reduce(x, 1, PLACES, y * y, "prod")
            + accel.scatter_reduce(x, 1, PLACES, y, "mean", include_self=False)
            + accel.scatter_reduce(x, 1, PLACES, y, "amax") * accel.gather(x, 1, PLACES[:1, :1])
            + accel.masked_scatter(x, MASK, y)
        ),
        [normal(2, 4), normal(2, 3)],
    ),
    "dropped out": (
        lambda x: accel.nn.dropout(x * x, 0.4, key=3) + accel.nn.alpha_dropout(x, 0.4, key=2**40),
        [normal(4, 5)],
    ),
    "one row": (lambda x: x[1] * x, [normal(4, 6)]),
    "covariances": (lambda x, y: accel.cov(x, y), [normal(2, 5), normal(5)]),
    "correlations": (lambda x: accel.corrcoef(x), [normal(3, 5)]),
    "averages": (lambda x, w: accel.average(x, 1, w * w + 1.0), [normal(3, 5), normal(5)]),
    "integrals": (lambda y, x: accel.trapezoid(y, x), [normal(3, 5), normal(5)]),
    "derivatives": (lambda x: accel.gradient(x, 0.5, axis=1, edge_order=2), [normal(3, 5)]),
    "ranges": (lambda x: accel.ptp(x, 1), [normal(3, 5)]),
    "cross products": (accel.linalg.cross, [normal(4, 3), normal(4, 3) + 1.0]),
    "norms": (lambda x: accel.linalg.matrix_norm(x) + accel.linalg.matrix_norm(x, ord=1), [normal(3, 4)]),
    "powers": (lambda x: accel.linalg.matrix_power(x, 3), [normal(3, 3)]),
    "labelled axes": (
        lambda a, b, c: accel.einsum("ijk,kl,iil->jl", a, b, c),
        [normal(2, 3, 4), normal(4, 5), normal(2, 2, 5)],
    ),
    "choices": (lambda x, y: fn.where(fn.less(x, y), x * y, x - y), [normal(5, 4), normal(5, 1)]),
}


@pytest.mark.parametrize("body", BODIES)
def test_against_central_differences(body):
    function, operands = BODIES[body]
    found, given = gradients(function, operands)

    def weighed(moved: list[np.ndarray]) -> float:
        again = function(*(on_cpu(x) for x in moved))
        several = again if isinstance(again, tuple) else (again,)
        return float(np.sum([np.sum(g * to_numpy(y)) for g, y in zip(given, several, strict=True)]))

    h = 2.0**-17
    for i, got in enumerate(found):
        assert got.shape == operands[i].shape
        want = np.empty(operands[i].shape)
        for at in np.ndindex(want.shape):
            moved = []
            for step in (h, -h):
                x = operands[i].copy()
                x[at] += step
                moved.append(weighed([x if j == i else v for j, v in enumerate(operands)]))
            want[at] = (moved[0] - moved[1]) / (2 * h)
        np.testing.assert_allclose(got, want, rtol=2e-8, atol=2e-8)
        off = got + 1e-3 * np.abs(want).max()
        assert not np.allclose(off, want, rtol=2e-8, atol=2e-8), "a difference is seen"


def test_ties_of_a_maximum_share_the_cotangent():
    found, given = gradients(lambda x: max(x, axis=1), [np.array([[2.0, 1.0, 2.0], [0.0, 3.0, 3.0]])])
    assert found[0].tolist() == [[given[0][0] / 2, 0, given[0][0] / 2], [0, given[0][1] / 2, given[0][1] / 2]]


def test_ties_of_segments_share_the_cotangent():
    x = np.array([[2.0, 1.0], [2.0, 0.0], [1.0, 3.0], [2.0, 0.0]])
    (found,), (g,) = gradients(lambda x: accel.nn.segment_max(x, whole(0, 0, 0, 1), 2), [x])
    (a, b), (c, d) = g
    assert np.allclose(found, [[a / 2, 0], [a / 2, 0], [0, b], [c, d]])


def test_zeros_of_a_product_take_the_others():
    x, y = np.array([0.0, 3.0, 0.0]), np.array([2.0, 0.0, 5.0, 0.0])
    (dx, dy), (g,) = gradients(lambda x, y: accel.scatter_reduce(x, 0, whole(0, 1, 1, 2), y, "prod"), [x, y])
    assert np.allclose(dx, [g[0] * 2, 0, 0]) and np.allclose(dy, [0, g[1] * 15, 0, 0])


def test_what_is_left_out_has_no_share():
    x = np.array([[1.0, np.nan, 2.0], [np.nan, np.nan, 4.0]])
    for function, want in (
        (lambda x: accel.nansum(x, 1), [[1, 0, 1], [0, 0, 1]]),
        (lambda x: accel.nanmean(x, 1), [[0.5, 0, 0.5], [0, 0, 1]]),
        (lambda x: accel.nanmax(x, 1), [[0, 0, 1], [0, 0, 1]]),
    ):
        (found,), (g,) = gradients(function, [x])
        assert np.allclose(found, g[:, None] * np.array(want))


def test_what_is_no_smooth_number_has_no_cotangent():
    found, _ = gradients(lambda x, y: fn.floor(x) + fn.where(fn.less(x, 0.0), 1.0, y), [normal(4), normal(4)])
    assert found[0] is None
    assert found[1] is not None


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_dtypes(dtype):
    """Cotangents have their operands' dtypes, whatever a body widens to."""
    x = accel.dtypes.as_dtype(dtype)
    arrays = [on_cpu(normal(4, 5).astype(x.numpy)), on_cpu(normal(5).astype(np.float32))]
    graph = graph_of(lambda a, b: accel.nn.softmax(a * b, axis=1), arrays)
    values = forward(graph, arrays)
    result = graph.results[0].layout.dtype
    found = backward(graph, values, [on_cpu(normal(4, 5).astype(result.numpy))])
    assert [g.dtype for g in found] == [a.dtype for a in arrays]


@pytest.mark.parametrize(
    "body",
    [
        "softmax",
        "layer_norm",
        "product",
        "shared",
        "reshapes",
        "choices",
        "slices",
        "joined",
        "taken along",
        "selected",
        "sorted",
        "put",
        "added",
        "combined",
        "dropped out",
    ],
)
def test_a_traced_derivative_is_a_graph_with_the_same_bits(body):
    """Reverse mode runs under a trace as it does on a device."""
    function, operands = BODIES[body]
    arrays = [on_cpu(x.astype(np.float32)) for x in operands]
    graph = graph_of(function, arrays)
    values = forward(graph, arrays)
    cotangents = [on_cpu(normal(*r.layout.shape).astype(np.float32)) for r in graph.returned]
    direct = backward(graph, values, cotangents)

    def whole(*given: Array) -> tuple[Array, ...]:
        return tuple(backward(graph, forward(graph, given[: len(arrays)]), given[len(arrays) :]))

    traced = graph_of(whole, [*arrays, *cotangents])
    again = forward(traced, [*arrays, *cotangents])
    for read, want in zip(traced.returned, direct, strict=True):
        got = again[read.value].view(read.layout.shape, read.layout.strides, read.offset)
        assert np.array_equal(to_numpy(got), to_numpy(want))


TORCH: dict[str, tuple[Callable[..., Any], Callable[..., Any], list[np.ndarray]]] = {
    name: (getattr(accel.nn, name), name, [normal(4, 7) * 2])
    for name in (
        "gelu",
        "silu",
        "relu",
        "mish",
        "selu",
        "hardswish",
        "hardsigmoid",
        "softsign",
        "tanhshrink",
        "logsigmoid",
    )
    if hasattr(accel.nn, name)
}


def test_moved_elements_against_torch():
    """Also of 16-bit floats, whose cotangents add up in float32."""
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    i, many = np.array([2, 0, 2, 1]), np.zeros(300, np.int64)
    rows = np.array([[0, 2, 2], [1, 0, 1]])
    for ours, theirs, shape in (
        (lambda x: accel.take(x, on_cpu(i), axis=1), lambda x: torch.index_select(x, 1, torch.tensor(i)), (2, 3)),
        (lambda x: accel.take_along_axis(x, on_cpu(rows)), lambda x: torch.gather(x, 1, torch.tensor(rows)), (2, 3)),
        (lambda x: accel.sort(x, axis=0), lambda x: torch.sort(x, 0).values, (7, 5)),
        (lambda x: accel.index_add(x, 0, on_cpu(i), x[[1, 0, 1, 1]]),
         lambda x: torch.index_add(x, 0, torch.tensor(i), x[[1, 0, 1, 1]]), (3, 2)),
        (lambda x: x[on_cpu(many)], lambda x: x[torch.tensor(many)], (2, 3)),
    ):  # fmt: skip
        (found,), (given,) = gradients(ours, [operand := normal(*shape)])
        x = torch.tensor(operand, requires_grad=True)
        theirs(x).backward(torch.tensor(given))
        np.testing.assert_allclose(found, x.grad.numpy(), rtol=1e-12, atol=1e-14)
    half = on_cpu(np.ones((1, 1), np.float16))
    graph = graph_of(lambda x: x[on_cpu(np.zeros(5000, np.int64))], [half])
    (found,) = backward(graph, forward(graph, [half]), [on_cpu(np.ones((5000, 1), np.float16))])
    assert found.dtype is accel.float16 and found.item() == 5000, "in float16 itself it would end at 2048"


@pytest.mark.parametrize("name", TORCH)
def test_against_torch(name):
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    function, theirs, operands = TORCH[name]
    found, given = gradients(function, operands)
    x = torch.tensor(operands[0], requires_grad=True)
    # the sixth of torch's hardsigmoid is a float32
    getattr(torch.nn.functional, theirs)(x).backward(torch.tensor(given[0]))
    np.testing.assert_allclose(found[0], x.grad.numpy(), rtol=4e-8 if name == "hardsigmoid" else 1e-12, atol=1e-14)
