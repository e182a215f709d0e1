"""The processes of a group of torch.distributed: who they are, whether they agree, and what one sends to another."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed
from torch.distributed.device_mesh import DeviceMesh

from ...errors import ArgumentError, RankError, shown

NOTE = 2048
"""Bytes of what a rank says of its call."""


@dataclass(frozen=True)
class Fact:
    """A tensor of a call, as the other ranks are told of it. split: the axis whose length is each rank's own; None:
    all ranks have the same shape."""

    tensor: torch.Tensor
    split: int | None = None

    def said(self) -> list[Any]:
        x = self.tensor
        axis = None if self.split is None else self.split % x.ndim
        return [str(x.dtype).removeprefix("torch."), list(x.shape), axis, x.requires_grad]


def _said(facts: Mapping[str, Fact | str | None]) -> dict[str, Any]:
    return {name: fact.said() if isinstance(fact, Fact) else fact for name, fact in facts.items()}


def _shown(said: Any) -> str:
    if said is None or isinstance(said, str):
        return str(said)
    dtype, shape, _, recorded = said
    return f"{dtype} {tuple(shape)}" + (" that requires a gradient" if recorded else "")


def _common(said: Any) -> Any:
    """What has to be the same on all ranks."""
    if said is None or isinstance(said, str):
        return said
    dtype, shape, axis, recorded = said
    return dtype, [None if a == axis else n for a, n in enumerate(shape)], axis, recorded


@dataclass(frozen=True)
class Begun:
    """What is on its way to or from another rank."""

    work: Any
    other: int


class Ranks:
    """The ranks of a process group, and this process's place among them. Of one rank nothing is sent."""

    def __init__(self, group: distributed.ProcessGroup | None) -> None:
        self.group = group
        self.rank = 0 if group is None else distributed.get_rank(group)
        self.size = 1 if group is None else distributed.get_world_size(group)
        self.world = None if group is None else distributed.group.WORLD
        self._known: set[str] = set()

    def lengths(
        self,
        op: str,
        facts: Mapping[str, Fact | str | None],
        of: str,
        problem: Exception | None = None,
        known: Sequence[int] | None = None,
    ) -> list[int]:
        """How long the split axis of one fact is on each rank, once all ranks agree on the rest; see `agreed`.

        known: these lengths, where all ranks know them. Then ranks ask each other at the first call of its kind alone:
        what it is known by is the same on all ranks, so that either all of them ask, or none.
        """
        if known is None:
            told = self.agreed(op, facts, problem)
            return [its[of][1][its[of][2]] for its in told]
        if not isinstance(known, list | tuple) or len(known) != self.size or not all(type(n) is int for n in known):
            problem = problem or ArgumentError(f"{op}: lengths: expected {self.size} whole numbers, got {shown(known)}")
            known = []
        wanted = list(known)
        common = json.dumps([op, wanted, {name: _common(fact) for name, fact in _said(facts).items()}])
        if problem is None and common in self._known:
            return wanted
        told = self.agreed(op, {**facts, "lengths": str(wanted)}, problem)
        found = [its[of][1][its[of][2]] for its in told]
        if found != wanted:
            raise RankError(f"{op}: lengths: expected those of {of} on the ranks, {found}, got {wanted}")
        self._known.add(common)
        return wanted

    def agreed(
        self, op: str, facts: Mapping[str, Fact | str | None], problem: Exception | None = None
    ) -> list[dict[str, Any]]:
        """What each rank says of each fact.

        problem: what this rank found wrong with its arguments; it is raised here, and told to the others. Raises
        RankError on every rank where they differ, and names two that do.
        """
        mine = _said(facts)
        if self.size == 1:
            if problem is not None:
                raise problem
            return [mine]
        note = json.dumps({"op": op, "facts": mine})
        if problem is not None:
            note = json.dumps({"op": op, "problem": str(problem).encode("ascii", "replace").decode()[:900]})
        device = next((fact.tensor.device for fact in facts.values() if isinstance(fact, Fact)), torch.device("cpu"))
        notes = self._notes(op, note, device)
        if problem is not None:
            raise problem
        for rank, its in enumerate(notes):
            if "problem" in its:
                raise RankError(f"{op}: rank {rank}: {its['problem']}")
        for rank, its in enumerate(notes):
            if its["op"] != op:
                raise RankError(f"{op}: rank {self.rank} calls {op}, and rank {rank} {its['op']}")
        told = [its["facts"] for its in notes]
        for name in mine:
            for rank, its in enumerate(told):
                if _common(its.get(name)) != _common(told[0].get(name)):
                    raise RankError(
                        f"{op}: ranks disagree: {name} is {_shown(told[0].get(name))} on rank 0 and "
                        f"{_shown(its.get(name))} on rank {rank}"
                    )
        return told

    def _notes(self, op: str, note: str, device: torch.device) -> list[dict[str, Any]]:
        written = note.encode()
        if len(written) > NOTE:
            raise ArgumentError(f"{op}: its arguments take more than {NOTE} bytes to name")
        mine = torch.zeros(NOTE, dtype=torch.uint8)
        mine[: len(written)] = torch.frombuffer(bytearray(written), dtype=torch.uint8)
        mine = mine.to(device)
        with self.exchange(op):
            made = [torch.empty_like(mine) for _ in range(self.size)]
            distributed.all_gather(made, mine, group=self.group)
        return [json.loads(bytes(x.tolist()).rstrip(b"\0")) for x in made]

    @contextmanager
    def exchange(self, op: str, other: str = "another rank") -> Iterator[None]:
        """Names the op and the rank in what the engine raises: a rank that ended, or did not come in time. other: who
        that may be; gloo names addresses of those that it lost, and nobody of those that it waits for."""
        try:
            yield
        except RuntimeError as error:
            if isinstance(error, RankError):
                raise
            raise RankError(
                f"{op}: rank {self.rank} of {self.size}: {other} ended, did not come in time, or made another call: "
                f"{str(error).strip()}"
            ) from error

    def send(self, op: str, x: torch.Tensor, rank: int) -> Any:
        """Begins to send a tensor in one run of memory; what it gives is waited for by `finish`."""
        with self.exchange(op, f"rank {rank}"):
            return Begun(distributed.isend(x, self._world(rank), group=self.group), rank)

    def receive(self, op: str, into: torch.Tensor, rank: int) -> Any:
        """Begins to receive a tensor from a rank."""
        with self.exchange(op, f"rank {rank}"):
            return Begun(distributed.irecv(into, self._world(rank), group=self.group), rank)

    def finish(self, op: str, works: Iterable[Any]) -> None:
        """Waits for what was begun."""
        for begun in works:
            with self.exchange(op, f"rank {begun.other}"):
                begun.work.wait()

    def broadcast(self, op: str, x: torch.Tensor, rank: int) -> torch.Tensor:
        """A rank's tensor, on all of them. x: in one run of memory; overwritten on the others."""
        if self.size > 1 and x.numel():
            with self.exchange(op, f"rank {rank}, or one on the way from it,"):
                distributed.broadcast(x, self._world(rank), group=self.group)
        return x

    def gathered(self, op: str, x: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """The ranks' tensors behind one another along axis 0, in which they are `lengths` long."""
        if self.size == 1:
            return x
        most = max(lengths)
        if not most or 0 in x.shape[1:]:
            return x.new_empty(sum(lengths), *x.shape[1:])
        mine = x.contiguous()
        if x.shape[0] < most:
            mine = x.new_zeros(most, *x.shape[1:])
            mine[: x.shape[0]] = x
        made = [torch.empty_like(mine) for _ in range(self.size)]
        with self.exchange(op):
            distributed.all_gather(made, mine, group=self.group)
        return torch.cat([each[:n] for each, n in zip(made, lengths, strict=True)])

    def united(self, op: str, x: torch.Tensor) -> torch.Tensor:
        """For each element the one rank's that has not all bits 0: bytes are added, of which at most one is not 0, so
        that no order and no rounding is in it."""
        if self.size == 1 or not x.numel():
            return x
        flat = x.contiguous().clone().reshape(-1)
        with self.exchange(op):
            distributed.all_reduce(flat.view(torch.uint8), group=self.group)
        return flat.reshape(x.shape)

    def _world(self, rank: int) -> int:
        assert self.group is not None
        return distributed.get_global_rank(self.group, rank)


ALONE = Ranks(None)
"""This process by itself."""

_made: dict[Any, Ranks] = {}
"""Of the process groups that there are."""


def ranks_of(group: Any, argument: str = "group") -> Ranks:
    """The ranks of a process group or of a DeviceMesh with one axis; of None, this process alone. Raises
    ArgumentError."""
    if group is None:
        return ALONE
    if isinstance(group, Ranks):
        return group
    if isinstance(group, DeviceMesh):
        if group.ndim != 1:
            raise ArgumentError(
                f"{argument}: expected a DeviceMesh with one axis, got one with {group.ndim}; name the axis, as in "
                'mesh["tensor"]'
            )
        group = group.get_group()
    if not isinstance(group, distributed.ProcessGroup):
        raise ArgumentError(f"{argument}: expected a process group, a DeviceMesh or None, got {shown(group)}")
    if distributed.get_rank(group) < 0:
        raise ArgumentError(f"{argument}: this process is not in the group")
    found = _made.get(group)
    if found is None:
        world = distributed.group.WORLD
        for other in [other for other, its in _made.items() if its.world is not world]:
            del _made[other]  # torch.distributed was ended, and began anew
        found = _made[group] = Ranks(group)
    return found
