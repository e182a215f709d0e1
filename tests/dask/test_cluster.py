"""Processes of `distributed`: the same bits on two workers, who is refused, and a worker that dies."""

import gc
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import dask
import pytest
from chunked import equal_bits, numbers
from distributed import Client, LocalCluster, wait
from distributed.protocol.pickle import dumps
from slow_job import digest, job, wanted

import accel
import accel.dask as ad
from accel.dask import plugin
from accel.numerics import BIT_CONTRACT, BLOCK


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with (
        dask.config.set({"distributed.worker.daemon": False}),
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as made,
    ):
        yield made


def test_two_processes_give_the_bits_of_one(client):
    devices = ad.check(client)
    assert len(devices) == 2 and set(devices.values()) == {str(accel.default_device())}
    x = numbers(1, (20, BLOCK + 99), "bfloat16")
    d = ad.from_array(x, (11, 1700))
    kept = client.persist(ad.exp2(d))
    first, second = client.compute([ad.sum(kept), ad.nn.softmax(d, axis=1)])
    assert equal_bits(first.result(), accel.sum(accel.exp2(x)))
    assert equal_bits(second.result(), accel.nn.softmax(x, axis=1))
    assert equal_bits(kept.to_numpy(scheduler="distributed"), accel.exp2(x))


def test_results_go_with_their_collection(client):
    """At once, and not when Python looks for circles: workers keep them until then."""
    gc.collect()
    gc.disable()
    try:
        kept = client.persist(ad.exp(ad.ones((4, 4), chunks=2)))
        wait(kept)
        assert len(client.futures) == 4
        del kept
        end = time.monotonic() + 10
        while client.futures and time.monotonic() < end:
            time.sleep(0.01)
        assert not client.futures
    finally:
        gc.enable()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_workers_gives_one_hash(workers):
    x, y = numbers(2, (300, 3 * BLOCK + 77), "float32"), numbers(3, (3 * BLOCK + 77, 50), "float32")
    normal = (x - accel.mean(x, axis=0)) / accel.std(x, axis=0)
    wanted = [accel.sum(x), accel.nn.softmax(x, axis=1), normal, normal @ y, accel.linalg.vector_norm(x, axis=1)]
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster),
    ):
        for rows, columns in ((100, 5000), (300, 1000), (77, -1)):
            a, b = ad.from_array(x, (rows, columns)), ad.from_array(y, (columns, 20))
            z = (a - ad.mean(a, axis=0)) / ad.std(a, axis=0)
            made = [ad.sum(a), ad.nn.softmax(a, axis=1), z, z @ b, ad.linalg.vector_norm(a, axis=1)]
            for found, its in zip(dask.compute(*made, scheduler="distributed"), wanted, strict=True):
                assert equal_bits(found, its)


def test_a_worker_of_another_contract_is_refused(client):
    first = next(iter(client.scheduler_info()["workers"]))

    def pretend(version: int) -> None:
        import accel

        accel.BIT_CONTRACT = version

    client.run(pretend, 99, workers=[first])
    try:
        with pytest.raises(accel.BackendUnavailableError) as caught:
            ad.check(client)
    finally:
        client.run(pretend, BIT_CONTRACT, workers=[first])
    text = str(caught.value)
    assert first in text and "version 99" in text and f"version {BIT_CONTRACT}" in text
    ad.check(client)


def test_a_worker_without_accel_is_refused(client):
    first = next(iter(client.scheduler_info()["workers"]))

    def hide() -> None:
        import sys

        sys.modules["its accel"] = sys.modules["accel"]
        sys.modules["accel"] = None

    def show() -> None:
        import sys

        sys.modules["accel"] = sys.modules.pop("its accel")

    client.run(hide, workers=[first])
    try:
        with pytest.raises(accel.BackendUnavailableError, match=f"{first} has no accel .*version {BIT_CONTRACT}"):
            ad.check(client)
    finally:
        client.run(show, workers=[first])
    ad.check(client)


def test_a_worker_that_joins_later_is_looked_at():
    closed = []

    class Loop:
        def add_callback(self, function: Any, **keywords: Any) -> None:
            closed.append((function, keywords))

    class Worker:
        address, loop, close = "tcp://there:1", Loop(), "close"

    plugin.Contract(BIT_CONTRACT).setup(Worker())
    assert not closed
    with pytest.raises(accel.BackendUnavailableError, match=r"there:1 has version \d+ .*client version 99") as caught:
        plugin.Contract(99).setup(Worker())
    assert closed == [("close", {"reason": str(caught.value)})]


@pytest.mark.slow
@pytest.mark.parametrize(("version", "workers"), [(BIT_CONTRACT, 2), (99, 1)])
def test_a_worker_of_another_contract_that_joins_later_is_closed(version, workers):
    def expect(plugins: bytes, dask_scheduler: Any = None) -> None:
        dask_scheduler.worker_plugins["accel"] = plugins

    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        ad.check(client)
        client.run_on_scheduler(expect, dumps(plugin.Contract(version)))
        cluster.scale(2)
        time.sleep(20)
        assert len(client.scheduler_info()["workers"]) == workers
        assert ad.sum(ad.from_array([1.0, 2.0, 3.0], 1)).compute(scheduler="distributed").item() == 6.0


@pytest.mark.slow
def test_a_worker_dies_and_the_hash_stays(client):
    """Killed while it computes: what it had is computed again elsewhere, with the same bits."""
    before = client.run(os.getpid)
    future = client.compute(job(0.15))
    time.sleep(0.5)
    assert not future.done()
    killed = next(iter(before.values()))
    os.kill(killed, signal.SIGKILL)
    found = future.result(timeout=120)
    assert killed not in client.run(os.getpid).values()  # it is gone: what was killed was a worker
    assert digest(found) == wanted()


@pytest.mark.skipif(sys.platform != "linux", reason="limits a process's memory as Linux has it")
@pytest.mark.parametrize("made", ["there", "elsewhere"])
def test_a_worker_whose_device_is_full_is_named(client, made):
    """Whether a task's result has no room, or an operand that comes from another worker; the worker stays as it was."""
    ad.check(client)
    full, other = client.scheduler_info()["workers"]

    def limit(more: int | None) -> None:
        import resource

        from accel.memory import release_idle

        release_idle()
        with open("/proc/self/statm", encoding="utf-8") as file:
            used = int(file.read().split()[5]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (-1 if more is None else used + more, -1))

    nbytes = 64 << 20
    x = ad.ones(nbytes // 4, chunks=-1)
    if made == "elsewhere":
        x = client.persist(x, workers=[other])
        wait(x)
    job = ad.sum(ad.sqrt(x))
    client.run(limit, nbytes // 2 if made == "there" else nbytes * 3 // 2, workers=[full])
    try:
        with pytest.raises(accel.OutOfMemoryError, match="bytes were asked for") as caught:
            client.compute(job, workers=[full]).result(timeout=60)
    finally:
        client.run(limit, None, workers=[full])
    (note,) = caught.value.__notes__
    assert f"worker {full}" in note and "in the task ('accel-" in note
    assert client.compute(ad.sum(ad.sqrt(x)), workers=[full]).result(timeout=60).item() == nbytes // 4


def test_without_a_cluster_nothing_is_asked(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "distributed")
    assert ad.sum(ad.from_array([1.0, 2.0])).compute().item() == 3.0
