"""Copies by way of pinned pieces, on a stand-in for a GPU whose queued copies run when the host waits for them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")

from accel.backends import triton_copy  # noqa: E402

PIECE = 100
STREAM = object()


class Link:
    """What a GPU's copies are handed to. waits: whether the host's waiting does anything. queue: copies that no one has
    waited for, in order. ends: of each queued copy, how many bytes it moves."""

    def __init__(self, waits=True):
        self.waits, self.queue, self.done, self.moved, self.pinned = waits, [], 0, [], []

    def copy_(self, target, source, non_blocking=False):
        if non_blocking:
            self.moved.append(source.numel())
            self.queue.append(lambda: REAL(target, source))
        else:
            REAL(target, source)
        return target

    def run(self, upto=None):
        while self.queue and (upto is None or self.done < upto):
            self.queue.pop(0)()
            self.done += 1


REAL = torch.Tensor.copy_


class Event:
    def __init__(self, link):
        self.link, self.at = link, 0

    def record(self, stream):
        assert stream is STREAM
        self.at = self.link.done + len(self.link.queue)

    def synchronize(self):
        if self.link.waits:
            self.link.run(self.at)


@pytest.fixture
def linked(monkeypatch):
    """linked(waits): puts a fresh stand-in in the place of torch's calls."""

    def make(waits=True):
        link = Link(waits)

        def pinned(nbytes):
            link.pinned.append(torch.full((nbytes,), 0xAA, dtype=torch.uint8))
            return link.pinned[-1]

        monkeypatch.setattr(triton_copy, "PIECE", PIECE)
        monkeypatch.setattr(triton_copy, "pinned", pinned)
        monkeypatch.setattr(triton_copy, "event", lambda: Event(link))
        monkeypatch.setattr(torch.Tensor, "copy_", lambda *a, **k: link.copy_(*a, **k))
        return link

    return make


def numbers(n):
    return np.random.default_rng(n).integers(0, 256, n, np.uint8)


def inward(x, link, spoil=True):
    """What a GPU has of x once all that was queued has run; x itself changes as soon as the copy returns."""
    host, target = triton_copy.host_tensor(x), torch.zeros(x.size, dtype=torch.uint8)
    triton_copy.copy_in(target, host, STREAM)
    if spoil and x.flags.writeable:
        x[:] = 0
    link.run()
    return target.numpy()


def outward(x):
    target = torch.zeros(x.size, dtype=torch.uint8)
    triton_copy.copy_out(target, torch.from_numpy(x), STREAM)
    return target.numpy()


LENGTHS = st.one_of(
    st.integers(0, 7 * PIECE), st.sampled_from([k * PIECE + d for k in range(1, 6) for d in (-1, 0, 1)])
)


def test_lengths(linked):
    """Every byte arrives, in pieces of at most PIECE, at every length, though copies run as late as they may."""

    @settings(max_examples=25, deadline=None, database=None, derandomize=True)
    @given(LENGTHS)
    def check(n):
        x = numbers(n)
        for direction in (lambda link: inward(x.copy(), link), lambda link: outward(x)):
            link = linked()
            np.testing.assert_array_equal(direction(link), x)
            assert sum(link.moved) == n
            assert max(link.moved, default=0) <= PIECE
            assert len(link.pinned) == 2

    check()


def test_a_copy_is_under_way_while_the_host_copies(linked, monkeypatch):
    """Two pieces are queued before the host waits for the first."""
    link, depth = linked(), []
    real = Event.synchronize
    monkeypatch.setattr(Event, "synchronize", lambda self: (depth.append(len(link.queue)), real(self))[1])
    outward(numbers(6 * PIECE))
    assert max(depth) == 2
    depth.clear()
    inward(numbers(6 * PIECE), link)
    assert max(depth) == 2


@pytest.mark.parametrize("direction", ["in", "out"])
def test_not_waiting_is_seen(linked, direction):
    """Control: a piece that is filled while it is still on its way, or read before it has come."""
    x = numbers(6 * PIECE)
    link = linked(waits=False)
    got = inward(x.copy(), link) if direction == "in" else outward(x)
    assert (got != x).any()


def test_as_it_lies(linked, monkeypatch):
    """Without a stream, from pinned memory, and where there is no memory to pin: one copy, nothing queued."""
    x = numbers(5 * PIECE)

    def whole(link):
        got = inward(x.copy(), link, spoil=False)
        np.testing.assert_array_equal(got, x)
        np.testing.assert_array_equal(outward(x), x)
        assert not link.moved

    link = linked()
    monkeypatch.setattr(torch.Tensor, "is_pinned", lambda self: True)
    whole(link)
    assert not link.pinned
    monkeypatch.setattr(torch.Tensor, "is_pinned", lambda self: False)
    target = torch.zeros(x.size, dtype=torch.uint8)
    triton_copy.copy_in(target, torch.from_numpy(x), None)
    np.testing.assert_array_equal(target.numpy(), x)
    assert not link.pinned

    def refuse(nbytes):
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(triton_copy, "pinned", refuse)
    whole(link)


def test_arrays_that_nobody_may_write_to(linked, recwarn):
    """They are read where they lie, without a copy and without torch's warning."""
    x = numbers(5 * PIECE)
    x.flags.writeable = False
    np.testing.assert_array_equal(inward(x, linked()), x)
    assert triton_copy.host_tensor(x).data_ptr() == x.ctypes.data
    nothing = np.zeros(0, np.uint8)
    nothing.flags.writeable = False
    assert triton_copy.host_tensor(nothing).numel() == 0
    assert not recwarn.list
