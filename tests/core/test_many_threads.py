"""Threads that call at once: each result is the one that the call has alone, whatever other threads make and forget
meanwhile. With PYTHON_GIL=0 a free-threaded Python runs them without the GIL."""

from __future__ import annotations

import gc
import queue
import threading
import time
import traceback
from collections.abc import Callable

import numpy as np
import pytest
from equality import same

import accel
from accel import _core, conversion, dispatch, layout
from accel.cache import Cache

CALLERS = 6
"""More threads than most cores."""


@accel.fuse
def scaled(x, y, factor):
    return accel.maximum(x * factor + y, x - y) + 3.0


def integers(rng, shape, dtype=np.float32):
    """Numbers whose sums and products are exact in any order."""
    return rng.integers(-9, 10, shape).astype(dtype)


# Calls of shapes that may be new: of exact numbers, so that NumPy's result is everybody's.


def new_pointwise(rng):
    x, y = (integers(rng, tuple(rng.integers(1, 40, 2))) for _ in range(2))
    y = y[:1, :1]
    return same(accel.add(x, y), x + y) and same(accel.multiply(accel.asarray(x), 3), x * 3)


def new_product(rng):
    m, n, k = rng.integers(1, 70, 3)
    a, b = integers(rng, (m, k)), integers(rng, (k, n))
    return same(accel.matmul(a, b), a @ b)


def new_sums(rng):
    x = accel.asarray(integers(rng, tuple(rng.integers(1, 60, 2))))
    host = np.asarray(x)
    total = float(accel.sum(x)) == host.sum()
    return total and same(accel.sum(x, axis=0), host.sum(0)) and same(accel.cumulative_sum(x, axis=1), host.cumsum(1))


def new_views(rng):
    x = accel.asarray(integers(rng, tuple(rng.integers(2, 30, 3))))
    host, at = np.asarray(x), int(rng.integers(2))
    some = same(x[at, ..., ::-1] + x[0], host[at, ..., ::-1] + host[0])
    return some and same(accel.permute_dims(x, (2, 0, 1)) * 1.0, host.transpose(2, 0, 1))


def new_order(rng):
    x = rng.permutation(int(rng.integers(1, 3000))).astype(rng.choice(["int32", "float64", "int64"]))
    return same(accel.sort(x), np.sort(x)) and same(accel.argsort(accel.asarray(x)), np.argsort(x))


def new_first_places(rng):
    n = int(rng.integers(16, 300))
    x = rng.integers(-100, 100, n).astype(rng.choice(["int8", "float16", "int64"]))
    k, largest = int(rng.choice([1, max(1, n // 20)])), bool(rng.integers(2))
    values, indices = accel.topk(accel.asarray(x), k, largest=largest)
    wanted = np.argsort(-x.astype(np.int64) if largest else x, kind="stable")[:k]
    return same(indices, wanted) and same(values, x[wanted])


def new_positions(rng):
    n = int(rng.integers(1, 50))
    x = accel.asarray(integers(rng, (n, 8)))
    at = rng.integers(-n, n, int(rng.integers(1, 30)))
    try:
        accel.take(x, accel.asarray(np.array([0, n])), axis=0)
    except IndexError:
        return same(accel.take(x, accel.asarray(at), axis=0), np.take(np.asarray(x), at, axis=0))
    return False


def new_writes(rng):
    host = integers(rng, tuple(rng.integers(1, 30, 2)))
    x = accel.asarray(host, copy=True)
    host[0, -1], x[0, -1] = 5, 5
    host[-1], x[-1] = 7, 7
    host += 2
    x += 2
    x *= -3
    return float(x[0, 0]) == -3 * host[0, 0] and same(x, -3 * host)


def new_fused(rng):
    x, y = (integers(rng, (int(rng.integers(1, 4)), 1 + 8 * int(rng.integers(1, 40)))) for _ in range(2))
    y, factor = y[:1, :1], int(rng.integers(1, 200))
    return same(scaled(x, y, float(factor)), np.maximum(x * np.float32(factor) + y, x - y) + np.float32(3))


def new_complex(rng):
    x = integers(rng, int(rng.integers(1, 90))) + 1j * integers(rng, 1)
    x = x.astype(np.complex64)
    return same(accel.multiply(accel.asarray(x), accel.asarray(x)), x * x) and same(accel.conj(x), x.conj())


def new_settings(rng):
    x = integers(rng, int(rng.integers(1, 200)))
    with accel.config(num_threads=int(rng.integers(1, 4)), fusion=str(rng.choice(["on", "off"]))):
        return same(accel.exp(x - x), x - x + 1) and same(accel.square(x), x * x)


NEW = [new_pointwise, new_product, new_sums, new_views, new_order, new_positions, new_writes, new_fused, new_complex]
NEW += [new_settings, new_first_places]

# Calls of shapes that are old: their results are of before the threads begin.

RNG = np.random.default_rng(0)
X = RNG.standard_normal((37, 130)).astype(np.float32)
LARGE = RNG.standard_normal((300, 300)).astype(np.float32)
SHARED = accel.asarray(X)
OLD: list[Callable[[], object]] = [
    lambda: accel.exp(X),
    lambda: accel.nn.softmax(SHARED, axis=-1),
    lambda: accel.nn.layer_norm(SHARED, (130,)),
    lambda: accel.nn.gelu(X),
    lambda: accel.sum(SHARED),
    lambda: accel.matmul(LARGE, LARGE),
    lambda: accel.sum(LARGE * LARGE, axis=0),
    lambda: accel.cumulative_sum(SHARED, axis=0),
    lambda: accel.fft.fft(X[:, :128]),
    lambda: accel.where(SHARED > 0.5, SHARED, -1.5),
    lambda: accel.linalg.vector_norm(SHARED[:8, :8]),
]


def unsettle():
    """What gives other threads something to make anew."""
    for table in (layout.INTERNED, conversion._constants, conversion._ranges, conversion._tables):
        table.clear()
    dispatch.forget()
    _core.release_idle()
    gc.collect()


def run(seconds):
    """What went wrong in so many seconds, and how often each caller called."""
    wanted = [np.array(call(), copy=True) for call in OLD]
    wrong, counts, end = [], [0] * CALLERS, time.monotonic() + seconds
    passed = queue.SimpleQueue()  # arrays that another thread than their maker drops

    def calls(number):
        rng = np.random.default_rng(number)
        try:
            while time.monotonic() < end and not wrong:
                call = NEW[rng.integers(len(NEW))]
                if not call(rng):
                    wrong.append(call.__name__)
                old = int(rng.integers(len(OLD)))
                made = OLD[old]()
                if not same(made, wanted[old]):
                    wrong.append(f"OLD[{old}]")
                passed.put(made)
                if passed.qsize() > 20:
                    passed.get()
                counts[number] += 1
        except Exception:
            wrong.append(traceback.format_exc())

    def unsettles():
        while time.monotonic() < end and not wrong:
            unsettle()
            time.sleep(0.02)

    threads = [threading.Thread(target=calls, args=(number,)) for number in range(CALLERS)]
    threads.append(threading.Thread(target=unsettles))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong, counts


@pytest.mark.parametrize("seconds", [4, pytest.param(120, marks=pytest.mark.slow)])
def test_results_are_those_of_calls_alone(seconds):
    wrong, counts = run(seconds)
    assert not wrong
    assert all(counts)


def test_a_result_that_is_not_the_same_is_seen(monkeypatch):
    monkeypatch.setitem(globals(), "NEW", [lambda rng: new_sums(rng) and rng.integers(3) > 0])
    assert set(run(4)[0]) == {"<lambda>"}


class Watching(Cache):
    """Fails where a thread that found an array here could not trace it yet."""

    def keep(self, key, value):
        assert conversion.is_constant(value)
        super().keep(key, value)


@pytest.mark.parametrize("name", ["_constants", "_ranges", "_tables"])
def test_a_constant_is_known_before_another_thread_finds_it(monkeypatch, name):
    monkeypatch.setattr(conversion, name, Watching(8))
    cpu = accel.device("cpu")
    conversion.constant(0.125, accel.float32, cpu)
    conversion.index_range(12345, cpu)
    conversion.table(("only here",), lambda: np.arange(3.0), cpu)
    assert len(getattr(conversion, name)) == 1
