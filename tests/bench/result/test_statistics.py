"""Statistics on synthetic samples with known answers. Every rate is that of fixed seeds, so that it never changes."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.bench.result import statistics

SEEDS = 200
TIMES = st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=60)


def rate(found: Callable[[np.random.Generator], bool]) -> float:
    """Share of the seeds for which it is found."""
    return sum(bool(found(np.random.default_rng(seed))) for seed in range(SEEDS)) / SEEDS


def autoregressive(draw: np.random.Generator, count: int, noise: float, correlated: float) -> np.ndarray:
    """Lognormal times about 1, of which each correlates with the one before."""
    steps = draw.normal(0, 1, count)
    for n in range(1, count):
        steps[n] = correlated * steps[n - 1] + math.sqrt(1 - correlated**2) * steps[n]
    return np.exp(noise * steps)


SHAPES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "normal": lambda draw, n: draw.normal(1, 0.05, n),
    "uniform": lambda draw, n: draw.uniform(0.8, 1.2, n),
    "exponential": lambda draw, n: 1 + draw.exponential(0.1, n),
    "lognormal": lambda draw, n: draw.lognormal(0, 0.2, n),
}


def two_modes(draw: np.random.Generator, n: int, apart: float = 0.1, share: float = 0.3) -> list[float]:
    return list(np.where(draw.random(n) < share, 1 + apart, 1.0) * draw.lognormal(0, 0.01, n))


@pytest.mark.parametrize(
    ("n", "low", "high"), [(3, 1, 3), (5, 1, 5), (7, 1, 7), (10, 2, 9), (20, 6, 15), (100, 40, 61)]
)
def test_the_interval_is_that_of_the_tables(n, low, high):
    """Ranks for 95 %; David and Nagaraja 2003, 7.1. Below 6 samples the whole range has less."""
    assert statistics.interval(np.random.default_rng(1).permutation(np.arange(1, n + 1)).tolist()) == (low, high)


def test_drift_that_meets_both_alike_leaves_the_ratio():
    own = [1.0 + 0.1 * i for i in range(20)]
    found = statistics.ratios([1.5 * x for x in own], own)
    assert found == pytest.approx([1.5] * 20)
    assert statistics.noise(own) > 0.1, "the times themselves are far from steady"


def test_outliers_move_neither_the_ratio_nor_its_noise():
    found = statistics.ratios([2.0] * 17 + [50.0, 80.0, 90.0], [1.0] * 20)
    assert median(found) == 2
    assert statistics.noise(found) == 0


@given(TIMES)
def test_the_interval_holds_the_median_and_does_not_depend_on_the_order(times):
    low, high = statistics.interval(times)
    assert min(times) <= low <= median(times) <= high <= max(times)
    assert statistics.interval(times[::-1]) == (low, high)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [7, 20, 100])
def test_no_drift_where_the_order_means_nothing(shape, count):
    assert rate(lambda draw: statistics.drift(list(SHAPES[shape](draw, count)))) <= 0.025


@pytest.mark.parametrize(("count", "end", "least"), [(7, 0.1, 0.75), (10, 0.1, 0.97), (20, 0.05, 0.95), (50, 0.05, 1)])
def test_drift_is_found_in_both_directions(count, end, least):
    """A linear trend under 1% of noise."""
    for last in (1 + end, 1 / (1 + end)):
        assert (
            rate(lambda draw: statistics.drift(list(np.linspace(1, last, count) * draw.lognormal(0, 0.01, count))))  # noqa: B023
            >= least
        )


def test_a_trend_that_is_too_small_to_matter_is_no_drift():
    steps = [1 + 1e-4 * n for n in range(50)]
    assert not statistics.drift(steps)
    assert statistics.drift(steps, least=1e-3), "the trend itself is beyond doubt"


@pytest.mark.parametrize("count", [12, 30, 100])
@pytest.mark.parametrize("shape", SHAPES)
def test_one_mode_is_rarely_taken_for_two(shape, count):
    assert rate(lambda draw: statistics.bimodal(list(SHAPES[shape](draw, count)))) <= 0.015


def test_outliers_are_no_mode():
    def spiked(draw: np.random.Generator) -> list[float]:
        return list(draw.normal(1, 0.01, 30) * np.where(draw.random(30) < 0.1, draw.uniform(1.5, 4, 30), 1))

    assert rate(lambda draw: statistics.bimodal(spiked(draw))) <= 0.07


@pytest.mark.parametrize(("count", "share", "least"), [(20, 0.5, 0.97), (20, 0.3, 0.9), (50, 0.3, 0.93)])
def test_two_modes_are_found(count, share, least):
    assert rate(lambda draw: statistics.bimodal(two_modes(draw, count, share=share))) >= least


def test_two_ticks_of_a_coarse_clock_are_no_modes():
    times = [1.0 if n % 2 else 1.001 for n in range(40)]
    assert not statistics.bimodal(times)
    assert statistics.bimodal([1.0 if n % 2 else 1.1 for n in range(40)])


def test_outliers_are_counted_and_move_nothing():
    steady = [1.0 + 1e-3 * (n % 5) for n in range(40)]
    spiked = list(steady)
    spiked[7], spiked[21], spiked[33] = 5.0, 9.0, 0.1
    assert statistics.outliers(steady) == 0
    assert statistics.outliers(spiked) == 3
    assert len(spiked) == 40, "nothing is dropped"
    assert median(spiked) == pytest.approx(median(steady), rel=1e-3)
    assert statistics.flags(spiked) == []


def test_throttled_by_the_clock_or_else_by_the_times():
    steady = samples = [1.0 + 1e-3 * (n % 3) for n in range(30)]
    assert not statistics.throttled(steady)
    assert not statistics.throttled(steady, [3.0e9, 2.9e9, 3.0e9])
    assert statistics.throttled(steady, [3.0e9, 3.0e9, 2.9e9, 2.5e9, 2.4e9, 2.4e9])
    slower = [t * (1 + 0.01 * n) for n, t in enumerate(samples)]
    assert statistics.throttled(slower)
    assert not statistics.throttled(slower[::-1]), "a device that gets faster is not throttled"
    assert not statistics.throttled(slower, [3.0e9] * 6), "the clock is the better witness"


def test_flags_name_what_disturbs():
    assert statistics.flags([]) == []
    assert statistics.flags([1.0] * 20) == []
    assert statistics.flags([1.0, 1.1] * 5) == ["noisy"]
    assert statistics.flags([1.0, 1.1] * 5, max_noise=0.2) == []
    assert statistics.flags([1 + 0.01 * n for n in range(20)]) == ["noisy", "drift", "throttled"]
    assert "bimodal" in statistics.flags([1.0, 1.1] * 10)
    assert statistics.flags([1e-3] * 9, first_call_s=0.2) == ["slow-first-call"]
    assert statistics.flags([1e-3] * 9, first_call_s=0.05) == []
    assert statistics.flags([1.0] * 9, first_call_s=5.0) == []


def kinds(
    change: float, count: int = 20, noise: float = 0.02, correlated: float = 0.0, between: float = 0.0
) -> Counter[str]:
    """Verdicts over the seeds, in percent. between: standard deviation of what a whole run is off by."""
    found: Counter[str] = Counter()
    for seed in range(SEEDS):
        draw = np.random.default_rng(seed)
        a, b = (
            list(autoregressive(draw, count, noise, correlated) * math.exp(draw.normal(0, between)) * scale)
            for scale in (1e-3, 1e-3 * (1 + change))
        )
        found[statistics.verdict([a], [b]).kind] += 1
    return Counter({kind: 100 * n / SEEDS for kind, n in found.items()})


@pytest.mark.parametrize(
    ("disturbed", "most"),
    [
        ({}, 0),
        ({"noise": 0.05}, 1),
        ({"count": 7}, 1),
        ({"correlated": 0.7}, 2),
        ({"between": 0.01}, 6),
        ({"between": 0.01, "correlated": 0.7, "noise": 0.05}, 8),
    ],
)
def test_two_runs_of_the_same_are_not_called_changed(disturbed, most):
    found = kinds(0.0, **disturbed)
    assert found["faster"] + found["slower"] <= most


def test_quiet_runs_of_the_same_are_called_the_same():
    assert kinds(0.0, count=20, noise=0.01)["same"] >= 99


@pytest.mark.parametrize(
    ("change", "disturbed", "least"),
    [
        (0.05, {"noise": 0.01}, 99),
        (0.05, {}, 95),
        (0.10, {}, 100),
        (0.10, {"noise": 0.05}, 95),
        (0.10, {"count": 7}, 97),
        (0.10, {"correlated": 0.7}, 95),
        (0.10, {"between": 0.01}, 99),
    ],
)
def test_changes_are_found_in_both_directions(change, disturbed, least):
    assert kinds(change, **disturbed)["slower"] >= least
    assert kinds(1 / (1 + change) - 1, **disturbed)["faster"] >= least


def test_a_change_is_never_taken_for_its_opposite():
    for disturbed in ({}, {"noise": 0.05}, {"correlated": 0.7}, {"between": 0.02}):
        assert kinds(0.10, **disturbed)["faster"] == 0


def in_processes(count: int, change: float, off: float) -> Counter[str]:
    """Verdicts over the seeds, in percent, of runs of so many processes. off: standard deviation of what each process
    is off by."""
    found: Counter[str] = Counter()
    for seed in range(SEEDS):
        draw = np.random.default_rng(seed)
        a, b = (
            [list(autoregressive(draw, 20, 0.01, 0.0) * math.exp(draw.normal(0, off)) * scale) for _ in range(count)]
            for scale in (1e-3, 1e-3 * (1 + change))
        )
        found[statistics.verdict(a, b).kind] += 1
    return Counter({kind: 100 * n / SEEDS for kind, n in found.items()})


@pytest.mark.parametrize(("count", "least", "most"), [(1, 40, 100), (2, 0, 16), (3, 0, 6)])
def test_what_differs_from_process_to_process_is_no_change(count, least, most):
    """Each process is off by 5%: of runs of one process 73.5% are called changed, of two 13.5%, of three 4%."""
    found = in_processes(count, 0.0, 0.05)
    assert least <= found["faster"] + found["slower"] <= most


def test_changes_that_all_processes_show_are_found():
    for count in (1, 2, 3):
        assert in_processes(count, 0.05, 0.0)["slower"] >= 99
        assert in_processes(count, 0.15, 0.02)["slower"] >= 95


def test_an_interval_reaches_over_all_processes():
    steady, slow = [1.0] * 8, [1.2] * 8
    assert statistics.joint_interval([steady]) == statistics.interval(steady) == (1.0, 1.0)
    assert statistics.joint_interval([slow, steady]) == (1.0, 1.2)
    assert not statistics.unsteady([steady])
    assert not statistics.unsteady([steady, [1.04] * 8])
    assert not statistics.unsteady([steady, [1.0, 1.2] * 4]), "their intervals meet"
    assert statistics.unsteady([slow, steady, steady])
    found = statistics.verdict([steady, slow], [[1.5] * 8, [1.5] * 8])
    assert (found.kind, found.ratio) == ("slower", pytest.approx(1.5 / 1.1))
    assert (found.low, found.high) == pytest.approx((1.5 / 1.1 * (1.1 / 1.2) ** 1.5, 1.5 / 1.1 * 1.1**1.5)), (
        "further apart"
    )
    assert statistics.verdict([steady, slow], [[1.1] * 8, [1.5] * 8]).kind == "ambiguous"


def test_verdict_states_the_ratio_and_its_interval():
    a, b = [1.0] * 20, [1.3] * 20
    found = statistics.verdict([a], [b])
    assert found.kind == "slower"
    assert (found.ratio, found.low, found.high) == pytest.approx((1.3, 1.3, 1.3))
    assert statistics.verdict([b], [a]).kind == "faster"
    assert statistics.verdict([a], [a]).kind == "same"
    assert statistics.verdict([a], [[1.025] * 20]).kind == "same"
    assert statistics.verdict([a], [[1.04] * 20]).kind == "slower", "it may be as much as 5%"
    assert statistics.verdict([a], [[1.04] * 20], threshold=0.1).kind == "same"
    assert statistics.verdict([a], [[1.04] * 20], between_runs=0.05).kind == "same", "the runs alone may differ by that"
    found = statistics.verdict([[0.9, 1.1] * 10], [[1.0, 1.2] * 10])
    assert found.kind == "ambiguous"
    assert found.low < 1 < 1.05 < found.high


def test_one_sample_says_nothing():
    found = statistics.verdict([[1.0]], [[3.0]])
    assert (found.kind, found.low, found.high) == ("ambiguous", 0.0, math.inf)
    with pytest.raises(ValueError, match="no samples"):
        statistics.verdict([], [[1.0]])
    with pytest.raises(ValueError, match="no samples"):
        statistics.verdict([[1.0]], [[1.0], []])


def test_too_few_samples_widen_the_interval():
    wide = [statistics.verdict([[1.0] * n], [[1.1, 1.2] * (n // 2)]) for n in (2, 4, 20)]
    assert wide[0].high > wide[1].high > wide[2].high


@given(TIMES, TIMES)
def test_verdicts_are_symmetric(a, b):
    forward, back = statistics.verdict([a], [b]), statistics.verdict([b], [a])
    opposite = {"faster": "slower", "slower": "faster"}
    assert back.kind == opposite.get(forward.kind, forward.kind)
    assert forward.ratio * back.ratio == pytest.approx(1)
    assert forward.low <= forward.ratio <= forward.high


def test_correlation_of_neighbours():
    draw = np.random.default_rng(1)
    assert statistics.correlation(list(draw.normal(1, 0.1, 500))) < 0.1
    assert 0.6 < statistics.correlation(list(autoregressive(draw, 500, 0.1, 0.7))) < 0.8
    assert statistics.correlation([1.0, 2.0] * 20) == 0
    assert statistics.correlation([3.0] * 20) == 0
    assert statistics.correlation(list(range(1, 10))) == 0, "too few to tell"
    assert statistics.correlation(list(range(1, 100))) == 0.9


def test_variation_between_runs_is_that_of_the_unchanged_rows():
    draw = random.Random(1)
    off = [draw.lognormvariate(0, 0.015) for _ in range(60)]
    found = statistics.between_runs(off)
    assert 0.03 < found < 0.05
    changed = [2.0] * 10 + off[10:]
    assert statistics.between_runs(changed) == pytest.approx(found, rel=0.35)
    assert statistics.between_runs([1.3 * x for x in off]) == pytest.approx(found), "a shift common to all is none"
    assert statistics.between_runs([1.0] * 60) == statistics.BETWEEN_RUNS
    assert statistics.between_runs(off[:19]) == statistics.BETWEEN_RUNS
    assert statistics.between_runs([draw.lognormvariate(0, 1) for _ in range(60)]) == 0.1, "twice the threshold"
