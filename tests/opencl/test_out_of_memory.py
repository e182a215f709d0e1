"""A driver that runs out of memory, at every call that may say so: what is held is freed, the call tried again, and the
error is OutOfMemoryError."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from failing_driver import FUNCTIONS, Failing, FailingFunction, failure

import accel
from accel.backends import opencl_query

CODES = opencl_query.EXHAUSTED


class Pool:
    """A device's pool whose allocate is another."""

    def __init__(self, pool: Any, allocate: Failing) -> None:
        self.pool, self.allocate = pool, allocate

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pool, name)


def held(device: Any) -> int:
    return device._pool.managed_bytes - device._pool.active_bytes


def fail(monkeypatch: pytest.MonkeyPatch, device: Any, place: str, code: int, times: int) -> Failing:
    """Lets a call of the driver fail. place: its name."""
    import pyopencl as cl

    if place == "pool":
        broken = Failing(device._pool.allocate, code, times)
        monkeypatch.setattr(device, "_pool", Pool(device._pool, broken))
        return broken
    if place in FUNCTIONS:
        return FailingFunction(monkeypatch, device.commands, place, code, times)
    if place == "enqueue_copy":  # where the host sees nothing of what the device has
        monkeypatch.setattr(type(device), "looked_at", False)
    owner, name = (cl.Kernel, "set_arg") if place == "set_arg" else (cl, place)
    broken = Failing(getattr(owner, name), code, times)
    monkeypatch.setattr(owner, name, (lambda *args: broken(*args)) if place == "set_arg" else broken)
    return broken


def work(device: Any, place: str) -> np.ndarray:
    """Makes each of the calls, with a result to look at: 1 to 4, twice."""
    if place == "Buffer":
        large = device.allocate((64 << 20) + 1)
        device.copy_in(large, 0, np.arange(1, 5, dtype=np.float32).view(np.uint8))
        return 2 * device.copy_out(large, 0, 16).view(np.float32)
    x = accel.asarray(np.arange(1, 5, dtype=np.float32), device=device)
    return np.asarray(x + x)


PLACES = ("pool", "Buffer", "enqueue_copy", "set_arg", "Kernel", *FUNCTIONS)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("place", PLACES)
def test_a_second_try_after_the_held_memory_is_freed(
    device: Any, monkeypatch: pytest.MonkeyPatch, place: str, code: str
):
    accel.dispatch.forget()
    accel.asarray(np.ones(100_000, np.float32), device=device)  # returns to the pool
    device._pool.free_held()
    rest = held(device)  # by which blocks in use are longer than what they were asked for
    accel.asarray(np.ones(100_000, np.float32), device=device)
    assert held(device) > rest
    seen = []
    with monkeypatch.context() as patch:
        broken = fail(patch, device, place, CODES[code], 1)
        original = broken.call
        broken.call = lambda *args, **keywords: (seen.append(held(device)), original(*args, **keywords))[1]
        assert work(device, place).tolist() == [2, 4, 6, 8]
    assert broken.calls >= 2
    assert seen[0] == rest, "what the pool held was not freed before the second try"


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("place", PLACES)
def test_out_of_memory_for_good(device: Any, monkeypatch: pytest.MonkeyPatch, place: str, code: str):
    """The error has the driver's words and how much there is; arrays and plans go on working."""
    live = accel.asarray(np.arange(5, dtype=np.float32), device=device)
    accel.dispatch.forget()
    with monkeypatch.context() as patch:
        broken = fail(patch, device, place, CODES[code], 10**6)
        with pytest.raises(accel.OutOfMemoryError, match=code) as caught:
            work(device, place)
    assert broken.calls == 2
    assert f"{device}: " in str(caught.value)
    assert str(device.memory) in str(caught.value)
    assert np.asarray(live + live).tolist() == [0, 2, 4, 6, 8]
    assert work(device, place).tolist() == [2, 4, 6, 8]


@pytest.mark.parametrize("place", PLACES)
def test_other_errors_are_left_alone(device: Any, monkeypatch: pytest.MonkeyPatch, place: str):
    """Control: not everything that fails is out of memory, and it is not tried again."""
    import pyopencl as cl

    accel.dispatch.forget()
    with monkeypatch.context() as patch:
        broken = fail(patch, device, place, cl.status_code.INVALID_VALUE, 10**6)
        with pytest.raises(cl.LogicError, match="INVALID_VALUE"):
            work(device, place)
    assert broken.calls == 1


@pytest.mark.parametrize("code", CODES)
def test_work_that_is_lost_is_not_waited_for_again(device: Any, monkeypatch: pytest.MonkeyPatch, code: str):
    """Where queued work fails, its results are not there: a second `finish` would pass over that."""

    class Queue:
        def __init__(self, queue: Any) -> None:
            self.finish = Failing(queue.finish, CODES[code], 1)

    queue = Queue(device.queue)
    with monkeypatch.context() as patch:
        patch.setattr(device, "_queue", queue)
        with pytest.raises(accel.OutOfMemoryError, match=code):
            device.synchronize()
    assert queue.finish.calls == 1


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("times", [1, 10**6])
def test_a_compiler_that_runs_out_of_memory(
    device: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, code: str, times: int
):
    """It is no error in the source."""
    import pyopencl as cl

    source = f"// {tmp_path}\n__kernel void nothing(__global int *x) {{ x[0] = 1; }}"  # in no cache
    broken = Failing(cl.Program.build, CODES[code], times)
    monkeypatch.setattr(cl.Program, "build", lambda *args, **keywords: broken(*args, **keywords))
    with accel.config(cache_dir=str(tmp_path)):
        if times == 1:
            assert device.kernel("nothing", source, "nothing").num_args == 1
            return
        with pytest.raises(accel.OutOfMemoryError, match=code):
            device.kernel("nothing", source, "nothing")
    assert broken.calls == 2


def test_which_errors_are_out_of_memory(device: Any):
    assert all(opencl_query.out_of_memory(failure(code)) for code in CODES.values())
    assert not any(opencl_query.out_of_memory(failure(code)) for code in (-11, -30, -36, -9999))
    import pyopencl as cl

    assert opencl_query.out_of_memory(cl.RuntimeError("clFinish failed: OUT_OF_RESOURCES"))
    assert not opencl_query.out_of_memory(cl.RuntimeError("clFinish failed: INVALID_COMMAND_QUEUE"))
    assert [cl.status_code.to_string(code) for code in CODES.values()] == list(CODES)
    assert not any(opencl_query.out_of_memory(error) for error in (ValueError("OUT_OF_RESOURCES"), MemoryError()))


def test_the_host_runs_out_before_a_device_in_its_memory_does(device: Any, monkeypatch: pytest.MonkeyPatch):
    """Drivers of CPU devices take addresses as the system gives them, with no memory behind."""
    from accel import host_memory

    monkeypatch.setattr(host_memory, "available", lambda: 1 << 28)
    with pytest.raises(accel.OutOfMemoryError, match=rf"{1 << 29} bytes were asked for.* {1 << 28} can still be had"):
        accel.empty(1 << 29, dtype="uint8", device=device)
    monkeypatch.setattr(device, "_shares_host_memory", False)
    assert accel.empty(1 << 29, dtype="uint8", device=device).nbytes == 1 << 29, "control"
