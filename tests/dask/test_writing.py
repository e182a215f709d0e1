"""Elements stored or combined where integers say, and assignments, against accel on one array."""

import numpy as np
import pytest
from chunked import assert_same, cut, few, numbers, some
from hypothesis import given
from hypothesis import strategies as st

import accel
import accel.dask as ad
from accel.dask import work
from accel.dask.movement import Walk, walked


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32"])
@pytest.mark.parametrize(
    ("shape", "axis", "count", "chunks"),
    [
        ((5, 3), 0, 5000, (2, 1700)),
        ((5, 3), 1, 1, (5, 1)),
        ((3, 2, 4), 1, 9000, (1, 4099)),
        ((3, 2, 4), 2, 7, (3, 2)),
    ],
)
def test_rows_added(shape, axis, count, chunks, dtype):
    """Also more rows for one element than a block of a sum has, in chunks of all operands."""
    wide = (*shape[:axis], count, *shape[axis + 1 :])
    x, rows = numbers(1, shape, dtype), numbers(2, wide, dtype)
    at = accel.asarray(np.random.default_rng(3).integers(-shape[axis], shape[axis], count))
    operands = ad.from_array(x, chunks[0]), ad.from_array(at, chunks[1]), ad.from_array(rows, chunks[1])
    assert_same(ad.index_add(operands[0], axis, *operands[1:]), accel.index_add(x, axis, at, rows))


@few
@given(st.data(), st.sampled_from(("sum", "prod", "mean", "amax", "amin")), st.booleans())
def test_positions_along_an_axis(data, reduction, own):
    x, seed = numbers(1, (9, 6), "float32"), data.draw(st.integers(0, 99))
    axis = data.draw(st.integers(0, 1))
    shape = (4, 6) if axis == 0 else (9, 5)
    at = accel.asarray(np.random.default_rng(seed).integers(-x.shape[axis], x.shape[axis], shape))
    values = numbers(2, shape, "float32")
    d, places, v = (ad.from_array(each, cut(data.draw, each.shape, 3)) for each in (x, at, values))
    found = ad.scatter_reduce(d, axis, places, v, reduction, include_self=own)
    assert_same(found, accel.scatter_reduce(x, axis, at, values, reduction, include_self=own))
    assert_same(
        ad.put_along_axis(d, places, v, axis=axis), accel.put_along_axis(x, at, values, axis=axis)
    )  # of several the last one stays


def test_chunks_without_positions():
    x, values = numbers(1, (9, 6), "float32"), numbers(2, (4, 6), "float32")
    at = accel.asarray(np.random.default_rng(1).integers(-9, 9, (4, 6)))
    d, places, v = (ad.from_array(each, chunks) for each, chunks in ((x, (9, 6)), (at, ((0, 4), (6, 0))), (values, 3)))
    assert_same(ad.put_along_axis(d, places, v, axis=0), accel.put_along_axis(x, at, values, axis=0))
    assert_same(ad.scatter_reduce(d, 0, places, v, "sum"), accel.scatter_reduce(x, 0, at, values, "sum"))
    with pytest.raises(IndexError, match="9"):
        ad.put_along_axis(d, ad.from_array(at * 0 + 9, ((0, 4), (6, 0))), v, axis=0).compute()


def test_segments_and_bags():
    rows, ids = numbers(3, (4500, 3), "float32"), np.sort(np.random.default_rng(1).integers(0, 7, 4500))
    chunked = ad.from_array(rows, (1100, 2)), ad.from_array(ids, 999)
    for name in ("segment_sum", "segment_mean", "segment_max"):
        assert_same(getattr(ad.nn, name)(*chunked, 7), getattr(accel.nn, name)(rows, accel.asarray(ids), 7))


@some
@given(st.data())
def test_assignments(data):
    """Slices of any step, places and arrays of positions, with values that broadcast."""
    shape = tuple(data.draw(st.lists(st.integers(1, 8), min_size=1, max_size=3)))

    def item(n):
        steps, ends = st.integers(-4, 4).filter(bool), st.none() | st.integers(-n - 2, n + 2)
        return st.integers(-n, n - 1) | st.builds(slice, ends, ends, steps)

    key = [data.draw(item(n)) for n in shape]
    if data.draw(st.booleans()):
        key = [*key[: data.draw(st.integers(0, len(key)))], Ellipsis]
    if data.draw(st.booleans()):
        axis = data.draw(st.integers(0, len(shape) - 1))
        several = data.draw(st.lists(st.integers(-shape[axis], shape[axis] - 1), min_size=1, max_size=5))
        key = [slice(None)] * axis + [several if data.draw(st.booleans()) else accel.asarray(several)]
    dtype = data.draw(st.sampled_from(("float32", "int32", "complex64")))
    x, key = numbers(1, shape, dtype), tuple(key)
    taken = x[key].shape
    value = numbers(2, tuple(1 if data.draw(st.booleans()) else n for n in taken), dtype)
    d, before = ad.from_array(x, cut(data.draw, shape, 3)), accel.copy(x)
    old = ad.copy(d)
    x[key] = value
    d[key] = ad.from_array(value, cut(data.draw, value.shape, 3)) if data.draw(st.booleans()) else value
    assert_same(d, x)
    assert_same(old, before)
    x[key], d[key] = 3, 3
    assert_same(d, x)


def test_what_is_written_is_refused_as_by_accel():
    x = numbers(1, (6, 9), "float32")
    for key, value, error in (
        ((slice(0, 3),), np.ones(8), accel.ShapeError),
        ((99,), 1.0, IndexError),
        ([99], 1.0, IndexError),
        ((0,), 1j, accel.DtypeError),
    ):
        d, y, said = ad.from_array(x, (4, 5)), accel.copy(x), []
        for each in (d, y):
            with pytest.raises(error) as caught:
                each[key] = value
            said.append(str(caught.value))
        assert said[0] == said[1]
        assert_same(d, x)
    d = ad.from_array(x, (4, 5))
    with pytest.raises(accel.ArgumentError, match="not there before compute"):
        d[d > 0] = 0.0
    d[ad.from_array([1, 6], 1)] = 0.0
    with pytest.raises(IndexError, match="array 0: 6 is out of range for an axis of length 6"):
        d.compute()


@pytest.mark.parametrize("bad", [6, -7])
def test_a_position_out_of_range(bad):
    x = numbers(1, (6, 3), "float32")
    d = ad.index_add(ad.from_array(x, 2), 0, ad.from_array([0, 1, bad], 2), ad.from_array(x[:3], 2))
    with pytest.raises(IndexError, match=f"index_add: index: {bad} is out of range for an axis of length 6"):
        d.compute()


def test_rows_that_go_astray_are_seen(monkeypatch):
    """The control: cells of a chunk that are off by one, and rows in another order."""
    x, rows = numbers(1, (6, 3), "float32"), numbers(2, (5000, 3), "float32")
    at = np.random.default_rng(1).integers(0, 6, 5000)
    d = ad.from_array(x, 2)
    wanted = accel.index_add(x, 0, accel.asarray(at), rows)
    with pytest.raises(AssertionError):
        assert_same(ad.index_add(d, 0, at[::-1].copy(), rows[::-1]), wanted)
    real = work._own
    monkeypatch.setattr(work, "_own", lambda cells, lengths, begin, n: real(cells, lengths, (begin[0] + 1,), n))
    with pytest.raises(AssertionError):
        assert_same(ad.index_add(d, 0, at, rows), wanted)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=5).filter(any), st.data())
def test_walks_meet_each_place_once(lengths, data):
    n = sum(lengths)
    at, by = data.draw(st.integers(0, n - 1)), data.draw(st.integers(-4, 4).filter(bool))
    most = (n - 1 - at) // by if by > 0 else at // -by
    walk: Walk = (at, by, data.draw(st.integers(1, most + 1)))
    begin = np.concatenate([[0], np.cumsum(lengths)])
    found = [int(begin[c]) + i for c, part in walked(tuple(lengths), walk) for i in range(lengths[c])[part]]
    assert found == [at + i * by for i in range(walk[2])]
