"""Calls that ranks disagree about: each gives what was raised on this rank, as [class, message]."""

from __future__ import annotations

import os
import signal
import time

import torch
from torch import distributed

import accel
import accel.torch.distributed as parallel


def raised(call):
    try:
        call()
    except (accel.AccelError, IndexError) as error:
        return [type(error).__name__, str(error)]
    return ["nothing", ""]


def disagreements(group, rank):
    """On four ranks."""
    weight, x = torch.ones(3, 8), torch.ones(4, 8)

    def row(x, weight, **others):
        return raised(lambda: parallel.row_parallel_linear(x, weight, group=group, **others))

    yield "shapes", row(torch.ones(5, 8) if rank == 1 else x, weight)
    yield "dtypes", row(x.double() if rank == 2 else x, weight.double() if rank == 2 else weight)
    yield "gradients", row(x, weight.clone().requires_grad_(rank != 3))
    yield "a bad argument", row(x, torch.ones(3, 9) if rank == 3 else weight)
    yield "lengths", row(x, weight, lengths=[8, 8, 8, 9])
    yield "other lengths", row(x, weight, lengths=[8, 8, 8, 8] if rank else [16, 8, 8, 8])
    other = raised(lambda: parallel.column_parallel_linear(x, weight, group=group)) if rank == 2 else row(x, weight)
    yield "another call", other
    batch = torch.ones(4, 7 if rank == 1 else 8, requires_grad=True)
    its = torch.ones(3, batch.shape[1], requires_grad=True)
    yield "columns of a batch", raised(lambda: parallel.linear(batch, its, batch=group).sum().backward())

    def linears(x, n=3, **others):
        return raised(lambda: parallel.column_parallel_linears(x, [weight, torch.ones(n, 8)], group=group, **others))

    yield "several layers", linears(torch.ones(5, 8) if rank == 1 else x)
    yield "layers' lengths", linears(x, 3 + rank, lengths=[[3] * 4, [3, 4, 5, 7]])
    smooth = {"label_smoothing": 0.1} if rank == 2 else {}
    yield "smoothing", raised(lambda: parallel.cross_entropy(x, torch.zeros(4, dtype=int), group=group, **smooth))
    its_weight = torch.ones(8) if rank else None
    yield (
        "weights of classes",
        raised(lambda: parallel.cross_entropy(x, torch.zeros(4, dtype=int), weight=its_weight, group=group)),
    )
    yield "tokens", raised(lambda: parallel.embedding(torch.tensor([[1, 12]]), torch.ones(3, 2), group=group))
    target = torch.tensor([0, 32, -100, 1])
    yield "classes", raised(lambda: parallel.cross_entropy(x, target, group=group))

    def model(seed, width=8):
        torch.manual_seed(seed)
        return torch.nn.Sequential(torch.nn.Linear(8, width), torch.nn.Linear(width, 8))

    def plan(of):
        return {"0": parallel.ColwiseParallel(), "1": of}

    def parallelized(its, plan):
        before = {name: id(p) for name, p in its.named_parameters()}
        found = raised(lambda: parallel.parallelize(its, group, plan))
        found.append(before == {name: id(p) for name, p in its.named_parameters()})
        return found

    rows = parallel.RowwiseParallel()
    yield "other values", parallelized(model(int(rank == 1)), plan(rows))
    yield "other models", parallelized(model(0, 8 + 2 * (rank == 2)), plan(rows))
    yield "other plans", parallelized(model(0), plan(rows if rank else parallel.ColwiseParallel()))
    yield "a plan that fits nothing", parallelized(model(0), {"2": rows} if rank == 3 else plan(rows))
    yield "right", row(x, weight, lengths=[8] * 4)


def ends(other, short, world, rank):
    """In groups whose time-out is short, a rank that makes another call where the others' is known, and one that does
    not come in time; then one that is killed."""
    x, weight = torch.ones(4, 300), torch.ones(3, 300)
    begun = time.monotonic()
    parallel.row_parallel_linear(x, weight, group=other, lengths=[300] * 4)
    mine = torch.ones(5, 300) if rank == 1 else x
    later = raised(lambda: parallel.row_parallel_linear(mine, weight, group=other, lengths=[300] * 4))
    yield "later", [*later, time.monotonic() - begun]
    distributed.barrier(world)
    begun = time.monotonic()
    if rank == 3:
        time.sleep(4)
    else:
        late = raised(lambda: parallel.row_parallel_linear(x, weight, group=short, lengths=[300] * 4))
        yield "late", [*late, time.monotonic() - begun]
        time.sleep(max(0.0, begun + 4 - time.monotonic()))
    parallel.row_parallel_linear(x, weight, group=world, lengths=[300] * 4)
    if rank == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    begun = time.monotonic()
    dead = raised(lambda: parallel.row_parallel_linear(x, weight, group=world, lengths=[300] * 4))
    yield "dead", [*dead, time.monotonic() - begun]
