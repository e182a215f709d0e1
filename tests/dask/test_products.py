"""Products of chunked matrices against accel on one array: the order of rule 3 whichever way k is cut."""

import contextlib

import dask
import numpy as np
import pytest
from chunked import assert_same, cut, equal_bits, few, numbers, some
from hypothesis import given
from hypothesis import strategies as st

import accel
import accel.dask as ad
from accel.dask import product
from accel.dask.collection import lifted
from accel.numerics import KC

WAYS = {"gathered": "128 MiB", "chained": "1 B"}
"""By how k is brought together: Dask's setting of a chunk's size under which that is chosen."""


@some
@given(st.data(), st.sampled_from(("float32", "float64", "bfloat16", "int32")))
@pytest.mark.parametrize("way", WAYS)
def test_matmul(way, data, dtype):
    m, n = (data.draw(st.integers(1, 9)) for _ in range(2))
    k = data.draw(st.sampled_from((0, 1, 5, KC - 1, KC, KC + 1, 3 * KC + 40)))
    batch = data.draw(st.sampled_from((((), ()), ((2,), (2,)), ((3, 1), (2,)), ((), (3,)))))
    shapes = (*batch[0], m, k), (*batch[1], k, n)
    if not batch[0] and not batch[1] and data.draw(st.booleans()):
        shapes = (shapes[0][1:], shapes[1]) if data.draw(st.booleans()) else (shapes[0], shapes[1][:1])
    seed = data.draw(st.integers(0, 99))
    x, y = (numbers(seed + i, shape, dtype) for i, shape in enumerate(shapes))
    a, b = (ad.from_array(v, cut(data.draw, v.shape, 4)) for v in (x, y))
    exact = contextlib.nullcontext() if dtype != "bfloat16" else accel.config(numerics="reproducible")
    with dask.config.set({"array.chunk-size": WAYS[way]}), exact:
        assert_same(a @ b, x @ y)


@few
@given(st.data(), st.sampled_from(((1, 2 * KC + 3), (7, 1), (1, 1))))
@pytest.mark.parametrize("way", WAYS)
def test_matrices_that_are_stretched(way, data, shape):
    """Rows, columns or k that stand for several."""
    whole = (7, 2 * KC + 3)
    x, y = numbers(3, shape, "float32"), numbers(4, (whole[1], 5), "float32")
    a, b = (ad.from_array(v, cut(data.draw, v.shape, 3)) for v in (x, y))

    def products(x, y):
        wide = accel.broadcast_to(x, whole)
        return wide @ y, y.mT @ wide.mT

    with dask.config.set({"array.chunk-size": WAYS[way]}):
        for found, wanted in zip(lifted(products)(a, b), products(x, y), strict=True):
            assert_same(found, wanted)


@few
@given(st.data())
def test_tensordot_and_einsum(data):
    x, y = numbers(1, (4, 30, 20), "float32"), numbers(2, (20, 30, 5), "float32")
    a, b = (ad.from_array(v, cut(data.draw, v.shape, 3)) for v in (x, y))
    assert_same(ad.tensordot(a, b, axes=((2,), (0,))), accel.tensordot(x, y, axes=((2,), (0,))))
    assert_same(ad.tensordot(a, b, axes=((1, 2), (1, 0))), accel.tensordot(x, y, axes=((1, 2), (1, 0))))
    assert_same(ad.einsum("ijk,kjl->il", a, b), accel.einsum("ijk,kjl->il", x, y))


def test_which_way_is_chosen():
    a = ad.from_array(accel.ones((64, 4 * KC)), (16, KC))
    b = ad.from_array(accel.ones((4 * KC, 64)), (KC, 16))
    for way, size in WAYS.items():
        with dask.config.set({"array.chunk-size": size}):
            names = {key[0] for key in dict((a @ b).grid.graph)}
            assert any("sum" in name for name in names) == (way == "chained")
            assert product.fits(a.grid, b.grid) == (way == "gathered")


def test_another_order_is_seen():
    """Products of chunks of k that do not end at a multiple of KC, added up, and NumPy's product have other bits."""
    x, y = numbers(3, (8, 3 * KC), "float32"), numbers(4, (3 * KC, 8), "float32")
    wanted = x @ y
    at = KC + 100
    assert not equal_bits(x[:, :at] @ y[:at] + x[:, at:] @ y[at:], wanted)
    assert not equal_bits(np.asarray(x) @ np.asarray(y), wanted)
    backwards = x[:, :KC] @ y[:KC] + (x[:, KC : 2 * KC] @ y[KC : 2 * KC] + x[:, 2 * KC :] @ y[2 * KC :])
    assert not equal_bits(backwards, wanted)
