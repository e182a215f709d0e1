"""batch_norm and instance_norm of torch's signature: which running statistics are stored, where, and when not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import accel

nn = accel.nn
RNG = np.random.default_rng(3)
X = RNG.standard_normal((4, 6, 5)).astype(np.float32)
MEAN, VAR = RNG.standard_normal(6).astype(np.float32), RNG.random(6).astype(np.float32)
NORMS = {"batch_norm": {"training": True}, "instance_norm": {}}


def own(x: np.ndarray) -> accel.Array:
    return accel.asarray(x, copy=True)


def expected(name: str, **keywords: Any) -> list[np.ndarray]:
    """What the pure function returns."""
    return [np.asarray(each) for each in getattr(nn, f"{name}_training")(own(X), own(MEAN), own(VAR), **keywords)]


def same(a: Any, b: Any) -> bool:
    return bool((np.asarray(a) == np.asarray(b)).all()) and np.shape(a) == np.shape(b)


@pytest.mark.parametrize("name", NORMS)
def test_they_are_stored_where_they_were(name: str) -> None:
    y, mean, var = expected(name, momentum=0.25)
    assert not same(mean, MEAN) and not same(var, VAR)
    running = own(MEAN), own(VAR)
    got = getattr(nn, name)(own(X), *running, momentum=0.25, **NORMS[name])
    assert same(got, y) and same(running[0], mean) and same(running[1], var)


@pytest.mark.parametrize("name", NORMS)
def test_the_pure_function_writes_nothing(name: str) -> None:
    running = own(MEAN), own(VAR)
    getattr(nn, f"{name}_training")(own(X), *running)
    assert same(running[0], MEAN) and same(running[1], VAR)


@pytest.mark.parametrize("name", NORMS)
def test_every_other_element_and_other_dtypes_are_written_to(name: str) -> None:
    _, mean, var = expected(name)
    memory = np.full(12, 7, np.float32)
    view = memory[::2]
    view[...] = MEAN
    double = accel.asarray(VAR, dtype="float64")
    got = getattr(nn, name)(own(X), own(memory)[::2], double, **NORMS[name])
    assert got.dtype is accel.float64
    whole = own(memory)
    getattr(nn, name)(own(X), whole[::2], own(VAR), **NORMS[name])
    assert same(np.asarray(whole)[::2], mean) and (np.asarray(whole)[1::2] == 7).all()
    assert np.abs(np.asarray(double) - var).max() < 1e-6


@pytest.mark.parametrize("name", NORMS)
def test_a_numpy_array_is_written_to_beside_an_array_of_our_own(name: str) -> None:
    _, mean, var = expected(name)
    swapped = MEAN.astype(">f4"), VAR[::-1].copy()[::-1]
    getattr(nn, name)(own(X), *swapped, **NORMS[name])
    assert same(swapped[0], mean) and same(swapped[1], var)
    assert swapped[0].dtype == np.dtype(">f4")


@pytest.mark.parametrize("name", NORMS)
def test_without_statistics_of_the_input_the_running_ones_are_used(name: str) -> None:
    off = {"batch_norm": {"training": False}, "instance_norm": {"use_input_stats": False}}[name]
    running = own(MEAN), own(VAR)
    got = getattr(nn, name)(own(X), *running, **off)
    assert same(got, nn.batch_norm_inference(own(X), own(MEAN), own(VAR)))
    assert same(running[0], MEAN) and same(running[1], VAR)
    with pytest.raises(accel.ArgumentError, match=f"{name}: running_mean: expected an array"):
        getattr(nn, name)(own(X), None, own(VAR), **off)
    with pytest.raises(accel.ArgumentError, match=f"{name}: running_var: expected an array"):
        getattr(nn, name)(own(X), own(MEAN), None, **off)


@pytest.mark.parametrize("name", NORMS)
def test_with_a_residual_the_sum_is_the_second_result(name: str) -> None:
    residual = X[::-1].copy()
    y, mean, var, total = expected(name, residual=own(residual))
    running = own(MEAN), own(VAR)
    got = getattr(nn, name)(own(X), *running, residual=own(residual), **NORMS[name])
    assert len(got) == 2 and same(got[0], y) and same(got[1], total) and same(total, X + residual)
    assert same(running[0], mean) and same(running[1], var)


@pytest.mark.parametrize("name", NORMS)
def test_a_call_that_raises_has_written_nothing(name: str) -> None:
    function, on = getattr(nn, name), NORMS[name]
    readonly = VAR.copy()
    readonly.flags.writeable = False
    for wrong, error in (
        (readonly, "running_var: the array is read-only"),
        (accel.broadcast_to(own(VAR[:1]), (6,)), "running_var: the array is stretched"),
        (own(VAR[:5]), "running_var: expected a number for each channel, shape (6,), got (5,)"),
        (None, "running_var: expected an array"),
        ([1.0] * 6, "running_var: expected an accel.Array, a NumPy array"),
    ):
        mean = own(MEAN)
        with pytest.raises(accel.AccelError, match=name) as caught:
            function(own(X), mean, wrong, **on)
        assert error in str(caught.value)
        assert same(mean, MEAN)
    mean = own(MEAN)
    with pytest.raises(accel.ShapeError, match="one number for each channel"):
        function(own(X[:1, :, :1]), mean, own(VAR), **on)
    assert same(mean, MEAN)
    with pytest.raises(accel.DtypeError, match="running_mean"):
        function(own(X), accel.zeros(6, dtype="int32"), own(VAR), **on)


@pytest.mark.parametrize("name", NORMS)
def test_tensors_are_written_to(name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    for dtype in (torch.float32, torch.bfloat16):
        x, *running = (torch.from_numpy(v.copy()).to(dtype) for v in (X, MEAN, VAR))
        ours, others = [r.clone() for r in running], [r.clone() for r in running]
        versions = [r._version for r in ours]
        got = getattr(nn, name)(x, *ours, **NORMS[name])
        if name == "batch_norm":
            want = torch.nn.functional.batch_norm(x, *others, training=True)
        else:
            want = torch.nn.functional.instance_norm(x, *others)
        assert isinstance(got, torch.Tensor) and got.dtype is dtype
        slack = 0.02 if dtype is torch.bfloat16 else 1e-5
        assert (got - want).abs().max() < 2 * slack
        for mine, its, before, version in zip(ours, others, running, versions, strict=True):
            assert (mine - its).abs().max() < slack < (mine - before).abs().max() * 2
            assert mine._version > version  # so that autograd knows


def test_numpy_arrays_are_written_to_as_they_come() -> None:
    _, mean, var = expected("batch_norm")
    running = MEAN.copy(), VAR.copy()
    got = nn.batch_norm(X, *running, training=True)
    assert type(got) is np.ndarray and same(running[0], mean) and same(running[1], var)


@pytest.mark.parametrize("name", NORMS)
def test_an_input_without_elements_leaves_them_as_they_are(name: str) -> None:
    for shape in ((0, 6, 5), (4, 6, 0)):
        running = own(MEAN), own(VAR)
        y = getattr(nn, name)(accel.zeros(shape, dtype="float32"), *running, **NORMS[name])
        assert y.shape == shape and same(running[0], MEAN) and same(running[1], VAR)
