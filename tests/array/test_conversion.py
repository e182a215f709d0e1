"""An array as something else: NumPy arrays, Python scalars, text, pickles, copies, other devices."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import re
import weakref

import ml_dtypes
import numpy as np
import pytest
from equality import same
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import conversion
from accel.array import Array
from accel.conversion import from_numpy, to_numpy
from accel.dtypes import TABLE
from accel.testing.strategies import arrays, shapes

CPU = accel.device("cpu")
DTYPES = tuple(TABLE.values())


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


@st.composite
def sources(draw):
    return draw(arrays(draw(st.sampled_from(DTYPES)), draw(shapes())))


# NumPy


@given(sources())
def test_numpy_sees_the_memory(source):
    x = from_numpy(source, CPU)
    out = np.asarray(x)
    assert (type(out), out.dtype, out.shape) == (np.ndarray, source.dtype, source.shape)
    if source.size:
        assert np.shares_memory(out, source)
    assert same(out, source)


@given(sources(), st.sampled_from(DTYPES))
def test_numpy_asks_for_a_dtype_and_a_copy(source, dtype):
    x = from_numpy(source, CPU)
    with np.errstate(all="ignore"):
        out, want = np.array(x, dtype.numpy), source.astype(dtype.numpy)
    assert out.dtype == dtype.numpy
    assert same(out, want)
    if source.size:
        assert not np.shares_memory(out, source)
    if dtype.numpy == source.dtype:
        assert x.__array__(dtype.numpy, copy=False).dtype == source.dtype
    else:
        with pytest.raises(ValueError, match=f"copy=False: {x.dtype} cannot become"):
            x.__array__(dtype.numpy, copy=False)


def test_numpy_and_memory_elsewhere():
    x = accel.zeros((2, 3), device="null:0")
    assert np.asarray(x).tolist() == [[0] * 3] * 2
    with pytest.raises(ValueError, match="copy=False: the elements are on null:0"):
        x.__array__(copy=False)


def test_numpys_functions_take_it():
    x = accel.asarray([1.0, 4.0])
    assert np.sqrt(x).tolist() == [1, 2]
    assert np.mean(x) == 2.5
    assert np.concatenate([x, np.zeros(1, np.float32)]).tolist() == [1, 4, 0]
    np.testing.assert_allclose(x, [1, 4])


# Python scalars


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_scalars(dtype):
    x = accel.full((), 1, dtype=dtype)
    assert bool(x) is True
    assert int(x) == 1
    assert float(x) == 1.0
    assert complex(x) == 1 + 0j
    kind = {"b": bool, "i": int, "u": int, "f": float}[dtype.kind]
    assert type(x.item()) is kind
    assert x.item() == 1
    assert type(float(x)) is float
    if dtype.kind in "iu":
        assert [5, 6][x] == 6
        assert "abc"[x:] == "bc"
    else:
        with pytest.raises(TypeError, match="integer array without axes"):
            [5, 6][x]
    assert bool(accel.full((), 0, dtype=dtype)) is False


def test_special_floats():
    for dtype in ("float16", "bfloat16", "float32", "float64"):
        nan, inf = (accel.full((), v, dtype=dtype) for v in (math.nan, math.inf))
        assert bool(nan)
        assert bool(inf)
        assert not bool(accel.full((), -0.0, dtype=dtype))
        assert math.isnan(float(nan))
        assert float(-inf) == -math.inf
        assert math.copysign(1, float(accel.full((), -0.0, dtype=dtype))) == -1
        assert int(accel.full((), -1.75, dtype=dtype)) == -1
        with pytest.raises(OverflowError):
            int(inf)
        with pytest.raises(ValueError, match="NaN"):
            int(nan)
    assert accel.full((), 2**64 - 1, dtype="uint64").item() == 2**64 - 1
    assert accel.full((), -(2**63), dtype="int64").item() == -(2**63)


def test_one_element_of_more_axes():
    x = accel.asarray([[2.0]])
    assert (float(x), x.item(), bool(x)) == (2.0, 2.0, True)
    with pytest.raises(TypeError, match=r"without axes as an index, got int64, shape \(1,\)"):
        range(5)[accel.asarray([1])]
    for many in (accel.ones(3), accel.ones((0,))):
        for kind in (bool, int, float, complex):
            with pytest.raises(accel.ShapeError, match="expected one element"):
                kind(many)


def test_length_and_iteration():
    x = accel.asarray([[1, 2], [3, 4], [5, 6]])
    assert len(x) == 3
    rows = list(x)
    assert [to_numpy(row).tolist() for row in rows] == [[1, 2], [3, 4], [5, 6]]
    assert all(type(row) is Array for row in rows)
    assert [v.item() for v in x[0]] == [1, 2]
    assert list(accel.ones((0, 3))) == []
    for fails in (len, iter, list):
        with pytest.raises(TypeError, match="without axes"):
            fails(accel.asarray(1))
    assert 3 in accel.asarray([1, 2, 3])
    assert 4 not in accel.asarray([1, 2, 3])


# text


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_text_names_everything(dtype):
    x = accel.asarray([0, 1], dtype=dtype)
    text = repr(x)
    assert text.startswith("accel.Array([")
    assert text.endswith(f"], dtype={dtype}, device='cpu')")
    found = re.search(r"\[(.*?)\]", text).group(1).split(",")
    assert [float({"True": 1, "False": 0}.get(v.strip(), v)) for v in found] == [0, 1]
    assert str(x) == text


def test_text_of_odd_shapes():
    assert repr(accel.asarray(2.5)) == "accel.Array(2.5, dtype=float32, device='cpu')"
    assert repr(accel.zeros((0, 3), dtype="int8")) == "accel.Array([], dtype=int8, shape=(0, 3), device='cpu')"
    assert repr(accel.asarray([[1, 2], [3, 4]])) == (
        "accel.Array([[1, 2],\n             [3, 4]], dtype=int64, device='cpu')"
    )
    assert "..." in repr(accel.zeros((100, 100)))
    assert repr(accel.asarray([math.nan, -math.inf], dtype="bfloat16")).startswith("accel.Array([nan, -inf]")
    assert "device='null:0'" in repr(accel.zeros(2, device="null:0"))
    assert repr(accel.asarray([1, 2, 3])[::-2]).startswith("accel.Array([3, 1]")


# copies


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_copies_are_copies(duplicate, dtype):
    x = accel.asarray(np.arange(6).reshape(2, 3) % 2, dtype=dtype)[:, ::-2]
    y = duplicate(x)
    assert (type(y), y.dtype, y.shape, y.device) == (Array, x.dtype, x.shape, x.device)
    assert same(to_numpy(y), to_numpy(x))
    y[...] = accel.zeros_like(y)
    assert to_numpy(x).astype(bool).any()


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("shape", [(), (0, 2), (3,)])
def test_pickles(protocol, shape):
    x = accel.full(shape, 1.5, dtype="bfloat16")
    y = pickle.loads(pickle.dumps(x, protocol))
    assert (y.dtype, y.shape, str(y.device)) == (accel.bfloat16, shape, "cpu")
    assert same(to_numpy(y), to_numpy(x))


def test_a_pickle_holds_only_the_elements_of_a_view():
    x = accel.zeros(100_000)[::1000]
    assert len(pickle.dumps(x)) < 2000


def test_pickles_of_arrays_elsewhere():
    there = accel.ones(3, device="null:0")
    assert str(pickle.loads(pickle.dumps(there)).device) == "null:0"
    kind, (elements, device) = there.__reduce__()
    assert device == "null:0"
    with pytest.raises(
        accel.DeviceError, match=r"the array was on opencl:nowhere, which is not here .*to_device\('cpu'\)"
    ):
        kind(elements, "opencl:nowhere")


def test_pickles_of_dtypes():
    for dtype in DTYPES:
        assert pickle.loads(pickle.dumps(dtype)) is dtype


def test_a_deep_copy_of_a_structure_copies_once():
    x = accel.ones(2)
    first, second = copy.deepcopy([x, x])
    assert first is second
    assert first is not x


def test_weak_references():
    x = accel.ones(3)
    reference = weakref.ref(x)
    assert reference() is x
    view = x[1:]
    del x
    gc.collect()
    assert reference() is None
    assert to_numpy(view).tolist() == [1, 1]


# devices


def test_to_device():
    x = accel.asarray([1.0, 2.0])
    assert x.to_device("cpu") is x
    assert x.to_device(CPU) is x
    there = x.to_device("null:0")
    assert str(there.device) == "null:0"
    assert there.to_device("cpu").shape == (2,)
    with pytest.raises(accel.DeviceError, match="'gpu' names no backend"):
        x.to_device("gpu")
    with pytest.raises(accel.DeviceError, match="expected a name or a device"):
        x.to_device(3)
    with pytest.raises(accel.ArgumentError, match="stream"):
        x.to_device("cpu", stream=1)
    with pytest.raises(TypeError):
        x.to_device(device="cpu")


def test_devices_are_names():
    assert accel.device(str(CPU)) is CPU
    assert accel.ones(1).device == CPU
    assert accel.device("null:0") != CPU


def test_the_namespace():
    x = accel.ones(1)
    assert x.__array_namespace__() is accel
    assert x.__array_namespace__(api_version="2025.12") is accel
    assert x.__array_namespace__(api_version=None) is accel
    for wrong in ("2026.12", "2020.10", "1", 2025.12):
        with pytest.raises(ValueError, match="is not a version of the array API standard"):
            x.__array_namespace__(api_version=wrong)


def test_attributes():
    x = accel.zeros((2, 3, 4), dtype="int16")
    assert (x.dtype, x.shape, x.ndim, x.size, x.nbytes, x.strides) == (accel.int16, (2, 3, 4), 3, 24, 48, (12, 4, 1))
    assert x.mT.shape == (2, 4, 3)
    with pytest.raises(accel.ShapeError, match="two axes"):
        x.T  # noqa: B018
    assert x[0].T.shape == (4, 3)
    with pytest.raises(accel.ShapeError, match="at least two axes"):
        accel.ones(3).mT  # noqa: B018
    assert isinstance(x.shape, tuple)
    with pytest.raises(AttributeError):
        x.unknown = 1
    assert ml_dtypes.bfloat16 == accel.bfloat16.numpy


def test_what_anything_holds_stays_known():
    """A trace takes a constant, a range and a table however many others a process has made since; what nobody holds is
    dropped."""
    device, dtype = accel.device("cpu"), TABLE["float64"]
    held = [
        conversion.constant(0.0625, dtype, device),
        conversion.constant(0.1875, dtype, device).view((2, 3), (0, 0)),
        conversion.index_range(999, device)[3:],
        conversion.table(("of this test", 0), lambda: np.arange(3.0), device),
    ]
    scaled = accel.fuse(lambda x: x * 0.3125)
    same = scaled(np.ones(3))
    for i in range(20_000):
        conversion.constant(0.5 + i, dtype, device)
        if i < 200:
            conversion.index_range(1000 + i, device)
            conversion.table(("of this test", 1 + i), lambda: np.arange(3.0), device)
    assert all(map(conversion.is_constant, held))
    assert (scaled(np.ones(3)) == same).all()
    assert scaled(np.ones(4)).shape == (4,), "traced anew, with the number that it met first"
    assert len(conversion._known._entries) < 10_000
    assert not conversion.is_constant(from_numpy(np.array(0.0625), device))
