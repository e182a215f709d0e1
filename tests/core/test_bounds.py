"""Error bounds where they end."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

from accel.ops import bounds, extended
from accel.registry import OPS
from accel.scalar import FUNCTIONS


def test_as_many_roundings_as_there_are_numbers_have_no_bound():
    u = 2.0**-24
    assert bounds.gamma(1, u) == pytest.approx(u)
    assert bounds.gamma((1 << 24) - 1, u) > 1e6
    assert bounds.gamma(1 << 24, u) == inf  # a product of 2**24 float32 has so many
    assert bounds.gamma(1 << 25, u) == inf


@pytest.mark.skipif(not extended.WIDER, reason="NumPy's extended precision is float64 here")
@pytest.mark.parametrize("name", extended.FUNCTIONS)
def test_float64_functions_are_held_to_their_ulp(name):
    """Inside the bound around the exact answer, and two documented errors more are outside."""
    spec, ulp = OPS[name], FUNCTIONS[name].ulp[1]
    x = [np.random.default_rng(i).uniform(0.1, 3, 500) for i in range(FUNCTIONS[name].arity)]
    exact, got = spec.reference(*x), np.asarray(spec.function(*x))
    bound = spec.bound(exact, *x)
    off = np.abs(got - exact)
    assert np.isfinite(bound).all()
    assert (off <= bound).all()
    assert (np.abs(got + 4 * ulp * np.spacing(np.abs(got)) - exact) > bound).all()
