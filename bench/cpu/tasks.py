"""What a task and a byte cost on Dask's workers, beside what is computed.

    python -m accel.bench.cpu.tasks

Two workers of one thread. A task: chunks of one element, so many and four times as many, from the call to the end of
the last one; the difference by their number. Describing: what the client takes to make the tasks of a function of
elements, alone. A byte: a function of an array's elements on the other worker than the array's, less the same on its
own, of 64 KiB and of 64 MiB.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import count

import click

from .chunked import once


@click.command()
@click.option("--tasks", type=click.IntRange(10), default=400, show_default=True, help="The smaller number of them.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Of which the median is printed.")
def main(tasks: int, rounds: int) -> None:
    """Times tasks that compute next to nothing, and arrays on their way from one worker to another."""
    import dask
    from distributed import Client, LocalCluster, wait

    with (
        dask.config.set({"distributed.worker.daemon": False}),
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        import accel.dask as ad

        ad.check(client)
        first, second = client.scheduler_info()["workers"]

        def many(n: int) -> float:
            return once(client, lambda: ad.zeros(n, chunks=1))

        def described(n: int) -> float:
            begun = time.perf_counter()
            ad.exp(ad.zeros(n, chunks=1))
            return time.perf_counter() - begun

        def moved(n: int) -> float:
            elements = ad.random.default_rng(next(seeds)).standard_normal(n // 4, chunks=-1)  # which no worker has yet
            x = client.persist(elements, workers=[first])
            wait(x)
            here, there = (once(client, lambda: ad.negative(x), workers=[worker]) for worker in (first, second))
            return there - here

        seeds = count()
        small, large = 1 << 16, 1 << 26
        for f, n in ((many, tasks), (described, tasks), (moved, small)):
            f(n)
        task, making = (_slope(f, tasks, 4 * tasks, rounds) for f in (many, described))
        times = [[moved(n) for _ in range(rounds)] for n in (small, large)]
        low, high = map(statistics.median, times)
        click.echo(f"a task, from the client to its end      {1e6 * task:9.0f} us")
        click.echo(f"of which two layers of tasks described  {1e6 * making:9.0f} us")
        click.echo(f"an array of 64 KiB asked for            {1e3 * low:9.2f} ms")
        click.echo(f"bytes from worker to worker             {(large - small) / max(high - low, 1e-9) / 1e6:9.0f} MB/s")


def _slope(f: Callable[[int], float], few: int, many: int, rounds: int) -> float:
    """Seconds that one more costs, by what f says that so many take."""
    return statistics.median((f(many) - f(few)) / (many - few) for _ in range(rounds))


if __name__ == "__main__":
    main()
