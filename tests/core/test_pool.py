"""The pool of host memory: blocks apart and aligned, reuse, and the limit of what lies idle."""

from __future__ import annotations

import ctypes
import gc
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import _core

SIZES = st.one_of(st.integers(0, 9000), st.integers(1 << 19, 5 << 20), st.sampled_from([4096, 4097, 1 << 20, 2 << 20]))


@pytest.fixture
def limit():
    """Sets the limit; the automatic one afterwards."""

    def set_limit(value):
        accel.config.pool_limit = value

    yield set_limit
    accel.config.pool_limit = None


def resident() -> int:
    """Bytes of this process that are in memory."""
    with open("/proc/self/statm", encoding="utf-8") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@given(st.lists(st.tuples(SIZES, st.booleans()), max_size=40), st.sampled_from([0, 10_000, 1 << 21, 1 << 30]))
def test_blocks_are_apart_aligned_and_whole(steps, limit):
    accel.config.pool_limit = limit
    try:
        held: list[tuple[object, np.ndarray, int]] = []
        for mark, (nbytes, drop) in enumerate(steps):
            buffer = _core.allocate(nbytes)
            view = np.asarray(buffer)
            assert (buffer.address % 64, buffer.nbytes, view.size) == (0, nbytes, nbytes)
            view[:] = mark
            held.append((buffer, view, mark))
            if drop:
                del buffer, view
                held.pop(len(held) // 2)
            assert _core.idle_bytes() <= limit
            assert all((view == mark).all() for _, view, mark in held), "two blocks share memory"
    finally:
        accel.config.pool_limit = None


def test_memory_serves_the_next_array_of_its_size(limit):
    limit("1G")
    for n in (10, 5000, 3 << 20):
        x = accel.empty((n,), dtype="uint8", device="cpu")
        address = x.buffer.address
        del x
        assert accel.empty((n,), dtype="uint8", device="cpu").buffer.address == address


def test_a_view_keeps_its_memory(limit):
    limit("1G")
    x = np.asarray(accel.add(accel.ones((3000,), device="cpu"), 1))
    gc.collect()
    others = [accel.zeros((3000,), device="cpu") for _ in range(10)]
    assert (x == 2).all()
    assert len(others) == 10


def test_the_limit_returns_memory_to_the_system(limit):
    limit("1G")
    x = accel.zeros((1 << 27,), dtype="uint8", device="cpu")
    full = resident()
    del x
    assert resident() > full - (1 << 26), "control: it lies idle"
    assert _core.idle_bytes() >= 1 << 27
    limit(1 << 20)
    assert _core.idle_bytes() <= 1 << 20
    assert resident() < full - (1 << 26)


def test_nothing_lies_idle_under_a_limit_of_0(limit):
    limit(0)
    del [accel.zeros((n,), device="cpu") for n in (1, 100, 10_000, 10_000_000)][:]
    assert _core.idle_bytes() == 0


def test_idle_memory_goes_before_memory_runs_out(limit):
    limit("1G")
    x = accel.zeros((1 << 24,), device="cpu")
    del x
    with pytest.raises(accel.OutOfMemoryError, match=r"cpu: .* bytes were asked for"):
        accel.empty((1 << 58,), dtype="uint8", device="cpu")
    assert _core.idle_bytes() == 0


def test_it_is_a_setting_of_the_process():
    with (
        pytest.raises(accel.ConfigError, match=r"config\(pool_limit\).*accel.config.pool_limit"),
        accel.config(pool_limit=1),
    ):
        pass


def test_buffers_refuse_what_they_cannot_hold():
    with pytest.raises(ValueError, match="nbytes"):
        _core.HostBuffer(64, -1, None)
    with pytest.raises(TypeError):
        _core.HostBuffer("64", 1, None)
    for bad, error in ((-1, ValueError), (1 << 70, OverflowError), ("8", TypeError)):
        with pytest.raises(error):
            _core.allocate(bad)
    buffer = _core.allocate(8)
    with pytest.raises(AttributeError, match="owner"):
        buffer.owner = 1
    fixed = _core.HostBuffer(buffer.address, 8, buffer, readonly=True)
    assert not np.frombuffer(fixed, np.uint8).flags.writeable
    with pytest.raises(TypeError):
        (ctypes.c_char * 8).from_buffer(fixed)
