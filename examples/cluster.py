"""Workers of Dask for an example's command: processes of this machine, or the threads of this process."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import click


@contextlib.contextmanager
def workers(count: int, memory: str | None = None) -> Iterator[None]:
    """Has what is computed inside run on so many processes, each with this much memory at most; of 0, on threads of
    this one."""
    if not count:
        yield
        return
    from distributed import Client, LocalCluster

    options = {"threads_per_worker": 1, "dashboard_address": None, "memory_limit": memory or "auto"}
    with LocalCluster(n_workers=count, processes=True, **options) as cluster, Client(cluster):
        yield


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--workers, --memory and --seed."""
    for decorator in (
        click.option("--seed", default=0, show_default=True, help="Of the data."),
        click.option("--memory", default=None, help="Limit of each worker, such as '400 MiB'."),
        click.option(
            "--workers", "count", type=click.IntRange(0), default=0, help="Processes; 0: threads of this one."
        ),
    ):
        command = decorator(command)
    return command
