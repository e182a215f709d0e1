"""Launches from C++: what the driver's functions are given, against stand-ins that keep it. No OpenCL is needed."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from failing_driver import FUNCTIONS, LETTERS
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import _core

QUEUE, LOCAL, KERNEL = 0x1000, 0x2000, 0x3000

LAYOUT = accel.asarray(np.zeros(4, np.float32), device="cpu").layout


class Driver:
    """Stand-ins of the functions. state: a kernel's arguments as they are set; launches: what was queued, each with the
    arguments that it saw. answers: codes of the next calls, in order; 0 behind them."""

    def __init__(self, started: bool = True, local: bool = False) -> None:
        self.state: dict[int, int] = {}
        self.launches: list[Any] = []
        self.sets = 0
        self.answers: list[int] = []
        own = {"enqueue": self._enqueue, "set_argument": self._set}
        kinds = {name: [LETTERS[letter] for letter in letters] for name, letters in FUNCTIONS.items()}
        self._kept = [ctypes.CFUNCTYPE(ctypes.c_int, *kinds[name])(own[name]) for name in own]
        addresses = [ctypes.cast(function, ctypes.c_void_p).value for function in self._kept]
        self.commands = _core.OpenCLQueue(*addresses, 1, 1)
        self.commands.queue, self.commands.local = QUEUE if started else 0, LOCAL if local else 0
        self.starts = 0
        self.failures: list[tuple[str, int, int]] = []

    def _answer(self) -> int:
        return self.answers.pop(0) if self.answers else 0

    def _set(self, kernel: int, number: int, nbytes: int, value: int) -> int:
        code = self._answer()
        self.sets += 1
        if code == 0:
            assert (kernel, nbytes) == (KERNEL, 8)
            self.state[number] = ctypes.cast(value, ctypes.POINTER(ctypes.c_int64)).contents.value
        return code

    def _enqueue(self, queue: int, kernel: int, axes: int, offset: Any, size: int, local: int, *waits: Any) -> int:
        code = self._answer()
        if code == 0:
            assert (kernel, offset, *waits) == (KERNEL, None, 0, None, None)
            ranges = [list(ctypes.cast(x, ctypes.POINTER(ctypes.c_size_t))[:axes]) for x in (size, local)]
            self.launches.append((queue, *ranges, dict(self.state)))
        return code

    def start(self) -> None:
        self.starts += 1
        self.commands.queue = QUEUE

    def failed(self, routine: str, code: int, attempt: int) -> None:
        self.failures.append((routine, code, attempt))
        if attempt == 2 or code == -30:
            raise RuntimeError(f"{routine}: {code}")

    def launch(self, units: tuple[int, ...] = (1,), **given: Any) -> Callable[[Sequence[Any]], None]:
        what = {"size": (64,), "local": (8,), "light": False, "handle": KERNEL} | given
        return _core.OpenCLLaunch(
            self.commands, self.start, self.failed, object(), what["handle"], what["size"], what["local"], units,
            what["light"],
        )  # fmt: skip


def array(handle: int, offset: int) -> accel.Array:
    return accel.Array(SimpleNamespace(int_ptr=handle), offset, LAYOUT)


@given(
    st.integers(1, 5).flatmap(
        lambda n: st.tuples(
            st.lists(st.sampled_from([1, 2, 4, 8]), min_size=n, max_size=n),
            st.lists(
                st.lists(
                    st.tuples(st.integers(1, 1 << 47), st.sampled_from([0, 8, 16, 1 << 40])), min_size=n, max_size=n
                ),
                min_size=1,
                max_size=6,
            ),
        )
    )
)
def test_each_launch_sees_its_own_arguments(case: Any) -> None:
    """Also those that were set before, and are not set again."""
    units, calls = case
    driver = Driver()
    launch = driver.launch(tuple(units), size=(6, 4, 2), local=(3, 2, 1))
    for call in calls:
        assert launch([array(*x) for x in call]) is None
    assert len(driver.launches) == len(calls) == driver.commands.queued
    for (queue, size, local, seen), call in zip(driver.launches, calls, strict=True):
        assert (queue, size, local) == (QUEUE, [6, 4, 2], [3, 2, 1])
        wanted = [x for (handle, offset), unit in zip(call, units, strict=True) for x in (handle, offset // unit)]
        assert [seen[i] for i in range(2 * len(units))] == wanted
    again = driver.sets
    launch([array(*x) for x in calls[-1]])
    assert driver.sets - again == len(units), "control: offsets that are as they were are not set"


def test_which_queue() -> None:
    """A light launch goes to the local one where there is one and nothing waits, and is not counted."""
    for local, light, queued, shared, wanted in [
        (True, True, 0, 0, LOCAL),
        (False, True, 0, 0, QUEUE),
        (True, False, 0, 0, QUEUE),
        (True, True, 1, 0, QUEUE),
        (True, True, 0, 1, QUEUE),
    ]:
        driver = Driver(local=local)
        driver.commands.queued, driver.commands.shared = queued, shared
        assert driver.commands.idle == (queued == shared == 0)
        driver.launch(light=light)([array(5, 0)])
        assert driver.launches[0][0] == wanted
        assert driver.commands.queued == queued + (wanted == QUEUE)
        driver.commands.finished = driver.commands.queued
        assert driver.commands.idle == (not shared)


def test_a_queue_is_made_at_the_first_launch() -> None:
    driver = Driver(started=False)
    launch = driver.launch()
    for _ in range(2):
        launch((array(5, 0),))
    assert driver.starts == 1 and [seen[0] for seen in driver.launches] == [QUEUE, QUEUE]


@pytest.mark.parametrize("at", range(5))
def test_a_failure_at_each_call(at: int) -> None:
    """Of two arrays' four arguments, then of the launch: it is tried once more, with all that it needs."""
    routine = "clEnqueueNDRangeKernel" if at == 4 else "clSetKernelArg"
    driver = Driver()
    launch = driver.launch((1, 1))
    driver.answers[:] = [0] * at + [-5]
    launch([array(5, 1), array(6, 2)])
    assert driver.failures == [(routine, -5, 1)]
    assert [seen[-1] for seen in driver.launches] == [{0: 5, 1: 1, 2: 6, 3: 2}]
    for code, attempts in ((-30, 1), (-5, 2)):
        driver.failures.clear()
        driver.answers[:] = [code, code]
        with pytest.raises(RuntimeError, match=f"clSetKernelArg: {code}"):
            launch([array(7, 3), array(8, 4)])
        assert driver.failures == [("clSetKernelArg", code, i + 1) for i in range(attempts)]
        driver.answers.clear()
    launch([array(7, 3), array(8, 4)])
    assert driver.launches[-1][-1] == {0: 7, 1: 3, 2: 8, 3: 4}


def silent(driver: Driver) -> None:
    """A handler that raises nothing, though it has to."""
    driver.failed = lambda *arguments: None  # type: ignore[method-assign]
    driver.answers[:] = [-5, -5]
    driver.launch()([array(5, 0)])


@pytest.mark.parametrize(
    ("error", "match", "call"),
    [
        (TypeError, "expected 1 arrays, got 0", lambda d: d.launch()(())),
        (TypeError, "accel.Array, got int", lambda d: d.launch()([3])),
        (TypeError, "expected a tuple or list, got int", lambda d: d.launch()(3)),
        (TypeError, "positional arguments", lambda d: d.launch()()),
        (AttributeError, "int_ptr", lambda d: d.launch()([accel.Array(object(), 0, LAYOUT)])),
        (TypeError, "int", lambda d: d.launch()([accel.Array(SimpleNamespace(int_ptr="x"), 0, LAYOUT)])),
        (ValueError, "at least 1, got 0", lambda d: d.launch((0,))),
        (ValueError, "at least 1, got 0", lambda d: d.launch(size=(0,))),
        (ValueError, "0 axes", lambda d: d.launch(size=(), local=())),
        (ValueError, "4 axes", lambda d: d.launch(size=(1,) * 4, local=(1,) * 4)),
        (ValueError, "in groups of 2", lambda d: d.launch(local=(1, 1))),
        (ValueError, "1000 arrays", lambda d: d.launch((1,) * 1000)),
        (ValueError, "1 arrays", lambda d: d.launch(handle=0)),
        (TypeError, "int", lambda d: d.launch(size=("x",))),
        (ValueError, "four functions", lambda d: _core.OpenCLQueue(1, 1, 1, 0)),
        (OverflowError, "negative", lambda d: setattr(d.commands, "queued", -1)),
        (AttributeError, "deleted", lambda d: delattr(d.commands, "queued")),
        (TypeError, "map: expected 5 arguments, got 0", lambda d: d.commands.map()),
        (TypeError, "unmap: expected 3 arguments, got 1", lambda d: d.commands.unmap(1)),
        (RuntimeError, "an exception at the second attempt", silent),
    ],
)  # fmt: skip
def test_a_launch_that_is_described_wrongly(error: type, match: str, call: Callable[[Driver], object]) -> None:
    driver = Driver()
    with pytest.raises(error, match=match):
        call(driver)
    assert not driver.launches


def test_an_error_at_the_start_is_the_callers() -> None:
    driver = Driver(started=False)

    def start() -> None:
        raise accel.BackendUnavailableError("gone")

    driver.start = start  # type: ignore[method-assign]
    with pytest.raises(accel.BackendUnavailableError, match="gone"):
        driver.launch()([array(5, 0)])
    assert not driver.launches and not driver.sets
