"""Products of any views of larger arrays: kernels choose how they read by strides, and what they read has the bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from canonical_calls import run
from hypothesis import given, settings
from hypothesis import strategies as st

import accel
from accel.dtypes import TABLE
from accel.testing.strategies import arrays

LENGTHS = st.sampled_from((1, 2, 5, 8, 13, 16, 17, 33, 64, 70))
DEPTHS = st.sampled_from((1, 7, 16, 17, 40, 64, 255, 257, 520))
DTYPES = st.sampled_from(("float32", "bfloat16", "float16", "int8", "uint16", "float64"))
REGIMES = ("normal",)


@settings(max_examples=2 * settings().max_examples)
@given(st.data(), LENGTHS, LENGTHS, DEPTHS, DTYPES, st.sampled_from(((), (1,), (3,), (2, 2))))
def test_products_of_any_views(variant: Any, data: Any, m: int, n: int, k: int, dtype: str, batch: Any) -> None:
    a, b = (data.draw(arrays(TABLE[dtype], shape, REGIMES)) for shape in ((*batch, m, k), (*batch, k, n)))
    with accel.config(numerics="reproducible"):
        run("matmul", variant, a, b)


@settings(max_examples=2 * settings().max_examples)
@given(st.data(), LENGTHS, LENGTHS, DEPTHS, DTYPES, st.integers(1, 4), st.booleans())
def test_groups_of_any_views(
    variant: Any, data: Any, m: int, n: int, k: int, dtype: str, groups: int, of_k: bool
) -> None:
    """Groups of rows, or of k."""
    length = k if of_k else m
    borders = sorted(data.draw(st.integers(0, length)) for _ in range(groups - 1))
    counts = np.diff([0, *borders, length])
    a = data.draw(arrays(TABLE[dtype], (m, k), REGIMES))
    b = data.draw(arrays(TABLE[dtype], (k, n) if of_k else (groups, k, n), REGIMES))
    with accel.config(numerics="reproducible"):
        run("grouped_matmul", variant, a, b, counts)
