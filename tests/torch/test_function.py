"""`accel.torch.function`: torch's autograd records functions of accel calls."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import accel

torch = pytest.importorskip("torch", reason="torch is not installed")

import accel.torch  # noqa: E402


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def drawn(*shapes, dtype=torch.float64, requires_grad=True):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(*s, dtype=dtype, generator=generator).requires_grad_(requires_grad) for s in shapes]


def gated(x, w, scale=2.0):
    return accel.nn.silu(x @ w) * scale + x


def gated_in_torch(x, w, scale=2.0):
    return torch.nn.functional.silu(x @ w) * scale + x


def gradients(function, *tensors, **keywords):
    result = function(*tensors, **keywords)
    weights = torch.arange(result.numel(), dtype=result.dtype).reshape(result.shape)
    return result.detach(), *torch.autograd.grad((result * weights).sum(), tensors)


def test_values_and_gradients_are_torchs():
    x, w = drawn((5, 4), (4, 4))
    recorded = accel.torch.function(gated)
    for scale in (2.0, 3.0):
        for got, want in zip(
            gradients(recorded, x, w, scale=scale), gradients(gated_in_torch, x, w, scale=scale), strict=True
        ):
            torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradcheck(recorded, (x, w))


def test_the_bits_are_those_of_accels_own_derivative():
    x, w = drawn((5, 4), (4, 4), dtype=torch.float32)
    g = torch.randn(5, 4)
    got = torch.autograd.grad(accel.torch.function(gated)(x, w), (x, w), g)
    _, back = accel.vjp(gated, accel.asarray(x.detach()), accel.asarray(w.detach()))
    for mine, its in zip(got, back(accel.asarray(g)), strict=True):
        assert (mine.numpy() == np.asarray(its)).all()


def test_only_what_is_needed_is_computed(monkeypatch):
    x, w = drawn((3, 4), (4, 4))
    wanted = []
    backward = accel.torch.autograd.Passes.__init__

    def watched(self, *args):
        backward(self, *args)
        its = self.backward
        self.backward = lambda arrays, mask, given: wanted.append(mask) or its(arrays, mask, given)

    monkeypatch.setattr(accel.torch.autograd.Passes, "__init__", watched)
    accel.torch.function(gated)(x.detach(), w).sum().backward()
    accel.torch.function(gated)(x, w).sum().backward()
    assert wanted == [(False, True), (True, True)]
    assert not accel.torch.function(gated)(x.detach(), w.detach()).requires_grad
    with torch.no_grad():
        assert not accel.torch.function(gated)(x, w).requires_grad


def test_structures_several_results_and_results_without_a_gradient():
    x, w = drawn((3, 4), (4,))

    @accel.torch.function
    def both(p, *, shift):
        y = p["x"] * p["w"][0] + shift
        return {"y": y, "place": accel.argmax(y, axis=1)}, (accel.sum(y), accel.mean(p["x"]))

    its, (total, unused) = both({"x": x, "w": [w]}, shift=np.full(4, 0.5))
    assert not its["place"].requires_grad and its["place"].dtype == torch.int64
    assert unused.requires_grad
    total.backward()
    torch.testing.assert_close(x.grad, w.detach().expand(3, 4))
    torch.testing.assert_close(w.grad, x.detach().sum(0))


def test_memory_of_arguments_is_shared_and_of_results_is_not():
    x = torch.ones(4, requires_grad=True)
    identity = accel.torch.function(lambda a: (a, a[1:], a * 2.0))
    same, part, twice = identity(x)
    with torch.no_grad():
        x += 1  # what forward saw
    assert (same == 1).all() and (part == 1).all() and (twice == 2).all()
    recorded = accel.torch.function(lambda a: a * a)
    y = recorded(x)
    with torch.no_grad():
        x += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_a_module_trains_with_it():
    torch.manual_seed(0)
    layer = torch.nn.Linear(4, 3)
    x, target = torch.randn(16, 4), torch.randint(0, 3, (16,))
    loss = accel.torch.function(lambda x, w, b, t: accel.nn.cross_entropy(accel.nn.linear(x, w, b), t))
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        value = loss(x, layer.weight, layer.bias, target)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    assert losses == sorted(losses, reverse=True) and losses[-1] < 0.9 * losses[0]


def test_a_second_derivative_is_refused():
    (x,) = drawn((3,))
    (g,) = torch.autograd.grad(accel.torch.function(lambda a: a * a * a)(x).sum(), x, create_graph=True)
    torch.testing.assert_close(g.detach(), 3 * x.detach() ** 2)
    with pytest.raises(accel.UnsupportedError, match="no derivative of the gradient"):
        (g.sum() + x.sum()).backward()


REFUSED = {
    "no function": (lambda: accel.torch.function(3), "f: expected a callable, got 3"),
    "no tensor": (lambda: accel.torch.function(gated)(np.ones((2, 2)), np.ones((2, 2))), "at least one torch tensor"),
    "an accel.Array": (
        lambda: accel.torch.function(gated)(torch.ones(2, 2), accel.ones((2, 2))),
        r"argument 1: expected a torch tensor or a NumPy array.*from_dlpack",
    ),
    "unhashable": (lambda: accel.torch.function(gated)(torch.ones(2, 2), {1, 2}), "neither an array"),
    "reads elements": (lambda: accel.torch.function(lambda x: float(x))(torch.ones(())), "traced"),
    "torch within": (lambda: accel.torch.function(lambda x: torch.ones(3))(torch.ones(3)), "accel's functions only"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input(case):
    call, message = REFUSED[case]
    with pytest.raises(accel.ArgumentError, match=message):
        call()


def test_the_error_of_a_public_function_names_this_one():
    with pytest.raises(accel.ArgumentError, match=r"requires gradients.*accel\.torch\.function"):
        accel.exp(torch.ones(3, requires_grad=True))


def test_accel_imports_no_torch():
    code = "import sys, accel; assert 'torch' not in sys.modules; import accel.torch; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
