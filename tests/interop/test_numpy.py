"""NumPy arrays and scalars in and out: shared if possible, copied if needed, refused where meaning would be lost."""

from __future__ import annotations

import sys
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from equality import same
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel.array import Array
from accel.conversion import from_numpy, to_numpy
from accel.dtypes import TABLE
from accel.testing.strategies import arrays, shapes

DTYPES = tuple(TABLE.values())
CPU = accel.device("cpu")


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def address(x: Array) -> int:
    return x.buffer.address + x.offset * x.dtype.itemsize


@st.composite
def sources(draw, dtypes=DTYPES):
    return draw(arrays(draw(st.sampled_from(dtypes)), draw(shapes())))


@given(sources())
def test_an_array_comes_in_as_it_lies(source):
    x = from_numpy(source, CPU)
    assert x.dtype.numpy == source.dtype
    assert x.shape == source.shape
    assert x.buffer.readonly == (not source.flags.writeable)
    if source.size:
        assert address(x) == source.__array_interface__["data"][0]
        steps = [s // source.itemsize for s in source.strides]
        assert all(a == b for a, b, n in zip(x.strides, steps, x.shape, strict=True) if n > 1)
        low, high = x.buffer.address, x.buffer.address + x.buffer.nbytes
        at = address(x) + source.itemsize * np.array([np.dot(i, x.strides) for i in np.ndindex(x.shape)])
        assert (at >= low).all()
        assert (at + source.itemsize <= high).all()
    assert same(to_numpy(x), source)


@given(sources())
def test_there_and_back_is_the_same_memory(source):
    out = to_numpy(from_numpy(source, CPU))
    assert type(out) is np.ndarray
    assert out.dtype == source.dtype
    if source.size:
        assert out.__array_interface__["data"][0] == source.__array_interface__["data"][0]


@given(sources())
def test_another_memory_gets_the_elements(source):
    there = from_numpy(source, accel.device("null:0"))
    assert (there.shape, there.layout.contiguous, str(there.device)) == (source.shape, True, "null:0")
    copied = from_numpy(source, CPU, copy=True)
    assert copied.layout.contiguous
    assert not copied.buffer.readonly
    if source.size:
        assert not np.shares_memory(to_numpy(copied), source)
    assert same(to_numpy(copied), source)


@given(sources(tuple(d for d in DTYPES if d.itemsize > 1)))
def test_swapped_and_misaligned_elements_work(source):
    if source.dtype != ml_dtypes.bfloat16:
        swapped = source.astype(source.dtype.newbyteorder("S"))
        out = accel.positive(swapped) if source.dtype.kind != "b" else accel.copy(swapped)
        assert out.dtype == source.dtype
        assert out.dtype.isnative
        assert same(out, source)
    raw = np.zeros(source.size * source.itemsize + 1, np.uint8)
    raw[1:] = np.ascontiguousarray(source).reshape(-1).view(np.uint8)
    odd = raw[1:].view(source.dtype).reshape(source.shape)
    assert odd.size == 0 or not odd.flags.aligned
    assert same(accel.copy(odd), source)


@pytest.mark.parametrize("strides", [None, (36, 12)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, np.complex64])
def test_misaligned_arrays_without_elements_work(dtype, strides):
    """NumPy says of every one that it is aligned."""
    itemsize = np.dtype(dtype).itemsize
    steps = None if strides is None else tuple(n * itemsize for n in strides)
    for offset in range(itemsize):
        odd = np.ndarray((0, 3), dtype, bytearray(itemsize), offset, steps)
        assert odd.flags.aligned
        for _ in range(2):  # the second time without Python's help
            assert accel.sum(odd) == 0
            assert accel.matmul(odd.T, odd).tolist() == [[0] * 3] * 3
            assert accel.sum(accel.asarray(odd), axis=0).tolist() == [0] * 3
    assert accel.sum(accel.from_dlpack(odd)) == 0


def test_arrays_of_empty_things_are_refused():
    for dtype in ("V0", "S0", "U0"):
        for _ in range(2):
            with pytest.raises(accel.DtypeError):
                accel.sum(np.empty(0, dtype))


def test_strides_that_are_no_multiple_of_the_element():
    rows = np.zeros(4, np.dtype([("a", np.float32), ("b", np.int8)]))
    rows["a"] = [1, 2, 3, 4]
    assert rows["a"].strides == (5,)
    assert accel.add(rows["a"], 1).tolist() == [2, 3, 4, 5]


def test_integers_of_every_c_type():
    for name in "bBhHiIlLqQ":
        source = np.arange(3, dtype=name)
        assert accel.add(source, 1).tolist() == [1, 2, 3]
        assert from_numpy(source, CPU).dtype.itemsize == source.itemsize


def test_scalars_are_arrays_without_axes():
    out = accel.add(np.float32(1), np.ones(2, np.float32))
    assert (type(out), out.dtype, out.tolist()) == (np.ndarray, np.float32, [2, 2])
    assert accel.add(np.float64(1), np.ones(2, np.float32)).dtype == np.float64
    assert accel.add(np.int8(1), np.ones(2, np.int16)).dtype == np.int16
    out = accel.add(np.float64(1), 2)
    assert (type(out), out.shape, out.dtype) == (np.ndarray, (), np.float64)
    assert accel.where(np.bool_(True), np.float32(1), 2.0).item() == 1
    assert accel.broadcast_to(np.float32(1), (2, 2)).tolist() == [[1, 1], [1, 1]]
    wide = accel.add(ml_dtypes.bfloat16(1.5), accel.ones(2))
    assert (type(wide), wide.dtype) == (Array, accel.float32)


def test_a_scalar_is_not_shared_between_calls():
    first = accel.reshape(np.float32(3), (1,))
    first[0] = 9
    assert accel.reshape(np.float32(3), (1,)).tolist() == [3]


def test_weak_scalars():
    x = np.ones(2, np.float16)
    assert accel.add(x, 1).dtype == accel.add(x, 1.5).dtype == accel.add(x, True).dtype == np.float16
    assert accel.add(np.ones(2, np.int8), 1.5).dtype == np.float32
    with pytest.raises(accel.DtypeError, match="x2: 300 is outside uint8"):
        accel.add(np.ones(2, np.uint8), 300)


NUMBERS = (1 + 2**-8 + 2**-40, 2**60 + 2**52 + 1, -(2**63), 2**64 - 1, 10**30, 2**200, -0.0, 1e-40, -65519.999, 65520.0)


@pytest.mark.parametrize("value", NUMBERS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_weak_scalars_are_rounded_once(value, dtype):
    numpy = TABLE[dtype].numpy
    got = accel.add(np.array([-0.0], numpy), value)[0]
    exact, largest = Fraction(value), Fraction(float(ml_dtypes.finfo(numpy).max))
    if not np.isfinite(got):
        half_ulp = (largest - Fraction(float(np.nextafter(ml_dtypes.finfo(numpy).max, numpy.type(0))))) / 2
        assert abs(exact) >= largest + half_ulp
        assert (got > 0) == (value > 0)
        return
    assert np.signbit(got) == (value < 0 or str(value) == "-0.0")
    error = abs(Fraction(float(got)) - exact)
    for direction in (np.inf, -np.inf):
        with np.errstate(over="ignore"):
            neighbour = np.nextafter(got, numpy.type(direction))
        if np.isfinite(neighbour):
            other = abs(Fraction(float(neighbour)) - exact)
            assert error < other or (error == other and got.view(f"u{numpy.itemsize}") % 2 == 0)


class Units(np.ndarray):
    """A subclass with a meaning of its own."""


REFUSED = {
    "masked": (lambda: np.ma.masked_array([1.0, 2.0], [True, False]), accel.ArgumentError, "lose its mask"),
    "matrix": (lambda: np.matrix([[1.0]]), accel.ArgumentError, "its subclass numpy.matrix; pass numpy.asarray"),
    "subclass": (lambda: np.ones(2).view(Units), accel.ArgumentError, "its subclass .*Units"),
    "object": (lambda: np.array([None, 1]), accel.DtypeError, "dtype.'O'. is not a dtype of accel"),
    "complex": (lambda: np.ones(2, np.clongdouble), accel.DtypeError, "is not a dtype of accel"),
    "text": (lambda: np.array(["a"]), accel.DtypeError, "U1"),
    "bytes": (lambda: np.array([b"a"]), accel.DtypeError, "S1"),
    "date": (lambda: np.array(["2020-01-01"], "datetime64[D]"), accel.DtypeError, "M8"),
    "fields": (lambda: np.zeros(2, [("a", "f4"), ("b", "i4")]), accel.DtypeError, "is not a dtype of accel"),
    "long double": (lambda: np.ones(2, np.longdouble), accel.DtypeError, "is not a dtype of accel"),
    "void scalar": (lambda: np.zeros(2, "V4")[0], accel.DtypeError, "is not a dtype of accel"),
    "complex scalar": (lambda: np.clongdouble(1), accel.DtypeError, "is not a dtype of accel"),
    "float8": (lambda: np.ones(2, ml_dtypes.float8_e5m2), accel.DtypeError, "float8_e5m2"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize(
    ("call", "where"),
    [
        (lambda x: accel.positive(x), "positive: x: "),
        (lambda x: accel.add(np.ones(2), x), "add: x2: "),
        (lambda x: accel.add(x, accel.ones(2)), "add: x1: "),
        (lambda x: accel.asarray(x), "asarray: obj: "),
        (lambda x: accel.reshape(x, (1, 2)), "reshape: x: "),
    ],
)
def test_refused_by_name(name, call, where):
    make, error, words = REFUSED[name]
    with pytest.raises(error, match=f"{where}.*{words}"):
        call(make())


def test_a_memory_map_is_a_plain_array(tmp_path):
    np.arange(6, dtype=np.float32).tofile(tmp_path / "values")
    mapped = np.memmap(tmp_path / "values", np.float32, "r", shape=(2, 3))
    assert accel.add(mapped, 1).tolist() == [[1, 2, 3], [4, 5, 6]]
    x = accel.asarray(mapped)
    assert x.buffer.readonly
    assert address(x) == mapped.__array_interface__["data"][0]
    with pytest.raises(accel.ArgumentError, match="read-only"):
        x[0] = 1


def test_results_belong_to_the_caller():
    source = np.ones(1000, np.float32)
    before = sys.getrefcount(source)
    out = accel.add(source, source)
    assert sys.getrefcount(source) == before
    out[:] = 5
    assert source.sum() == 1000
    assert accel.add(source, source).sum() == 2000
