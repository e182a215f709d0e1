"""Attention whose chunks of keys are shared out over work-items, in both geometries; a CPU device's rows together."""

from __future__ import annotations

import numpy as np
import pytest
from attention_chunks import CASES, chunked, numbers
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel.backends.base import Call
from accel.conversion import to_numpy
from accel.dtypes import TABLE
from accel.kernels.opencl import attention
from accel.layout import layout, row_major
from accel.ops.parameters import Attention
from accel.ops.primitive import attention as primitive


@pytest.mark.parametrize("case", CASES)
def test_chunks_are_joined_in_order(variant: accel.Device, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "FULL", {"lanes": 256, "loops": 256})
    chunked(variant, case, attention, monkeypatch)


@pytest.mark.parametrize("vector", [4, 8, 16])
def test_rows_of_a_work_item_have_the_canonical_bits(
    device: accel.Device, vector: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Registers of every length; 132 rows that read the same keys, the last work-item with fewer than the others, and
    among the values that some rows do not see NaN and infinity."""
    monkeypatch.setattr(type(device), "vector", vector)
    rng = np.random.default_rng(vector)
    q, k, v = numbers(rng, 1, 4, 66, 20), numbers(rng, 1, 2, 150, 20), numbers(rng, 1, 2, 150, 35)
    v[:, :, 100], v[:, 1, 120] = np.nan, np.inf
    params = Attention(0.2 + vector / 1000, from_end=True, before=60, after=0)  # of no other test: a plan of its own
    got = to_numpy(primitive.attention(*(accel.asarray(x, device=device) for x in (q, k, v)), params=params))
    assert got.tobytes() == primitive.canonical_attention(q, k, v, params=params).tobytes()
    assert np.isnan(got).any()
    assert not np.isnan(got).all()


@given(data=st.data())
def test_what_no_query_sees_may_be_anything(device: accel.Device, data: st.DataObject) -> None:
    """Windows, packed sequences and both, as on the CPU backend, with elements of keys and values that are no numbers:
    blocks of keys that no row of a tile sees are not read, and others where some rows see a key that others do not."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    queries, keys = data.draw(st.sampled_from([1, 2, 7, 33, 97])), data.draw(st.sampled_from([1, 40, 64, 65, 130, 600]))
    heads, its = data.draw(st.sampled_from([(1, 1), (4, 2), (6, 1)]))
    d, dv = data.draw(st.sampled_from([1, 20, 64])), data.draw(st.sampled_from([1, 35, 64]))
    q, k, v = numbers(rng, 1, heads, queries, d), numbers(rng, 1, its, keys, d), numbers(rng, 1, its, keys, dv)
    from_end = data.draw(st.booleans())
    for x in (k, v):
        for wild in rng.choice([np.nan, np.inf, -np.inf, 1e38], 2):
            place = rng.integers(queries) + (keys - queries if from_end else 0)  # which neighbours may not see
            x[:, rng.integers(its), np.clip(place, 0, keys - 1), rng.integers(x.shape[3])] = wild
    packed = data.draw(st.booleans())
    offsets = [np.array([0, *np.sort(rng.integers(0, queries + 1, 2)), queries])] if packed else []
    sides = {"before": data.draw(st.sampled_from([None, 0, 20, 70])), "after": data.draw(st.sampled_from([None, 0, 3]))}
    params = Attention(0.25, from_end=from_end, given=("offsets",) * packed, **sides)
    arrays = (q, k, v, *offsets)
    got, want = (
        to_numpy(primitive.attention(*(accel.asarray(x, device=where) for x in arrays), params=params))
        for where in (device, accel.device("cpu"))
    )
    assert np.array_equal(np.isnan(got), np.isnan(want))
    assert np.nan_to_num(got).tobytes() == np.nan_to_num(want).tobytes()


@pytest.mark.parametrize(
    ("queries", "keys", "units", "tall", "parts"),
    [(512, 512, 2, 96, 1), (1, 4096, 2, 6, 1), (1, 4096, 64, 6, 8), (64, 700, 16, 36, 1)],
)
def test_rows_and_chunks_go_to_every_unit(queries: int, keys: int, units: int, tall: int, parts: int) -> None:
    """32 heads to 8: rows of a work-item, and chunks that work-items share out, by the device's compute units."""
    device = accel.device("null")
    shapes = [(1, 32, queries, 128), (1, 8, keys, 128), (1, 8, keys, 128)]
    inputs = tuple(layout(TABLE["bfloat16"], shape, row_major(shape), device) for shape in shapes)
    call = Call("attention", inputs, inputs[:1], Attention(0.1), device, accel.config.current())
    assert attention.height(call, "loops", units) == tall
    assert attention.splits(call, "loops", units) == parts
