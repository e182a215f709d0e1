"""Chunks of accel beside chunks of NumPy on Dask's workers, and what the order of additions costs between them.

    python -m accel.bench.cpu.chunked --workers 2 --mebibytes 256 --side 4096
    python -m accel.bench.cpu.chunked --order

Operands are made on the workers and stay there, in the same chunks for both; what is timed is from the call to the end
of the last task, results staying on the workers, too. The two are timed in turn; what is printed is the median of the
rounds in milliseconds, and that of NumPy's time over accel's (above 1: accel is faster).

With --order both are accel: once as it is, and once with partial results as they fall, one for each chunk, joined 16
at a time, as dask.array adds them. The kernels inside of a chunk are the same. What is printed is the time without an
order over that with it (below 1: the order costs).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import click

Job = Callable[[], Any]


@click.command()
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Processes of one thread each.")
@click.option(
    "--mebibytes", type=click.IntRange(1), default=512, show_default=True, help="Of each operand but matmul's."
)
@click.option("--chunk", type=click.IntRange(1), default=64, show_default=True, help="Mebibytes of a chunk.")
@click.option("--side", type=click.IntRange(64), default=4096, show_default=True, help="Of matmul's matrices.")
@click.option(
    "--seconds", type=click.FloatRange(0, min_open=True), default=20.0, show_default=True, help="Of each row."
)
@click.option("--order", is_flag=True, help="accel with and without an order of additions.")
def main(workers: int, mebibytes: int, chunk: int, side: int, seconds: float, order: bool) -> None:
    """Times operations on chunked arrays of float32."""
    import dask
    from distributed import Client, LocalCluster

    with (
        dask.config.set(
            {"distributed.worker.daemon": False, "distributed.nanny.pre-spawn-environ.ACCEL_DEVICE": "cpu"}
        ),
        LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        import accel.dask as ad

        ad.check(client)
        click.echo(f"{workers} workers of one thread, float32, {mebibytes} MiB in chunks of {chunk}, matmul of {side}")
        ratios = []
        for name, ours, theirs in (_ordered if order else _beside)(client, mebibytes, chunk, side):
            times = _timed(client, [ours, theirs], seconds)
            mine, its = (1e3 * statistics.median(t) for t in times)
            ratios.append(statistics.median(b / a for a, b in zip(*times, strict=True)))
            words = ("ordered", "free") if order else ("accel", "NumPy")
            click.echo(
                f"{name:24} {words[0]} {mine:9.1f}  {words[1]} {its:9.1f}  ratio {ratios[-1]:5.2f}  "
                f"of {len(times[0])} rounds"
            )
        mean = statistics.geometric_mean(ratios)
        aim = (0.9, 0.9) if order else (1.2, 0.9)
        reached = "reached" if mean >= aim[0] and min(ratios) >= aim[1] else "not reached"
        click.echo(f"geometric mean {mean:.2f}, least {min(ratios):.2f}; aim: {aim[0]} and {aim[1]}: {reached}")


def _timed(client: Any, jobs: list[Job], seconds: float) -> list[list[float]]:
    """Seconds of each job in each round, after one that is not counted."""
    times: list[list[float]] = [[] for _ in jobs]
    begun = time.perf_counter()
    for round in range(10**6):
        for job, its in zip(jobs, times, strict=True):
            taken = once(client, job)
            if round:
                its.append(taken)
        if round > 2 and time.perf_counter() - begun > seconds:
            break
    return times


def once(client: Any, job: Job, patience: float = 10.0, **options: Any) -> float:
    """Seconds from the call of a job, which describes a collection, until its chunks are on workers. options: those of
    `Client.persist`.

    Returns when scheduler and workers have dropped the chunks, so that the next run computes them again: names say what
    is computed, and what is there already takes no time. Raises RuntimeError where something else keeps them for so
    many seconds: patience.
    """
    from dask.core import flatten

    begun = time.perf_counter()
    kept = _done(client, job(), **options)
    seconds = time.perf_counter() - begun
    keys = set(flatten(kept.__dask_keys__()))
    del kept
    end = time.perf_counter() + patience
    while client.run_on_scheduler(_known, keys) or any(client.run(_held, keys).values()):
        if time.perf_counter() > end:
            raise RuntimeError("a result is still kept: the next run would find it, and time nothing")
        time.sleep(0.001)
    return seconds


def _known(keys: set[Any], dask_scheduler: Any = None) -> bool:
    return not keys.isdisjoint(dask_scheduler.tasks)


def _held(keys: set[Any], dask_worker: Any = None) -> bool:
    return not keys.isdisjoint(dask_worker.data)


def _done(client: Any, collection: Any, **options: Any) -> Any:
    """The collection once its chunks are on workers."""
    from distributed import wait

    kept = client.persist(collection, **options)
    wait(kept)
    return kept


def _rows(mebibytes: int, chunk: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Shape and chunks of rows of 4096 elements; chunks of a multiple of 4096 rows where they are so large."""
    columns = 4096
    rows, each = mebibytes * 64, chunk * 64
    return (rows, columns), (min(each, rows), columns)


def _operands(client: Any, seed: int, shape: tuple[int, ...], chunks: Any) -> tuple[Any, Any]:
    """The same random numbers as chunks of accel and of NumPy, on the workers."""
    from dask import array as da

    import accel.dask as ad

    x = _done(client, ad.random.default_rng(seed).standard_normal(shape, chunks=chunks))
    y = _done(client, da.map_blocks(_of_numpy, chunks=x.chunks, dtype="float32", seed=seed, meta=da.empty(0)._meta))
    return x, y


def _of_numpy(seed: int, block_info: Any = None) -> Any:
    import numpy as np

    its = block_info[None]
    shape = its["chunk-shape"]
    generator = np.random.default_rng([seed, *its["chunk-location"]])
    return generator.standard_normal(shape, dtype=np.float32)


def _beside(client: Any, mebibytes: int, chunk: int, side: int) -> Iterator[tuple[str, Job, Job]]:
    from dask import array as da

    import accel.dask as ad

    def softmax(x: Any) -> Any:
        e = da.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    shape, chunks = _rows(mebibytes, chunk)
    a, b = _operands(client, 0, shape, chunks)
    yield "sum", lambda: ad.sum(a), lambda: da.sum(b)
    yield "softmax of rows", lambda: ad.nn.softmax(a, axis=-1), lambda: softmax(b)
    yield (
        "standardise columns",
        lambda: (a - ad.mean(a, axis=0)) / ad.std(a, axis=0),
        lambda: (b - b.mean(axis=0)) / b.std(axis=0),
    )
    del a, b
    tile = min(side, 2048)
    (a, b), (c, d) = (_operands(client, seed, (side, side), (tile, tile)) for seed in (1, 2))
    yield "matmul", lambda: a @ c, lambda: b @ d


def _ordered(client: Any, mebibytes: int, chunk: int, side: int) -> Iterator[tuple[str, Job, Job]]:
    import accel.dask as ad

    shape, chunks = _rows(mebibytes, chunk)
    cut = (shape[0], max(1, chunks[0] * chunks[1] // shape[0]))
    draw = ad.random.default_rng(0).standard_normal
    rows, columns = (_done(client, draw(shape, chunks=its)) for its in (chunks, cut))
    odd = _done(client, draw(shape, chunks=(chunks[0] - 37, chunks[1])))
    tile = min(side, 2048)
    a, b = (_done(client, draw((side, side), chunks=(tile, tile))) for _ in range(2))
    calls: dict[str, Job] = {
        "sum": lambda: ad.sum(rows),
        "sum, borders in blocks": lambda: ad.sum(odd),
        "mean of columns": lambda: ad.mean(rows, axis=0),
        "mean, borders in blocks": lambda: ad.mean(odd, axis=0),
        "standardise columns": lambda: (rows - ad.mean(rows, axis=0)) / ad.std(rows, axis=0),
        "softmax of cut rows": lambda: ad.nn.softmax(columns, axis=-1),
        "norms of cut rows": lambda: ad.linalg.vector_norm(columns, axis=-1),
        "matmul": lambda: a @ b,
    }
    for name, call in calls.items():

        def free(call: Job = call) -> Any:
            with without_order():
                return call()

        yield name, call, free


@contextmanager
def without_order() -> Iterator[None]:
    """Sums and products of chunks in any order, for what is described inside."""
    from accel.dask import reduction
    from accel.dask.recorder import RULES

    kept = dict(RULES)

    def reduce(call: Any) -> Any:
        its, ((shape, dtype),) = call.inferred.params, call.inferred.outputs
        x = call.operand(0)
        if (
            its.kind in ("sum", "prod")
            and its.axes
            and any(len(x.chunks[a]) > 1 for a in its.axes)
            and 0 not in x.shape
        ):
            return (reduction._free(x, its.kind, its.axes, shape, dtype),)
        return kept["reduce"](call)

    RULES.update(reduce=reduce, matmul=_free_matmul)
    try:
        yield
    finally:
        RULES.update(kept)


def _free_matmul(call: Any) -> Any:
    """A product for each chunk of k, joined 16 at a time, as dask.array's."""
    from accel.dask import reduction, work
    from accel.dask.chunks import unified
    from accel.dask.movement import rechunked

    ((_, dtype),) = call.inferred.outputs
    a, b = (call.operand(i, stretched=False) for i in range(2))
    along = unified([a.chunks[-1], b.chunks[-2]])
    a, b = rechunked(a, (a.chunks[0], along)), rechunked(b, (along, b.chunks[1]))
    chunks = (a.chunks[0], b.chunks[1])
    layer = call.layer(chunks, (a, b), "free")
    for i, j in product(*(range(len(lengths)) for lengths in chunks)):
        parts = [
            layer.aside("part", (i, j, k), work.product, dtype.name, 1, a.ref((i, k)), b.ref((k, j)))
            for k in range(len(along))
        ]
        shape = chunks[0][i], chunks[1][j]
        layer.put((i, j), work.shaped, shape, reduction._joined(layer, (i, j), parts, work.merged, "sum", dtype.name))
    return (layer.grid(),)


if __name__ == "__main__":
    main()
