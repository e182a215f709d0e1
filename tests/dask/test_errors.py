"""What is refused, with what came and what was expected."""

import importlib.util
import sys

import dask
import numpy as np
import pytest
from chunked import assert_same, numbers

import accel
import accel.dask as ad


@pytest.mark.parametrize(
    ("chunks", "what"),
    [
        ((3, 3), "for shape"),
        (((3, 3), (4,)), "for shape"),
        ((5,), "for shape"),
        (((np.nan, np.nan), (4,)), "unknown lengths"),
        ("many", "for shape"),
        (((-1, 6), (4,)), "chunks"),
        (0, "chunks"),
    ],
)
def test_chunks_that_do_not_fill_a_shape(chunks, what):
    x = accel.ones((5, 4))
    if chunks == (3, 3):
        assert_same(ad.from_array(x, chunks), x)
        return
    for made in (lambda: ad.from_array(x, chunks), lambda: ad.from_array(x).rechunk(chunks)):
        with pytest.raises(accel.AccelError, match=what) as caught:
            made()
        assert isinstance(caught.value, (accel.ShapeError, accel.ArgumentError))


def test_unknown_chunks_of_tasks():
    part = dask.delayed(np.ones)(3)
    for chunks in (((np.nan,),), (np.nan,), 3, ((2.5,),)):
        with pytest.raises(accel.ShapeError, match="chunks"):
            ad.from_delayed([part], chunks, "float64")
    with pytest.raises(accel.ShapeError, match="expected a list of 2 at this level"):
        ad.from_delayed([part], ((3, 3),), "float64")
    with pytest.raises(accel.ArgumentError, match=r"expected what dask.delayed gives, got \[1"):
        ad.from_delayed([[1, 2, 3]], ((3,),), "float64")


def test_tasks_that_make_something_else():
    def made(value, shape=(3,), dtype="float32"):
        return ad.from_delayed([dask.delayed(value, pure=False)()], (shape,), dtype).compute()

    def elsewhere():
        return accel.ones(3, device="null")

    assert made(lambda: np.ones(3, np.float32)).tolist() == made(lambda: accel.ones(3)).tolist() == [1, 1, 1]
    with pytest.raises(accel.ShapeError, match=r"chunk \(0,\): has shape \(4,\), expected \(3,\)"):
        made(lambda: np.ones(4, np.float32))
    with pytest.raises(accel.DtypeError, match="has dtype float64, expected float32"):
        made(lambda: np.ones(3))
    with pytest.raises(accel.ArgumentError, match=r"expected an accel\.Array or a NumPy array, got list"):
        made(lambda: [1, 2, 3])
    with pytest.raises(accel.DeviceError, match=r"chunk \(0,\): is on null.*, and this worker computes on "):
        made(elsewhere)


def test_what_has_no_elements_yet():
    d = ad.from_array(accel.ones((4, 4)), 2)
    with pytest.raises(accel.ArgumentError, match="elements of a chunked array are not there before compute"):
        d[d > 0]
    with pytest.raises(accel.ArgumentError, match="not there before compute"):
        ad.nonzero(d)
    sizes = accel.asarray([1, 3])
    x, w = accel.ones((4, 4)), accel.ones((2, 4, 3))
    with pytest.raises(accel.UnsupportedError, match=r"grouped_matmul is not shared out .* 2 x 2 of them; rechunk"):
        ad.nn.grouped_matmul(d, w, sizes)
    assert_same(ad.nn.grouped_matmul(d.rechunk(-1), w, sizes), accel.nn.grouped_matmul(x, w, sizes))


def test_arguments_as_in_accel():
    d = ad.from_array(accel.ones((4, 6)), 2)
    with pytest.raises(accel.AxisError, match="sum: axis: 2 is out of range"):
        ad.sum(d, axis=2)
    with pytest.raises(accel.ShapeError, match="do not broadcast"):
        d + ad.from_array(accel.ones((5,)), 2)
    with pytest.raises(accel.ShapeError, match="6 columns meet 4 rows"):
        d @ d
    with pytest.raises(accel.DtypeError, match="takes floating dtypes"):
        ad.nn.softmax(ad.astype(d, accel.int32))
    with pytest.raises(accel.ArgumentError, match="expected a chunked array"):
        ad.exp(accel.ones(3))
    with pytest.raises(accel.ArgumentError, match="chunked arrays are not written into"):
        ad.copy(d, out=accel.ones((4, 6)))
    with pytest.raises(TypeError):
        d + "text"
    with pytest.raises(AttributeError, match="no attribute 'no_such'"):
        ad.no_such  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'no_such'"):
        ad.nn.no_such  # noqa: B018


def test_names_are_those_of_accel():
    assert {"exp", "sum", "where", "matmul", "from_array", "random"} <= set(dir(ad))
    assert {"softmax", "layer_norm"} <= set(dir(ad.nn)) and "logsumexp" in dir(ad.special)
    assert ad.exp is ad.exp and ad.exp.__name__ == "exp" and "arange" not in dir(ad)


def test_without_dask_its_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask", None)
    again = importlib.util.spec_from_file_location("accel.dask_again", ad.__file__)
    with pytest.raises(ImportError, match=r'accel\.dask needs Dask \(.*\): pip install .*"dask') as caught:
        again.loader.exec_module(importlib.util.module_from_spec(again))
    assert "distributed" in str(caught.value)


def test_numbers_beside_arrays_keep_their_dtype():
    for dtype in ("float32", "bfloat16", "int8"):
        x = numbers(1, (5,), dtype)
        assert_same(ad.from_array(x, 2) * 2, x * 2)
    with pytest.raises(accel.RangeError):
        ad.from_array(numbers(1, (5,), "int8"), 2) * 1000
