"""Derivatives: of every scalar function against central differences, of every primitive and view against those of whole
functions and against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import accel
from accel import dispatch
from accel.array import Array
from accel.composition import recorded_by
from accel.config import config
from accel.conversion import from_numpy, to_numpy
from accel.graph import interpret
from accel.graph.compile import Stage, stages
from accel.graph.derivative import backward, forward, undivided
from accel.graph.elements import fn as numbers
from accel.graph.trace import Tracer
from accel.ops.composed.statistics import mean
from accel.ops.primitive.pointwise import fn
from accel.ops.primitive.reduce import max, min, prod, sum
from accel.scalar import FUNCTIONS

RNG = np.random.default_rng(11)
SMOOTH = [name for name, row in FUNCTIONS.items() if callable(row.derivative)]


def points(name: str, argument: int) -> np.ndarray:
    """Where a function is smooth: apart from its jumps, ties and poles."""
    x = np.array([-7.3, -3.1, -2.9, -1.3, -0.71, -0.01, 0.013, 0.29, 1.1, 2.3, 3.2, 4.9])
    x = np.roll(x, 5 * argument)
    if name in ("log", "log2", "log10", "sqrt", "rsqrt") or (name == "pow" and argument == 0):
        return np.abs(x)
    if name == "log1p":
        return np.abs(x) - 0.9
    if name in ("logit", "entr", "ndtri"):
        return np.abs(x) / 8
    if name == "xlogy" and argument == 1:
        return np.abs(x)
    if name == "xlog1py" and argument == 1:
        return np.abs(x) - 0.9
    if name == "ldexp" and argument == 1:
        return np.rint(x)
    if name in ("asin", "acos", "atanh", "erfinv"):
        return x / 8
    if name == "acosh":
        return np.abs(x) + 1
    if name == "clip":
        return x if argument == 0 else x * 0 + (-1.5 if argument == 1 else 2.5)
    return x


@pytest.mark.parametrize("name", SMOOTH)
def test_functions(name):
    """Against central differences of the exact function in 60 digits, or where there is none, of the function."""
    row = FUNCTIONS[name]
    x = [points(name, i) for i in range(row.arity)]
    if name == "where":
        x[0] = x[0] > 0
    y = getattr(numbers, name)(*x)
    cotangent = RNG.uniform(0.5, 2, y.shape)
    found = row.derivative(numbers, cotangent, y, *x)
    assert len(found) == row.arity
    for i, got in enumerate(found):
        if got is None:
            assert name in ("where", "copysign", "nextafter", "ldexp")
            continue
        want = [cotangent[at] * _difference(name, [v[at] for v in x], i) for at in range(y.size)]
        np.testing.assert_allclose(np.broadcast_to(got, y.shape), want, rtol=1e-10, atol=1e-13)


def _difference(name: str, x: list[Any], i: int) -> float:
    reference = FUNCTIONS[name].reference
    if reference is None:  # where and copysign, of which float64 differences are exact enough
        ahead, behind = ([v + h if j == i else v for j, v in enumerate(x)] for h in (2.0**-20, -(2.0**-20)))
        return float(getattr(numbers, name)(*ahead) - getattr(numbers, name)(*behind)) * 2.0**19
    with mpmath.workdps(60):
        h = mpmath.mpf(10) ** -20
        wide = [mpmath.mpf(float(v)) for v in x]
        ahead, behind = (
            reference(mpmath.mp, *(v + step if j == i else v for j, v in enumerate(wide))) for step in (h, -h)
        )
        return float((ahead - behind) / (2 * h))


@pytest.mark.parametrize(
    ("name", "x", "want"),
    [
        ("maximum", (1.0, 1.0), (0.5, 0.5)),
        ("minimum", (1.0, 1.0), (0.5, 0.5)),
        ("relu", (0.0,), (0.0,)),
        ("abs", (0.0,), (0.0,)),
        ("clip", (1.0, 1.0, 2.0), (1.0, 0.0, 0.0)),
        ("clip", (3.0, 1.0, 2.0), (0.0, 0.0, 1.0)),
        ("clip", (0.0, 1.0, 2.0), (0.0, 1.0, 0.0)),
        ("pow", (0.0, 0.0), (0.0, 0.0)),
        ("pow", (0.0, 2.0), (0.0, 0.0)),
        ("gelu", (0.0,), (0.5,)),
        ("mish", (0.0,), (0.6,)),
        ("hardswish", (3.0,), (1.5,)),
    ],
)
def test_ties_and_edges_go_by_torchs_rule(name, x, want):
    given = [np.float64(v) for v in x]
    with np.errstate(all="ignore"):
        found = FUNCTIONS[name].derivative(numbers, 1.0, getattr(numbers, name)(*given), *given)
    assert [float(v) for v in found] == pytest.approx(list(want))


# whole functions


def graph_of(function: Callable[..., Any], arrays: list[Array], alone: frozenset[str] = frozenset()):
    """alone: composed ops that stay nodes, as those with a derivative of their own do where one is taken."""
    tracer = Tracer([x.layout for x in arrays])
    tracer.stand_alone(alone)
    with recorded_by(tracer):
        result = function(*tracer.arguments())
    return tracer.graph(result if isinstance(result, tuple) else (result,))


def on_cpu(x: np.ndarray) -> Array:
    return from_numpy(x, accel.device("cpu"), copy=True)


def gradients(function: Callable[..., Any], operands: list[np.ndarray]) -> tuple[list, list[np.ndarray]]:
    """Cotangents of the operands, and those given to the results."""
    arrays = [on_cpu(x) for x in operands]
    graph = graph_of(function, arrays, undivided())
    values = forward(graph, arrays)
    results = [values[r.value].view(r.layout.shape, r.layout.strides, r.offset) for r in graph.returned]
    given = [RNG.standard_normal(y.shape) for y in results]
    found = backward(graph, values, [on_cpu(g.astype(y.dtype.numpy)) for g, y in zip(given, results, strict=True)])
    return [None if g is None else to_numpy(g) for g in found], given


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


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


# derivatives that are stated


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
