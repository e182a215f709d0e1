"""What a task and a byte cost on Dask's workers, beside what is computed.

    python -m accel.bench.cpu.tasks

Two workers of one thread. A task: chunks of one element, so many and four times as many, from the call to the end of
the last one; the difference by their number. Describing: what the client takes to make the tasks of a function of
elements, alone. A byte: an array on one worker that the other one asks for, of 64 KiB and of 64 MiB.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import click


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

        def many(n: int) -> None:
            wait(client.persist(ad.zeros(n, chunks=1)))

        def described(n: int) -> None:
            ad.exp(ad.zeros(n, chunks=1))

        def moved(n: int) -> float:
            x = client.persist(ad.ones(n // 4, chunks=-1), workers=[first])
            wait(x)
            begun = time.perf_counter()
            wait(client.persist(ad.sum(x), workers=[second]))
            return time.perf_counter() - begun

        small, large = 1 << 16, 1 << 26
        for f, n in ((many, tasks), (described, tasks), (moved, small)):
            f(n)
        task, making = (_slope(f, tasks, 4 * tasks, rounds) for f in (many, described))
        times = [[moved(n) for _ in range(rounds)] for n in (small, large)]
        low, high = map(statistics.median, times)
        click.echo(f"a task, from the client to its end      {1e6 * task:9.0f} us")
        click.echo(f"of which two layers of tasks described  {1e6 * making:9.0f} us")
        click.echo(f"an array of 64 KiB asked for, and a sum {1e3 * low:9.2f} ms")
        click.echo(f"bytes from worker to worker             {(large - small) / max(high - low, 1e-9) / 1e6:9.0f} MB/s")


def _slope(f: Callable[[int], Any], few: int, many: int, rounds: int) -> float:
    """Seconds that one more costs."""
    found = []
    for _ in range(rounds):
        times = []
        for n in (few, many):
            begun = time.perf_counter()
            f(n)
            times.append(time.perf_counter() - begun)
        found.append((times[1] - times[0]) / (many - few))
    return statistics.median(found)


if __name__ == "__main__":
    main()
