"""Light launches run in the calling thread where a CPU device can do that, and never before what they wait for."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from canonical_calls import run

import accel
from accel.kernels.opencl import build
from accel.scalar import program_for

sys.path.insert(0, str(Path(__file__).parents[1] / "environment"))
from environments import FOREIGN, foreign

SMALL, LARGE = 1000, 1 << 22


@pytest.fixture
def local(device: Any, monkeypatch: pytest.MonkeyPatch) -> accel.Device:
    """A device that can, with nothing queued, whose queue nobody else has."""
    if not device._runs_locally:
        pytest.skip(f"{device.description} cannot: it has no cl_intel_exec_by_local_thread, or no device beside it")
    monkeypatch.setattr(device.commands, "shared", 0)
    assert device.context is not None  # starts it
    device._finish()
    return device


def ones(n: int, device: accel.Device) -> accel.Array:
    return accel.asarray(np.ones(n, np.float32), device=device)


def test_a_light_launch_is_done_when_it_returns(local: accel.Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a heavy one is queued; no thread of the driver takes part in the first."""
    x, queued, threads = ones(SMALL, local), local.commands.queued, []
    original = local._wait
    monkeypatch.setattr(local, "_wait", lambda wait: (threads.append(threading.get_ident()), original(wait)))
    y = x + x
    assert (local.commands.queued, threads) == (queued, [])
    assert (np.asarray(y) == 2).all()
    heavy = ones(LARGE, local)
    heavy = heavy + heavy
    assert local.commands.queued == queued + 1


@pytest.mark.parametrize("op", ["add", "exp", "sum", "matmul", "cumulative_sum", "softmax", "sort"])
def test_the_bits_are_the_canonical_ones(op: str, local: accel.Device) -> None:
    """Of small operands, all of whose launches are light, and of larger ones, some of whose are not."""
    rng = np.random.default_rng(3)
    for n in (33, 1300):
        local.synchronize()
        queued = local.commands.queued
        operands = [rng.standard_normal((n, n), np.float32) for _ in range(2 if op in ("add", "matmul") else 1)]
        run(op, local, *operands, **({"axis": -1} if op in ("cumulative_sum", "softmax", "sum", "sort") else {}))
        assert (local.commands.queued == queued) == (n == 33), n


def test_nothing_overtakes_what_is_queued(local: accel.Device) -> None:
    """Each light launch reads what a heavy one before it writes, and the other way round."""
    x = ones(LARGE, local)
    for _ in range(5):
        local.synchronize()
        y = accel.exp(x) * 0 + 3
        assert local.commands.queued != local.commands.finished, "control: the heavy launch waits"
        part = y[-SMALL:] + 1
        y[-SMALL:] = part
        total = accel.sum(y)
        assert float(total) == 3 * LARGE + SMALL
        assert (np.asarray(part) == 4).all()


def test_what_is_freed_is_not_written_too_early(local: accel.Device) -> None:
    """A buffer goes back to the pool while a queued launch still reads it; its next owner is filled by a light one."""
    for _ in range(8):
        local.synchronize()
        x = ones(1 << 20, local)
        heavy = accel.tanh(accel.exp(x)) + x
        del x
        again = accel.asarray(np.zeros(16, np.float32), device=local) + accel.asarray(
            np.zeros((1 << 16, 16), np.float32), device=local
        )
        assert len({*np.asarray(heavy).tolist()}) == 1
        assert not np.asarray(again).any()


def test_threads_share_a_device(local: accel.Device) -> None:
    def chain(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        for _ in range(12):
            n = int(rng.choice([10, SMALL, 1 << 18]))
            x = rng.integers(0, 20, n).astype(np.float32)  # sums are exact
            y = accel.asarray(x, device=local)
            got = np.asarray(accel.cumulative_sum(y * 2)[-1] + accel.max(y))
            if float(got) != np.cumsum(2 * x, dtype=np.float64)[-1] + x.max():
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(chain, range(8)))


def test_the_callers_environment_does_not_reach_it(local: accel.Device) -> None:
    """The kernel runs on the caller's own thread; the control is NumPy, which computes on it too."""
    x = np.array([1e-40, 1.0, 3.0, -7.0], np.float32)
    want = x / np.float32(3)
    placed = accel.asarray(x, device=local)
    changed = 0
    for name in FOREIGN:
        queued = local.commands.queued
        with foreign(name):
            got, other = placed / 3, x / np.float32(3)
        assert local.commands.queued == queued
        assert np.asarray(got).tobytes() == want.tobytes(), name
        changed += other.tobytes() != want.tobytes()
    assert changed == len(FOREIGN)


def test_what_is_light() -> None:
    """The least work that counts is that of one element; products count their multiply-adds."""
    assert build.operations(program_for("add", ("float32", "float32"))) == 1
    assert build.operations(program_for("exp", ("float32",))) > 10
    assert 65536 * (3 + build.operations(program_for("add", ("float32", "float32")))) <= build.LIGHT
