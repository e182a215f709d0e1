"""`accel.fuse`: what goes in and out, what is refused, and that nothing is left behind."""

from __future__ import annotations

import threading
from collections import namedtuple

import numpy as np
import pytest

import accel
from accel import dispatch

X = np.random.default_rng(0).standard_normal((6, 5)).astype(np.float32)
W = np.random.default_rng(1).standard_normal((5, 5)).astype(np.float32)
Pair = namedtuple("Pair", "first second")


def body(x, w, scale=2.0):
    return accel.tanh(x @ w) * scale + accel.sum(x, axis=1, keepdims=True)


def same(a, b) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def test_arrays_come_back_in_their_kind():
    torch = pytest.importorskip("torch")
    fused = accel.fuse(body)
    want = body(accel.asarray(X), accel.asarray(W))
    for kind in (np.asarray, accel.asarray, torch.from_numpy):
        got = fused(kind(X), kind(W))
        assert type(got) is type(kind(X))
        assert same(got, want)
    assert not same(fused(X, W, scale=3.0), want), "the control"


def test_structures_go_in_and_out():
    @accel.fuse
    def f(parts, *, more, flag=None):
        a, (b, n) = parts["a"], parts["rest"]
        return {"sum": a + b, "pair": Pair(a * n, [b, None, "word", n])}, (more["w"] - 1,)

    got, (last,) = f({"a": X, "rest": [X, 3]}, more={"w": W}, flag=None)
    assert same(got["sum"], X + X) and same(last, W - 1)
    pair = got["pair"]
    assert type(pair) is Pair and same(pair.first, X * np.float32(3))
    assert same(pair.second[0], X) and pair.second[1:] == [None, "word", 3]


def test_a_function_is_traced_once_for_each_set_of_layouts():
    calls = []

    @accel.fuse
    def f(x, k):
        calls.append(k)
        return x * k

    for k in (1, 1.0, True, 1, 0.0, -0.0, 0.0, -0.0):
        assert same(f(X, k), X * np.float32(k))
    assert [repr(k) for k in calls] == ["1", "1.0", "True", "0.0", "-0.0"]
    f(X.T, 1)
    f(X[::2], 1)
    f(X.T, 1)
    assert len(calls) == 7


def test_results_that_are_no_fresh_values():
    @accel.fuse
    def f(x):
        y = accel.exp(x)
        return x, x.mT, y, y, y.mT, accel.broadcast_to(y[0], (3, 5)), y[1:]

    x = accel.asarray(X)
    got, y = f(x), np.asarray(accel.exp(x))
    for a, b in zip(got, (X, X.T, y, y, y.T, np.broadcast_to(y[0], (3, 5)), y[1:]), strict=True):
        assert np.array_equal(np.asarray(a), b)
    assert got[0].buffer is x.buffer and got[1].buffer is x.buffer


def test_fused_functions_call_each_other():
    inner = accel.fuse(body)
    outer = accel.fuse(lambda x, w: inner(inner(x, w), w) - accel.nn.softmax(x))
    assert same(outer(X, W), body(body(accel.asarray(X), W), W) - accel.nn.softmax(accel.asarray(X)))


class Model:
    def __init__(self) -> None:
        self.scale = 3.0

    @accel.fuse
    def __call__(self, x):
        return x * self.scale


def test_methods():
    assert same(Model()(X), X * np.float32(3))


@pytest.mark.parametrize("shape", [(0, 5), (6, 0), (0, 0)])
def test_no_elements(shape):
    f = accel.fuse(lambda x: (accel.exp(x) * 2, accel.sum(accel.exp(x), axis=0), accel.mean(x, axis=1)))
    x = np.zeros(shape, np.float32)
    with accel.config(fusion="off"):
        want = f(x)
    for a, b in zip(f(x), want, strict=True):
        assert np.array_equal(a, b, equal_nan=True) and a.shape == b.shape


def test_an_op_that_goes_elsewhere_stands_alone():
    f = accel.fuse(lambda x: accel.exp(x * 2) + 1)
    want = f(X)
    other = next((d.backend for d in accel.devices() if d.backend == "opencl"), None)
    if other is None:
        pytest.skip("needs an OpenCL device, such as the CPU with pip's intel-opencl-rt")
    with accel.config(override=f"exp={other}"):
        assert same(f(X), want)


def test_eight_threads_run_one_function():
    f, x = accel.fuse(body), accel.asarray(X)
    want, wrong = f(x, W), []

    def work() -> None:
        for _ in range(200):
            if not same(f(x, W), want):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


OUTSIDE = accel.asarray(W, device="cpu")
KEPT = []


def keeps(x):
    if not KEPT:
        KEPT.append(x)
    return x + 1 if KEPT[0] is x else x + KEPT[0]


def writes(x):
    y = accel.exp(x)
    y += 1
    return y


def stores(x):
    y = accel.exp(x)
    y[0] = 1.0
    return y


def changes(x):
    with accel.config(numerics="reproducible"):
        return accel.exp(x)


REFUSED = {
    "if": (lambda x: accel.exp(x) if accel.sum(x) > 0 else x, "cannot be read while a function is traced"),
    "float": (lambda x: x * float(accel.sum(x)), "cannot be read while a function is traced"),
    "item": (lambda x: x * accel.sum(x).item(), "cannot be read while a function is traced"),
    "numpy": (lambda x: accel.asarray(np.asarray(x)), "cannot be read while a function is traced"),
    "in": (lambda x: x * (1.0 in x), "cannot be read while a function is traced"),
    "+=": (writes, "writing into an array cannot be traced"),
    "[0] =": (stores, "writing into an array cannot be traced"),
    "settings": (changes, "settings cannot change"),
    "outside": (lambda x: x @ OUTSIDE, "comes from outside the traced function"),
    "NumPy's outside": (lambda x: x + W[0], "comes from outside the traced function"),
    "shapes": (lambda x: x @ x, "5 columns meet 6 rows"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_traced_is_refused_with_its_line(name):
    function, message = REFUSED[name]
    fused = accel.fuse(function)
    for _ in range(2):
        with pytest.raises(accel.AccelError, match=message) as caught:
            fused(accel.asarray(X, device="cpu"))
        first = function.__code__.co_firstlineno
        assert any(str(caught.value).endswith(f"{__file__}:{first + i}") for i in range(4)), caught.value
        assert dispatch.RECORDER.get() is None
    assert same(accel.exp(accel.asarray(X)), accel.fuse(accel.exp)(X)), "nothing is left behind"


def test_an_array_of_a_trace_that_is_over():
    KEPT.clear()
    fused = accel.fuse(keeps)
    fused(X)
    with pytest.raises(accel.ArgumentError, match="of another trace, which is over"):
        fused(X.T.copy().T)
    with pytest.raises(accel.ArgumentError):
        np.asarray(KEPT[0])


def test_bad_calls():
    fused = accel.fuse(body)
    with pytest.raises(accel.ArgumentError, match="expected at least one array"):
        fused(1, 2)
    with pytest.raises(accel.ArgumentError, match="argument 2: got a set"):
        fused(X, W, {1})
    with pytest.raises(accel.ArgumentError, match="expected a callable"):
        accel.fuse(3)
    with pytest.raises(accel.ArgumentError, match="returns at least one array"):
        accel.fuse(lambda x: 1)(X)
    with pytest.raises(accel.ArgumentError, match=r"the result is a numpy\.ndarray"):
        accel.fuse(lambda x: W)(X)
    with pytest.raises(TypeError, match="missing"):
        fused(X)


def test_the_functions_own_errors_pass():
    def fails(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        accel.fuse(fails)(X)
    assert dispatch.RECORDER.get() is None
