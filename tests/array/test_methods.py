"""Methods of arrays against NumPy's of the same name; NumPy's functions, which call them; and bad input."""

from __future__ import annotations

import numpy as np
import pytest

import accel

X = np.array([[3.0, -1.0, 2.5], [0.0, 8.0, -4.0]], np.float32)

CALLS = {
    "sum": lambda x: x.sum(),
    "sum(0)": lambda x: x.sum(0),
    "sum(axis=1, keepdims=True)": lambda x: x.sum(axis=1, keepdims=True),
    "sum(dtype)": lambda x: x.sum(0, "float64"),
    "prod": lambda x: x.prod(1),
    "max": lambda x: x.max(0),
    "min": lambda x: x.min(),
    "mean": lambda x: x.mean(1),
    "std": lambda x: x.std(),
    "var(ddof)": lambda x: x.var(1, ddof=1),
    "any": lambda x: (x > 2).any(1),
    "all": lambda x: (x > -9).all(),
    "argmax": lambda x: x.argmax(1),
    "argmin": lambda x: x.argmin(),
    "cumsum": lambda x: x.cumsum(),
    "cumsum(0)": lambda x: x.cumsum(0),
    "cumprod(1)": lambda x: x.cumprod(1),
    "reshape(3, 2)": lambda x: x.reshape(3, 2),
    "reshape((3, -1))": lambda x: x.reshape((3, -1)),
    "transpose()": lambda x: x.transpose(),
    "transpose(1, 0)": lambda x: x.transpose(1, 0),
    "transpose((1, 0))": lambda x: x.transpose((1, 0)),
    "squeeze": lambda x: x.reshape(1, 2, 3, 1).squeeze(),
    "squeeze(0)": lambda x: x.reshape(1, 2, 3, 1).squeeze(0),
    "diagonal": lambda x: x.diagonal(1),
    "trace": lambda x: x.trace(-1),
    "ravel": lambda x: x.T.ravel(),
    "flatten": lambda x: x.flatten(),
    "copy": lambda x: x.T.copy(),
    "round": lambda x: x.round(),
    "clip": lambda x: x.clip(-1, 2),
    "astype": lambda x: x.astype("int16"),
    "np.sum": lambda x: np.sum(x, axis=0),
    "np.mean": lambda x: np.mean(x),
    "np.var": lambda x: np.var(x, ddof=1),
    "np.max": lambda x: np.max(x, axis=1),
    "np.any": lambda x: np.any(x > 2),
    "np.reshape": lambda x: np.reshape(x, (3, 2)),
    "np.transpose": lambda x: np.transpose(x),
    "np.round": lambda x: np.round(x),
    "np.cumsum": lambda x: np.cumsum(x, axis=1),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_method_is_numpys(call):
    want, got = call(X), call(accel.asarray(X, device="cpu"))
    host = np.asarray(got)
    assert host.shape == want.shape and host.dtype == want.dtype
    np.testing.assert_allclose(host, want, rtol=1e-6)


def test_python_values():
    x = accel.asarray(X, device="cpu")
    assert x.tolist() == X.tolist() and x[1, 1].item() == 8.0 and x[0, 0].tolist() == 3.0
    assert isinstance(x.numpy(), np.ndarray) and np.array_equal(x.numpy(), X)
    assert np.array_equal(x.sum(1).numpy(), X.sum(1)) and not np.array_equal(x.sum(0).numpy(), X.sum(1))


def test_a_copy_is_one_and_a_view_is_one():
    x = accel.asarray(X.copy(), device="cpu")
    copied, flat, seen = x.copy(), x.flatten(), x.ravel()
    x[0, 0] = 99.0
    assert seen[0].item() == 99.0 and copied[0, 0].item() == flat[0].item() == 3.0


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: x.item(), accel.ShapeError, "item: expected one element"),
        (lambda x: x.sum(2), IndexError, "axis"),
        (lambda x: x.sum(out=x), accel.ArgumentError, "sum: out"),
        (lambda x: x.mean(dtype="int32"), accel.ArgumentError, "mean: dtype"),
        (lambda x: x.reshape(4, 2), accel.ShapeError, "reshape"),
        (lambda x: x.copy(order="F"), accel.ArgumentError, "copy: order"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call(accel.asarray(X, device="cpu"))
