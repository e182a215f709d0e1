"""torch's gathers and scatters: against torch, on every device with the bits of the CPU, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import accel

RNG = np.random.default_rng(17)
X = (RNG.standard_normal((5, 6, 4)) * 4).astype(np.float32)
DEVICES = [str(d) for d in accel.devices() if d.backend != "null" and d.kind != "emulated"]
REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


def tensor(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(x))


def operands(axis: int, dtype: str = "float32") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, an index that is shorter than x beside the axis and longer along it, and a source that is longer still."""
    shape = [3, 4, 2]
    shape[axis] = 7
    source = (RNG.standard_normal([n + 1 for n in shape]) * 4).astype(dtype)
    return X.astype(dtype), RNG.integers(0, X.shape[axis], shape), source


@pytest.mark.filterwarnings("ignore:The reduce argument")
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gather_and_scatter(axis):
    x, index, source = operands(axis)
    assert (accel.gather(x, axis, index) == torch.gather(tensor(x), axis, tensor(index)).numpy()).all()
    backwards = np.where(index % 2, index, index - x.shape[axis])
    assert (accel.gather(x, axis, backwards) == accel.gather(x, axis, index)).all()
    once = np.argsort(RNG.random(x.shape), axis=axis)  # torch does not say which of several stays
    once = once[tuple(slice(n) for n in np.minimum(index.shape, x.shape))]
    values = np.resize(source, x.shape)
    want = tensor(x).scatter(axis, tensor(once), tensor(values)).numpy()
    assert (accel.scatter(x, axis, once, values) == want).all() and (want != x).any()
    assert (accel.scatter(x, axis, index, 2.5) == tensor(x).scatter(axis, tensor(index), 2.5).numpy()).all()
    for reduce in ("add", "multiply"):
        want = tensor(x).scatter(axis, tensor(index), tensor(source), reduce=reduce).numpy()
        np.testing.assert_allclose(accel.scatter(x, axis, index, source, reduce=reduce), want, rtol=1e-5, atol=1e-5)


def test_the_last_of_several_stays():
    index = np.array([[2, 0, 2, 2]])
    assert accel.scatter(np.zeros((1, 3)), 1, index, np.arange(1.0, 5.0)[None]).tolist() == [[2, 0, 4]]
    assert accel.index_copy(np.zeros(3), 0, index[0], np.arange(1.0, 5.0)).tolist() == [2, 0, 4]


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "int64"])
@pytest.mark.parametrize("reduce", REDUCTIONS)
@pytest.mark.filterwarnings("ignore:index_reduce")
def test_reductions(reduce, dtype, include_self):
    for axis in (0, 1, 2):
        x, index, source = operands(axis, dtype)
        got = accel.scatter_reduce(x, axis, index, source, reduce, include_self=include_self)
        want = tensor(x).scatter_reduce(axis, tensor(index), tensor(source), reduce, include_self=include_self)
        np.testing.assert_allclose(got, want.numpy(), rtol=2e-5, atol=1e-5)
        assert (got != x).any() and got.dtype == x.dtype
        if reduce == "sum":
            assert (accel.scatter_add(x, axis, index, source) == got).all() or not include_self
            continue
        rows = RNG.integers(0, x.shape[axis], 9)
        source = np.take(x, RNG.integers(0, x.shape[axis], 9), axis) * 2
        got = accel.index_reduce(x, axis, rows, source, reduce, include_self=include_self)
        want = tensor(x).index_reduce(axis, tensor(rows), tensor(source), reduce, include_self=include_self)
        np.testing.assert_allclose(got, want.numpy(), rtol=2e-5, atol=1e-5)


def test_reductions_of_16_bits_round_once():
    x, index, source = operands(1, "float16")
    for reduce in REDUCTIONS:
        got = accel.scatter_reduce(x, 1, index, source, reduce)
        wide = accel.scatter_reduce(x.astype(np.float32), 1, index, source.astype(np.float32), reduce)
        assert got.dtype == np.float16 and (got == wide.astype(np.float16)).all()


def test_rows():
    x, rows = X, np.array([4, 0, 2])
    for axis, source in ((0, X[:3] * 2), (1, X[:, :3] * 2), (2, X[..., :3] * 2)):
        i = rows if axis < 2 else rows % 4 // 2 + np.arange(3)
        t, k = tensor(x), tensor(i)
        assert (accel.index_select(x, axis, i) == t.index_select(axis, k).numpy()).all()
        once = np.unique(i)
        part = np.take(source, range(len(once)), axis)
        assert (accel.index_copy(x, axis, once, part) == t.index_copy(axis, tensor(once), tensor(part)).numpy()).all()
        assert (accel.index_fill(x, axis, i, -1.5) == t.index_fill(axis, k, -1.5).numpy()).all()
        assert (accel.index_fill(x, axis, i, np.float32(3)) == t.index_fill(axis, k, 3.0).numpy()).all()
        want = t.index_add(axis, k, tensor(source)).numpy()
        np.testing.assert_allclose(accel.index_add(x, axis, i, source), want, rtol=1e-6)


@pytest.mark.parametrize("shape", [(5, 6, 4), (6, 1), (5, 1, 4)])
def test_masks(shape):
    mask = RNG.random(shape) < 0.4
    t, m = tensor(X), tensor(mask)
    assert (accel.masked_fill(X, mask, 7) == t.masked_fill(m, 7).numpy()).all()
    assert (accel.masked_select(X, mask) == t.masked_select(m).numpy()).all()
    source = RNG.standard_normal((11, 12)).astype(np.float32)
    got = accel.masked_scatter(X, mask, source)
    assert (got == t.masked_scatter(m, tensor(source)).numpy()).all() and (got != X).any()
    none = np.zeros(shape, bool)
    assert (accel.masked_scatter(X, none, source[:0]) == X).all()
    with pytest.raises(IndexError, match=r"masked_scatter: source: \d+ elements are chosen; expected as many"):
        accel.masked_scatter(X, mask, source[0, :2])


@pytest.mark.parametrize("device", DEVICES)
def test_every_device_gives_the_same_bits(device):
    x, index, source = operands(1)
    x[0, 0, 0], source[0, 0, 0], source[1, 1, 1] = np.nan, -0.0, np.inf
    on = [accel.asarray(v, device=device) for v in (x, index, source, x > 0)]
    for function in (
        lambda x, i, s, m: accel.gather(x, 1, i),
        lambda x, i, s, m: accel.scatter(x, 1, i, s),
        *(lambda x, i, s, m, r=r: accel.scatter_reduce(x, 1, i, s, r, include_self=False) for r in REDUCTIONS),
        lambda x, i, s, m: accel.masked_scatter(x, m, s),
        lambda x, i, s, m: accel.masked_select(x, m),
    ):
        want = function(x, index, source, x > 0)
        got = np.asarray(accel.asarray(function(*on), device="cpu"))
        assert np.array_equal(got, want, equal_nan=True) and (np.signbit(got) == np.signbit(want))[want == 0].all()
    for out_of_range in (6, -7):
        index[0, 3, 0] = out_of_range
        its = accel.asarray(index, device=device)
        for call in (
            accel.gather,
            lambda *a: accel.scatter(*a, on[2]),
            lambda *a: accel.index_select(*a[:2], a[2][0, :, 0]),
        ):
            with pytest.raises(IndexError, match="index"):
                call(on[0], 1, its)
    assert np.array_equal(np.asarray(accel.asarray(on[0], device="cpu")), x, equal_nan=True), "nothing is written"


def test_fused_and_torch_arrays():
    x, index, source = operands(1)
    a, i, s = (accel.asarray(v, device="cpu") for v in (x, index, source))
    got = accel.fuse(lambda x, i, s: accel.scatter_reduce(x * 2.0, 1, i, s, "amax") + 1.0)(a, i, s)
    assert (np.asarray(got) == accel.scatter_reduce(x * 2, 1, index, source, "amax") + 1).all()
    mask = accel.asarray(x > 0, device="cpu")
    got = accel.fuse(lambda x, m, s: accel.masked_scatter(x * 1.0, m, s))(a, mask, accel.asarray(x, device="cpu"))
    assert (np.asarray(got) == accel.masked_scatter(x, x > 0, x)).all()
    assert isinstance(accel.gather(tensor(x), 1, tensor(index)), torch.Tensor)


def test_what_is_refused():
    x, index, source = operands(1)
    with pytest.raises(accel.ShapeError, match="gather: index: expected 3 axes, none but axis 1 longer"):
        accel.gather(x, 1, np.zeros((6, 1, 1), int))
    with pytest.raises(accel.ShapeError, match="scatter_add: src: has shape"):
        accel.scatter_add(x, 1, index, source[:1])
    with pytest.raises(accel.DtypeError, match="scatter: src: expected x's dtype"):
        accel.scatter(x, 1, index, source.astype(np.float64))
    with pytest.raises(accel.DtypeError, match="gather: index: expected an integer dtype"):
        accel.gather(x, 1, source)
    with pytest.raises(accel.ArgumentError, match="scatter_reduce: reduce: expected 'sum'"):
        accel.scatter_reduce(x, 1, index, source, "max")
    with pytest.raises(accel.DtypeError, match="there is no prod of bool"):
        accel.scatter_reduce(x > 0, 1, index, source > 0, "prod")
    assert accel.scatter_reduce(x > 0, 1, index, source > 0, "amax").any()
    with pytest.raises(accel.AxisError, match="index_fill: axis"):
        accel.index_fill(x, 3, index[:, 0, 0], 0.0)
    with pytest.raises(accel.ShapeError, match="index_copy: source: expected shape"):
        accel.index_copy(x, 0, np.array([0]), source)
    with pytest.raises(accel.DtypeError, match="masked_fill: mask: expected bool"):
        accel.masked_fill(x, index[:1, :1, :1], 0.0)
    with pytest.raises(accel.ArgumentError, match="the size of the result"):
        accel.fuse(lambda x, m: accel.masked_select(x, m))(*(accel.asarray(v, device="cpu") for v in (x, x > 0)))
