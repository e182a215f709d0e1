"""Arrays seen with other shapes: what is a view, and of which bits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from creating import sources, values
from equality import same
from hypothesis import given, settings
from hypothesis import strategies as st

import accel
from accel.array import Array


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


@given(sources(), st.data())
def test_broadcast_to(source, data):
    shape = (*data.draw(st.sampled_from(((), (2,), (3, 1)))), *source.shape)
    out = accel.broadcast_to(source, shape)
    assert same(out, np.broadcast_to(source, shape))
    if source.size:
        assert np.shares_memory(out, source)
    if len(shape) > source.ndim and 0 not in shape:
        assert not out.flags.writeable


@given(sources(), st.data())
def test_permute_reshape_squeeze_expand(source, data):
    axes = tuple(data.draw(st.permutations(range(source.ndim))))
    assert same(accel.permute_dims(source, axes), source.transpose(axes))
    assert same(accel.reshape(source, (-1,) if source.size else (0,)), source.reshape(-1))
    axis = data.draw(st.integers(-source.ndim - 1, source.ndim))
    grown = accel.expand_dims(source, axis=axis)
    assert same(grown, np.expand_dims(source, axis))
    assert same(accel.squeeze(grown, axis), source)
    if source.ndim >= 2:
        assert same(accel.matrix_transpose(source), source.swapaxes(-1, -2))


@given(st.data())
def test_expand_dims(data):
    source = data.draw(sources())
    count = data.draw(st.integers(0, 3))
    ndim = source.ndim + count
    axes = tuple(a - ndim * data.draw(st.integers(0, 1)) for a in data.draw(st.permutations(range(ndim)))[:count])
    out = accel.expand_dims(source, axes)
    assert same(out, np.expand_dims(source, axes))
    assert same(accel.expand_dims(source, axis=list(axes)), out)
    assert type(accel.expand_dims(accel.asarray(source), axes)) is Array
    if source.size:
        assert np.shares_memory(out, source)
    if count == 1:
        assert same(accel.expand_dims(source, axes[0]), out)


def test_expand_dims_refuses():
    x = accel.ones((2, 3))
    with pytest.raises(TypeError, match="axis"):
        accel.expand_dims(x)
    for axis in (4, -4, (0, 4), (0, 0), (0, -4, 1), 2**63, 10**5000, (0, -(10**5000))):
        with pytest.raises(accel.AxisError, match="expand_dims: axis"):
            accel.expand_dims(x, axis)
    for axis in (None, 0.5, "0", (0, None), (0, 1.0)):
        with pytest.raises(accel.ArgumentError, match="expand_dims: axis: expected integers"):
            accel.expand_dims(x, axis)
    with pytest.raises(accel.ShapeError, match="at most 64 axes"):
        accel.expand_dims(x, tuple(range(63)))


@st.composite
def strided(draw):
    """A NumPy array whose axes are in any order, walked in either direction, with gaps, or stretched."""
    shape = draw(st.lists(st.sampled_from((1, 2, 3, 4, 6)), max_size=4))
    gaps = [draw(st.sampled_from((1, 1, 1, 2, -1))) for _ in shape]
    dense = np.arange(math.prod(n * abs(gap) for n, gap in zip(shape, gaps, strict=True)), dtype=np.float32)
    x = dense.reshape([n * abs(gap) for n, gap in zip(shape, gaps, strict=True)])
    x = x[(..., *(slice(None, None, gap) for gap in gaps))].transpose(draw(st.permutations(range(len(shape)))))
    return np.broadcast_to(x, (draw(st.sampled_from((2, 3))), *x.shape)) if draw(st.integers(0, 3)) == 0 else x


@st.composite
def shape_of(draw, size):
    """A shape of so many elements, at times with axes of length 1."""
    shape = []
    while size > 1:
        shape.append(draw(st.sampled_from([n for n in range(2, size + 1) if size % n == 0])))
        size //= shape[-1]
    for _ in range(draw(st.integers(0, 2))):
        shape.insert(draw(st.integers(0, len(shape))), 1)
    return tuple(shape)


@settings(max_examples=100)
@given(strided(), st.data(), st.sampled_from(["cpu", "null:0"]))
def test_reshape_is_a_view_wherever_it_can_be(source, data, device):
    """NumPy's own reshape says where; a host array is looked at where it lies, whatever the default device."""
    shape = data.draw(shape_of(source.size))
    want = source.reshape(shape)
    with accel.config(device=device):
        out = accel.reshape(source, shape)
        assert type(out) is np.ndarray
        assert same(out, want)
        assert np.shares_memory(out, source) == np.shares_memory(want, source)
        assert not np.shares_memory(accel.reshape(source, shape, copy=True), source)
        assert same(accel.reshape(source, shape, copy=True), want)
        if np.shares_memory(want, source):
            assert np.shares_memory(accel.reshape(source, shape, copy=False), source)
        else:
            with pytest.raises(ValueError, match="copy=False"):
                accel.reshape(source, shape, copy=False)
    if np.shares_memory(want, source):
        view = accel.reshape(accel.asarray(source, device="cpu"), shape, copy=False)
        assert np.shares_memory(np.asarray(view), source)


def test_reshapes_that_need_a_copy_and_that_do_not():
    """Control: both kinds are among the arrays above."""
    x = np.arange(24).reshape(4, 6)
    assert np.shares_memory(accel.reshape(x[:, :3], (2, 2, 3, 1)), x)
    assert np.shares_memory(accel.reshape(x[::-1, ::2], (2, 2, 3)), x)
    assert np.shares_memory(accel.reshape(x.T, (2, 3, 4)), x)
    assert not np.shares_memory(accel.reshape(x.T, 24), x)
    assert not np.shares_memory(accel.reshape(x[:, :3], 12), x)
    view = accel.reshape(accel.asarray(x)[:, ::2], (2, 2, 3), copy=False)
    view[1, 1, 2] = -5
    assert x[3, 4] == -5


def test_views_of_torch_tensors_stay_with_them():
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    x = torch.arange(24.0).reshape(4, 6)
    for device in ("cpu", "null:0"):
        with accel.config(device=device):
            for out in (
                accel.reshape(x[:, :3], (2, 2, 3)),
                accel.reshape(x.T, (2, 3, 4), copy=False),
                accel.expand_dims(x, (0, 2)),
                accel.permute_dims(x, (1, 0)),
                accel.broadcast_to(x, (2, 4, 6)),
            ):
                assert type(out) is torch.Tensor
                assert out.data_ptr() == x.data_ptr()
            apart = accel.reshape(x.T, 24)
            assert type(apart) is torch.Tensor
            assert apart.tolist() == x.T.reshape(-1).tolist()
            assert accel.reshape(x, (24,), copy=True).data_ptr() != x.data_ptr()


def test_reshape_and_copies():
    x = accel.asarray(np.arange(6.0))
    view = accel.reshape(x, (2, 3))
    view[0, 0] = 9
    assert x[0].item() == 9
    apart = accel.reshape(x, (2, 3), copy=True)
    apart[0, 0] = 1
    assert x[0].item() == 9
    with pytest.raises(ValueError, match="copy=False"):
        accel.reshape(view.T, (6,), copy=False)
    assert values(accel.reshape(view.T, 6)) == [9, 3, 1, 4, 2, 5]
    with pytest.raises(accel.ShapeError, match="which do not fill"):
        accel.reshape(x, (4, -1))
    for wrong in ((-1, -1), (2, "a"), 1.5):
        with pytest.raises((accel.ShapeError, accel.ArgumentError)):
            accel.reshape(x, wrong)


def test_views_refuse_bad_axes():
    x = accel.ones((2, 3))
    for make in (
        lambda: accel.permute_dims(x, (0, 0)),
        lambda: accel.permute_dims(x, (0,)),
        lambda: accel.permute_dims(x, (0, 2)),
        lambda: accel.expand_dims(x, axis=4),
        lambda: accel.squeeze(x, 0),
        lambda: accel.broadcast_to(x, (3,)),
        lambda: accel.broadcast_to(x, (3, 3)),
        lambda: accel.matrix_transpose(accel.ones(3)),
        lambda: accel.broadcast_shapes((2,), (3,)),
    ):
        with pytest.raises(accel.ShapeError):
            make()
    with pytest.raises(accel.ArgumentError, match=r"permute_dims: axes: expected integers, got \(0, 'a'\)"):
        accel.permute_dims(x, (0, "a"))
    with pytest.raises(accel.ArgumentError, match=r"expand_dims: axis: expected integers, got 0\.5"):
        accel.expand_dims(x, axis=0.5)
    with pytest.raises(accel.ArgumentError, match=r"reshape: shape: expected integers, got \(-1, 'a'\)"):
        accel.reshape(x, (-1, "a"))


@pytest.mark.parametrize(
    ("given_", "want"),
    [
        ([(2, 3), (3,)], (2, 3)),
        ([(), ()], ()),
        ([(1, 0), (4, 1)], (4, 0)),
        ([], ()),
        ([(5,), (1,), ()], (5,)),
        ([3, (2, 1)], (2, 3)),
    ],
)
def test_broadcast_shapes(given_, want):
    assert accel.broadcast_shapes(*given_) == want
