"""A row-parallel linear layer of accel.torch.distributed beside torch's own, on processes of this machine.

    python -m accel.bench.cpu.ranks --processes 2

torch's is torch.nn.functional.linear on each rank's columns of the weight, then all_reduce: the same bytes, added in
no fixed order. Both are timed in turn, from one barrier to the next, so with the slowest rank. What is printed is the
median of the rounds in milliseconds, and that of torch's time over accel's (above 1: accel is faster).
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

CASES = ((1, 4096, 4096), (64, 4096, 4096), (512, 2048, 2048), (512, 4096, 1024))
"""Rows, inputs and outputs."""

NEAR = 1e-3
"""How far results may be apart, relative to them in the Euclidean norm."""


@click.command()
@click.option("--processes", type=click.IntRange(2), default=2, show_default=True)
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=3.0, show_default=True, help="Of each row.")
def main(processes: int, seconds: float) -> None:
    """Times row-parallel linear layers, forward alone and with the gradients of both operands."""
    try:
        from torch import multiprocessing
    except ImportError:
        sys.exit("torch is not installed: pip install accel-ops[torch]")

    click.echo(f"{processes} processes, one thread each, float32, gloo")
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(_process, (processes, seconds, str(Path(folder) / "store")), processes)


def _process(rank: int, processes: int, seconds: float, store: str) -> None:
    import torch
    from torch import distributed

    import accel
    from accel.torch import distributed as parallel

    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo",
        store=distributed.FileStore(store, processes),
        rank=rank,
        world_size=processes,
        timeout=timedelta(seconds=120),
    )
    group, all_reduced = distributed.group.WORLD, _all_reduced()
    with accel.config(num_threads=1):
        for m, k, n in CASES:
            generator = torch.Generator().manual_seed(rank)
            lengths = parallel.shares(k, processes)
            x, weight = (torch.randn(rows, lengths[rank], generator=generator) for rows in (m, n))
            g = torch.ones(m, n)
            for backward in (False, True):
                its = [t.clone().requires_grad_(backward) for t in (x, weight)]

                def ours(its: Any = its, lengths: Any = lengths) -> Any:
                    return parallel.row_parallel_linear(*its, group=group, lengths=lengths)

                def theirs(its: Any = its) -> Any:
                    return all_reduced(torch.nn.functional.linear(*its))

                def run(f: Callable[[], Any], its: Any = its, backward: bool = backward, g: Any = g) -> Any:
                    y = f()
                    return (y.detach(), *torch.autograd.grad(y, its, g)) if backward else (y,)

                for got, want in zip(run(ours), run(theirs), strict=True):
                    far = float((got - want).norm() / want.norm())
                    if not far < NEAR:
                        raise SystemExit(f"{m} x {k} x {n}: results are {far:.2g} of their norm apart")
                times = _timed([lambda: run(ours), lambda: run(theirs)], seconds)
                if rank == 0:
                    mine, torchs = (1e3 * statistics.median(t) for t in times)
                    ratio = statistics.median(b / a for a, b in zip(*times, strict=True))
                    words = f"{m} x {k} x {n}" + (", with gradients" if backward else "")
                    click.echo(f"{words:36} accel {mine:8.2f}  torch {torchs:8.2f}  ratio {ratio:5.2f}")
    distributed.destroy_process_group()


def _timed(calls: list[Callable[[], Any]], seconds: float) -> list[list[float]]:
    """Seconds of each call in each round; all ranks make as many rounds."""
    import torch
    from torch import distributed

    times: list[list[float]] = [[] for _ in calls]
    begun = time.perf_counter()
    while True:
        for call, its in zip(calls, times, strict=True):
            distributed.barrier()
            start = time.perf_counter()
            call()
            distributed.barrier()
            its.append(time.perf_counter() - start)
        ended = torch.tensor(float(time.perf_counter() - begun > seconds and len(times[0]) > 4))
        distributed.broadcast(ended, 0)
        if ended:
            return times


def _all_reduced() -> Any:
    import torch
    from torch import distributed

    class AllReduced(torch.autograd.Function):
        """The sum over all ranks; its gradient is each rank's."""

        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            ctx.mark_dirty(x)
            distributed.all_reduce(x)
            return x

        @staticmethod
        def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
            return g

    return AllReduced.apply


if __name__ == "__main__":
    main()
