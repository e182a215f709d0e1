"""Statistics on samples with known answers, and rounds under a clock that only the calls advance. Nothing is timed."""

from __future__ import annotations

import random
from statistics import median

import pytest

from accel.bench import measure


class Machine:
    """A clock, and calls that take a known time on it. drift: how much slower everything gets per second."""

    def __init__(self, drift: float = 0.0):
        self.now, self.drift, self.order = 0.0, drift, []

    def clock(self) -> float:
        return self.now

    def call(self, name: str, seconds: float):
        def run():
            self.order.append(name)
            self.now += seconds * (1 + self.drift * self.now)

        return run


@pytest.mark.parametrize(
    ("n", "low", "high"), [(3, 1, 3), (5, 1, 5), (7, 1, 7), (10, 2, 9), (20, 6, 15), (100, 40, 61)]
)
def test_interval_of_the_median_is_that_of_the_tables(n, low, high):
    """Ranks for 95%; David and Nagaraja 2003, 7.1. Below 6 samples the whole range has less."""
    values = list(range(1, n + 1))
    random.Random(1).shuffle(values)
    assert measure.interval(values) == (low, high)


def test_interval_covers_the_median_as_often_as_it_says():
    draw = random.Random(2)
    hits = 0
    for _ in range(2000):
        low, high = measure.interval([draw.expovariate(1) for _ in range(15)])
        hits += low <= 0.6931471805599453 <= high
    assert 0.94 <= hits / 2000 <= 0.985


def test_noise_is_relative_and_half_the_width():
    assert measure.noise([4.0] * 9) == 0
    assert measure.noise([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) == pytest.approx((9 - 2) / 2 / 5.5)


def test_drift_that_meets_both_alike_leaves_the_ratio():
    own = [1.0 + 0.1 * i for i in range(20)]
    ratios = measure.ratios([1.5 * x for x in own], own)
    assert median(ratios) == pytest.approx(1.5)
    assert measure.noise(ratios) < 1e-12
    assert measure.noise(own) > 0.1, "the times themselves are far from steady"


def test_outliers_move_neither_the_ratio_nor_the_noise_much():
    own = [1.0] * 20
    peer = [2.0] * 17 + [50.0, 80.0, 90.0]
    ratios = measure.ratios(peer, own)
    assert median(ratios) == 2
    assert measure.noise(ratios) == 0


def test_rounds_find_the_ratio_on_a_machine_that_slows_down():
    machine = Machine(drift=8.0)
    calls = {"accel": machine.call("accel", 2e-3), "torch": machine.call("torch", 5e-3)}
    samples = measure.interleave(calls, 0.4, clock=machine.clock)
    assert median(measure.ratios(samples["torch"], samples["accel"])) == pytest.approx(2.5, rel=0.05)
    assert samples["accel"][-1] > 1.3 * samples["accel"][0], "the machine did slow down"


def test_rounds_stop_at_the_goal_and_rotate():
    machine = Machine()
    calls = {name: machine.call(name, 2e-3) for name in ("accel", "numpy", "torch")}
    samples = measure.interleave(calls, 100.0, clock=machine.clock)
    assert {len(s) for s in samples.values()} == {measure.MIN_ROUNDS}
    rounds = [machine.order[i : i + 3] for i in range(0, len(machine.order), 3)]
    assert rounds[:3] == [["accel", "numpy", "torch"], ["numpy", "torch", "accel"], ["torch", "accel", "numpy"]]


def test_short_calls_are_repeated_and_long_ones_get_few_rounds():
    machine = Machine()
    samples = measure.interleave({"accel": machine.call("accel", 1e-6)}, 0.1, clock=machine.clock)
    assert samples["accel"][0] == pytest.approx(1e-6)
    assert machine.order.count("accel") > 500 * len(samples["accel"])
    for seconds, rounds in ((0.3, measure.FEW_ROUNDS), (5.0, measure.SLOW_ROUNDS)):
        machine = Machine()
        samples = measure.interleave({"accel": machine.call("accel", seconds)}, 0.1, clock=machine.clock)
        assert samples["accel"] == pytest.approx([seconds] * rounds)
        assert machine.order == ["accel"] * rounds


def test_a_noisy_ratio_gets_rounds_until_the_time_is_out():
    machine, draw = Machine(), random.Random(3)

    def unsteady():
        machine.now += draw.uniform(1e-3, 9e-3)

    samples = measure.interleave({"accel": unsteady, "torch": machine.call("torch", 2e-3)}, 0.3, clock=machine.clock)
    assert measure.MIN_ROUNDS < len(samples["accel"]) < measure.MAX_ROUNDS
    assert 0.3 <= machine.now < 0.35


def test_pools_get_time_to_settle():
    machine, pauses = Machine(), []
    calls = {name: machine.call(name, 2e-3) for name in ("accel", "torch")}
    samples = measure.interleave(calls, 1.0, 0.002, machine.clock, pauses.append)
    assert pauses == [0.002] * 2 * (len(samples["accel"]) - 1), "the first round is what finds the repeats"
