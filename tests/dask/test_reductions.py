"""Reductions over chunked axes against accel on one array: the order of rule 2 wherever chunks end."""

import dask.array
import numpy as np
import pytest
from chunked import assert_same, cut, equal_bits, few, numbers
from hypothesis import given
from hypothesis import strategies as st

import accel
import accel.dask as ad
from accel.dask import reduction
from accel.numerics import BLOCK

LONG = (BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK + 17)


@few
@given(st.data(), st.sampled_from(("float32", "float64", "bfloat16")), st.sampled_from(("sum", "prod")))
def test_sums_and_products_of_floats(data, dtype, kind):
    n = data.draw(st.sampled_from((1, 63, 65, 5000, *LONG)))
    rows = data.draw(st.integers(1, 3))
    turned = data.draw(st.booleans())
    shape = (n, rows) if turned else (rows, n)
    x = numbers(data.draw(st.integers(0, 99)), shape, dtype)
    if kind == "prod":
        x = accel.astype(accel.exp2(accel.sin(accel.astype(x, accel.float32)) / 8), x.dtype)
    d = ad.from_array(x, cut(data.draw, shape))
    for axis in (0, 1, None):
        assert_same(getattr(ad, kind)(d, axis=axis), getattr(accel, kind)(x, axis=axis))
    assert_same(getattr(ad, kind)(d, dtype=accel.float32), getattr(accel, kind)(x, dtype=accel.float32))


@few
@given(st.data(), st.lists(st.sampled_from((0, 1, 2, 5, 9)), min_size=1, max_size=4).map(tuple))
@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
def test_every_kind_over_any_axes(dtype, data, shape):
    x = numbers(data.draw(st.integers(0, 99)), shape, dtype)
    d = ad.from_array(x, cut(data.draw, shape))
    axes = tuple(data.draw(st.lists(st.integers(0, len(shape) - 1), unique=True)))
    keep = data.draw(st.booleans())
    for name in ("sum", "prod", "any", "all", "max", "min"):
        if name in ("max", "min") and any(shape[a] == 0 for a in axes) and accel.sum(x, axis=axes).size:
            with pytest.raises(accel.ShapeError, match="nothing to choose from"):
                getattr(ad, name)(d, axis=axes)
            continue
        wanted = getattr(accel, name)(x, axis=axes, keepdims=keep)
        assert_same(getattr(ad, name)(d, axis=axes, keepdims=keep), wanted)
    assert_same(d.sum(axes), x.sum(axes))


@few
@given(st.data(), st.lists(st.integers(1, 7), min_size=1, max_size=3).map(tuple))
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_places_of_extremes(dtype, data, shape):
    few = np.array([-1, -0.0, 0.0, 1, np.nan]) if dtype != "int8" else np.arange(3)
    elements = few[np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, len(few), shape)]
    x = accel.asarray(elements.astype(accel.asarray([0]).astype(getattr(accel, dtype)).numpy().dtype))
    d = ad.from_array(x, cut(data.draw, shape))
    axis = data.draw(st.none() | st.integers(-len(shape), len(shape) - 1))
    for name in ("argmax", "argmin"):
        wanted = getattr(accel, name)(x, axis=axis, keepdims=True)
        assert_same(getattr(ad, name)(d, axis=axis, keepdims=True), wanted)
    for name in ("max", "min"):
        assert_same(getattr(ad, name)(d, axis=axis), getattr(accel, name)(x, axis=axis))


def test_block_results_are_shared_out_again_where_they_are_many(monkeypatch):
    monkeypatch.setattr(reduction, "JOINED", 2)
    x = numbers(5, (2, BLOCK * 40 + 99), "float32")
    d = ad.from_array(x, (1, 3 * BLOCK + 1000))
    assert_same(ad.sum(d, axis=1), accel.sum(x, axis=1))


def test_what_a_sum_ships():
    """A chunk gives one number for each of its whole blocks; of the others the elements, fewer than two blocks."""
    n = 20 * BLOCK
    d = ad.from_array(numbers(6, (n,), "float32"), 5 * BLOCK + 100)
    graph = dict(ad.sum(d).grid.graph)
    works = [task.args for task in graph.values() if getattr(task, "func", None) is ad.work.named]
    cuts = [spans for _, function, spans, *_ in works if function is ad.work.cut]
    travelled = sum(stop - start for ((start, stop),) in cuts)
    assert travelled == 3 * BLOCK  # of the three blocks that a border cuts


def test_another_order_is_seen():
    """dask.array's own sum, and sums of chunks, have other bits on the same elements and chunks."""
    x = numbers(7, (5 * BLOCK + 77,), "float32")
    wanted, chunks = accel.sum(x), (BLOCK + 5, 2 * BLOCK, 2 * BLOCK + 72)
    d = ad.from_array(x, (chunks,))
    assert_same(ad.sum(d), wanted)
    assert not equal_bits(dask.array.from_array(np.asarray(x), (chunks,)).sum().compute(), np.asarray(wanted)[()])
    parts = [accel.sum(x[:4101]), accel.sum(x[4101:12293]), accel.sum(x[12293:])]
    assert not equal_bits(accel.sum(accel.stack(parts)), wanted)
    half = numbers(8, (8, 5 * BLOCK + 77), "bfloat16")
    rounded = [accel.sum(half[:, i : i + BLOCK], axis=1) for i in range(0, half.shape[1], BLOCK)]
    wanted = accel.sum(half, axis=1)
    assert not equal_bits(accel.sum(accel.stack(rounded), axis=0), wanted)  # 16-bit sums stay float32 up to the end
    assert_same(ad.sum(ad.from_array(half, (3, BLOCK + 1)), axis=1), wanted)


@few
@given(st.data(), st.sampled_from(("float32", "float64", "bfloat16")))
def test_statistics_and_norms(data, dtype):
    shape = data.draw(st.sampled_from(((3, BLOCK + 900), (BLOCK + 900, 3), (7, 11, 13))))
    x = numbers(data.draw(st.integers(0, 99)), shape, dtype)
    d = ad.from_array(x, cut(data.draw, shape, 4))
    axis = data.draw(st.sampled_from((None, 0, 1, (0, 1))))
    for name in ("mean", "var", "std"):
        assert_same(getattr(ad, name)(d, axis=axis), getattr(accel, name)(x, axis=axis))
    for order in (2, 3):
        wanted = accel.linalg.vector_norm(x, axis=axis, ord=order)
        assert_same(ad.linalg.vector_norm(d, axis=axis, ord=order), wanted)
