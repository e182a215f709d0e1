"""Memory that a CPU device and the host share where copy=False asks for it: no element is copied, on either way."""

from __future__ import annotations

import ctypes
import gc
import weakref
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel._core import allocate
from accel.backends import opencl_device
from accel.backends.opencl_device import OWN
from accel.dtypes import DTYPES
from accel.testing import conform


@pytest.fixture
def nothing_allocated(device: accel.Device, monkeypatch: pytest.MonkeyPatch) -> None:
    given = device.allocate

    def allocate(nbytes: int) -> Any:
        assert nbytes < 100, f"{nbytes} bytes were allocated"
        return given(nbytes)  # a number's

    monkeypatch.setattr(device, "allocate", allocate)


def address(x: np.ndarray) -> int:
    return x.__array_interface__["data"][0]


def test_numpys_memory_is_used_where_it_lies(device: accel.Device, nothing_allocated: None) -> None:
    """From any place on, of any size and strides; what either side writes the other reads."""
    memory = np.zeros(100_003, np.float32)
    for source in (memory, memory[1:], memory[5:95], memory[::-7], memory[3:99_003].reshape(100, 990).T[::3]):
        source[...] = np.arange(source.size).reshape(source.shape)
        x = accel.asarray(source, device=device, copy=False)
        assert (x.device, x.shape, x.dtype) == (device, source.shape, accel.float32)
        assert (np.asarray(x) == source).all()
        source *= 2
        assert (np.asarray(x) == source).all()
        x += 1
        device.synchronize()
        assert (source == 2 * np.arange(source.size).reshape(source.shape) + 1).all()
    assert np.isin(memory, np.concatenate([[0], 2 * np.arange(100_003) + 1])).all()


@given(
    st.sampled_from(("bool", "bfloat16", "float32", "complex64")),
    st.integers(0, 40),
    st.integers(0, 300),
    st.data(),
)
def test_of_every_dtype_and_place(device: accel.Device, dtype: str, first: int, n: int, data: st.DataObject) -> None:
    if device.missing(DTYPES[dtype].component.name):
        return
    numbers = data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    memory = np.ones(first + n + 3, DTYPES[dtype].numpy)
    source = memory[first : first + n]
    source[...] = numbers
    x = accel.asarray(source, device=device, copy=False)
    assert np.asarray(x).tolist() == source.tolist()
    x[...] = x == 0
    device.synchronize()
    assert source.tolist() == [not each for each in numbers]
    assert (memory[:first] == 1).all()
    assert (memory[first + n :] == 1).all()


def test_memory_that_cannot_be_written_to(device: accel.Device) -> None:
    source = np.arange(6.0, dtype=np.float32)
    source.flags.writeable = False
    x = accel.asarray(source, device=device, copy=False)
    assert (np.asarray(x + x) == source + source).all()
    with pytest.raises(accel.ArgumentError, match="read-only"):
        x += 1
    assert (source == np.arange(6)).all()


def test_operands_that_overlap_in_the_hosts_memory(device: accel.Device) -> None:
    memory = np.arange(1000, dtype=np.int32)
    x, y = (accel.asarray(memory[part], device=device, copy=False) for part in (slice(0, 900), slice(7, 907)))
    y[...] = x
    device.synchronize()
    assert (memory == np.concatenate([np.arange(7), np.arange(900), np.arange(907, 1000)])).all()


def test_memory_stays_until_queued_work_is_done(device: accel.Device) -> None:
    """Though nothing holds the array, nor NumPy's, once the call is queued."""
    n = 1 << 22
    for _ in range(5):
        source = np.ones(n, np.float32)
        gone = weakref.ref(source)
        x = accel.asarray(source, device=device, copy=False)
        assert gone() is not None
        y = accel.exp(accel.exp(x))
        del x, source
        gc.collect()
        assert gone() is None
        np.full(n, 7.0, np.float32)
        assert (np.asarray(y) == accel.exp(accel.exp(np.ones(1, np.float32)))).all()


def test_a_large_buffers_memory_is_nobodys_until_queued_work_is_done(device: accel.Device) -> None:
    """It is accel's own: the device's next buffer may have it at once, others when the device has been waited for."""

    def addresses(buffers: list[Any]) -> set[int]:
        return {buffer.address for buffer in buffers}

    n = 4 * OWN
    x = accel.ones(n // 4, dtype="float32", device=device)
    device.synchronize()
    where = address(np.asarray(x, copy=False))
    y = accel.exp(accel.exp(x))
    assert not device.idle
    del x
    gc.collect()
    assert where not in addresses([allocate(n) for _ in range(3)])
    z = accel.empty(n // 4, dtype="float32", device=device)
    assert address(np.asarray(z, copy=False)) == where
    first = accel.exp(accel.exp(np.ones(1, np.float32)))
    assert (np.asarray(y) == first).all()
    del z
    gc.collect()
    device.synchronize()
    assert where in addresses([allocate(n) for _ in range(3)]), "the control: then anybody's"


def test_large_buffers_that_are_let_go_are_bounded(device: accel.Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of sizes that never come again, and with nobody who waits."""
    monkeypatch.setattr(opencl_device, "HELD", 8 * OWN)
    device.synchronize()
    for extra in range(12):
        x = accel.ones(OWN // 4 + 16 * extra, dtype="float32", device=device)
        accel.exp(x)
        del x
        held = sum(memory.nbytes for free in device._let_go.values() for memory in free)
        assert held <= 12 * OWN


def test_a_buffer_is_read_where_it_lies(device: accel.Device) -> None:
    x = accel.asarray(np.arange(30_000, dtype=np.float32).reshape(100, 300), device=device)
    for each in (x, x[3:, ::2], x.mT[::-1]):
        seen = np.asarray(each, copy=False)
        assert not seen.flags.writeable
        assert (seen == np.asarray(each)).all()
        assert address(seen) == address(np.asarray(each, copy=False))
        each *= 2
        device.synchronize()
        assert (seen == np.asarray(each)).all()
    seen = np.from_dlpack(x, device="cpu", copy=False)
    assert address(seen) == address(np.asarray(x, copy=False))
    before = np.asarray(x)
    del x, each
    gc.collect()
    assert (seen == before).all()
    assert np.asarray(accel.zeros((0, 3), device=device), copy=False).shape == (0, 3)


def test_both_ways_together(device: accel.Device) -> None:
    source = np.arange(50, dtype=np.int64)
    x = accel.from_dlpack(source, device=device, copy=False)
    assert address(np.asarray(x[4:], copy=False)) == address(source) + 32


def test_a_copy_that_is_due_is_refused(device: accel.Device) -> None:
    big = np.arange(5, dtype=">i4")
    odd = np.zeros(9, np.uint8)[1:].view(np.int32)
    for source, keywords in ((big, {}), (odd, {}), (np.ones(3), {"dtype": "float32"}), ([1, 2], {})):
        with pytest.raises(ValueError, match="copy=False"):
            accel.asarray(source, device=device, copy=False, **keywords)
    with pytest.raises(ValueError, match="cannot become"):
        np.asarray(accel.zeros(3, device=device), np.float64, copy=False)


def test_without_the_keyword_elements_are_copied(device: accel.Device) -> None:
    """The control: nothing is shared then."""
    source = np.zeros(1000, np.float32)
    x = accel.asarray(source, device=device)
    source += 1
    assert (np.asarray(x) == 0).all()
    seen = np.asarray(x)
    x += 5
    assert (seen == 0).all()


@pytest.mark.parametrize("fault", [None, "borrow", "lend"])
def test_the_kit_tells_a_copy_from_shared_memory(
    device: accel.Device, monkeypatch: pytest.MonkeyPatch, fault: str | None
) -> None:
    def copied(address: int, nbytes: int, owner: np.ndarray, readonly: bool) -> tuple[Any, int]:
        buffer = device.allocate(nbytes)
        device.copy_in(buffer, 0, np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(address)).copy())
        return buffer, 0

    if fault is not None:
        wrong = {"borrow": copied, "lend": lambda buffer: np.zeros(buffer.size, np.uint8)}
        monkeypatch.setattr(device, fault, wrong[fault])
    row = next(row for row in conform.contract_rows(device) if row.op == "contract: sharing")
    assert (row.status == "pass") == (fault is None), row
