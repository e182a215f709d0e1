"""Tables of plans, layouts and constants: bounded, cheap where every call is new, and what is in use stays."""

from __future__ import annotations

import threading
import time
import tracemalloc

import numpy as np
import pytest

import accel
from accel import conversion, dispatch, interop, layout
from accel.cache import Cache

SHAPES = 30_000
LIMIT = 256


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Empty tables, smaller than accel's own so that few calls fill them."""
    tables = (dispatch._plans, layout.INTERNED)
    assert all(table.limit <= 1 << 12 for table in tables), "a plan has some 4 KB, a layout 1"
    for table in tables:
        table.clear()
        monkeypatch.setattr(table, "limit", LIMIT)
    yield
    for table in tables:
        table.clear()


@pytest.fixture
def x():
    return accel.zeros((2 * SHAPES,), dtype=accel.float32, device="cpu")


def call(x, i):
    """A small call whose layouts are like no other's."""
    view = x.view((2, 2), (i + 3, 1))
    return accel.add(view, view)


def entries(cache):
    return len(cache) + len(cache.older)


def test_a_cache_keeps_what_is_asked_for():
    cache = Cache(10)
    cache.keep("hot", 1)
    for i in range(1000):
        cache.keep(i, i)
        assert entries(cache) <= 20
        if i % 9 == 0:
            assert cache.find("hot") == 1
    assert all(cache.find(i) == i for i in range(990, 1000))
    assert cache.find(0) is None and cache.find(900) is None
    cache.clear()
    assert entries(cache) == 0 and cache.find("hot") is None


def test_a_cache_shared_by_threads():
    cache, wrong = Cache(50), []

    def work(seed):
        rng = np.random.default_rng(seed)
        for key in map(int, rng.integers(0, 200, 5000)):
            found = cache.find(key)
            if found is None:
                cache.keep(key, -key)
            elif found != -key:
                wrong.append((key, found))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and entries(cache) <= 2 * (50 + len(threads))


def grown(x, first, last):
    """Bytes that Python keeps of calls of new shapes."""
    tracemalloc.start()
    try:
        for i in range(first, last):
            call(x, i)
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def test_memory_is_bounded_over_many_shapes(x, monkeypatch):
    for i in range(10 * LIMIT):
        call(x, i)
    for cache in (dispatch._plans, layout.INTERNED):
        assert cache.limit <= entries(cache) <= 2 * cache.limit
    held = grown(x, 10 * LIMIT, 14 * LIMIT)
    for cache in (dispatch._plans, layout.INTERNED):
        monkeypatch.setattr(cache, "limit", 10 * SHAPES)
    control = grown(x, 14 * LIMIT, 18 * LIMIT)
    assert entries(dispatch._plans) > 4 * LIMIT
    assert held < 0.75 * control, "a control: without a limit each call leaves some"


def test_plans_in_use_stay(x, monkeypatch):
    made = []
    original = dispatch._make
    monkeypatch.setattr(dispatch, "_make", lambda spec, *a: made.append(spec.name) or original(spec, *a))

    def run():
        made.clear()
        for i in range(5 * LIMIT):
            call(x, i)
            if i % 50 == 0:
                accel.multiply(x[:3], x[:3])
        return made.count("multiply")

    assert run() == 1
    dispatch.forget()
    monkeypatch.setattr(Cache, "find", dict.get)
    assert run() > 1, "a control: entries are forgotten where `find` does not bring them back"


def test_forgotten_layouts_of_living_arrays_are_harmless(x):
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    a, t = accel.asarray(values.copy(), device="cpu"), accel.asarray(values.copy(), device="cpu").T
    before = accel.add(a, a)
    old = a.layout
    layout.INTERNED.clear()
    twin = accel.asarray(values.copy(), device="cpu")
    assert twin.layout is not old and (twin.shape, twin.strides) == (a.shape, a.strides)
    for left, right in ((a, twin), (twin, a), (a, a), (before, twin)):
        np.testing.assert_array_equal(np.asarray(accel.add(left, right)), np.asarray(left) + np.asarray(right))
    a += twin
    a += a
    a[...] = a
    a[:, ::-1] = a
    np.testing.assert_array_equal(np.asarray(a), (4 * values)[:, ::-1])
    np.testing.assert_array_equal(np.asarray(accel.matmul(a, t)), (4 * values)[:, ::-1] @ values.T)
    assert bool(accel.max(t) == 5)


def test_constants_are_bounded(x):
    small = x[:2]
    for i in range(3000):
        accel.add(small, i)
    assert entries(interop._scalars) <= 2 * interop._scalars.limit
    assert entries(conversion._constants) <= 2 * conversion._constants.limit
    assert np.asarray(accel.add(small, 2.5)).tolist() == [2.5, 2.5]


def test_calls_of_new_shapes_cost_what_a_plan_costs(x):
    """The mean of many calls, with what is dropped in between, against that with empty tables."""

    def seconds(first):
        start = time.perf_counter()
        for i in range(first, first + LIMIT):
            call(x, i)
        return time.perf_counter() - start

    empty, full = [], []
    for first in range(0, 5 * 8 * LIMIT, 8 * LIMIT):
        dispatch.forget()
        layout.INTERNED.clear()
        times = [seconds(first + part * LIMIT) for part in range(8)]
        empty.append(times[0])
        full.append(sum(times[4:]) / 4)
    assert min(full) < 2 * min(empty), (full, empty)


def test_an_array_whose_layout_was_forgotten_is_given_to_a_fused_function():
    fused = accel.fuse(lambda z: z * 2 if z.ndim == 1 else (z * 2,))
    assert isinstance(fused(np.ones((5, 2), np.complex64)), tuple)
    assert not isinstance(fused(np.ones(5, np.complex64)), tuple)
    x = accel.asarray(np.ones(7, np.complex64))
    layout.INTERNED.clear()
    assert (np.asarray(fused(x)) == 2).all()


def test_threads_that_make_one_layout_at_once_have_one_object(monkeypatch):
    found, original = [], layout.Layout

    def made(*arguments):
        if len(found) == 0:  # what another thread does meanwhile
            found.append(None)
            found.append(layout.layout(*arguments))
        return original(*arguments)

    monkeypatch.setattr(layout, "Layout", made)
    arguments = accel.float32, (3, 12345), (12345, 1), accel.device("cpu")
    assert layout.layout(*arguments) is found[1] is layout.layout(*arguments)
