"""Random numbers: published words of Philox, places that shapes do not change, distributions, states and bad input."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import accel
from accel.ops.composed.exact_random import philox
from accel.random import Generator, default_rng

KNOWN = {
    (0, 0, 0): 0xE169C58D6627E8D5,
    (2**64 - 1, 2**64 - 1, 2**64 - 1): 0x41C83B0E408F276D,
    (0x85A308D3243F6A88, 0x0370734413198A2E, 0x299F31D0A4093822): 0x94FDCCEBD16CFE09,
}
"""By counter, stream and key: the first two words of the authors' known-answer vectors."""

SIZES = st.lists(st.sampled_from([0, 1, 2, 7, 64, 1000]), max_size=3).map(tuple)


def numbers(x) -> np.ndarray:
    return np.asarray(x)


@pytest.mark.parametrize("words", KNOWN)
def test_known_answers(words):
    assert philox(*words) == KNOWN[words]
    counter, stream, key = (accel.asarray(np.uint64(w)) for w in words)
    assert int(accel.ops.primitive.pointwise.fn.philox(counter, stream, key)) == KNOWN[words]


@given(SIZES, st.integers(0, 2**64 - 1))
def test_an_element_depends_on_its_place_only(size, seed):
    n = int(np.prod(size))
    flat = numbers(default_rng(seed).random(5000))
    wide = numbers(default_rng(seed).random((2, 2500)))
    assert np.array_equal(flat, wide.reshape(-1))
    assert not np.array_equal(flat, numbers(default_rng(seed ^ 1).random(5000)))  # the control
    shaped = numbers(default_rng(seed).random(size))
    longer = numbers(default_rng(seed).random(max(1, n)))
    assert shaped.shape == size and np.array_equal(shaped.reshape(-1), longer[:n])


def test_parameters_with_axes_change_no_place():
    """Places are made of rows where no parameter has axes, and of every axis where one has."""
    low = np.zeros((3, 1), np.float32)
    one = numbers(default_rng(5).uniform(low, 2.0, (3, 5000)))
    assert np.array_equal(one, numbers(default_rng(5).uniform(0.0, 2.0, (3, 5000))))


def further(rng: Generator) -> list[np.ndarray]:
    return [
        numbers(x)
        for x in (
        rng.laplace(1.0, 2.0, 20), rng.logistic(size=20, dtype="float16"), rng.gumbel(0, 2, 20, "bfloat16"),
        rng.standard_cauchy(20), rng.rayleigh(2.0, 9), rng.weibull(1.5, 9), rng.pareto(3.0, 9), rng.power(0.5, 9),
        rng.triangular(-1, 0, 3, 20), rng.lognormal(size=20), rng.geometric(0.3, 20),
        rng.poisson(np.array([2.5, 60.0, -1.0], np.float32), (9, 3)), rng.binomial(np.array([9.0, 900.0]), 0.3, (9, 2)),
        rng.negative_binomial(3, 0.4, 9), rng.chisquare(3, 9), rng.f(3, 5, 9), rng.standard_t(4, 9),
        rng.beta(0.5, 0.01, 9), rng.dirichlet([1.0, 0.5], 4), rng.multinomial(9, [0.2, 0.3, 0.5], 4),
        rng.multivariate_normal([0.0, 1.0], [[2.0, 0.5], [0.5, 1.0]], 4),
        )
    ]  # fmt: skip


def drawn(rng: Generator) -> list[np.ndarray]:
    return [
        numbers(x)
        for x in (
            rng.random((2, 50)), rng.random(70, "bfloat16"), rng.exponential(2.0, 33), rng.bernoulli(0.25, 40),
            rng.integers(-5, 5, 60), rng.integers(0, 2**63, 20, "uint64"), rng.uniform(-1, 1, 30, "float16"),
            rng.permutation(40), rng.choice(9, 20), rng.normal(1, 2, 50), rng.normal(size=20, dtype="bfloat16"),
            rng.gamma(np.array([0.5, 3, -1.0]), 2, (9, 3)), rng.truncated_normal(size=40),
            rng.poisson(np.array([2.5, 60.0, -1.0], np.float32), (9, 3)), rng.gumbel(size=20),
        )
    ]  # fmt: skip


def weighted(rng: Generator) -> list[np.ndarray]:
    return [numbers(rng.choice(3, 30, p=[0.2, 0.0, 0.8])), numbers(rng.choice(4, 3, False, [0.1, 0.2, 0.0, 0.7]))]


@pytest.mark.parametrize(
    "device",
    [
        pytest.param(str(d), marks=[pytest.mark.slow] * ("sm_90" in str(d)))  # compiled anew, and emulated as sm_80 is
        for d in accel.devices()
        if d.backend != "null"
    ],
)
def test_every_device_draws_the_same(device):
    here, there = ([*drawn(rng), *weighted(rng)] for rng in (default_rng(9, device), default_rng(9, "cpu")))
    for got, want in zip(here, there, strict=True):
        assert got.dtype == want.dtype and np.array_equal(got, want, equal_nan=got.dtype == np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("device", [str(d) for d in accel.devices() if d.backend not in ("null", "cpu")])
def test_every_device_draws_the_same_of_all(device):
    """Each is made of ops that tests/agreement compares everywhere, in the order that the CPU has too."""
    for got, want in zip(further(default_rng(9, device)), further(default_rng(9, "cpu")), strict=True):
        assert got.dtype == want.dtype and got.tobytes() == want.tobytes()


def test_a_device_that_computes_nothing_has_shapes_and_dtypes():
    there, here = ([*drawn(rng), *further(rng)] for rng in (default_rng(9, "null:0"), default_rng(9, "cpu")))
    for got, want in zip(there, here, strict=True):
        assert got.shape == want.shape and got.dtype == want.dtype


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_distributions(dtype):
    rng, n = default_rng(2026), 20000
    for got, law in [
        (rng.random(n, dtype), stats.uniform()),
        (rng.uniform(-2.0, 3.0, n, dtype), stats.uniform(-2, 5)),
        (rng.exponential(0.5, n, dtype), stats.expon(scale=0.5)),
        (rng.standard_normal(n, dtype), stats.norm()),
        (rng.normal(-1.0, 2.0, n, dtype), stats.norm(-1, 2)),
        (rng.gamma(2.5, 2.0, n, dtype), stats.gamma(2.5, scale=2)),
        (rng.gamma(0.3, 1.0, n, dtype), stats.gamma(0.3)),
        (rng.truncated_normal(size=n, dtype=dtype), stats.truncnorm(-2, 2)),
        (rng.truncated_normal(1.0, 2.0, -np.inf, 0.0, n, dtype), stats.truncnorm(-np.inf, -0.5, 1, 2)),
        (rng.truncated_normal(0.0, 1.0, 4.0, np.inf, n, dtype), stats.truncnorm(4, np.inf)),
        (rng.laplace(1.0, 2.0, n, dtype), stats.laplace(1, 2)),
        (rng.logistic(1.0, 2.0, n, dtype), stats.logistic(1, 2)),
        (rng.gumbel(1.0, 2.0, n, dtype), stats.gumbel_r(1, 2)),
        (rng.standard_cauchy(n, dtype), stats.cauchy()),
        (rng.rayleigh(2.0, n, dtype), stats.rayleigh(scale=2)),
        (rng.weibull(1.5, n, dtype), stats.weibull_min(1.5)),
        (rng.pareto(3.0, n, dtype), stats.lomax(3)),
        (rng.power(3.0, n, dtype), stats.powerlaw(3)),
        (rng.triangular(-1.0, 0.0, 3.0, n, dtype), stats.triang(0.25, -1, 4)),
        (rng.lognormal(0.5, 0.7, n, dtype), stats.lognorm(0.7, scale=np.exp(0.5))),
        (rng.standard_exponential(n, dtype), stats.expon()),
        (rng.standard_gamma(2.0, n, dtype), stats.gamma(2)),
        (rng.chisquare(3.0, n, dtype), stats.chi2(3)),
        (rng.f(3.0, 5.0, n, dtype), stats.f(3, 5)),
        (rng.standard_t(4.0, n, dtype), stats.t(4)),
        (rng.beta(0.3, 2.0, n, dtype), stats.beta(0.3, 2)),
        (rng.dirichlet([1.0, 2.0, 3.0], n, dtype)[:, 1], stats.beta(2, 4)),
        (rng.multivariate_normal([1.0, 0.0], [[4.0, 1.0], [1.0, 2.0]], n, dtype)[:, 0], stats.norm(1, 2)),
    ]:
        assert stats.kstest(numbers(got).astype(float), law.cdf).pvalue > 1e-3
        assert stats.kstest(numbers(got).astype(float) * 1.1, law.cdf).pvalue < 1e-3  # the control


def fits(counts: np.ndarray, law) -> float:
    """The p-value of counts among some 20 classes of a discrete law."""
    ends = np.unique(law.ppf(np.linspace(0.005, 0.995, 20)).astype(int))
    seen = np.histogram(counts, [-1e18, *(ends + 0.5), 1e18])[0]
    expected = np.diff([0.0, *law.cdf(ends), 1.0]) * counts.size
    enough = expected > 5
    classes, rest = ([x[enough] for x in (seen, expected)], [x[~enough].sum() for x in (seen, expected)])
    if rest[1] > 1e-6:
        classes = [np.append(x, r) for x, r in zip(classes, rest, strict=True)]
    elif rest[0]:
        return 0.0
    return stats.chisquare(classes[0], classes[1] * (classes[0].sum() / classes[1].sum())).pvalue


@pytest.mark.parametrize(
    ("draw", "law", "other"),
    [
        *(
            (lambda g, n, m=m: g.poisson(m, n), stats.poisson(m), stats.poisson(1.1 * m))
            for m in (0.7, 9.9, 10.0, 37.5, 1e4, 1e6)
        ),
        *(
            (lambda g, n, a=a: g.binomial(*a, n), stats.binom(*a), stats.binom(a[0], 0.9 * a[1]))
            for a in ((10, 0.3), (25, 0.4), (1000, 0.011), (1000, 0.6), (50, 0.93), (10**6, 0.25))
        ),
        *(
            (lambda g, n, p=p: g.geometric(p, n), stats.geom(p), stats.geom(0.9 * p))
            for p in (0.6, 0.01, 1e-4)
        ),
        (lambda g, n: g.negative_binomial(4, 0.3, n), stats.nbinom(4, 0.3), stats.nbinom(4, 0.33)),
        (lambda g, n: g.multinomial(40, [0.2, 0.3, 0.5], n)[:, 1], stats.binom(40, 0.3), stats.binom(40, 0.33)),
    ],
)  # fmt: skip
def test_counts(draw, law, other):
    counts = numbers(draw(default_rng(11), 20000))
    assert counts.dtype == np.int64
    assert fits(counts, law) > 1e-3
    assert fits(counts, other) < 1e-3, "control"


def test_counts_at_the_ends():
    rng = default_rng(4)
    assert numbers(rng.poisson(0.0, 50)).tolist() == [0] * 50
    assert numbers(rng.binomial(0, 0.5, 5)).tolist() == [0] * 5
    assert numbers(rng.binomial(30, 1.0, 5)).tolist() == [30] * 5 and not numbers(rng.binomial(30, 0.0, 5)).any()
    assert numbers(rng.geometric(1.0, 5)).tolist() == [1] * 5
    each = numbers(rng.multinomial(7, [0.0, 1.0, 0.0], (3, 2)))
    assert each.shape == (3, 2, 3) and (each == [0, 7, 0]).all()
    wrong = np.array([-1.0, np.nan, np.inf], np.float32)
    assert numbers(rng.poisson(wrong)).tolist() == [-1] * 3 == numbers(rng.binomial(wrong, 0.5)).tolist()
    assert not numbers(rng.geometric(np.array([0.0, 1.5, np.nan], np.float32))).any()
    assert np.isnan(numbers(rng.laplace(0.0, np.array([-1.0, 0.0], np.float32)))).all()
    assert np.isnan(numbers(rng.triangular(0.0, 2.0, 1.0, 3))).all()
    both = numbers(rng.beta(np.array([1e-3, 1e3]), 1.0, (4000, 2)))
    assert not np.isnan(both).any() and both[:, 0].mean() < 0.01 and both[:, 1].mean() > 0.99


def test_integers():
    rng, n = default_rng(7), 21000
    for low, high, dtype in [(0, 7, "int64"), (-3, 4, "int8"), (2**63, 2**63 + 7, "uint64")]:
        values, counts = np.unique(numbers(rng.integers(low, high, n, dtype)), return_counts=True)
        assert values.tolist() == list(range(low, high)) and values.dtype == dtype
        assert stats.chisquare(counts).pvalue > 1e-3
    whole = numbers(rng.integers(-(2**63), 2**63 - 1, n, endpoint=True))
    assert (whole < 0).mean() == pytest.approx(0.5, abs=0.02) and np.unique(whole).size == n
    long = numbers(rng.integers(0, 3 * 2**40, n))
    assert long.max() < 3 * 2**40 and stats.chisquare(np.bincount(long >> 40, minlength=3)).pvalue > 1e-3
    assert set(numbers(rng.integers(2, size=50)).tolist()) == {0, 1}
    assert numbers(rng.integers(5, 5, 10, endpoint=True)).tolist() == [5] * 10


def test_bernoulli():
    rng = default_rng(3)
    got = numbers(rng.bernoulli(np.array([0.0, 0.25, 1.0], np.float32), (9000, 3)))
    assert got.dtype == bool and not got[:, 0].any() and got[:, 2].all()
    assert got[:, 1].mean() == pytest.approx(0.25, abs=0.02)


def test_orders_and_choices():
    rng = default_rng(8)
    order = numbers(rng.permutation(5000))
    assert order.dtype == np.int64 and sorted(order.tolist()) == list(range(5000)) and order.tolist() != sorted(order)
    assert abs(np.corrcoef(order, np.arange(5000))[0, 1]) < 0.05
    rows = np.arange(12.0, dtype=np.float32).reshape(6, 2)
    mixed = numbers(rng.permutation(rows))
    assert sorted(mixed.tolist()) == rows.tolist() and mixed.shape == rows.shape
    counts = np.bincount(numbers(rng.choice(7, 21000)), minlength=7)
    assert counts.size == 7 and stats.chisquare(counts).pvalue > 1e-3
    few = numbers(rng.choice(np.array([5, 6, 7, 8]), (2, 2), replace=False))
    assert few.shape == (2, 2) and sorted(few.reshape(-1).tolist()) == [5, 6, 7, 8]
    firsts = np.bincount([int(rng.permutation(3)[0]) for _ in range(300)], minlength=3)
    assert stats.chisquare(firsts).pvalue > 1e-3
    assert numbers(rng.permutation(0)).shape == (0,)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_weighted_choices(dtype):
    p = np.array([0.0, 0.125, 0.5, 0.0, 0.25, 0.125, 0.0], dtype)
    rng, n = default_rng(12), 20000
    counts = np.bincount(numbers(rng.choice(7, n, p=p)), minlength=7)
    assert counts.size == 7 and not counts[p == 0].any()
    assert stats.chisquare(counts[p > 0], n * p[p > 0].astype(float)).pvalue > 1e-3
    assert stats.chisquare(counts[p > 0], n * np.array([0.15, 0.475, 0.25, 0.125])).pvalue < 1e-3  # the control
    letters = np.arange(10, 17)
    pairs = np.array([numbers(rng.choice(letters, 2, replace=False, p=p)) for _ in range(400)]) - 10
    assert not (p[pairs] == 0).any() and (pairs[:, 0] != pairs[:, 1]).all()
    w = p.astype(float)
    second = sum(w[i] * np.where(np.arange(7) == i, 0, w) / (1 - w[i]) for i in range(7))
    for column, law in [(0, w), (1, second)]:
        assert stats.chisquare(np.bincount(pairs[:, column], minlength=7)[w > 0], 400 * law[w > 0]).pvalue > 1e-3
    assert sorted(numbers(rng.choice(7, 4, replace=False, p=p)).tolist()) == [1, 2, 4, 5]


def test_what_is_likely_with_nothing_is_never_chosen():
    """Partial sums of another order may fall by a rounding, or rise where nothing is added."""
    p = np.random.default_rng(3).random(20000).astype(np.float32) * (np.arange(20000) % 3 == 0)
    p /= p.sum(dtype=np.float64)
    chosen = numbers(default_rng(5).choice(20000, 200_000, p=p))
    assert (p[chosen] > 0).all() and chosen.max() < 20000 and np.unique(chosen).size > 6000


def test_a_truncated_normal_distribution_by_its_inverse():
    """float64 against SciPy's, from the same words; the ends, and what has no distribution."""
    loc, scale = np.array([0.0, 1.0, -3.0, 0.0]), np.array([1.0, 2.0, 0.5, 1.0])
    low, high = np.array([-2.0, -np.inf, -3.5, 6.0]), np.array([0.5, 0.0, np.inf, 9.0])
    got = numbers(default_rng(6).truncated_normal(loc, scale, low, high, (500, 4), "float64"))
    u = numbers(default_rng(6).random((500, 4), "float64")) * (1 - 2.0**-53) + 2.0**-54
    a, b = (low - loc) / scale, (high - loc) / scale
    upper = a > 0
    law = stats.truncnorm(np.where(upper, -b, a), np.where(upper, -a, b))
    want = loc + scale * law.ppf(u) * np.where(upper, -1, 1)
    np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-11)
    assert (got >= low).all() and (got <= high).all()
    rng = default_rng(6)
    ends = [(1.0, 1.0), (40.0, 41.0), (-41.0, -40.0), (2.0, 1.0)]
    drawn = [numbers(rng.truncated_normal(0.0, 1.0, a, b, 3)).tolist() for a, b in ends]
    assert drawn[:3] == [[1.0] * 3, [40.0] * 3, [-40.0] * 3] and np.isnan(drawn[3]).all()
    assert np.isnan(numbers(rng.truncated_normal(0.0, np.array([0.0, -1.0])))).all()


def test_state_and_copies():
    rng = default_rng(11)
    rng.random(3)
    kept, copy = rng.state, pickle.loads(pickle.dumps(rng))
    want = numbers(rng.random(100))
    assert np.array_equal(numbers(copy.random(100)), want) and not np.array_equal(numbers(rng.random(100)), want)
    rng.state = kept
    assert np.array_equal(numbers(rng.random(100)), want)


def test_spawned_generators():
    first, second = default_rng(1).spawn(2)
    again = default_rng(1)
    again.random(5)
    assert [g.state for g in again.spawn(2)] == [g.state for g in (first, second)]  # calls do not matter
    drawn = [numbers(g.random(2000)) for g in (first, second, again)]
    assert all(abs(np.corrcoef(a, b)[0, 1]) < 0.1 for a, b in [drawn[:2], drawn[1:]])


def test_threads_have_streams_of_their_own():
    rng = default_rng(4)
    with ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(lambda _: numbers(rng.random(20)).tobytes(), range(64)))
    alone = default_rng(4)
    assert sorted(drawn) == sorted(numbers(alone.random(20)).tobytes() for _ in range(64))


def test_no_seed_gives_different_numbers():
    assert Generator().state["key"] != Generator().state["key"]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda g: Generator(-1), accel.ArgumentError, "Generator: seed"),
        (lambda g: Generator(2**64), accel.ArgumentError, "Generator: seed"),
        (lambda g: Generator("x"), accel.ArgumentError, "Generator: seed"),
        (lambda g: g.random((2, -1)), accel.ArgumentError, "uniform: size"),
        (lambda g: g.random(2.5), accel.ArgumentError, "uniform: size"),
        (lambda g: g.random(2, "int32"), accel.DtypeError, "uniform: dtype"),
        (lambda g: g.uniform("a", 1, 2), accel.ArgumentError, "uniform: low"),
        (lambda g: g.uniform(np.zeros(3), 1.0, (2, 2)), accel.ShapeError, "uniform"),
        (lambda g: g.integers(3, 3), accel.ArgumentError, "integers: low, high"),
        (lambda g: g.integers(0, 300, 2, "uint8"), accel.ArgumentError, "uint8 does not hold"),
        (lambda g: g.integers(0, 3, 2, "float32"), accel.DtypeError, "integers: dtype"),
        (lambda g: g.permutation(-1), accel.ArgumentError, "permutation: x"),
        (lambda g: g.choice(3, 4, replace=False), accel.ArgumentError, "choice: size"),
        (lambda g: g.choice(0, 4), accel.ArgumentError, "choice: a"),
        (lambda g: g.choice(np.ones((2, 2))), accel.ShapeError, "choice: a"),
        (lambda g: g.choice(2, p=[0.5, 0.25, 0.25]), accel.ShapeError, "choice: p"),
        (lambda g: g.choice(2, p=[1.5, -0.5]), accel.ArgumentError, "choice: p: expected numbers of 0 or more"),
        (lambda g: g.choice(2, p=[1.0, np.nan]), accel.ArgumentError, "choice: p: expected numbers of 0 or more"),
        (lambda g: g.choice(2, p=[0.5, 0.25]), accel.ArgumentError, "choice: p: expected numbers that add up to 1"),
        (lambda g: g.choice(2, p=[0, 1]), accel.DtypeError, "choice: p"),
        (lambda g: g.choice(3, 2, False, [0.0, 1.0, 0.0]), accel.ArgumentError, "choice: size: 2 of 1"),
        (lambda g: g.truncated_normal(low="a"), accel.ArgumentError, "truncated_normal: low"),
        (lambda g: g.truncated_normal(dtype="int32"), accel.DtypeError, "truncated_normal: dtype"),
        (lambda g: g.laplace("a"), accel.ArgumentError, "laplace: loc"),
        (lambda g: g.weibull(1.0, dtype="int8"), accel.DtypeError, "weibull: dtype"),
        (lambda g: g.poisson(-1.0), accel.ArgumentError, "poisson: lam: expected a finite number of 0 or more, got -1"),
        (lambda g: g.poisson(np.nan), accel.ArgumentError, "poisson: lam"),
        (lambda g: g.binomial(-1, 0.5), accel.ArgumentError, "binomial: n: expected a number of trials"),
        (lambda g: g.binomial(3, 1.5), accel.ArgumentError, "binomial: p: expected a probability, got 1.5"),
        (lambda g: g.geometric(0.0), accel.ArgumentError, "geometric: p: expected a probability above 0"),
        (lambda g: g.negative_binomial(0, 0.5), accel.ArgumentError, "negative_binomial: n"),
        (lambda g: g.dirichlet([[1.0]]), accel.ShapeError, "dirichlet: alpha: expected a vector"),
        (lambda g: g.multinomial(3, 1.0), accel.ShapeError, "multinomial: pvals: expected a vector"),
        (lambda g: g.multinomial(3, [0.5, 0.6]), accel.ArgumentError, "multinomial: pvals: expected probabilities"),
        (lambda g: g.multinomial(-3, [0.5, 0.5]), accel.ArgumentError, "multinomial: n"),
        (lambda g: g.multivariate_normal([0.0], np.eye(2)), accel.ShapeError, "multivariate_normal: mean, cov"),
        (lambda g: g.spawn(-1), accel.ArgumentError, "spawn: n_children"),
        (lambda g: setattr(g, "state", {"key": 1}), accel.ArgumentError, "state: expected a dict"),
        (lambda g: setattr(g, "state", {"key": -1, "calls": 0, "spawned": 0}), accel.ArgumentError, "state: key"),
    ],
)
def test_bad_input(call, error, words):
    rng = default_rng(0)
    before = rng.state
    with pytest.raises(error, match=words):
        call(rng)
    assert rng.state == before


@pytest.mark.parametrize(
    "call",
    [
        lambda rng: rng.random(1 << 45),
        lambda rng: rng.normal(size=(1 << 30, 1 << 15)),
        lambda rng: rng.spawn(1 << 50),
        lambda rng: rng.spawn(10**30),
    ],
)
def test_what_no_memory_holds_is_refused_at_once(call):
    with pytest.raises(accel.errors.OutOfMemoryError):
        call(default_rng(0, "cpu"))


@pytest.mark.parametrize("pvals", ["nonsense", [float], {}, [[0.5], [0.2, 0.3]]])
def test_outcomes_have_numbers_for_probabilities(pvals):
    with pytest.raises(accel.ArgumentError, match="multinomial: pvals"):
        default_rng(0, "cpu").multinomial(3, pvals)
