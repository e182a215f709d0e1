"""Arrays from memory, tasks and files, and to files."""

import dask
import numpy as np
import pytest
import zarr
from chunked import assert_same, cut, equal_bits, few, numbers
from hypothesis import given
from hypothesis import strategies as st

import accel
import accel.dask as ad

DTYPES = ["float32", "bfloat16", "int16", "bool"]


def test_from_memory_of_any_kind():
    x = numbers(1, (6, 5), "float32")
    for source in (x, np.asarray(x), np.asfortranarray(np.asarray(x)), np.asarray(x).tolist()):
        assert_same(ad.from_array(source, 4), x)
    assert_same(ad.asarray(ad.from_array(x, 4)), x)
    assert_same(ad.asarray(np.asarray(x), dtype=accel.float64), accel.astype(x, accel.float64))
    assert ad.from_array(x, "40 B").numblocks > (1, 1)
    mine = np.ones(4, np.float32)
    made = ad.from_array(mine, 2)
    mine[:] = 7
    assert_same(made, accel.ones(4))
    assert_same(ad.full((5, 4), -0.0, chunks=(2, 3)), accel.full((5, 4), -0.0))
    assert_same(ad.zeros((3,), dtype="bool", chunks=2), accel.zeros((3,), dtype="bool"))
    assert_same(ad.ones((3, 0), dtype=accel.int8), accel.ones((3, 0), dtype=accel.int8))


@few
@given(st.data(), st.lists(st.integers(0, 6), max_size=3).map(tuple))
def test_from_tasks(data, shape):
    x = numbers(2, shape, "float64")
    chunks = cut(data.draw, shape)
    whole = ad.from_array(x, chunks)

    def parts(place):
        if len(place) == len(shape):
            begin = [sum(c[:i]) for c, i in zip(chunks, place, strict=True)]
            box = tuple(slice(b, b + c[i]) for b, c, i in zip(begin, chunks, place, strict=True))
            return dask.delayed(lambda box: np.asarray(x)[box], pure=False)(box)
        return [parts((*place, i)) for i in range(len(chunks[len(place)]))]

    made = ad.from_delayed(parts(()), chunks, accel.float64)
    assert made.chunks == whole.chunks
    assert_same(made, x)
    assert_same(ad.sum(made), accel.sum(x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_npy_files(tmp_path, dtype):
    x = numbers(3, (20, 7), dtype)
    accel.save(tmp_path / "x.npy", x)
    made = ad.from_npy(tmp_path / "x.npy", chunks=(6, 4))
    assert_same(made, x)
    ad.to_npy(made.rechunk((7, 7)), tmp_path / "y.npy")
    assert (tmp_path / "y.npy").read_bytes() == (tmp_path / "x.npy").read_bytes()
    assert equal_bits(accel.load(tmp_path / "y.npy"), x)


def test_npy_files_that_are_none(tmp_path):
    (tmp_path / "text.npy").write_text("no array", encoding="utf-8")
    with pytest.raises(accel.FileError, match=r"text\.npy"):
        ad.from_npy(tmp_path / "text.npy")
    with pytest.raises(FileNotFoundError):
        ad.from_npy(tmp_path / "nothing.npy")
    np.savez(tmp_path / "several.npz", a=np.ones(3))
    with pytest.raises(accel.FileError, match=r"expected a \.npy file with one array"):
        ad.from_npy(tmp_path / "several.npz")
    with pytest.raises(accel.ArgumentError, match="to_npy: x: expected a chunked array"):
        ad.to_npy(accel.ones(3), tmp_path / "z.npy")


def test_zarr_arrays(tmp_path):
    x = numbers(4, (20, 7), "float32")
    stored = zarr.create_array(store=str(tmp_path / "x.zarr"), shape=x.shape, chunks=(6, 3), dtype="float32")
    stored[:] = np.asarray(x)
    made = ad.from_zarr(str(tmp_path / "x.zarr"))
    assert made.chunks == ((6, 6, 6, 2), (3, 3, 1))
    assert_same(made, x)
    assert_same(ad.from_zarr(stored, chunks=5), x)
