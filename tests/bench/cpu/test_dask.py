"""Dask's benchmarks: additions without an order, and workers that are counted."""

import asyncio

import dask
import numpy as np
import pytest

pytest.importorskip("distributed", reason="distributed is not installed")

import accel
import accel.dask as ad
from accel.bench.cpu import chunked, crowd


def test_what_has_no_order_has_other_bits():
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((700, 900)) * np.exp2(rng.integers(-9, 9, (700, 900)))).astype(np.float32)
    d = ad.from_array(x, (300, 200))
    calls = {
        "sum": lambda m, a: m.sum(a),
        "columns": lambda m, a: m.mean(a, axis=0),
        "softmax": lambda m, a: m.nn.softmax(a, axis=-1),
        "matmul": lambda m, a: m.matmul(m.matrix_transpose(a), a),
    }
    with dask.config.set({"scheduler": "sync"}):
        for name, call in calls.items():
            want = np.asarray(call(accel, accel.asarray(x)))
            with chunked.without_order():
                free = call(ad, d)
            kept, other = call(ad, d).to_numpy(), free.to_numpy()
            assert np.array_equal(kept, want), name
            assert not np.array_equal(other, want), name
            assert np.linalg.norm(other - want) <= 1e-4 * np.linalg.norm(want), name


@pytest.mark.parametrize("name", crowd.jobs(40))
def test_a_crowd_of_workers(name):
    graph = crowd.graph_of(crowd.jobs(40)[name], 1e9, 1e9)
    tasks, longest = graph.longest()
    work = sum(graph.seconds.values())
    one, four = (asyncio.run(crowd.simulated(graph, n, 1e-4, 1e9)) for n in (1, 4))
    assert 0 < tasks <= len(graph.needs) and one.messages == one.nbytes == 0
    for count, found in ((1, one), (4, four)):
        assert found.seconds >= max(longest, work / count) and 0 < found.busy < found.seconds
    assert (four.messages == 0) == (name == "softmax of rows in one chunk")
    assert four.seconds < one.seconds


def test_a_slow_link_is_waited_for():
    graph = crowd.graph_of(crowd.jobs(40)["sort of rows in 10 chunks"], 1e12, 1e12)
    fast, slow = (asyncio.run(crowd.simulated(graph, 4, 1e-4, bandwidth)) for bandwidth in (1e10, 1e8))
    assert slow.seconds > fast.seconds + 0.5 * slow.nbytes / 4 / 1e8


def test_each_run_computes_anew():
    """A result of the same name that is still there would take no time."""
    from distributed import Client, LocalCluster

    with (
        dask.config.set({"distributed.worker.daemon": False}),
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        ad.check(client)
        x = ad.ones((4, 4), chunks=2)
        for _ in range(2):
            assert chunked.once(client, lambda: ad.exp(x)) > 0
            assert not client.futures
        kept = client.persist(ad.exp(x))
        assert client.futures
        with pytest.raises(RuntimeError, match="still kept"):
            chunked.once(client, lambda: ad.exp(x), patience=0.1)
        del kept
