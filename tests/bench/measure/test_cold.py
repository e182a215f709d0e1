"""Cold operands: how many copies take turns, in which order, and which caches are meant."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

import accel
from accel.bench.cases.case import Operand, Workload
from accel.bench.measure import cold, trial

MIB = 1 << 20


@pytest.mark.parametrize(
    ("nbytes", "count"),
    [(0, None), (128, None), (MIB, None), (2 * MIB, 33), (32 * MIB, 3), (63 * MIB, 3), (64 * MIB, 1), (1 << 40, 1)],
)
def test_copies_are_together_twice_the_cache(nbytes, count):
    assert cold.copies(nbytes, 32 * MIB) == count
    if count and count > 1:
        assert (count - 1) * nbytes >= 64 * MIB, "what is used between two uses of a copy fills the cache twice"


def test_all_libraries_take_the_copy_that_was_used_longest_ago():
    used, turns = [], itertools.count()
    make = lambda name: cold.in_turn([lambda i=i: used.append((name, i)) for i in range(3)], turns)  # noqa: E731
    own, other = make("accel"), make("numpy")
    for call in (own, own, other, own, other, other):
        call()
    assert used == [("accel", 0), ("accel", 1), ("numpy", 2), ("accel", 0), ("numpy", 1), ("numpy", 2)]


def test_operands_that_are_large_enough_are_not_copied():
    call = lambda: None  # noqa: E731
    assert cold.in_turn([call], itertools.count()) is call


HOST = {"caches": {"L1 data": 32768, "L2": 1 * MIB, "L3": 32 * MIB}}
NONE = {"caches": {}}


def ladder(*rungs):
    return [{"kind": "read", "working_set": size, "value": rate} for size, rate in rungs]


@pytest.mark.parametrize(
    ("kind", "host", "probes", "expected"),
    [
        ("cpu", HOST, [], 32 * MIB),
        ("gpu", HOST, [], cold.UNKNOWN_CACHE),
        ("gpu", HOST, ladder((MIB, 9e12), (40 * MIB, 5e12), (160 * MIB, 2e12)), 40 * MIB),
        ("gpu", HOST, ladder((MIB, 2.1e12), (160 * MIB, 2e12)), cold.UNKNOWN_CACHE),
        ("cpu", HOST, ladder((MIB, 9e10), (64 * MIB, 5e10), (160 * MIB, 2e10)), 64 * MIB),
        ("cpu", NONE, [], cold.UNKNOWN_CACHE),
        ("cpu", HOST, [{"kind": "read", "working_set": 1 << 40, "value": None}], 32 * MIB),
    ],
)
def test_the_last_level_cache(kind, host, probes, expected):
    assert cold.last_level_cache({"kind": kind}, host, probes) == expected


def case(rows: int, layout: str = "row-major") -> Workload:
    operands = (Operand((rows, 256), "float32", layout), Operand((256, 256), "float32"))
    return Workload("a case", None, None, None, 1, None, "matmul", "float32", operands, (), "cold")


@pytest.mark.parametrize("layout", ["row-major", "transposed"])
def test_a_cold_case_is_timed_on_copies_of_its_operands(layout, monkeypatch):
    """Each lies in memory of its own and as the operands do, and has the same values."""
    given, real = [], trial.baselines.calls

    def calls(workload, operands, kind, threads):
        given.append(operands)
        return {name: call for name, call in real(workload, operands, kind, threads).items() if name == "numpy"}

    monkeypatch.setattr(trial.baselines, "calls", calls)
    options = trial.Options(0, 0.02, 0.9, True, cache=MIB, evict=lambda: pytest.fail("the caches were emptied"))
    record = trial.measure(case(256, layout), accel.device("cpu"), options, lambda message: None)
    assert record["status"] == "PASS"
    assert len(record["baselines"]["numpy"]["samples_s"]) == len(record["samples_s"]) >= 5
    assert len(given) == cold.copies(2 * 256 * 256 * 4, MIB) == 5
    first = given[0]
    for copy in given[1:]:
        for x, y in zip(first, copy, strict=True):
            assert x.strides == y.strides
            assert np.array_equal(x, y)
            assert not np.shares_memory(x, y)


def test_the_evictor_reads_twice_the_cache_on_the_device():
    evict = cold.evictor(accel.device("cpu"), MIB)
    with accel.recording.recording(run=True) as recorder:
        evict()
    assert [what for what, _ in recorder.calls] == [f"sum(float32[{2 * MIB // 4}]) on cpu"]


def test_a_device_without_reductions_moves_them(faulty_device):
    evict = cold.evictor(faulty_device, MIB)
    with accel.recording.recording(run=True) as recorder:
        evict()
    assert [what for what, _ in recorder.calls] == [f"astype(float32[{MIB // 4}]) on faulty:0"]


@pytest.mark.parametrize(("side", "number"), [(64, trial.PLACEMENTS), (512, 1)])
def test_warm_operands_lie_in_several_places_where_these_fit_the_cache(side, number, monkeypatch):
    given = []
    offered = trial.baselines.calls

    def calls(workload, operands, kind, threads):
        given.append(operands)
        return {name: call for name, call in offered(workload, operands, kind, threads).items() if name == "numpy"}

    monkeypatch.setattr(trial.baselines, "calls", calls)
    options = trial.Options(0, 0.02, 0.9, True, cache=2 * MIB)
    warm = replace(case(side, "row-major"), cache="warm")
    record = trial.measure(warm, accel.device("cpu"), options, lambda message: None)
    assert record["status"] == "PASS"
    assert len(given) == number
    assert not any(np.shares_memory(given[0][0], other[0]) for other in given[1:])
