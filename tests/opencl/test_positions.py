"""On CPU devices the host looks at positions where they lie: one launch for a gather, after all that writes to them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import numpy as np
import pytest
from failing_driver import FailingFunction

import accel
from accel import _core, dispatch
from accel.errors import ArgumentError, OutOfMemoryError
from accel.ops.primitive import gather
from accel.recording import recording

ROWS = 40
X = np.arange(ROWS * 3, dtype=np.float32).reshape(ROWS, 3)


def on(device: accel.Device, *arrays: np.ndarray) -> list[accel.Array]:
    return [accel.asarray(x, device=device) for x in arrays]


@pytest.fixture
def launches(device: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the kernels that are queued from now on."""
    names: list[str] = []
    own = type(device).launch

    def noted(self: Any, kernel: Any, *arguments: Any) -> Any:
        run = own(self, kernel, *arguments)

        def named(arrays: Any) -> None:
            names.append(kernel.function_name)
            run(arrays)

        return named

    monkeypatch.setattr(type(device), "launch", noted)
    dispatch.forget()
    yield names
    dispatch.forget()


CALLS = {
    "take": lambda x, i: accel.take(x, i, axis=0),
    "take_along_axis": lambda x, i: accel.take_along_axis(x, i[:, None], axis=0),
    "index": lambda x, i: x[i],
    "embedding": lambda x, i: accel.nn.embedding(i, x),
    "index_select": lambda x, i: accel.index_select(x, 0, i),
    "fused": accel.fuse(lambda x, i: accel.take(x, i, axis=0)),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_look_is_no_launch(name: str, device: Any, launches: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """And finds the same; the control is a device of which the host sees nothing."""
    rng = np.random.default_rng(2)
    good, wrong = rng.integers(0, ROWS, 70), rng.integers(0, ROWS, 70)
    wrong[33] = ROWS
    x, i, bad = on(device, X, good, wrong)
    call, want = CALLS[name], CALLS[name](*on("cpu", X, good))
    for looked_at in (False, True):
        monkeypatch.setattr(type(device), "looked_at", looked_at)
        dispatch.forget()
        for _ in range(3):  # from the second on, a call is found by its layouts
            launches.clear()
            assert np.asarray(call(x, i)).tobytes() == np.asarray(want).tobytes()
            assert launches.count("gather") == 1 and (len(launches) == 1) == looked_at
            with pytest.raises(IndexError, match=f"{ROWS} is out of range for an axis of length {ROWS}"):
                call(x, bad)


def test_a_recorded_call_is_recorded_once(device: Any) -> None:
    """Also of positions out of range, which nothing looks at where nothing runs."""
    x, good, bad = on(device, X, np.arange(6), np.arange(6) + ROWS)
    for _ in range(2):
        accel.take(x, good, axis=0)
    for run, i in ((False, good), (False, bad), (True, good)):
        with recording(run=run) as recorder:
            accel.take(x, i, axis=0)
        assert len(recorder.calls) == 1
    with recording(run=True) as recorder, pytest.raises(IndexError):
        accel.take(x, bad, axis=0)
    assert not recorder.calls
    blind = _core.Take(gather._taken._table, gather._take, dispatch.call, ContextVar("nobody", default=None))
    with recording(run=False) as recorder:
        blind(x, bad, 0)
    assert len(recorder.calls) == 2, "control: it does not know of the recorder"


def test_what_writes_positions_is_waited_for(device: Any) -> None:
    """They are computed just before, by launches that take longer than a look; the last ones are out of range."""
    n = 1 << 20
    x, i = on(device, np.arange(n, dtype=np.float32), np.arange(n))
    for step in range(1, 4):
        i = (i * 3 + step) % n
        assert float(accel.take(x, i)[5]) == int(i[5])
    whole = _core.within(i, -n, n)
    assert whole is True
    i[:] = i + n
    with pytest.raises(IndexError):
        accel.take(x, i)
    assert _core.within(i, -n, n) is None and _core.within(i, -n, 2 * n) is True
    i -= 2 * n
    assert _core.within(i, -n, n) is False, "some are below 0"


def test_every_walk_and_place(device: Any, backend: Any) -> None:
    """Positions that are parts of a buffer, reversed, repeated, in a user's queue and sub-buffer."""
    import pyopencl as cl
    import pyopencl.array as cl_array

    rng = np.random.default_rng(4)
    table = rng.integers(-ROWS, ROWS, (9, 8))
    table[4, 4] = ROWS  # which only some walks meet
    x, i = on(device, X, table)
    for key in (np.s_[0], np.s_[::-2, 3], np.s_[8:2:-3, ::-1], np.s_[1:3, 1:2], np.s_[:, 4], np.s_[4]):
        for part in (i[key], accel.broadcast_to(i[key], (2, *table[key].shape))):
            if (table[key] == ROWS).any():
                with pytest.raises(IndexError):
                    accel.take(x, part, axis=0)
            else:
                want = np.take(X, table[key], axis=0)
                assert (np.asarray(accel.take(x, part, axis=0)) == want).all()
    assert np.asarray(accel.take(x, i[:0, 0], axis=0)).shape == (0, 3)
    queue = cl.CommandQueue(device.context)
    good = np.arange(ROWS)
    mine = cl_array.to_device(queue, good)
    size = queue.device.mem_base_addr_align  # in bits
    part = mine.base_data.get_sub_region(0, min(size, 8 * 16))
    place = accel.asarray(X, device=accel.asarray(mine).device)
    below = cl_array.Array(queue, (16,), np.int64, data=part)
    for its, want in ((mine, good), (below, good[:16])):
        for _ in range(2):
            assert (np.asarray(accel.take(place, accel.asarray(its), axis=0)) == X[want]).all()
    below[3] = ROWS
    with pytest.raises(IndexError):
        accel.take(place, accel.asarray(mine), axis=0)


def test_stores_are_looked_at_first(device: Any, backend: Any) -> None:
    """Nothing is written where a position is wrong, nor to a buffer that is read-only, also of layouts met before."""
    import pyopencl as cl

    good, wrong = np.array([3, 0, 7]), np.array([3, ROWS, 7])
    x, i, bad, values = on(device, X, good, wrong, np.full((3, 3), 9.0, np.float32))
    want = X.copy()
    want[good] = 9
    for _ in range(3):
        x[:] = accel.asarray(X, device=device)
        with pytest.raises(IndexError):
            x[bad] = values
        assert (np.asarray(x) == X).all()
        x[i] = values
        assert (np.asarray(x) == want).all()
    flags = cl.mem_flags.READ_ONLY | cl.mem_flags.COPY_HOST_PTR
    fixed = accel.Array(cl.Buffer(device.context, flags, hostbuf=X.copy()), 0, x.layout)
    with pytest.raises(ArgumentError, match="read-only"):
        fixed[i] = values
    assert (np.asarray(fixed) == X).all()


def test_a_map_that_fails(device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that is used up is asked for a second time, and is then an error that leaves all as it was."""
    x, i = on(device, X, np.arange(5))
    want = np.asarray(accel.take(x, i, axis=0))
    with monkeypatch.context() as patch:
        broken = FailingFunction(patch, device.commands, "map_function", -4, 1)
        assert accel.take(x, i, axis=0).shape == want.shape
        assert broken.calls == 2, "control: the first try failed"
    with monkeypatch.context() as patch:
        FailingFunction(patch, device.commands, "map_function", -4, 2)
        with pytest.raises(OutOfMemoryError, match="MEM_OBJECT_ALLOCATION_FAILURE"):
            accel.take(x, i, axis=0)
    assert (np.asarray(accel.take(x, i, axis=0)) == want).all()


def test_threads_look_at_once(device: Any) -> None:
    x, i, j = on(device, np.arange(1 << 15, dtype=np.float32), np.arange(1 << 15)[::-1].copy(), np.arange(1 << 15))

    def some(seed: int) -> bool:
        for k in range(20):
            heavy = accel.exp(x) if (seed + k) % 3 else x
            got = accel.take(accel.take(x, i), (i if seed % 2 else j) + 0)
            if float(got[7]) != (7 if seed % 2 else (1 << 15) - 8) or float(heavy[0]) not in (0.0, 1.0):
                return False
            if np.asarray(i, copy=False)[7] != (1 << 15) - 8:  # a map of the same memory, until it is collected
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(some, range(8)))
