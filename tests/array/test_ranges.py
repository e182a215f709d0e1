"""arange, linspace, eye, tril, triu, meshgrid and broadcast_arrays, by the array API standard's text."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import conversion
from accel.array import Array
from accel.conversion import to_numpy
from accel.dtypes import TABLE

FLOATS = tuple(d for d in TABLE.values() if d.kind == "f")
INTEGERS = tuple(d for d in TABLE.values() if d.kind in "iu")


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def values(x: Array) -> list:
    assert type(x) is Array
    return to_numpy(x).tolist()


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(-9, 9).filter(bool))
def test_integer_ranges(start, stop, step):
    x = accel.arange(start, stop, step)
    assert (x.dtype, values(x)) == (accel.int64, list(range(start, stop, step)))
    assert values(accel.arange(start)) == list(range(start))
    assert values(accel.arange(start, stop)) == list(range(start, stop))
    assert values(accel.arange(start, stop, step, dtype="float32")) == list(range(start, stop, step))


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_ranges_reach_the_ends_of_a_dtype(dtype):
    info = accel.iinfo(dtype)
    step = (info.max - info.min) // 5
    assert values(accel.arange(info.min, info.max, step, dtype=dtype)) == list(range(info.min, info.max, step))
    assert values(accel.arange(info.max, info.min, -step, dtype=dtype)) == list(range(info.max, info.min, -step))
    for wrong in ((info.max, info.max + 2), (info.min - 1, info.min + 1)):
        with pytest.raises(accel.DtypeError, match=f"is outside {dtype}"):
            accel.arange(*wrong, dtype=dtype)


@given(st.floats(-100, 100), st.floats(-100, 100), st.floats(0.5, 10), st.booleans(), st.sampled_from((*FLOATS, None)))
def test_float_ranges(start, stop, step, down, dtype):
    """A product and a sum in float64, and one rounding to the dtype."""
    step = -step if down else step
    x = accel.arange(start, stop, step, dtype=dtype)
    assert x.dtype is (dtype or accel.float32)
    assert x.shape == (max(0, math.ceil((stop - start) / step)),)
    info = accel.finfo(x.dtype)
    for i, got in enumerate(to_numpy(x).astype(np.float64).tolist()):
        moved = i * Fraction(step)
        exact = Fraction(start) + moved
        bound = Fraction(2) ** -52 * (abs(moved) + abs(exact)) + Fraction(info.eps) / 2 * abs(exact) * Fraction(1.001)
        assert abs(Fraction(got) - exact) <= bound + Fraction(info.smallest_normal) * Fraction(info.eps)


def test_one_float_makes_a_float_range():
    for x in (accel.arange(3.0), accel.arange(0, 3.0), accel.arange(0, 3, 1.0)):
        assert (x.dtype, values(x)) == (accel.float32, [0, 1, 2])
    assert values(accel.arange(accel.asarray(2), np.int8(5))) == [2, 3, 4]
    assert values(accel.arange(0.5, 4, dtype="int32")) == [0, 1, 2, 3]
    assert values(accel.arange(5, dtype="bfloat16", device="cpu")) == [0, 1, 2, 3, 4]
    assert str(accel.arange(3, device="null:0").device) == "null:0"


@pytest.mark.parametrize("dtype", [accel.float64, None], ids=str)
@pytest.mark.parametrize(
    ("start", "stop", "step", "want"),
    [
        (-1.7e308, 1.7e308, 1e308, [-1.7e308, -0.7e308, 0.3e308, 1.3e308]),
        (1.7e308, -1.7e308, -1.5e308, [1.7e308, 0.2e308, -1.3e308]),
        (0, 5e-324, 1e10, [0]), (0.0, 1e-300, 1e300, [0]), (0, -5e-324, -1e300, [0]), (0, -5e-324, 1e300, []),
        (0, 2e-323, 5e-324, [0, 5e-324, 1e-323, 1.5e-323]), (1e-320, 0, -5e-321, [1e-320, 5e-321]),
        (2**64, 2**64 + 2**14, 2**12, [2**64 + 2**12 * i for i in range(4)]),
        (-(10**400), 10**400, 10**400, [-math.inf, 0]), (2**1023, 2**1024, 2**1022, [2.0**1023, 1.5 * 2.0**1023]),
        (2**60, 2**60 + 10, 5.0, [2.0**60, 2.0**60]), (0, 10**400, 2.0 * 2.0**1022, None),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_ranges_between_huge_and_tiny_numbers(start, stop, step, want, dtype):
    """The number of elements and each of them are those of an arithmetic whose exponents have no ends."""
    if dtype is None and all(isinstance(x, int) for x in (start, stop, step)):
        with pytest.raises(accel.DtypeError, match="is outside int64"):
            accel.arange(start, stop, step)
        return
    if want is None:
        with pytest.raises(accel.OutOfMemoryError, match="more bytes than 63 bits count"):
            accel.arange(start, stop, step, dtype=dtype)
        return
    x = accel.arange(start, stop, step, dtype=dtype)
    with np.errstate(over="ignore"):
        exact = np.array(want, np.float64)
        steps = np.spacing(np.abs(exact).max(initial=0)) if np.isfinite(exact).all() else 0
        assert x.shape == exact.shape
        if dtype is None:
            assert (to_numpy(x) == exact.astype(np.float32)).all()
        else:
            assert np.isclose(to_numpy(x), exact, rtol=0, atol=steps).all()


@pytest.mark.parametrize(
    "given_",
    [(0, 1, 5e-324), (0, 1e300), (0, 2**61), (0, 1e308, 1e-308), (-(2.0**70), 0, 1), (0, -(10**400), -1.0)],
)
def test_ranges_longer_than_any_memory(given_):
    with pytest.raises(accel.OutOfMemoryError):
        accel.arange(*given_)


def test_integers_of_any_size_name_themselves():
    """Python itself does not print integers of 4,300 digits."""
    for make in (
        lambda: accel.arange(10**5000), lambda: accel.arange(-(10**5000), 10**5000, 1),
        lambda: accel.full(2, 10**5000), lambda: accel.full_like(np.ones(2, np.int8), 10**5000),
    ):  # fmt: skip
        with pytest.raises(accel.DtypeError, match=r"an integer of 166\d\d bits is outside int"):
            make()
    x = accel.ones((2, 2))
    for make in (
        lambda: accel.zeros(10**5000), lambda: accel.empty((2, -(10**5000))), lambda: accel.eye(10**5000),
        lambda: accel.linspace(0, 1, 10**5000), lambda: accel.linspace(0, 1, -(10**5000)),
        lambda: accel.broadcast_to(x, (10**5000, 2, 2)), lambda: accel.broadcast_shapes((10**5000,), (3,)),
        lambda: accel.reshape(x, (10**5000, -1)), lambda: accel.reshape(x, 10**5000),
        lambda: accel.permute_dims(x, (0, 10**5000)), lambda: accel.squeeze(x, 10**5000),
        lambda: accel.sum(x, axis=10**5000), lambda: x[10**5000], lambda: x[:, -(10**5000)],
        lambda: accel.arange(0, 10**5000, 0),
    ):  # fmt: skip
        with pytest.raises((accel.ShapeError, IndexError), match=r"an integer of 166\d\d bits"):
            make()
    for make in (
        lambda: accel.zeros(2, dtype=10**5000), lambda: accel.isdtype(accel.int8, 10**5000),
        lambda: accel.argmax(x, axis=[10**5000]), lambda: accel.meshgrid(x[0], indexing=10**5000),
        lambda: accel.nn.softmax(x, axis=(10**5000,)),
    ):  # fmt: skip
        with pytest.raises((accel.DtypeError, accel.ArgumentError), match=r"an integer of 166\d\d bits"):
            make()
    control = 10**50
    with pytest.raises(accel.DtypeError, match=str(control - 1)):
        accel.arange(control)


def test_ranges_are_computed_in_blocks(monkeypatch):
    """The blocks join without a seam, for integers and floats, and the ends of linspace are exact in every block."""
    for n in (6, 7, 8, 20, 21):
        whole = [accel.arange(-3, 3 * n - 3, 3, dtype="int16"), accel.arange(0.5, 0.5 + n * 0.3, 0.3, dtype="float64")]
        whole += [accel.linspace(-1, 2, n, endpoint=end, dtype="float64") for end in (True, False)]
        with monkeypatch.context() as patch:
            patch.setattr(conversion, "BLOCK", 7)
            parts = [
                accel.arange(-3, 3 * n - 3, 3, dtype="int16"),
                accel.arange(0.5, 0.5 + n * 0.3, 0.3, dtype="float64"),
            ]
            parts += [accel.linspace(-1, 2, n, endpoint=end, dtype="float64") for end in (True, False)]
        for a, b in zip(whole, parts, strict=True):
            assert to_numpy(a).tobytes() == to_numpy(b).tobytes()
        assert (values(whole[0]), values(whole[2])[-1]) == (list(range(-3, 3 * n - 3, 3)), 2)


def test_ranges_that_are_none():
    for bad in ((0, 3, 0), (0, math.inf), (0, math.nan), (0.0, 1.0, 0.0)):
        with pytest.raises(accel.ShapeError, match="has no end"):
            accel.arange(*bad)
    for bad in (("a",), (None,), (0, 1j), ([1],)):
        with pytest.raises(accel.ArgumentError, match=r"arange: .*expected a number"):
            accel.arange(*bad)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.integers(0, 40), st.booleans(), st.sampled_from((*FLOATS, None)))
def test_linspace(start, stop, num, endpoint, dtype):
    x = accel.linspace(start, stop, num, dtype=dtype, endpoint=endpoint)
    assert (x.dtype, x.shape) == (dtype or accel.float32, (num,))
    got = to_numpy(x).astype(np.float64)
    with np.errstate(over="ignore"):
        want = np.linspace(start, stop, num, endpoint=endpoint).astype(x.dtype.numpy).astype(np.float64)
    finite = np.isfinite(want)
    assert (np.isfinite(got) == finite).all()
    room = accel.finfo(x.dtype).eps * np.abs(want[finite]) + 1e-9 * (abs(start) + abs(stop)) * 1e-6
    assert (np.abs(got[finite] - want[finite]) <= room + accel.finfo(x.dtype).smallest_normal).all()
    if num > 1 and endpoint:
        ends = to_numpy(accel.asarray([start, stop], dtype=x.dtype)).astype(np.float64)
        assert (got[[0, -1]] == ends).all()


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        (-1.7e308, 1.7e308), (1.7e308, -1.7e308), (-1.7976931348623157e308, 1.7976931348623157e308),
        (-1.7e308, 1.0), (5e-324, 1.7e308), (0, 2e-323), (-1.5e-323, 1.5e-323), (1e-310, 1.7e308), (3.0, 3.0),
        (0.0, 0.0), (2**1023, -(2**1023)), (1, 2**60 + 1),
    ],
    ids=str,
)  # fmt: skip
def test_linspace_between_huge_and_tiny_numbers(start, stop):
    """Every element is next to the exact number, in float64 and rounded to float32."""
    for num in (2, 3, 5, 8):
        for endpoint in (True, False):
            between(start, stop, num, endpoint)


def between(start, stop, num, endpoint):
    parts = num - 1 if endpoint else num
    exact = [Fraction(start) + (Fraction(stop) - Fraction(start)) * i / parts for i in range(num)]
    x = accel.linspace(start, stop, num, dtype="float64", endpoint=endpoint)
    room = math.ulp(max(abs(float(start)), abs(float(stop))))
    got = to_numpy(x).tolist()
    assert got[0] == start
    assert all(abs(Fraction(a) - b) <= 2 * Fraction(room) for a, b in zip(got, exact, strict=True))
    with np.errstate(over="ignore"):
        narrow = to_numpy(x).astype(np.float32)
    assert (to_numpy(accel.linspace(start, stop, num, endpoint=endpoint))[1:] == narrow[1:])[: num - 2].all()


def test_ends_of_linspace_are_the_numbers_asked_for():
    first, last = 2**60 + 2**36 + 1, -(2**70 + 2**46 + 1)
    x = accel.linspace(first, last, 3)
    assert values(x)[0] == 2**60 + 2**37
    assert values(x)[2] == -(2**70 + 2**47)
    assert np.float32(float(first)) == 2**60, "control: rounded by way of float64"
    assert values(accel.linspace(0, math.inf, 3)) == [0, math.inf, math.inf]
    assert values(accel.linspace(0, 10**400, 3)) == [0, math.inf, math.inf]
    assert np.isnan(to_numpy(accel.linspace(0, math.nan, 3))[1:]).all()
    assert values(accel.linspace(-(10**400), 10**400, 3)) == [-math.inf, 0, math.inf]


def test_linspace_refuses():
    with pytest.raises(accel.ShapeError, match="num: expected no negative number, got -1"):
        accel.linspace(0, 1, -1)
    with pytest.raises(accel.DtypeError, match="expected a floating dtype, got int64"):
        accel.linspace(0, 1, 3, dtype="int64")
    with pytest.raises(accel.ArgumentError, match=r"num: expected an integer, got 2\.5"):
        accel.linspace(0, 1, 2.5)
    assert values(accel.linspace(2, 5, 1)) == [2]
    assert values(accel.linspace(0, 1, 5)) == [0, 0.25, 0.5, 0.75, 1]
    assert values(accel.linspace(0, 1, 4, endpoint=False)) == [0, 0.25, 0.5, 0.75]


@given(
    st.integers(0, 5),
    st.one_of(st.none(), st.integers(0, 5)),
    st.integers(-6, 6),
    st.sampled_from((*TABLE.values(), None)),
)
def test_eye(rows, columns, k, dtype):
    x = accel.eye(rows, columns, k=k, dtype=dtype)
    assert x.dtype is (dtype or accel.float32)
    assert (to_numpy(x).astype(np.float64) == np.eye(rows, columns, k)).all()
    assert x.shape == np.eye(rows, columns, k).shape


@given(
    st.sampled_from(((2, 3), (3, 3), (4, 1), (0, 2), (2, 3, 4), (1, 2, 2, 3))),
    st.integers(-4, 4),
    st.sampled_from(tuple(TABLE.values())),
)
def test_triangles(shape, k, dtype):
    source = (1 + np.arange(math.prod(shape)) % 100).reshape(shape).astype(dtype.numpy)
    for ours, theirs in ((accel.tril, np.tril), (accel.triu, np.triu)):
        for out in (ours(source, k=k), to_numpy(ours(accel.asarray(source), k=k))):
            assert (out.dtype, out.shape) == (source.dtype, shape)
            assert (out == theirs(source.astype(np.float64), k).astype(dtype.numpy)).all()


@pytest.mark.parametrize("k", [2**31, 2**63 - 2, 2**63 - 1, 2**63, 2**64, 2**20000], ids=int.bit_length)
def test_diagonals_that_are_far_off(k):
    x = np.ones((2, 3, 2))
    for far in (k, -k, k + 1, -k - 1):
        assert (to_numpy(accel.eye(2, 3, k=far)) == 0).all()
        assert (accel.tril(x, k=far) == (far > 0)).all()
        assert (accel.triu(x, k=far) == (far < 0)).all()


def test_triangles_of_views():
    """Stretched, reversed and transposed operands, and batches."""
    x = np.arange(24.0).reshape(2, 3, 4)
    for source in (x[:, ::-1, ::-1], x.transpose(2, 0, 1), np.broadcast_to(x[0, 0], (3, 4)), x[:, :, :1], x[:, :0]):
        for k in (-2, 0, 1, 9):
            assert (accel.tril(source, k=k) == np.tril(source, k)).all()
            assert (accel.triu(accel.asarray(source), k=k) == accel.asarray(np.triu(source, k))).size == source.size
            assert (to_numpy(accel.triu(accel.asarray(source), k=k)) == np.triu(source, k)).all()


def test_triangles_forget_what_they_drop():
    x = accel.tril(np.full((2, 2), np.nan))
    assert x[0, 1] == 0
    assert np.isnan(x[[0, 1, 1], [0, 0, 1]]).all()
    with pytest.raises(accel.ShapeError, match="at least two axes"):
        accel.triu(np.ones(3))


@given(st.lists(st.integers(0, 3), max_size=4), st.sampled_from(("xy", "ij")))
def test_meshgrid(lengths, indexing):
    arrays = [np.arange(n, dtype=np.float32) + 10 * i for i, n in enumerate(lengths)]
    got, want = accel.meshgrid(*arrays, indexing=indexing), np.meshgrid(*arrays, indexing=indexing)
    assert type(got) is tuple
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        assert a.shape == b.shape
        assert (a == b).all()
    assert all(type(a) is Array for a in accel.meshgrid(*map(accel.asarray, arrays)))


def test_meshgrid_refuses():
    with pytest.raises(accel.ShapeError, match="arrays of one axis"):
        accel.meshgrid(np.ones((2, 2)))
    with pytest.raises(accel.ArgumentError, match="expected 'xy' or 'ij', got 'yx'"):
        accel.meshgrid(np.ones(2), indexing="yx")


def test_broadcast_arrays():
    a, b = np.ones((2, 1)), accel.ones((3,))
    first, second = accel.broadcast_arrays(a, b)
    assert (type(first), type(second)) == (np.ndarray, Array)
    assert first.shape == second.shape == (2, 3)
    assert np.shares_memory(first, a)
    assert accel.broadcast_arrays() == ()
    with pytest.raises(accel.ShapeError, match="broadcast_arrays"):
        accel.broadcast_arrays(np.ones(2), np.ones(3))
