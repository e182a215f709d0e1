"""Random numbers in chunks: those of one array, whatever the chunks."""

import pickle

import numpy as np
import pytest
from chunked import assert_same, cut, few
from hypothesis import given
from hypothesis import strategies as st

import accel
import accel.dask as ad

CALLS = {
    "random": lambda rng, shape, **how: rng.random(shape, **how),
    "uniform": lambda rng, shape, **how: rng.uniform(-1.0, 3.0, shape, dtype="bfloat16", **how),
    "exponential": lambda rng, shape, **how: rng.exponential(2.0, shape, **how),
    "normal": lambda rng, shape, **how: rng.normal(size=shape, dtype="float64", **how),
    "standard_normal": lambda rng, shape, **how: rng.standard_normal(shape, **how),
    "truncated_normal": lambda rng, shape, **how: rng.truncated_normal(0.0, 1.0, -1.0, 2.0, shape, **how),
    "bernoulli": lambda rng, shape, **how: rng.bernoulli(0.25, shape, **how),
    "integers": lambda rng, shape, **how: rng.integers(-5, 1000, shape, **how),
    "lognormal": lambda rng, shape, **how: rng.lognormal(0.0, 0.5, shape, **how),
    "gumbel": lambda rng, shape, **how: rng.gumbel(1.0, 2.0, shape, **how),
    "weibull": lambda rng, shape, **how: rng.weibull(1.5, shape, dtype="float64", **how),
    "triangular": lambda rng, shape, **how: rng.triangular(-1.0, 0.0, 3.0, shape, **how),
    "geometric": lambda rng, shape, **how: rng.geometric(0.25, shape, **how),
    "long integers": lambda rng, shape, **how: rng.integers(-(2**60), 2**60, shape, **how),
}


@few
@given(st.data(), st.sampled_from(((), (0, 3), (7,), (5, 9), (2, 3, 4), (3, 2000))), st.integers(0, 2**64 - 1))
@pytest.mark.parametrize("call", CALLS)
def test_numbers_are_those_of_the_whole_array(call, data, shape, seed):
    ours, theirs = ad.random.default_rng(seed), accel.random.default_rng(seed)
    for _ in range(2):  # each call has streams of its own
        assert_same(CALLS[call](ours, shape, chunks=cut(data.draw, shape)), CALLS[call](theirs, shape))
    assert ours.state == theirs.state


def test_parameters_with_axes():
    low, high = np.arange(6, dtype=np.float32).reshape(2, 3), np.float32(9)
    made = ad.random.default_rng(3).uniform(low, high, (4, 2, 3), chunks=(3, 1, 2))
    assert_same(made, accel.random.default_rng(3).uniform(low, high, (4, 2, 3)))


def test_generators_are_copied_and_spawned():
    ours, theirs = ad.random.default_rng(8), accel.random.default_rng(8)
    for a, b in zip(ours.spawn(2), theirs.spawn(2), strict=True):
        assert_same(a.random((5,), chunks=2), b.random((5,)))
    ours.random(3)
    again = pickle.loads(pickle.dumps(ours))
    assert again.state == ours.state
    assert_same(again.random((9,), chunks=4), accel.asarray(ours.random((9,)).compute()))


@pytest.mark.parametrize("name", ["gamma", "permutation", "choice", "poisson", "beta", "dirichlet"])
def test_what_is_not_shared_out(name):
    with pytest.raises(accel.UnsupportedError, match=f"{name}: is not shared out"):
        getattr(ad.random.default_rng(1), name)(5)
