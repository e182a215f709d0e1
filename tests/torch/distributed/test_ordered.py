"""The order of sums and products over ranks, with threads for ranks: many lengths, none of which needs a process."""

from __future__ import annotations

import queue
import threading

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import accel  # noqa: E402
from accel.numerics import BLOCK, KC  # noqa: E402
from accel.torch.distributed.ordered import chunked, product, shares, total  # noqa: E402
from accel.torch.distributed.ranks import Begun, Ranks  # noqa: E402


@pytest.fixture(autouse=True, scope="module")
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


class Waiting:
    """What a receive gives."""

    def __init__(self, into, channel):
        self.into, self.channel = into, channel

    def wait(self):
        x = self.channel.get(timeout=30)
        assert x.shape == self.into.shape and x.dtype == self.into.dtype
        self.into.copy_(x)


class Sent:
    def wait(self):
        pass


class Threads(Ranks):
    """A rank that is a thread of this process. sent: bytes that it sent to one rank, and to all."""

    def __init__(self, rank, size, channels, barrier, shared):
        super().__init__(None)
        self.rank, self.size = rank, size
        self.channels, self.barrier, self.shared = channels, barrier, shared
        self.sent = [0, 0]

    def send(self, op, x, rank):
        assert x.is_contiguous()
        self.sent[0] += x.numel() * x.element_size()
        self.channels[self.rank, rank].put(x.clone())
        return Begun(Sent(), rank)

    def receive(self, op, into, rank):
        return Begun(Waiting(into, self.channels[rank, self.rank]), rank)

    def _all(self, x):
        self.shared[self.rank] = x.clone()
        self.barrier.wait(30)
        found = list(self.shared)
        self.barrier.wait(30)
        return found

    def broadcast(self, op, x, rank):
        self.sent[1] += x.numel() * x.element_size() if rank == self.rank else 0
        return x.copy_(self._all(x)[rank])

    def gathered(self, op, x, lengths):
        self.sent[1] += x.numel() * x.element_size()
        assert x.shape[0] == lengths[self.rank]
        return torch.cat(self._all(x))


def on_threads(size, call):
    """What each rank's call gave, and what it sent."""
    channels = {(a, b): queue.Queue() for a in range(size) for b in range(size)}
    barrier, shared, results = threading.Barrier(size), [None] * size, [None] * size
    ranks = [Threads(rank, size, channels, barrier, shared) for rank in range(size)]

    def run(rank):
        try:
            results[rank] = call(ranks[rank])
        except BaseException as error:
            results[rank] = error
            barrier.abort()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for its in threads:
        its.start()
    for its in threads:
        its.join()
    for its in results:
        if isinstance(its, BaseException) and not isinstance(its, threading.BrokenBarrierError):
            raise its
    assert all(channel.empty() for channel in channels.values()), "what is sent is received"
    return results, [its.sent for its in ranks]


def drawn(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator) * torch.randn(shape, generator=generator).exp()


def same(a, b):
    return a.shape == b.shape and bool((a.contiguous().view(torch.int32) == b.contiguous().view(torch.int32)).all())


def lengths(most):
    """Of two to five ranks, of which some have nothing."""
    near = st.sampled_from([0, 1, most // 4, most // 4 + 1])
    return st.lists(st.one_of(near, st.integers(0, most)), min_size=2, max_size=5)


@given(lengths(3 * KC), st.integers(1, 4), st.integers(1, 5), st.integers(0, 9))
def test_products(parts, m, n, seed):
    k = sum(parts)
    a, b = drawn(seed, m, k), drawn(seed + 10, k, n)
    want = accel.matmul(a, b)
    results, _ = on_threads(
        len(parts),
        lambda ranks: product(
            ranks, "product", a.split(parts, 1)[ranks.rank], b.split(parts)[ranks.rank], parts, torch.float32
        ),
    )
    assert all(same(its, want) for its in results)


@given(lengths(2 * BLOCK), st.integers(1, 3), st.integers(0, 9))
def test_sums(parts, n, seed):
    x = drawn(seed, sum(parts), n)
    want = accel.sum(x, axis=0)
    results, _ = on_threads(
        len(parts), lambda ranks: total(ranks, "sum", x.split(parts)[ranks.rank].contiguous(), parts)
    )
    assert all(same(its, want) for its in results)


def test_another_order_would_be_seen():
    a, b, x = drawn(1, 4, 600), drawn(2, 600, 4), drawn(3, 5000, 2)
    by_rank = accel.matmul(a[:, :300], b[:300]) + accel.matmul(a[:, 300:], b[300:])
    assert not same(by_rank, accel.matmul(a, b))
    assert not same(accel.sum(x[:2500], axis=0) + accel.sum(x[2500:], axis=0), accel.sum(x, axis=0))


def test_what_travels():
    """Bytes of a product m x n of float32 and of a sum of n columns, as docs/torch.md has them."""
    m, n = 6, 5

    def sent(parts):
        a, b = drawn(1, m, sum(parts)), drawn(2, sum(parts), n)
        _, found = on_threads(
            len(parts),
            lambda ranks: product(
                ranks, "product", a.split(parts, 1)[ranks.rank], b.split(parts)[ranks.rank], parts, torch.float32
            ),
        )
        return found

    assert sent([512, 512]) == [[4 * m * n, 0], [0, 4 * m * n]]
    assert sent([512, 256, 256]) == [[4 * m * n, 0], [4 * m * n, 0], [0, 4 * m * n]]
    assert sent([500, 524]) == [[4 * m * n, 0], [4 * 12 * (m + n), 4 * m * n]], "12 of k, of both operands"
    assert sent([100, 100]) == [[0, 4 * m * n], [4 * 100 * (m + n), 0]], "one chunk: the first rank has all of it"

    def summed(parts):
        x = drawn(1, sum(parts), n)
        return on_threads(len(parts), lambda ranks: total(ranks, "sum", x.split(parts)[ranks.rank], parts))[1]

    assert summed([BLOCK, BLOCK]) == [[0, 4 * n], [0, 4 * n]]
    assert summed([100, 100]) == [[4 * 64 * n, 0], [0, 4 * n]]
    assert summed([BLOCK + 1, 7]) == [[4 * 64 * n, 4 * n], [0, 4 * n]]


@given(st.integers(0, 5000), st.integers(1, 9), st.integers(1, 200), st.integers(1, 600))
def test_shares(count, size, parts, width):
    for n, words in ((count, ()), (parts * 3, (parts,)), (parts * 2, (parts, width))):
        found = shares(n, size, *words)
        each = n // words[0] if words else 1
        assert sum(found) == n and len(found) == size and min(found) >= 0
        assert all(its % each == 0 for its in found)
        wide = words[1] if len(words) > 1 else each
        starts = [sum(found[:r]) // each * wide for r in range(size)] if each else []
        if -(-(words[0] if words else n) * wide // KC) >= size and KC % wide == 0:
            assert all(start % KC == 0 for start in starts)
    if count >= size * KC:
        found = shares(count, size)
        assert chunked(found) == [sum(found[:r]) for r in range(size + 1)]
        assert max(found) - min(found) < 2 * KC


@pytest.mark.parametrize("words", [(-1, 2), (4, 0), (4, 2, 3), (4, 2, 0), (4, 2, 2, 0), (4.5, 2), ("4", 2)])
def test_shares_that_there_are_not(words):
    with pytest.raises(accel.ArgumentError, match="shares"):
        shares(*words)
