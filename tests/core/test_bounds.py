"""Error bounds where they end."""

from __future__ import annotations

from math import inf

import pytest

from accel.ops import bounds


def test_as_many_roundings_as_there_are_numbers_have_no_bound():
    u = 2.0**-24
    assert bounds.gamma(1, u) == pytest.approx(u)
    assert bounds.gamma((1 << 24) - 1, u) > 1e6
    assert bounds.gamma(1 << 24, u) == inf  # a product of 2**24 float32 has so many
    assert bounds.gamma(1 << 25, u) == inf
