"""Three hosts, each in a network namespace of its own with an address of its own: scheduler and client on one, a worker
on each of the others. A link is cut for ten seconds or for good, and a host joins late."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import hosts
import pytest
from slow_job import wanted

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
PORT = 8786


class Cluster:
    """Processes on hosts, which end with the stack."""

    def __init__(self, stack: ExitStack, **settings: str) -> None:
        reason = hosts.missing()
        if reason:
            pytest.skip(f"three hosts on this machine: {reason}")
        self.stack = stack
        self.hosts = stack.enter_context(hosts.network(3))
        self.address = f"tcp://{self.hosts[0].address}:{PORT}"
        paths = os.pathsep.join([str(HERE.parent / "fixtures"), os.environ.get("PYTHONPATH", "")])
        self.environment = {**os.environ, "PYTHONPATH": paths, **settings}
        self.start(0, "-m", "distributed.cli.dask_scheduler", "--host", self.hosts[0].address, "--no-dashboard")

    def start(self, host: int, *words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            self.hosts[host].command([sys.executable, *words]),
            env=self.environment, stdout=subprocess.PIPE, encoding="utf-8",
        )  # fmt: skip
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        return process

    def worker(self, host: int) -> None:
        its = ("--host", self.hosts[host].address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
        self.start(host, "-m", "distributed.cli.dask_worker", self.address, *its)

    def client(self, seconds: float) -> subprocess.Popen[str]:
        """Once the job has begun."""
        process = self.start(0, str(HERE / "across.py"), self.address, str(seconds))
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        return process


def ended(client: subprocess.Popen[str]) -> dict:
    assert client.stdout is not None
    return json.loads(client.stdout.readline())


def test_a_link_is_cut_for_ten_seconds():
    with ExitStack() as stack:
        cluster = Cluster(stack)
        for host in (1, 2):
            cluster.worker(host)
        client = cluster.client(0.4)
        time.sleep(1)
        with cluster.hosts[2].cut():
            time.sleep(10)
            assert client.poll() is None
        found = ended(client)
        assert found["digest"] == wanted()
        assert found["seconds"] > 10  # it needs both hosts
        assert [address.rpartition(":")[0] for address in found["hosts"]] == ["tcp://10.77.0.2", "tcp://10.77.0.3"]


def test_a_host_that_is_cut_off_is_given_up():
    """After the time-out of its connections, here 15 s of the 30 that they have by default."""
    with ExitStack() as stack:
        cluster = Cluster(stack, DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP="15s")
        for host in (1, 2):
            cluster.worker(host)
        client = cluster.client(0.4)
        time.sleep(1)
        with cluster.hosts[2].cut():
            found = ended(client)
        assert found["digest"] == wanted()
        assert found["seconds"] < 120
