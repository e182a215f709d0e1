"""Which nodes of a graph one kernel computes together. The only file that decides it.

A group has a *domain*: axes that all of its nodes run over, some of them reduced. A node joins the group of a value
that it reads where it reads it in place: each axis of the node is an axis of the domain, or the value is broadcast
along it. So a view that slices, shifts or reverses an intermediate ends a group; of an input any view is read as it is.

    pointwise   nodes of one domain, no folds
    row         folds over the same axes of the domain, and steps before, between and after them
    matmul      a product, and steps on each of its results
    alone       what has no group: one node, called like any other op
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..layout import Shape, broadcast_strides
from .graph import Graph, Node, Read

MOST = 24
"""Operands and results of a group."""

FOLDED = ("sum", "prod", "max", "min", "any", "all")
"""Kinds of reductions that a row program has; argmax and argmin have kernels of their own."""


@dataclass(eq=False)
class Group:
    """Nodes by their numbers, in the graph's order.

    lengths: of the domain's axes. reduced: those that are reduced, in the order in which a row's elements are numbered;
    None: no fold. places: for each node, which axis of the domain each axis of its own index space is (None: of length
    1). The index space of a fold is that of its operand.
    """

    kind: str
    members: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    reduced: tuple[int, ...] | None = None
    places: dict[int, tuple[int | None, ...]] = field(default_factory=dict)
    ended: str = ""

    @property
    def kept(self) -> tuple[int, ...]:
        """The axes that are not reduced."""
        return tuple(a for a in range(len(self.lengths)) if a not in (self.reduced or ()))


class Unfit(Exception):
    """A node that does not go into a group, with the reason."""


def space(node: Node) -> Shape:
    """The index space that a node runs over."""
    return node.reads[0].layout.shape if node.spec.primitive == "reduce" else node.outputs[0].shape


@dataclass(frozen=True)
class Limit:
    """How many nodes a kind of group may have, where kernels refused more, and why they did."""

    most: int
    why: str


def groups(graph: Graph, alone: frozenset[str] = frozenset(), limits: Mapping[str, Limit] | None = None) -> list[Group]:
    """The graph's nodes in groups, each after those whose values it reads. alone: names of ops that stand alone.
    limits: by kind of group, where there are any."""
    return _Grouping(graph, alone, limits or {}).run()


class _Grouping:
    def __init__(self, graph: Graph, alone: frozenset[str], limits: Mapping[str, Limit]) -> None:
        self._graph, self._alone, self._limits = graph, alone, limits
        self._of: dict[int, Group] = {}
        self._groups: list[Group] = []

    def run(self) -> list[Group]:
        for number, node in self._graph.numbered():
            self._place(number, node)
        for group in [g for g in self._groups if g.kind == "matmul"]:
            self._settle(group)
        return self._ordered()

    def _place(self, value: int, node: Node) -> None:
        kind = _kind(node, self._alone)
        if kind in ("alone", "matmul"):
            shape = space(node)
            group = Group(kind, [value], list(shape), None, {value: tuple(range(len(shape)))})
            return self._open(value, group)
        reasons = []
        for group in self._candidates(value, node):
            try:
                self._join(group, value, node, kind)
            except Unfit as why:
                reasons.append(str(why))
                group.ended = group.ended or f"%{value}: {why}"
                continue
            for other in self._candidates(value, node):
                if other is not group:
                    group = self._joined(group, other, value, node)
            return None
        its_space = space(node)
        made = Group("row" if kind == "fold" else "pointwise", [value])
        made.places[value] = _fresh_places(made, its_space)
        if kind == "fold":
            made.reduced = tuple(a for axis in node.inferred.axes if (a := made.places[value][axis]) is not None)
        return self._open(value, made)

    def _open(self, value: int, group: Group) -> None:
        self._groups.append(group)
        self._enter(value, group)

    def _enter(self, member: int, group: Group) -> None:
        self._of.update(dict.fromkeys(self._graph.results_of(member), group))

    def _candidates(self, value: int, node: Node) -> list[Group]:
        """The groups of the values that a node reads, the last first; then those that read an operand of the same
        shape as it does."""
        found: dict[int, Group] = {}
        for read in sorted(node.reads, key=lambda r: -r.value):
            if (group := self._of.get(read.value)) is not None:
                found.setdefault(id(group), group)
        shape = space(node)
        inputs = {r.value for r in node.reads if r.value < self._graph.first and r.layout.size > 1}
        for group in reversed(self._groups):
            if id(group) in found or group.kind not in ("pointwise", "row"):
                continue
            for member in group.members:
                its = self._graph.node(member)
                if space(its) == shape and any(r.value in inputs for r in its.reads):
                    found.setdefault(id(group), group)
                    break
        return [g for g in found.values() if g.kind != "alone"]

    # joining

    def _join(self, group: Group, value: int, node: Node, kind: str) -> None:
        """Adds a node to a group. Raises Unfit, and then nothing has changed."""
        for read in node.reads:
            other = self._of.get(read.value)
            if other is not None and other is not group and self._needs(other, group):
                raise Unfit("what else it reads needs this group's results first")
        self._check_size([*group.members, value], "row" if kind == "fold" else group.kind)
        places = self._located(group, node)
        if group.kind == "matmul":
            if kind == "fold":
                raise Unfit("a product's results are not folded where they are computed")
            self._check_epilogue(group, node, places)
        elif kind == "fold":
            reduced = tuple(a for axis in node.inferred.axes if (a := places[axis]) is not None)
            if group.reduced is not None and group.reduced != reduced:
                raise Unfit("it folds other axes")
            if group.reduced is None:
                self._check_rows(group, reduced)
                group.reduced, group.kind = reduced, "row"
        elif group.reduced is not None:
            self._check_level(group, node, places)
        group.members.append(value)
        group.places[value] = places
        self._enter(value, group)

    def _located(self, group: Group, node: Node) -> tuple[int | None, ...]:
        """Where each axis of a node's index space lies in the group's domain. Raises Unfit."""
        shape = space(node)
        places: list[int | None] = [None] * len(shape)
        for read in node.reads:
            if self._of.get(read.value) is group:
                self._align(group, read, shape, places)
        free = [a for a in range(len(group.lengths)) if a not in places]
        for axis, n in enumerate(shape):
            if n == 1 or places[axis] is not None:
                continue
            match = next((a for a in free if group.lengths[a] == n), None)
            if match is None:
                raise Unfit(f"its axis {axis} of length {n} is no axis of the group")
            places[axis] = match
            free.remove(match)
        return tuple(places)

    def _align(self, group: Group, read: Read, shape: Shape, places: list[int | None]) -> None:
        """Follows the axes along which an index space walks a value of the group. Raises Unfit."""
        own = self._graph.layout(read.value)
        at = self._own_places(group, read.value)
        if read.offset:
            raise Unfit(f"it reads a part of %{read.value}")
        walked = set()
        for axis, (n, step) in enumerate(zip(shape, broadcast_strides(read.layout, shape), strict=True)):
            if n == 1 or step == 0:
                continue
            its = next((a for a in range(own.ndim) if own.strides[a] == step and own.shape[a] == n), None)
            if its is None or at[its] is None or its in walked:
                raise Unfit(f"it reads %{read.value} under another shape")
            walked.add(its)
            if places[axis] not in (None, at[its]) or at[its] in places[:axis] + places[axis + 1 :]:
                raise Unfit(f"it reads %{read.value} along other axes")
            places[axis] = at[its]
        if any(n > 1 and a not in walked for a, n in enumerate(own.shape)):
            raise Unfit(f"it reads a part of %{read.value}")

    def _own_places(self, group: Group, value: int) -> tuple[int | None, ...]:
        """Where the axes of a member's result lie in the domain."""
        node = self._graph.node(value)
        places = group.places[self._graph.giver(value)]
        if node.spec.primitive != "reduce":
            return places
        return tuple(p for axis, p in enumerate(places) if axis not in node.inferred.axes)

    def _check_rows(self, group: Group, reduced: tuple[int, ...], *inside: Group) -> None:
        """Whether the values that leave a group, or several, are of each element or of each row of these axes."""
        kept = {a for a in range(len(group.lengths)) if a not in reduced}
        for member in group.members:
            if self._leaving(member, *(inside or (group,))):
                covered = {p for p in self._own_places(group, member) if p is not None}
                if not kept <= covered or 0 < len(covered & set(reduced)) < len(reduced):
                    raise Unfit(f"%{member} has neither a number for each element nor one for each row")

    def _check_level(self, group: Group, node: Node, places: tuple[int | None, ...]) -> None:
        """Whether a node in a group of rows has a number for each element where its index space has the reduced
        axes."""
        reduced = set(group.reduced or ())
        covered = {p for p in places if p is not None}
        if not set(group.kept) <= covered:
            raise Unfit("it has no number for each row")
        if not reduced & covered:
            return
        if not reduced <= covered:
            raise Unfit("it has a part of the reduced axes")
        shape = space(node)
        for read in node.reads:
            steps = broadcast_strides(read.layout, shape)
            if any(steps[axis] and p in reduced for axis, p in enumerate(places)):
                return
        raise Unfit("it repeats a row's number for each element")

    def _check_epilogue(self, group: Group, node: Node, places: tuple[int | None, ...]) -> None:
        """Whether a step works on each result of a product where it lies."""
        product = self._graph.node(group.members[0])
        if node.outputs[0].shape != product.outputs[0].shape or any(p not in (None, a) for a, p in enumerate(places)):
            raise Unfit("a product's results have another shape")

    # merging

    def _joined(self, group: Group, other: Group, value: int, node: Node) -> Group:
        """One group of two, both of which a node reads that has joined the first; or the first, where they do not go
        together."""
        try:
            if "matmul" in (group.kind, other.kind):
                raise Unfit("a product stands at the head of its group")
            if self._needs(other, group) or self._between(other, group):
                raise Unfit("a third group lies between the two")
            kind = "row" if "row" in (group.kind, other.kind) else "pointwise"
            self._check_size([*group.members, *other.members], kind)
            pairs = self._pairs(group, other, value, node)
            try:
                self._merge(group, other, dict(pairs))
            except Unfit:
                self._merge(other, group, {mine: its for its, mine in pairs})
                return other
        except Unfit as why:
            other.ended = other.ended or f"%{value}: {why}"
        return group

    def _pairs(self, group: Group, other: Group, value: int, node: Node) -> list[tuple[int, int]]:
        """Which axes of the second group's domain are which of the first's, as far as a node shows that has joined the
        first and reads values of the second."""
        shape, mine = space(node), group.places[value]
        found: dict[int, int] = {}
        for read in node.reads:
            if self._of.get(read.value) is other:
                theirs: list[int | None] = [None] * len(shape)
                self._align(other, read, shape, theirs)
                for p, at in zip(theirs, mine, strict=True):
                    if p is not None and at is not None and found.setdefault(p, at) != at:
                        raise Unfit("the two run over their axes in other orders")
        return list(found.items())

    def _merge(self, group: Group, other: Group, to: dict[int, int]) -> None:
        """Takes the second group into the first. to: the axes of its domain that are known to be ones of the first's.
        Raises Unfit, and then nothing has changed."""
        reduced = self._joint_reduced(group, other, to)
        if len(set(to.values())) < len(to):
            raise Unfit("two axes of the one are one axis of the other")
        free = [a for a in range(len(group.lengths)) if a not in to.values()]
        for a, n in enumerate(other.lengths):
            if a in to:
                continue
            match = next((b for b in free if group.lengths[b] == n), None)
            if match is None:
                raise Unfit("the two run over other axes")
            to[a] = match
            free.remove(match)
        if free and other.reduced is not None:
            raise Unfit("the two run over other axes")
        if free and not self._is_cheap(other, set(to.values()), group):
            raise Unfit("it would be computed again and again")
        places = {m: tuple(None if p is None else to[p] for p in other.places[m]) for m in other.members}
        trial = Group("row", sorted(group.members + other.members), group.lengths, reduced, {**group.places, **places})
        self._check_crossing(trial, group, other)
        if reduced is not None:
            self._check_rows(trial, reduced, group, other)
        elif free and any(self._leaving(m, group, other) for m in other.members):
            raise Unfit("one of its values is a result")
        group.members, group.places, group.reduced = trial.members, trial.places, reduced
        group.kind = "row" if reduced is not None else "pointwise"
        for member in other.members:
            self._enter(member, group)
        self._groups.remove(other)

    def _check_crossing(self, trial: Group, group: Group, other: Group) -> None:
        """Whether what nodes of one group read of the other's values lies where they are. Raises Unfit."""
        for member in trial.members:
            node = self._graph.node(member)
            for read in node.reads:
                owner = self._of.get(read.value)
                if owner in (group, other) and owner is not self._of[member]:
                    self._align(trial, read, space(node), list(trial.places[member]))

    def _joint_reduced(self, group: Group, other: Group, to: dict[int, int]) -> tuple[int, ...] | None:
        """The reduced axes of two groups as the first one's; fills in `to` for those of the second."""
        if other.reduced is None:
            return group.reduced
        if group.reduced is None:
            if any(a not in to for a in other.reduced):
                raise Unfit("the two run over other axes")
            return tuple(to[a] for a in other.reduced)
        if len(group.reduced) != len(other.reduced):
            raise Unfit("the two fold other axes")
        for a, b in zip(other.reduced, group.reduced, strict=True):
            if other.lengths[a] != group.lengths[b] or to.setdefault(a, b) != b:
                raise Unfit("the two fold other axes")
        return group.reduced

    def _is_cheap(self, other: Group, covered: set[int], group: Group) -> bool:
        """Whether the steps of a smaller domain may be computed for each element of a larger one: for each row, or few
        of them."""
        if group.reduced is not None and covered <= set(group.kept):
            return True
        return len(other.members) <= 2

    # dependencies

    def _check_size(self, members: list[int], kind: str) -> None:
        limit = self._limits.get(kind)
        if limit is not None and len(members) > limit.most:
            raise Unfit(limit.why)
        if len(self._operands(members)) > MOST:
            raise Unfit(f"more than {MOST} operands")

    def _operands(self, members: Iterable[int]) -> set[tuple[int, object, int]]:
        inside = set(members)
        found: set[tuple[int, object, int]] = set()
        for m in inside:
            for r in self._graph.node(m).reads:
                if r.value < self._graph.first or self._graph.giver(r.value) not in inside:
                    found.add((r.value, r.layout, r.offset))
        return found

    def _leaving(self, member: int, *groups: Group) -> set[int]:
        """The values of a node that are results, or that nodes outside the groups read."""
        own, users = self._graph.results_of(member), self._graph.users
        return {v for v in own if any(u < 0 or self._of.get(u) not in groups for u in users.get(v, ()))}

    def _direct(self, group: Group) -> set[Group]:
        return {
            self._of[r.value]
            for m in group.members
            for r in self._graph.node(m).reads
            if r.value in self._of and self._of[r.value] is not group
        }

    def _needs(self, group: Group, other: Group) -> bool:
        """Whether a group needs results of another one, directly or through others, which have a later node."""
        pending, seen, first = [group], {group}, min(other.members)
        while pending:
            for found in self._direct(pending.pop()):
                if found is other:
                    return True
                if found not in seen and max(found.members) > first:
                    seen.add(found)
                    pending.append(found)
        return False

    def _between(self, other: Group, group: Group) -> bool:
        """Whether the second group needs a third one that needs the first."""
        return any(third is not other and self._needs(third, other) for third in self._direct(group))

    def _settle(self, group: Group) -> None:
        """Leaves a product the steps after it that have one result together; the others become a group."""
        rest: list[int] = []
        while sum(len(self._leaving(m, group)) for m in group.members) > 1:
            rest.insert(0, group.members.pop())
            for value in self._graph.results_of(rest[0]):
                del self._of[value]
        if rest:
            group.ended = "a product's kernel has one result"
        limit = self._limits.get("pointwise")
        most = max(1, len(rest) if limit is None else limit.most)
        for i in range(0, len(rest), most):
            some = rest[i : i + most]
            made = Group("pointwise", some, group.lengths, None, {m: group.places.pop(m) for m in some})
            self._groups.append(made)
            for member in some:
                self._enter(member, made)

    def _ordered(self) -> list[Group]:
        """The groups, each after those that it needs."""
        done: list[Group] = []
        seen: set[Group] = set()

        def visit(group: Group) -> None:
            if group in seen:
                return
            seen.add(group)
            for needed in sorted(self._direct(group), key=lambda g: g.members[0]):
                visit(needed)
            done.append(group)

        for group in sorted(self._groups, key=lambda g: g.members[0]):
            visit(group)
        for group in done:
            group.members.sort()
        return done


def _kind(node: Node, alone: frozenset[str]) -> str:
    if node.spec.name in alone or any(x.size == 0 for x in (*node.outputs, *(r.layout for r in node.reads))):
        return "alone"
    if node.spec.primitive == "pointwise":
        return "step"
    if node.spec.primitive == "reduce" and node.inferred.kind in FOLDED:
        return "fold"
    return "matmul" if node.spec.primitive == "matmul" else "alone"


def _fresh_places(group: Group, shape: Shape) -> tuple[int | None, ...]:
    """The axes of an index space as a new group's domain."""
    places: list[int | None] = []
    for n in shape:
        places.append(None if n == 1 else len(group.lengths))
        if n > 1:
            group.lengths.append(n)
    return tuple(places)
