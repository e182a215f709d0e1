"""Rounds under a clock that only the calls advance, and what the harness itself costs."""

from __future__ import annotations

import time
from itertools import cycle
from statistics import median

import pytest

from accel.bench.measure import timing
from accel.bench.result.statistics import noise


class Machine:
    """A clock, and calls that take a known time on it. reads: how often the clock was read."""

    def __init__(self):
        self.now, self.reads, self.order, self.pauses = 0.0, 0, [], []

    def clock(self) -> float:
        self.reads += 1
        return self.now

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def call(self, name: str, *seconds: float):
        """A call that takes these times in turn."""
        turns = cycle(seconds)

        def run():
            self.order.append(name)
            self.now += next(turns)

        return run

    def rounds(self, own, others=None, **keywords):
        given = {"budget": 1.0, "max_noise": 0.02} | keywords
        others = {name: [call] for name, call in (others or {}).items()}
        own = own if isinstance(own, list) else [own]
        return timing.rounds(own, others, clock=self.clock, pause=self.pause, **given)


def test_steady_calls_end_at_the_least_number_of_rounds():
    machine = Machine()
    found = machine.rounds(machine.call("own", 0.01), {"numpy": machine.call("numpy", 0.02)})
    assert found == {"accel": [pytest.approx(0.01)] * 5, "numpy": [pytest.approx(0.02)] * 5}


def test_noise_goes_on_until_the_budget_and_keeps_every_sample_in_order():
    machine = Machine()
    times = [0.010, 0.020, 0.015, 0.030, 0.012, 0.022]
    found = machine.rounds(machine.call("own", *times), budget=0.5)["accel"]
    assert 5 < len(found) < timing.MAX_ROUNDS
    expected = [times[(i + 1) % len(times)] for i in range(len(found))]  # the first call settles the repeats
    assert found == pytest.approx(expected)


def test_noise_that_averages_out_ends_before_the_budget():
    machine = Machine()
    quiet = [0.01] * 4 + [0.03]
    found = machine.rounds(machine.call("own", *quiet), budget=1e9)["accel"]
    assert 5 <= len(found) < 30
    assert max(found) > 0.02, "an outlier was dropped"


def test_there_is_a_largest_number_of_rounds():
    machine = Machine()
    found = machine.rounds(machine.call("own", *(0.01 * 1.5**i for i in range(7))), budget=1e9, max_noise=1e-9)
    assert len(found["accel"]) == timing.MAX_ROUNDS


def test_rounds_that_take_very_long_are_few():
    machine = Machine()
    found = machine.rounds(machine.call("own", 20.0, 30.0, 25.0), {"numpy": machine.call("numpy", 20.0)})
    assert len(found["accel"]) == len(found["numpy"]) == timing.FEW_ROUNDS
    short = Machine()
    assert len(short.rounds(short.call("own", 2.0, 3.0, 2.5))["accel"]) == timing.MIN_ROUNDS


def test_calls_that_do_the_same_elsewhere_take_turns_from_round_to_round():
    """A placement that costs a call a third more is part of what is known of it, not what a whole run says."""
    machine = Machine()
    found = machine.rounds([machine.call("here", 0.012), machine.call("there", 0.016)])
    assert found["accel"][:6] == pytest.approx([0.012, 0.016] * 3)
    assert noise(found["accel"]) > 0.02, "so rounds went on until the budget"


def test_the_order_rotates():
    machine = Machine()
    others = {name: machine.call(name, 0.01) for name in ("b", "c")}
    evict = machine.call("|", 0.0)
    machine.rounds(machine.call("a", 0.01), others, evict=evict)
    turns = [name for name in machine.order if name != "|"]
    assert turns[:9] == ["a", "b", "c", "b", "c", "a", "c", "a", "b"]


def test_a_short_call_is_repeated_and_its_sample_is_per_call():
    machine = Machine()
    found = machine.rounds(machine.call("own", 1e-6))["accel"]
    assert found == pytest.approx([1e-6] * 5)
    assert len(machine.order) / 5 > 500, "the samples are too short"


def test_a_slow_first_try_does_not_settle_the_repeats():
    machine = Machine()
    own = machine.call("own", 4e-4, *[1e-6] * 10**6)
    machine.rounds(own)
    assert len(machine.order) > 5 * 400


def test_cold_samples_are_single_calls_each_after_an_eviction():
    machine = Machine()
    evict = machine.call("evict", 0.005)
    found = machine.rounds(machine.call("own", 1e-5), {"numpy": machine.call("numpy", 2e-5)}, evict=evict)
    assert found == {"accel": pytest.approx([1e-5] * 5), "numpy": pytest.approx([2e-5] * 5)}
    assert machine.order[::2] == ["evict"] * 10
    assert machine.order.count("own") == machine.order.count("numpy") == 5


def test_a_pause_comes_before_each_sample_and_is_not_counted():
    machine = Machine()
    found = machine.rounds(machine.call("own", 0.01), settle=0.002)
    assert machine.pauses == [0.002] * 5
    assert found["accel"] == pytest.approx([0.01] * 5)


def test_calls_warm_up_after_a_pause():
    """For 10 ms, but not where one call takes much longer; and not at all where nothing was paused for."""
    machine = Machine()
    machine.rounds(machine.call("own", 1e-3), settle=0.002)
    tries, warm, sampled = 1, 5 * 10, 5
    assert len(machine.order) == pytest.approx(tries + warm + sampled, abs=5)
    for seconds, settle in ((0.2, 0.002), (1e-3, 0.0)):
        other = Machine()
        other.rounds(other.call("own", seconds), budget=10.0, settle=settle)
        assert len(other.order) <= 1 + 5 + 1


def test_the_clock_is_read_twice_in_a_sample():
    """What a sample costs beside its calls: two readings for about a millisecond of calls."""
    machine = Machine()
    count = timing.repeats(machine.call("own", 1e-4), machine.clock)
    assert count * 1e-4 >= timing.SAMPLE_SECONDS / 2
    machine.reads = 0
    timing.sample(machine.call("own", 1e-4), count, machine.clock)
    assert machine.reads == 2


def test_the_harness_costs_under_one_percent_of_100_us():
    """Measured: a sample of calls that do nothing, and the two readings of the clock that are spread over the calls.
    The least of many, as whatever else runs only adds."""

    def nothing() -> None:
        return

    def per_call(count: int) -> float:
        return min(timing.sample(nothing, count) for _ in range(50))

    loop = per_call(1000)
    clock = min(timing.sample(time.perf_counter, 1000) for _ in range(50))
    calls = timing.SAMPLE_SECONDS / 2 / 1e-4  # at least so many in a sample of a 100 us case
    assert 0 < loop + 2 * clock / calls < 1e-6
    assert median(timing.sample(lambda: time.sleep(1e-3), 1) for _ in range(5)) > 1e-3, "the control: time is seen"
