"""Whether nodes and groups go together. Nothing here changes a group; what does not fit raises Unfit, with the reason
that `accel explain` prints. `group.py` decides what is tried, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..layout import Shape, broadcast_strides
from .graph import Graph, Node, Read
from .views import ONE_INSTRUCTION

MOST = 32
"""Operands and results of a group."""

PRODUCTS = ("matmul", "convolution")
"""Primitives whose kernels take an epilogue, each a kind of group."""


@dataclass(eq=False)
class Group:
    """Nodes by their numbers, in the graph's order.

    lengths: of the domain's axes. reduced: those that are reduced, in the order in which a row's elements are numbered;
    None: no fold. places: for each node, which axis of the domain each axis of its own index space is (None: of length
    1). The index space of a fold is that of its operand. boxes: for values that are written into a join's memory, where
    (`accel.graph.placing`).
    """

    kind: str
    members: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    reduced: tuple[int, ...] | None = None
    places: dict[int, tuple[int | None, ...]] = field(default_factory=dict)
    ended: str = ""
    boxes: dict[int, Read] = field(default_factory=dict)

    @property
    def kept(self) -> tuple[int, ...]:
        """The axes that are not reduced."""
        return tuple(a for a in range(len(self.lengths)) if a not in (self.reduced or ()))


class Unfit(Exception):
    """A node that does not go into a group, with the reason."""


def space(node: Node) -> Shape:
    """The index space that a node runs over."""
    return node.reads[0].layout.shape if node.spec.primitive == "reduce" else node.outputs[0].shape


def product_of(graph: Graph, group: Group) -> int:
    """The product of a group that has one. Steps of what its own steps read may stand before it."""
    return next(m for m in group.members if graph.node(m).spec.primitive in PRODUCTS)


@dataclass(frozen=True)
class Limit:
    """How many nodes a kind of group may have, where kernels refused more, and why they did."""

    most: int
    why: str


class Fit:
    """Checks, for the groups that there are. of: by value, the group that computes it."""

    def __init__(self, graph: Graph, limits: Mapping[str, Limit], of: dict[int, Group]) -> None:
        self._graph, self._limits, self._of = graph, limits, of
        self._reads = {number: len(node.reads) for number, node in graph.numbered()}
        self._needed = {
            number: {r.value for r in node.reads if r.value >= graph.first} for number, node in graph.numbered()
        }

    # a node

    def joining(
        self, group: Group, value: int, node: Node, kind: str
    ) -> tuple[tuple[int | None, ...], tuple[int, ...] | None]:
        """The places of a node that joins a group, and the group's reduced axes then. kind: "step" or "fold"."""
        for read in node.reads:
            other = self._of.get(read.value)
            if other is not None and other is not group and self.needs(other, group):
                raise Unfit("what else it reads needs this group's results first")
        self.check_size([*group.members, value], "row" if kind == "fold" else group.kind)
        places = self._located(group, node)
        if group.kind in PRODUCTS:
            if kind == "fold":
                raise Unfit("a product's results are not folded where they are computed")
            self._check_epilogue(group, node, places)
        elif kind == "fold":
            reduced = tuple(a for axis in node.inferred.axes if (a := places[axis]) is not None)
            if group.reduced is not None and group.reduced != reduced:
                raise Unfit("it folds other axes")
            if group.reduced is None:
                self._check_rows(group, reduced)
            return places, reduced
        elif group.reduced is not None:
            self._check_level(group, node, places)
        return places, group.reduced

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
                raise Unfit(f"its axis {axis} is no axis of the group")
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
            if self.leaving(member, *(inside or (group,))):
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
        product = self._graph.node(product_of(self._graph, group))
        if node.outputs[0].shape != product.outputs[0].shape or any(p not in (None, a) for a, p in enumerate(places)):
            raise Unfit("a product's results have another shape")

    # two groups

    def merging(self, group: Group, other: Group, to: dict[int, int]) -> Group:
        """The first group with the second in it. to: the axes of the second's domain that are known to be ones of the
        first's; it is filled in."""
        reduced = self._joint_reduced(group, other, to)
        if len(set(to.values())) < len(to):
            raise Unfit("two axes of the one are one axis of the other")
        free = [a for a, n in enumerate(group.lengths) if n > 1 and a not in to.values()]
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
        elif free and any(self.leaving(m, group, other) for m in other.members):
            raise Unfit("one of its values is a result")
        if group.kind in PRODUCTS:
            self._check_epilogue(group, self._graph.node(trial.members[-1]), trial.places[trial.members[-1]])
            trial.kind = group.kind
        elif reduced is None:
            trial.kind = "pointwise"
        return trial

    def check_side(self, product: Group, side: Group, value: int) -> None:
        """Whether steps beside a product, of what a node reads, may be done where its results are. Raises Unfit."""
        if side.kind == "row":
            raise Unfit("a fold is not computed beside a product")
        if any(self._of.get(r.value) is side for r in self._graph.node(product_of(self._graph, product)).reads):
            raise Unfit("the product itself reads its values")
        if any(self.leaving(m, product, side) for m in side.members if m != value):
            raise Unfit("one of its values is a result")

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
        of them; beside a product, whose results may take few multiplications, where they cost next to nothing."""
        if group.reduced is not None and covered <= set(group.kept):
            return True
        if group.kind in PRODUCTS:
            steps = [step for m in other.members for step in self._graph.node(m).inferred.steps]
            return all(step.function in ONE_INSTRUCTION for step in steps)
        return len(other.members) <= 2

    def pairs(self, group: Group, other: Group, value: int, node: Node) -> list[tuple[int, int]]:
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

    def shared(self, group: Group, other: Group) -> dict[int, int] | None:
        """Which axes of the second group's domain are which of the first's, as an operand shows that both read over the
        same index space; None: there is none."""
        known = {}
        for m in group.members:
            node = self._graph.node(m)
            known.update({(r, space(node)): group.places[m] for r in node.reads if r.layout.size > 1})
        for m in other.members:
            node = self._graph.node(m)
            for read in node.reads:
                its = known.get((read, space(node))) if read.value < self._graph.first else None
                if its is not None:
                    pairs = zip(other.places[m], its, strict=True)
                    return {theirs: mine for theirs, mine in pairs if theirs is not None and mine is not None}
        return None

    # sizes and dependencies

    def check_size(self, members: list[int], kind: str) -> None:
        limit = self._limits.get(kind)
        if limit is not None and len(members) > limit.most:
            raise Unfit(limit.why)
        reads = sum([self._reads[m] for m in members])
        if reads > MOST and len(self._operands(members)) > MOST:
            raise Unfit(f"more than {MOST} operands")

    def _operands(self, members: Iterable[int]) -> set[tuple[int, object, int]]:
        inside = set(members)
        found: set[tuple[int, object, int]] = set()
        for m in inside:
            for r in self._graph.node(m).reads:
                if r.value < self._graph.first or self._graph.giver(r.value) not in inside:
                    found.add((r.value, r.layout, r.offset))
        return found

    def leaving(self, member: int, *groups: Group) -> set[int]:
        """The values of a node that are results, or that nodes outside the groups read."""
        own, users = self._graph.results_of(member), self._graph.users
        return {v for v in own if any(u < 0 or self._of.get(u) not in groups for u in users.get(v, ()))}

    def direct(self, group: Group) -> set[Group]:
        """The groups whose values its nodes read, without itself."""
        of = self._of
        found = {of[value] for m in group.members for value in self._needed[m] if value in of}
        found.discard(group)
        return found

    def needs(self, group: Group, other: Group) -> bool:
        """Whether a group needs results of another one, directly or through others."""
        return self._reached(other, [group])

    def between(self, other: Group, group: Group) -> bool:
        """Whether the second group needs a third one that needs the first."""
        return self._reached(other, [third for third in self.direct(group) if third is not other])

    def _reached(self, other: Group, groups: list[Group]) -> bool:
        """Whether some of these groups need results of another one. Also through groups all of whose nodes are earlier:
        what they read may be of groups that have later ones. So it is looked for from both ends, of which one mostly
        has few groups beyond it."""
        above, below = set(groups), {other}
        upwards, downwards = list(above), list(below)
        while upwards and downwards:
            found = self.direct(upwards.pop())
            using = self._using(downwards.pop())
            if found & below or using & above:
                return True
            upwards += found - above
            downwards += using - below
            above |= found
            below |= using
        return False

    def _using(self, group: Group) -> set[Group]:
        """The groups whose nodes read its values, without itself."""
        of, users = self._of, self._graph.users
        found = {
            of[user]
            for m in group.members
            for v in self._graph.results_of(m)
            for user in users.get(v, ())
            if user in of
        }
        found.discard(group)
        return found
