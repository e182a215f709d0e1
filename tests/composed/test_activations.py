"""Activations against torch in float64, in one kernel each, and their errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import accel
from accel import composition, dispatch
from accel.graph.group import groups
from accel.registry import OPS

nn = accel.nn

POINTS = np.concatenate(
    [
        np.linspace(-12, 12, 4801),
        np.random.default_rng(0).standard_normal(1000) * np.exp2(np.random.default_rng(1).uniform(-60, 8, 1000)),
        [np.nan, 0.0, -0.0, 20.0, 20.5, -20.0, 3.0, -3.0, 6.0, -0.5, 0.5, 300.0, -300.0],
    ]
)
X = POINTS[: 4 * 6 * 242].reshape(4, 6, 242)

CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    **{name: ((), {}) for name in ("relu", "relu6", "elu", "selu", "celu", "leaky_relu", "rrelu", "glu", "softplus")},
    **{name: ((), {}) for name in ("softsign", "softshrink", "hardshrink", "tanhshrink", "hardtanh", "hardsigmoid")},
    **{name: ((), {}) for name in ("hardswish", "logsigmoid", "mish", "tanh", "sigmoid", "silu", "gelu")},
    "elu alpha": ((0.3,), {}),
    "celu alpha": ((0.3,), {}),
    "leaky_relu slope": ((0.2,), {}),
    "rrelu limits": ((0.1, 0.5), {}),
    "prelu": ((np.array([0.3]),), {}),
    "prelu channels": ((np.array([0.3, -0.1, 2.0, 0.0, 1.0, 0.5]),), {}),
    "softplus beta": ((0.5, 3.0), {}),
    "softplus negative": ((-2.0,), {}),
    "softshrink lambd": ((1.25,), {}),
    "hardshrink lambd": ((1.25,), {}),
    "hardtanh limits": ((-0.25, 2.0), {}),
    "threshold": ((0.5, -7.0), {}),
    "gelu tanh": ((), {"approximate": "tanh"}),
    "glu axis": ((1,), {}),
}
"""By op and variant: what follows x, in torch's order."""


def units(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Differences in units of float64's precision, of the result or of what torch's formula is rounded at."""
    assert got.shape == want.shape and (np.isnan(got) == np.isnan(want)).all()
    at = ~np.isnan(want)
    return np.abs(got - want)[at] / np.maximum(np.abs(want)[at] * np.finfo(np.float64).eps, 4e-16)


@pytest.mark.parametrize("name", CALLS)
def test_an_activation_is_torchs(name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    op, (rest, keywords) = name.partition(" ")[0], CALLS[name]
    tensors = (torch.from_numpy(r) if isinstance(r, np.ndarray) else r for r in rest)
    want = getattr(torch.nn.functional, op)(torch.from_numpy(X), *tensors, **keywords).numpy()
    assert units(getattr(nn, op)(X, *rest, **keywords), want).max() <= 16
    if op in OPS and OPS[op].primitive == op:
        assert units(np.float64(OPS[op].reference(X, *rest, **keywords)), want).max() <= 16


@pytest.mark.parametrize(("name", "value"), [("elu", 1 + 1e-12), ("leaky_relu", 0.01 + 1e-13), ("softplus", 1 + 1e-12)])
def test_another_parameter_is_seen(name: str, value: float) -> None:
    """Its control."""
    assert units(getattr(nn, name)(X, value), getattr(nn, name)(X)).max() > 16


def test_every_activation_of_torch_is_there() -> None:
    called = {name.partition(" ")[0] for name in CALLS}
    assert called | {"swiglu", "geglu", "reglu", "softcap"} <= set(nn.__all__)


SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0])

LIMITS = {
    "relu6": [np.nan, 6, 0, 0, 0],
    "elu": [np.nan, np.inf, -1, 0, -0.0],
    "celu": [np.nan, np.inf, -1, 0, -0.0],
    "leaky_relu": [np.nan, np.inf, -np.inf, 0, -0.0],
    "hardtanh": [np.nan, 1, -1, 0, -0.0],
    "softplus": [np.nan, np.inf, 0, np.log(2), np.log(2)],
    "softshrink": [np.nan, np.inf, -np.inf, 0, 0],
    "hardshrink": [np.nan, np.inf, -np.inf, 0, 0],
}


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_special_values(name: str, dtype: str) -> None:
    got = accel.astype(getattr(nn, name)(accel.asarray(SPECIAL, dtype=dtype)), "float64")
    want = accel.astype(accel.asarray(LIMITS[name], dtype=dtype), "float64")
    np.testing.assert_array_equal(np.asarray(got), np.asarray(want))
    assert (np.signbit(np.asarray(got)) == np.signbit(np.asarray(want)))[1:].all()


@pytest.mark.parametrize("name", ["swiglu", "geglu", "reglu"])
def test_gates_come_second_or_apart(name: str) -> None:
    x = np.random.default_rng(0).standard_normal((3, 8, 5))
    activation = {"swiglu": nn.silu, "geglu": nn.gelu, "reglu": nn.relu}[name]
    values, gates = x[:, :4], x[:, 4:]
    assert (getattr(nn, name)(x, axis=1) == values * activation(gates)).all()
    assert (getattr(nn, name)(values, gates) == values * activation(gates)).all()
    assert not (getattr(nn, name)(gates, values) == values * activation(gates)).all()
    exact = OPS[name].reference(values, gates)
    assert np.abs(getattr(nn, name)(values, gates) - exact).max() < 1e-15


def test_softcap() -> None:
    x = np.linspace(-100, 100, 1001)
    assert np.abs(nn.softcap(x, 30.0) - 30 * np.tanh(x / 30)).max() < 2e-14


ERRORS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "celu": (lambda: nn.celu(X, 0), accel.ArgumentError, "celu: alpha: expected a number other than 0"),
    "elu": (lambda: nn.elu(X, "1"), accel.ArgumentError, "elu: alpha: expected a number, got '1'"),
    "integers": (lambda: nn.elu(np.arange(3)), accel.DtypeError, "elu: x: takes floating dtypes, got int64"),
    "hardtanh": (lambda: nn.hardtanh(X, 2.0), accel.ArgumentError, "hardtanh: max_val: expected at least min_val"),
    "hardtanh nan": (lambda: nn.hardtanh(X, np.nan), accel.ArgumentError, "hardtanh: max_val"),
    "softplus": (lambda: nn.softplus(X, 0.0), accel.ArgumentError, "softplus: beta: expected a number other than 0"),
    "softshrink": (lambda: nn.softshrink(X, -1.0), accel.ArgumentError, "softshrink: lambd: .* at least 0, got -1.0"),
    "softcap": (lambda: nn.softcap(X, -1.0), accel.ArgumentError, "softcap: cap: expected a finite number above 0"),
    "prelu": (
        lambda: nn.prelu(X, np.ones(5)),
        accel.ShapeError,
        r"prelu: weight: expected \(\) or \(6,\) for x of shape \(4, 6, 242\), got \(5,\)",
    ),
    "prelu vector": (lambda: nn.prelu(np.ones(3), np.ones(3)), accel.ShapeError, r"prelu: weight: .* got \(3,\)"),
    "rrelu": (lambda: nn.rrelu(X, 0.5, 0.1), accel.ArgumentError, "rrelu: upper: expected at least lower"),
    "rrelu training": (lambda: nn.rrelu(X, training=True), accel.UnsupportedError, "rrelu: training: random slopes"),
    "glu": (lambda: nn.glu(np.ones((2, 3))), accel.ShapeError, "glu: x: expected an even length of axis -1"),
    "glu axis": (lambda: nn.glu(X, 3), accel.AxisError, "glu: axis: 3 is out of range"),
    "glu number": (lambda: nn.glu(np.float64(1.0).reshape(())), accel.AxisError, "glu: axis: -1 is out of range"),
    "swiglu": (lambda: nn.swiglu(np.ones(3), np.ones(4)), accel.ShapeError, r"\(3,\)"),
    "geglu": (lambda: nn.geglu(X, approximate="erf"), accel.ArgumentError, "geglu: approximate"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_name_the_argument(name: str) -> None:
    call, error, message = ERRORS[name]
    with pytest.raises(error, match=message):
        call()


ONE_KERNEL = {
    **{name: (X, *rest) for name, (rest, _) in CALLS.items() if name in OPS and OPS[name].primitive == name},
    **dict.fromkeys(("swiglu", "geglu", "reglu"), (X, X)),
    "softcap": (X, 30.0),
}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ONE_KERNEL)
def test_an_activation_is_one_kernel(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    graph_of = composition.graph_of

    def seen(*rest: Any) -> Any:
        found.append(graph_of(*rest))
        return found[-1]

    dispatch.forget()
    monkeypatch.setattr(composition, "graph_of", seen)
    operands = [accel.asarray(x, dtype=dtype) if isinstance(x, np.ndarray) else x for x in ONE_KERNEL[name]]
    getattr(nn, name)(*operands)
    assert [group.kind for group in groups(found[0])] == ["pointwise"]
