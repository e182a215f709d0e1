"""What goes wrong between processes of `distributed` while a job runs: the same bits, or an error that names worker,
task and cause. A worker that is killed is in test_cluster.py, one whose device is full too; hosts: test_hosts.py."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import dask
import numpy as np
import pytest
from distributed import Client, Event, LocalCluster, get_task_stream
from distributed.protocol import pickle
from proxy import Proxy
from slow_job import digest, job, wanted
from tblib import pickling_support

import accel
import accel.dask as ad


def test_an_error_names_the_task_and_the_process():
    def wrong() -> np.ndarray:
        return np.ones(4, np.float32)

    d = ad.from_delayed([dask.delayed(np.ones)(3, "float32"), dask.delayed(wrong)()], ((3, 3),), "float32")
    with pytest.raises(accel.ShapeError) as caught:
        ad.sum(d).compute()
    (note,) = caught.value.__notes__
    assert f"('{d.grid.name}', 1)" in note and f"process {os.getpid()}" in note


ERRORS = [each for each in vars(accel).values() if isinstance(each, type) and issubclass(each, accel.AccelError)]


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_keeps_its_class_on_its_way(kind):
    """distributed sends errors as tblib pickles them, and what does not come back as a plain Exception."""
    try:
        try:
            raise MemoryError("no room")
        except MemoryError as cause:
            raise kind("the message") from cause
    except accel.AccelError as error:
        error.add_note("the note")
        pickling_support.install(error, error.__cause__)
        found = pickle.loads(pickle.dumps(error))
    assert type(found) is kind and str(found) == "the message" and found.__notes__ == ["the note"]
    assert type(found.__cause__) is MemoryError


@contextmanager
def started(workers: int) -> Iterator[tuple[LocalCluster, Client]]:
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield cluster, client


@pytest.mark.slow
def test_a_worker_that_joins_late_takes_its_share():
    with started(1) as (cluster, client), get_task_stream(client) as stream:
        (first,) = client.scheduler_info()["workers"]
        future = client.compute(job(1.0, "joined"))
        time.sleep(2)
        cluster.scale(2)
        client.wait_for_workers(2, timeout=100)
        assert not future.done()
        Event("joined").set()
        found = digest(future.result(timeout=120))
    assert {its["worker"] for its in stream.data} > {first}
    assert found == wanted()


@pytest.mark.slow
@pytest.mark.parametrize("cut", ["stands still", "is closed"])
def test_a_connection_that_is_cut_for_ten_seconds(cut):
    """Between the scheduler and one of two workers, which is a process of the test's. Standing still is waited for; a
    worker whose connection was closed is given up, and ends."""
    with started(1) as (cluster, client), ExitStack() as stack:
        port = int(cluster.scheduler_address.rpartition(":")[2])
        proxy = stack.enter_context(Proxy(port))
        command = [sys.executable, "-m", "distributed.cli.dask_worker", f"tcp://127.0.0.1:{proxy.port}"]
        command += ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--name", "far"]
        far = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        stack.callback(far.kill)
        client.wait_for_workers(2, timeout=60)
        (its,) = [address for address, of in client.scheduler_info()["workers"].items() if of["name"] == "far"]
        future = client.compute(job(0.5))
        time.sleep(1.5)
        assert not future.done() and proxy.passed
        begun = time.monotonic()
        if cut == "stands still":
            proxy.still.set()
            time.sleep(10)
            assert not future.done()
            proxy.still.clear()
        else:
            proxy.close()
        found = digest(future.result(timeout=120))
        assert time.monotonic() - begun < 60
        assert (its in client.scheduler_info()["workers"]) == (cut == "stands still")
        if cut == "is closed":
            far.wait(30)
    assert found == wanted()
