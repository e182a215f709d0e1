"""Attention whose chunks of keys are shared out over work-items, in both geometries; a CPU device's rows together."""

from __future__ import annotations

import numpy as np
import pytest
from attention_chunks import CASES, chunked, numbers

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
    chunked(variant, case, attention)


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
