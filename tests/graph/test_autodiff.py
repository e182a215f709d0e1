"""grad, value_and_grad, vjp, jvp and checkpoint: against torch in float64, on every device with the same bits."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import nn, registry

torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
RNG = np.random.default_rng(5)
DEVICES = ["cpu", "opencl:intel", "opencl:pocl", "triton:interpreter"]


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


X, W, B = normal(5, 3), normal(3, 4), normal(4)


def layer(w, b, x):
    return nn.gelu(nn.layer_norm(x @ w + b, (4,)))


def loss(w, b, x):
    return accel.mean(layer(w, b, x) ** 2)


def torch_loss(w, b, x):
    return (torch.nn.functional.gelu(torch.nn.functional.layer_norm(x @ w + b, (4,))) ** 2).mean()


def tensors(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.tensor(x, requires_grad=True) for x in arrays]


def near(got, want):
    np.testing.assert_allclose(got, want.detach().numpy() if isinstance(want, torch.Tensor) else want, 1e-9, 1e-11)


def test_gradients():
    given = tensors(W, B, X)
    value = torch_loss(*given)
    value.backward()
    for argnums in (0, 2, (1, 2), [2, 0]):
        got, gradients = accel.value_and_grad(loss, argnums)(W, B, X)
        near(got, value)
        several = isinstance(argnums, (tuple, list))
        for i, g in zip(argnums if several else (argnums,), gradients if several else (gradients,), strict=True):
            assert isinstance(g, np.ndarray)
            near(g, given[i].grad)
    near(accel.grad(loss)(W, B, x=X), given[0].grad)
    tensor = torch.tensor(W)
    assert isinstance(accel.grad(loss)(tensor, torch.tensor(B), torch.tensor(X)), torch.Tensor)


def test_structures_and_aux():
    def of(weights, x, *, scale):
        y = layer(weights["layers"][0], weights["bias"], x) * scale
        return accel.sum(y), {"y": y, "count": accel.sum(y > 0.0)}

    weights = {"layers": [W], "bias": B}
    (value, aux), g = accel.value_and_grad(of, has_aux=True)(weights, X, scale=2.0)
    assert set(g) == set(weights) and type(g["layers"]) is list and aux["y"].shape == (5, 4)
    again, same = accel.grad(of, has_aux=True)(weights, X, scale=2.0)
    assert (again["layers"][0] == g["layers"][0]).all() and same["count"] == aux["count"]
    given = tensors(W, B)
    theirs = (
        torch.nn.functional.gelu(torch.nn.functional.layer_norm(torch.tensor(X) @ given[0] + given[1], (4,))) * 2
    ).sum()
    theirs.backward()
    near(value, theirs)
    near(g["layers"][0], given[0].grad)
    near(g["bias"], given[1].grad)


def test_vjp_and_jvp():
    (w, b, x), c, v = tensors(W, B, X), normal(5, 4), [normal(*a.shape) for a in (W, B, X)]
    theirs = lambda w, b, x: torch.nn.functional.gelu(torch.nn.functional.layer_norm(x @ w + b, (4,)))  # noqa: E731
    want, pulled = torch.autograd.functional.vjp(theirs, (w, b, x), torch.tensor(c))
    value, pullback = accel.vjp(layer, W, B, X)
    near(value, want)
    for got, each in zip(pullback(c), pulled, strict=True):
        near(got, each)
    want, along = torch.autograd.functional.jvp(theirs, (w, b, x), tuple(map(torch.tensor, v)))
    value, got = accel.jvp(layer, (W, B, X), v)
    near(value, want)
    near(got, along)


def test_a_hessians_product():
    (w, b, x), v = tensors(W, B, X), normal(*W.shape)
    _, want = torch.autograd.functional.hvp(lambda w: torch_loss(w, b.detach(), x.detach()), w, torch.tensor(v))
    _, got = accel.jvp(accel.grad(loss), (W, B, X), (v, np.zeros_like(B), np.zeros_like(X)))
    near(got, want)


def test_twice():
    x = normal(6)
    slope = accel.grad(lambda x: accel.sum(accel.sin(x) * x))
    twice = accel.grad(lambda x: accel.sum(slope(x) * accel.cos(x)))(x)
    t = torch.tensor(x, requires_grad=True)
    (first,) = torch.autograd.grad((t.sin() * t).sum(), t, create_graph=True)
    near(twice, torch.autograd.grad((first * t.cos()).sum(), t)[0])


def test_integers_have_no_cotangent():
    def of(table, index):
        return accel.take(table, index, axis=0), index + 1

    index, c = np.array([2, 0, 2]), normal(3, 4)
    (_, plus), pullback = accel.vjp(of, W, index)
    g, nothing = pullback((c, None))
    want = np.zeros_like(W)
    np.add.at(want, index, c)
    near(g, want)
    assert nothing is None and plus.tolist() == [3, 1, 3]
    (_, _), (along, none) = accel.jvp(of, (W, index), (W, None))
    near(along, W[index])
    assert none is None


def test_complex_arguments():
    """torch's convention: df/dx + i df/dy."""
    z = normal(4) + 1j * normal(4)
    t = torch.tensor(z, requires_grad=True)
    ((t * t).abs() + t.real).sum().backward()
    near(accel.grad(lambda z: accel.sum(accel.abs(z * z) + accel.real(z)))(z), t.grad)
    _, pullback = accel.vjp(lambda z: accel.exp(z) * z, z)
    (want,) = torch.autograd.grad((t.exp() * t), t, torch.tensor(np.conj(z)))
    near(pullback(np.conj(z))[0], want)


def test_closures_over_an_outer_trace():
    @accel.fuse
    def step(w, x):
        inner = x * 2.0
        return w - 0.1 * accel.grad(lambda w: accel.sum((inner @ w) ** 2) + accel.sum(x))(w)

    near(step(W, X), W - 0.1 * 2 * (2 * X).T @ (2 * X @ W))


def test_closures_over_parts_of_an_outer_traces_arrays():
    """The part that is met first does not hold the others."""

    @accel.fuse
    def slope(w, x):
        y = accel.exp(x)
        return accel.grad(lambda w: accel.sum(w * x[:2] * x[2:] + w * w * y[1:3] * y[::-3]))(w)

    w, x = np.array([0.5, -2.0]), np.array([0.3, -1.0, 2.0, 0.1])
    y = np.exp(x)
    near(slope(w, x), x[:2] * x[2:] + 2 * w * y[1:3] * y[::-3])


@pytest.mark.parametrize("numerics", ["reproducible", "default"])
def test_the_same_bits_on_every_device(numerics):
    arrays = [x.astype(np.float32) for x in (W, B, X)]
    found = []
    for name in DEVICES:
        with accel.config(numerics=numerics):
            given = [accel.asarray(x, device=name) for x in arrays]
            value, g = accel.value_and_grad(loss, (0, 1, 2))(*given)
        found.append([np.asarray(y).tobytes() for y in (value, *g)])
    assert all(each == found[0] for each in found)
    arrays[0] = np.nextafter(arrays[0], np.float32(9))
    value, g = accel.value_and_grad(loss, (0, 1, 2))(*(accel.asarray(x, device="cpu") for x in arrays))
    assert [np.asarray(y).tobytes() for y in (value, *g)] != found[0], "another argument is seen"


# checkpoint


def blocks(block, w, x):
    for _ in range(3):
        x = block(w, x)
    return accel.sum(x**2)


def plain(w, x):
    return accel.tanh(x @ w) + x


@given(st.integers(1, 6), st.integers(0, 1000))
def test_checkpoint_changes_no_bit(n, seed):
    rng = np.random.default_rng(seed)
    w, x = (rng.standard_normal((m, n)).astype(np.float32) for m in (n, 4))
    one, other = (
        accel.value_and_grad(lambda w, x, block=block: blocks(block, w, x), (0, 1))(w, x)
        for block in (plain, accel.checkpoint(plain))
    )
    assert one[0] == other[0]
    assert all((a == b).all() for a, b in zip(one[1], other[1], strict=True))


def test_checkpoint_computes_again():
    """The backward pass has the block's products once more, and reads nothing of the forward one but its operands."""
    arrays = [accel.asarray(x, device="cpu") for x in (normal(3, 3), X)]
    calls = {}
    for name, block in (("plain", plain), ("again", accel.checkpoint(plain))):
        traced = accel.autodiff.Pulled(lambda w, x, block=block: blocks(block, w, x), tuple(arrays), {})
        calls[name] = [node.spec.name for node in traced._graph.nodes]
    assert calls["plain"].count("matmul") == 3
    assert calls["again"].count("plain") == 3 and "matmul" not in calls["again"]


# bad input


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: accel.grad(3), accel.ArgumentError, "grad: function: expected a callable, got 3"),
        (lambda: accel.checkpoint(None), accel.ArgumentError, "checkpoint: function"),
        (lambda: accel.vjp(1, X), accel.ArgumentError, "vjp: function"),
        (lambda: accel.jvp(layer, W, B), accel.ArgumentError, "jvp: primals: expected a tuple or list"),
        (lambda: accel.grad(loss, -1), accel.ArgumentError, "argnums: expected a position"),
        (lambda: accel.grad(loss, (0, 0)), accel.ArgumentError, "argnums"),
        (lambda: accel.grad(loss, 7)(W, B, X), accel.ArgumentError, "loss: argnums: expected positions of the 3"),
        (lambda: accel.grad(layer)(W, B, X), accel.ArgumentError, r"layer: .* got shape \(5, 4\) and dtype float64"),
        (lambda: accel.grad(lambda x: (accel.sum(x),))(X), accel.ArgumentError, "to give one array"),
        (lambda: accel.grad(lambda x: accel.sum(x), has_aux=True)(X), accel.ArgumentError, "a pair"),
        (lambda: accel.grad(lambda x: accel.sum(x > 0.0))(X), accel.ArgumentError, "dtype int64"),
        (lambda: accel.grad(lambda i, x: accel.sum(x))(np.arange(3), X), accel.ArgumentError, "got one of int64"),
        (lambda: accel.grad(lambda i, x: accel.sum(x))(2.0, X), accel.ArgumentError, "expected arrays"),
        (lambda: accel.grad(lambda x: accel.sum(accel.asarray(W) * x[0, 0]))(X), accel.ArgumentError, "from outside"),
        (
            lambda: accel.vjp(layer, W, B, X)[1](W),
            accel.ShapeError,
            r"cotangent: expected shape \(5, 4\), got \(3, 4\)",
        ),
        (
            lambda: accel.vjp(layer, W, B, X)[1](np.ones((5, 4), np.float32)),
            accel.DtypeError,
            "cotangent: expected dtype float64, got float32",
        ),
        (lambda: accel.vjp(layer, W, B, X)[1]((W, W)), accel.ArgumentError, r"structure of array\[5, 4\], got \(array"),
        (lambda: accel.jvp(layer, (W, B, X), (W, B)), accel.ArgumentError, "tangents: expected the structure"),
        (lambda: accel.jvp(layer, (W, B, X), (W, B, W)), accel.ShapeError, r"tangents\[2\]: expected shape \(5, 3\)"),
    ],
)
def test_bad_input(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_an_op_without_a_derivative(monkeypatch):
    scan = dataclasses.replace(registry.PRIMITIVES["scan"], vjp="it was taken away")
    monkeypatch.setitem(registry.PRIMITIVES, "scan", scan)
    with pytest.raises(accel.ArgumentError, match=r"cumulative_sum: .* has no derivative: it was taken away"):
        accel.grad(lambda x: accel.sum(accel.cumulative_sum(x)))(X[0])


def test_graphs_are_kept():
    """A function that is called again is not traced again."""
    traced = []

    def of(x):
        traced.append(1)
        return accel.sum(x * x)

    for _ in range(3):
        accel.vjp(of, X)[1](np.ones(()))
        accel.jvp(of, (X,), (X,))
    first = len(traced)
    accel.vjp(of, X)[1](np.ones(()))
    accel.jvp(of, (X,), (X,))
    assert len(traced) == first
