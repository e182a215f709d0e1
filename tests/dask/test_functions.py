"""Every op of the table on chunked arrays, by the examples of its spec: bits of accel on one array, or a refusal."""

from __future__ import annotations

import numpy as np
import pytest
from chunked import assert_same, numbers

import accel
import accel.dask as ad
from accel import registry
from accel.dask.collection import lifted
from accel.testing.draw import Draw

NOT_SHARED_OUT = {"grouped_matmul"}
"""Ops whose examples here are all refused, as a primitive of theirs is not shared out and their chunks are several."""

OPS = sorted(name for name, spec in registry.OPS.items() if spec.namespace != "internal")


def chunked(x, draw: Draw):
    """An array in chunks, at times empty ones; anything else as it is."""
    if not isinstance(x, np.ndarray):
        return x
    chunks = []
    for n in x.shape:
        borders = sorted(draw.integer(0, n) for _ in range(draw.integer(0, 2)))
        chunks.append(tuple(b - a for a, b in zip([0, *borders], [*borders, n], strict=True)))
    return ad.from_array(accel.asarray(np.array(x, order="C")), tuple(chunks))


def compared(name: str, dtype: accel.DType, number: int) -> bool:
    """Whether an example was computed, and was right; it may be refused, here or by accel itself."""
    spec = registry.OPS[name]
    sample = spec.samples(dtype).draw(Draw.seeded(number))
    memory = [accel.asarray(np.array(x, order="C")) if isinstance(x, np.ndarray) else x for x in sample.operands]
    draw = Draw.seeded(number, 77)
    operands = [chunked(x, draw) for x in sample.operands]
    wanted = spec.function(*memory, **sample.keywords)
    try:
        found = lifted(spec.function)(*operands, **sample.keywords)
    except accel.UnsupportedError as error:
        assert "chunk" in str(error)
        return False
    assert_same(found, wanted)
    return True


def _dtypes(spec) -> list[accel.DType]:
    """A floating dtype, a narrow one and one of integers, of those that it takes."""
    named = {d.name: d for d in spec.dtypes}
    chosen = [named[name] for name in ("float32", "bfloat16", "int32") if name in named]
    return chosen or list(spec.dtypes[:1])


def test_ops_of_the_table():
    """An eighth of them, at one example each."""
    served = 0
    for i, name in enumerate(OPS[1::8]):
        dtypes = _dtypes(registry.OPS[name])
        served += compared(name, dtypes[i % len(dtypes)], 1)
    assert served > 25


@pytest.mark.slow
@pytest.mark.parametrize("first", range(16))
def test_more_examples(first):
    for name in OPS[first::16]:
        served = [compared(name, dtype, number) for dtype in _dtypes(registry.OPS[name]) for number in range(25)]
        assert any(served) or name in NOT_SHARED_OUT, name


@pytest.mark.parametrize(
    ("name", "dtype", "number"),
    [
        ("roll", "int32", 103),  # boxes without elements begin where others do
        ("max_pool1d", "float32", 102),
        ("rotary_embedding", "float32", 103),
        ("unfold", "int32", 102),  # boxes of several axes
        ("clip", "float32", 2),  # an axis of length 1, in chunks of which some are empty, beside a longer one
        ("nanmax", "float32", 0),  # empty chunks along a reduced axis
        ("multi_head_attention", "float32", 102),  # a number stretched to a vector
        ("multi_head_attention", "float32", 20),  # a product of rows that are stretched
    ],
)
def test_examples_that_were_wrong(name, dtype, number):
    assert compared(name, getattr(accel, dtype), number) or name == "multi_head_attention"


def test_images_sequences_and_matrices_are_shared_out():
    """By chunks of the first axis, also where other axes are cut."""
    x, w, b = numbers(5, (7, 6, 9, 8), "float32"), numbers(6, (4, 3, 2, 2), "float32"), numbers(7, (4,), "float32")
    found = ad.nn.conv2d(ad.from_array(x, (3, 2, 4, -1)), w, b, groups=2)
    assert found.numblocks == (3, 1, 1, 1)
    assert_same(found, accel.nn.conv2d(x, w, b, groups=2))
    q, k, v = (numbers(8 + i, (5, 2, 70, 16), "float32") for i in range(3))
    chunked = [ad.from_array(each, (2, -1, 30, -1)) for each in (q, k, v)]
    attention, theirs = ad.nn.scaled_dot_product_attention, accel.nn.scaled_dot_product_attention
    assert_same(attention(*chunked, is_causal=True), theirs(q, k, v, is_causal=True))
    m = numbers(11, (6, 40, 40), "float64")
    d = ad.from_array(m, (4, -1, 13))
    assert_same(ad.linalg.qr(d), accel.linalg.qr(m))
    assert_same(ad.linalg.solve(d, d.mT), accel.linalg.solve(m, m.mT))


def test_whole_ops_run_in_chunks_that_they_do_not_cross():
    """One task for each chunk calls the op, which is one kernel; where a border is crossed it is taken apart."""
    x = ad.from_array(numbers(3, (12, 4500), "float32"), (5, 2000))
    for op, axis in ((ad.nn.softmax, 1), (ad.var, 1), (ad.linalg.vector_norm, 1), (ad.mean, 0)):
        for chunks, whole in (({axis: -1}, True), ({}, False)):
            rows = x.rechunk(chunks)
            names = [key[0].split("-")[1] for key in dict(op(rows, axis=axis).grid.graph)]
            assert (names.count(op.__name__) == rows.npartitions) == whole, (op.__name__, chunks)


@pytest.mark.parametrize("chunks", [(5, -1), (4, 900)])
def test_rows_that_borders_cut(chunks):
    """Softmax and norms along axes of one chunk and of several."""
    x = numbers(3, (12, 4500), "float32")
    weight = numbers(4, (4500,), "float32")
    d = ad.from_array(x, chunks)
    for op in (accel.nn.softmax, accel.nn.log_softmax, accel.special.logsumexp):
        for axis in (0, 1):
            assert_same(lifted(op)(d, axis=axis), op(x, axis=axis))
    assert_same(ad.nn.layer_norm(d, 4500, weight, weight), accel.nn.layer_norm(x, 4500, weight, weight))
    assert_same(ad.nn.rms_norm(d, 4500, ad.from_array(weight, 999)), accel.nn.rms_norm(x, 4500, weight))
    for name in ("cumulative_sum", "cumulative_max", "sort", "argsort"):
        assert_same(getattr(ad, name)(d, axis=1), getattr(accel, name)(x, axis=1))
    assert_same(ad.median(d, axis=0), accel.median(x, axis=0))
    assert_same(ad.diff(d, axis=1), accel.diff(x, axis=1))


def test_elements_that_positions_select():
    x = numbers(5, (30, 20), "float32")
    at = accel.asarray(np.random.default_rng(1).integers(-20, 20, (6, 5)))
    d, places = ad.from_array(x, (7, 6)), ad.from_array(at, (4, 2))
    assert_same(ad.take(d, places, axis=1), accel.take(x, at, axis=1))
    assert_same(d[places[0]], x[at[0]])
    assert_same(d[[1, -1, 5], ::2], x[[1, -1, 5], ::2])
    order = accel.argsort(x, axis=0)
    assert_same(ad.take_along_axis(d, ad.argsort(d, axis=0), axis=0), accel.take_along_axis(x, order, axis=0))
    assert_same(ad.searchsorted(accel.sort(x[0]), d), accel.searchsorted(accel.sort(x[0]), x))
    with pytest.raises(IndexError, match="take: indices: 20 is out of range for an axis of length 20"):
        ad.take(d, ad.from_array([[1, 20], [2, 3]], 1), axis=1).compute()
    with pytest.raises(IndexError, match="take: indices: -31 is out of range for an axis of length 30"):
        ad.take(d, accel.asarray([-31]), axis=0)
