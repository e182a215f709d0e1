"""Counters of a GPU's launches, on torch's memory of the CPU: what has which, and that all of it is zeros."""

from __future__ import annotations

import threading
from itertools import pairwise
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")

from accel.backends import triton_counters  # noqa: E402
from accel.backends.triton_counters import ALIGNMENT, PIECES, SHARED_HANDLE, Counters  # noqa: E402
from accel.backends.triton_gpu import TorchBuffer  # noqa: E402
from accel.backends.triton_kernel import COUNTERS  # noqa: E402


class Device:
    """A GPU's number, for torch."""

    index = 3


@pytest.fixture
def made(monkeypatch):
    """Counters, whose ``capturing`` says whether a graph is being captured, and ``allocated`` what was."""
    state = SimpleNamespace(capturing=False, allocated=[], synchronized=[])

    def allocate(nbytes):
        state.allocated.append(nbytes)
        storage = torch.UntypedStorage(nbytes)
        storage.fill_(0xA5)
        return TorchBuffer(storage)

    monkeypatch.setattr(torch.cuda, "synchronize", state.synchronized.append)
    state.counters = Counters(Device(), allocate, lambda: state.capturing)
    return state


def span(array):
    """The addresses of an array's bytes; they are zeros."""
    first = array.buffer.address + 8 * array.offset
    assert 8 * array.offset % 256 == 0
    view = array.buffer.view(torch.int64, array.shape, (1,), array.offset)
    assert not view.any()
    return range(first, first + 8 * array.size)


def apart(arrays):
    spans = sorted((span(x) for x in arrays), key=lambda x: x.start)
    return all(a.stop <= b.start for a, b in pairwise(spans))


def test_streams(made):
    """Each stream has its own, the same at each launch; nothing is allocated, or waited for, but once."""
    made.counters.prepare()
    made.counters.prepare()
    assert made.synchronized == [3]
    found = {stream: made.counters.of(stream, 5) for stream in (0, 1, 77, 1 << 47)}
    assert apart(found.values())
    assert all(made.counters.of(stream, COUNTERS) is array for stream, array in found.items())
    assert made.allocated == [8 * PIECES * COUNTERS]


def test_more_streams_than_pieces(made):
    """Those for whom there are none have memory that is cleared, each launch its own."""
    made.counters.prepare()
    found = [made.counters.of(stream, 100) for stream in range(3, 3 + PIECES)]
    assert apart(found) and len(made.allocated) == 1
    more = [made.counters.of(999, 100) for _ in range(2)]
    assert apart([*found, *more]) and made.allocated[1:] == [800, 800]
    assert made.counters.of(3, 100) is found[0]


def test_a_handle_of_many_streams(made):
    """Of each thread's own default stream: every launch has its own."""
    made.counters.prepare()
    assert apart([made.counters.of(SHARED_HANDLE, 9) for _ in range(3)])


def test_captured_launches(made):
    """Each has its own for good, whatever the stream; when they are used up, memory that the graph itself clears."""
    made.counters.prepare()
    before, made.capturing = made.counters.of(0, 7), True
    captured = [made.counters.of(0, 7) for _ in range(20)]
    assert apart([before, *captured]) and len(made.allocated) == 1
    left = (PIECES - 1) * COUNTERS // ALIGNMENT - 20
    captured += [made.counters.of(0, 1) for _ in range(left)]
    assert apart([before, *captured]) and len(made.allocated) == 1
    late = made.counters.of(0, 1)
    assert apart([before, *captured, late]) and made.allocated[1:] == [8]
    made.capturing = False
    assert made.counters.of(0, 7) is before
    assert apart([before, *captured, made.counters.of(5, 2)])


def test_while_capturing_nothing_is_prepared(made):
    """A graph's first launches, before there is an allocation: cleared memory."""
    made.capturing = True
    made.counters.prepare()
    assert made.allocated == [] == made.synchronized
    assert apart([made.counters.of(0, 4), made.counters.of(0, 4)]) and made.allocated == [32, 32]


def test_threads(made, monkeypatch):
    """Threads that ask at once, each for its own stream and for one that all have."""
    made.counters.prepare()
    start, found = threading.Barrier(8), {}

    def ask(k):
        start.wait()
        found[k] = made.counters.of(100 + k, 1), made.counters.of(50, 1)

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(shared) for _, shared in found.values()}) == 1
    assert apart([own for own, _ in found.values()] + [found[0][1]])


def test_the_pieces_are_whole():
    assert COUNTERS % ALIGNMENT == 0 and triton_counters.ALIGNMENT * 8 == 256
