"""A job of accel.dask on a thousand workers that there are not: Dask's own scheduler runs, time is counted.

    python -m accel.bench.cpu.crowd --workers 1000 --chunks 10

The tasks are those that accel.dask makes; what depends on one task alone is one task with it, as Dask has it. The
scheduler's class of `distributed` says which worker computes what, and each of its steps takes the processor time that
it took here. A worker takes --memory bytes a second through what it reads and writes, or --flops for products, one task
at a time; an array that it lacks comes after --latency, --bandwidth bytes a second, one at a time. What is left out:
messages' own cost for the scheduler, spilling, stealing, and all that fails.
"""

from __future__ import annotations

import heapq
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import Any

import click

ROWS = 4096
"""Of a chunk, which is as many columns wide: 64 MiB of float32."""


def jobs(count: int) -> dict[str, Callable[[], Any]]:
    """By name: operations on arrays of about so many chunks."""
    import accel.dask as ad

    def tall(wide: int = 1) -> Any:
        return ad.zeros((ROWS * (count // wide), ROWS * wide), chunks=ROWS)

    def square() -> Any:
        side = ROWS * max(2, round(count ** (1 / 3)))  # as many products of chunks as there are chunks of others
        return ad.zeros((side, side), chunks=ROWS)

    return {
        "sum": lambda: ad.sum(tall()),
        "standardise columns": lambda: (tall() - ad.mean(tall(), axis=0)) / ad.std(tall(), axis=0),
        "softmax of rows in one chunk": lambda: ad.nn.softmax(tall(), axis=-1),
        "softmax of rows in 10 chunks": lambda: ad.nn.softmax(tall(10), axis=-1),
        "matmul": lambda: square() @ square(),
        "sort of rows in 10 chunks": lambda: ad.sort(tall(10), axis=-1),
        "cumulative_sum of rows in 10 chunks": lambda: ad.cumulative_sum(tall(10), axis=-1),
    }


@dataclass
class Graph:
    """Tasks as they run: what each needs, gives in bytes, and takes in seconds."""

    needs: dict[Any, set[Any]] = field(default_factory=dict)
    nbytes: dict[Any, int] = field(default_factory=dict)
    seconds: dict[Any, float] = field(default_factory=dict)
    wanted: set[Any] = field(default_factory=set)

    def longest(self) -> tuple[int, float]:
        """Tasks, and seconds, of the longest way through them."""
        steps: dict[Any, int] = {}
        ends: dict[Any, float] = {}
        for key in _sorted(self.needs):
            steps[key] = 1 + max((steps[k] for k in self.needs[key]), default=0)
            ends[key] = self.seconds[key] + max((ends[k] for k in self.needs[key]), default=0.0)
        return max(steps.values()), max(ends.values())


def _sorted(needs: dict[Any, set[Any]]) -> Iterator[Any]:
    from graphlib import TopologicalSorter

    yield from TopologicalSorter(needs).static_order()


def graph_of(call: Callable[[], Any], memory: float, flops: float) -> Graph:
    """The tasks of a job."""
    with _noted() as grids:
        made = call()
    tasks = {key: task for layer in made.grid.graph.layers.values() for key, task in layer.items()}
    found = Graph(wanted=set(made.__dask_keys__()))
    behind = Counter(k for task in tasks.values() for k in task.dependencies)
    for key in _sorted({key: set(task.dependencies) for key, task in tasks.items()}):
        task = tasks[key]
        its = set(task.dependencies)
        size = _size(key, task, grids)
        read = sum(found.nbytes[k] for k in its)
        found.needs[key], found.nbytes[key] = its, size
        found.seconds[key] = 0.0 if not task.dependencies and "cut" not in key[0] else (read + size) / memory
        function = task.args[1] if len(getattr(task, "args", ())) > 1 else None
        if (kind := getattr(function, "__name__", "")) in ("product", "chain"):
            refs, count = task.args[4:], task.args[3] if kind == "product" else 1
            read = [sum(found.nbytes[k.key] for k in refs[at:to]) for at, to in ((0, count), (count, 2 * count))]
            found.seconds[key] = 2 * (prod([*read, size]) / 64) ** 0.5 / flops
        if len(its) == 1:
            (only,) = its
            if behind[only] == 1 and only not in found.wanted:  # one task with what it alone needs
                found.needs[key] = found.needs.pop(only)
                found.seconds[key] += found.seconds.pop(only)
    return found


@contextmanager
def _noted() -> Iterator[dict[str, Any]]:
    """The grids that are made inside, by name."""
    from accel.dask.grid import Layer

    grids: dict[str, Any] = {}
    kept = Layer.grid

    def grid(self: Any, *arguments: Any) -> Any:
        made = kept(self, *arguments)
        grids[made.name] = made
        return made

    Layer.grid = grid  # type: ignore[method-assign]
    try:
        yield grids
    finally:
        Layer.grid = kept  # type: ignore[method-assign]


def _size(key: Any, task: Any, grids: dict[str, Any]) -> int:
    """Bytes of what a task gives. Of what is no chunk: of its spans, or as many as the chunk that it is made for."""
    name, *place = key
    if name in grids:
        its = grids[name]
        return prod(its.lengths(tuple(place))) * its.dtype.itemsize
    owner = grids["accel-" + name.rpartition("accel-")[2]]
    if "-cut-" in name:
        return prod(stop - start for start, stop in task.args[2]) * owner.dtype.itemsize
    axes = len(owner.chunks)
    return prod(owner.lengths(tuple(i % n for i, n in zip(place[:axes], owner.counts, strict=False)))) * 4


class Comm:
    """Where the scheduler's messages for one worker are found."""

    def __init__(self, address: str, sent: list[tuple[str, Any]]) -> None:
        self._address, self._sent = address, sent

    def send(self, *messages: Any) -> None:
        self._sent.extend((self._address, message) for message in messages)


@dataclass
class Result:
    """seconds: until the last task has ended. busy: of the scheduler's processor. messages, nbytes: from worker to
    worker."""

    seconds: float = 0.0
    busy: float = 0.0
    messages: int = 0
    nbytes: int = 0


async def simulated(graph: Graph, workers: int, latency: float, bandwidth: float) -> Result:
    """A job by Dask's scheduler on workers that are counted."""
    import dask
    from dask.task_spec import Task, TaskRef
    from distributed.core import Status
    from distributed.scheduler import Scheduler, WorkerState

    with warnings.catch_warnings():  # of the port of a page that nobody asks for
        warnings.simplefilter("ignore")
        scheduler = Scheduler(dashboard=False, validate=False, host="127.0.0.1")
    scheduler.http_server.stop()
    scheduler.plugins.clear()  # such as stealing, which looks at clocks
    sent: list[tuple[str, Any]] = []
    for i in range(workers):
        address = f"tcp://10.{i // 65536}.{i // 256 % 256}.{i % 256}:1"
        state = WorkerState(
            address=address, status=Status.running, pid=i, nthreads=1, memory_limit=1 << 40, name=str(i),
            local_directory="", services={}, versions={}, nanny="", extra={}, server_id=address, scheduler=scheduler,
        )  # fmt: skip
        scheduler.workers[address] = state
        scheduler.running.add(state)
        scheduler.total_nthreads += 1
        scheduler.aliases[state.name] = address
        scheduler.check_idle_saturated(state)
        scheduler.stream_comms[address] = Comm(address, sent)  # type: ignore[assignment]
    dsk = {key: Task(key, _nothing, *map(TaskRef, needs)) for key, needs in graph.needs.items()}
    order = dask.order.order(dsk)
    found = Result()
    done, number = 0.0, 0  # when the scheduler has nothing to do
    free: dict[str, float] = {}  # when a worker's thread has nothing to do
    link: dict[str, float] = {}  # when nothing is on its way to it
    has: dict[str, set[Any]] = {}
    waiting: dict[str, list[Any]] = {}
    events: list[tuple[float, int, Callable[[float], None]]] = []

    def later(when: float, step: Callable[[float], None]) -> None:
        nonlocal number
        number += 1
        heapq.heappush(events, (when, number, step))

    def scheduled(when: float, step: Callable[[], Any]) -> None:
        """A step of the scheduler, which takes as long as here, and its messages."""
        nonlocal done
        begun = time.thread_time()
        step()
        took = time.thread_time() - begun
        found.busy += took
        done = max(done, when) + took
        for address, message in sent:
            later(done + latency, partial(came, address, message))
        sent.clear()

    def came(address: str, message: Any, when: float) -> None:
        its = has.setdefault(address, set())
        if message["op"] == "free-keys":
            its.difference_update(message["keys"])
        if message["op"] != "compute-task":
            return
        lacking = [k for k in message["who_has"] if k not in its]
        ready = when
        for k in lacking:
            ready = link[address] = max(link.get(address, 0.0), when + 2 * latency) + graph.nbytes[k] / bandwidth
            found.messages += 1
            found.nbytes += graph.nbytes[k]
            its.add(k)
        if lacking:
            added = partial(scheduler.add_keys, worker=address, keys=lacking, stimulus_id="came")
            later(ready + latency, partial(scheduled, step=added))
        heapq.heappush(waiting.setdefault(address, []), (message["priority"], message["key"], ready, message["run_id"]))
        begin(address, when)

    def begin(address: str, when: float) -> None:
        """The next of a worker's tasks, where it has nothing to do."""
        if free.get(address, 0.0) > when or not waiting.get(address):
            return
        _, key, ready, run = heapq.heappop(waiting[address])
        start = max(when, ready)
        end = free[address] = start + graph.seconds[key]
        finished = partial(
            scheduler.handle_task_finished, key=key, worker=address, stimulus_id="end", run_id=run, type=b"",
            nbytes=graph.nbytes[key], typename="Array", metadata={}, thread=0,
            startstops=({"action": "compute", "start": start, "stop": end},),
        )  # fmt: skip
        later(end, partial(begin, address))
        later(end, lambda when: has[address].add(key))
        later(end + latency, partial(scheduled, step=finished))

    begun = partial(
        scheduler._create_taskstate_from_graph, start=time.time(), dsk=dsk, keys=graph.wanted, ordered=order,
        client="client", annotations_by_type={}, global_annotations=None, stimulus_id="begin", submitting_task=None,
        span_metadata={"collections": []},
    )  # fmt: skip
    scheduled(0.0, begun)
    while events:
        when, _, step = heapq.heappop(events)
        step(when)
        found.seconds = max(found.seconds, when, done)
    undone = [k for k in graph.wanted if scheduler.tasks[k].state != "memory"]
    if undone:
        raise SystemExit(f"{len(undone)} results are not there, such as {undone[0]}")
    return found


def _nothing(*operands: Any) -> None:
    pass


@click.command()
@click.option("--workers", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--chunks", type=click.IntRange(1), default=10, show_default=True, help="Of 64 MiB, for each worker.")
@click.option("--only", default="", help="A part of the names of operations.")
@click.option("--latency", default=5e-4, show_default=True, help="Seconds of a message.")
@click.option("--bandwidth", default=1e9, show_default=True, help="Bytes a second to a worker.")
@click.option("--memory", default=5e9, show_default=True, help="Bytes a second through a worker's task.")
@click.option("--flops", default=5e10, show_default=True, help="Operations a second of a worker's products.")
def main(workers: int, chunks: int, only: str, latency: float, bandwidth: float, memory: float, flops: float) -> None:
    """Runs each operation on workers that are counted."""
    import asyncio
    import logging

    logging.disable(logging.CRITICAL)
    click.echo(f"{workers} workers, {workers * chunks} chunks of 64 MiB; seconds are counted, not measured")
    click.echo(f"{'':36}{'tasks':>8}{'longest':>9}{'messages':>9}{'GB':>9}{'seconds':>9}{'scheduler':>10}{'work':>7}")
    for name, call in jobs(workers * chunks).items():
        if only not in name:
            continue
        graph = graph_of(call, memory, flops)
        steps, _ = graph.longest()
        found = asyncio.run(simulated(graph, workers, latency, bandwidth))
        work = sum(graph.seconds.values()) / workers
        click.echo(
            f"{name:36}{len(graph.needs):8}{steps:9}{found.messages:9}{found.nbytes / 1e9:9.1f}{found.seconds:9.2f}"
            f"{found.busy:10.2f}{work:7.2f}"
        )


if __name__ == "__main__":
    main()
