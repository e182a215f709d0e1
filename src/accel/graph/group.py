"""Which nodes of a graph one kernel computes together: what is tried, and in which order. Whether it goes together is
said in `fit.py`.

A group has a *domain*: axes that all of its nodes run over, some of them reduced. A node joins the group of a value
that it reads where it reads it in place: each axis of the node is an axis of the domain, or the value is broadcast
along it. So a view that slices, shifts or reverses an intermediate ends a group; of an input any view is read as it is.

    pointwise   nodes of one domain, no folds
    row         folds over the same axes of the domain, and steps before, between and after them
    matmul      a product, steps on each of its results, and steps of what these read besides
    convolution the same of a convolution
    scatter     a gather of whole rows, and the scatter that alone reads them
    alone       what has no group: one node, called like any other op
"""

from __future__ import annotations

from collections.abc import Mapping

from ..layout import Shape
from ..ops.parameters import scattered_operands
from .fit import PRODUCTS, Fit, Group, Limit, Unfit, product_of, space
from .graph import Graph, Node
from .program import gathered_rows

FOLDED = ("sum", "prod", "max", "min", "any", "all")
"""Kinds of reductions that a row program has; argmax and argmin have kernels of their own."""


def groups(graph: Graph, alone: frozenset[str] = frozenset(), limits: Mapping[str, Limit] | None = None) -> list[Group]:
    """The graph's nodes in groups, each after those whose values it reads. alone: names of ops that stand alone.
    limits: by kind of group, where there are any."""
    return _Grouping(graph, alone, limits or {}).run()


class _Grouping:
    def __init__(self, graph: Graph, alone: frozenset[str], limits: Mapping[str, Limit]) -> None:
        self._graph, self._alone, self._limits = graph, alone, limits
        self._of: dict[int, Group] = {}
        self._fit = Fit(graph, limits, self._of)
        self._groups: list[Group] = []

    def run(self) -> list[Group]:
        for number, node in self._graph.numbered():
            self._place(number, node)
        for group in [g for g in self._groups if g.kind == "pointwise"]:
            self._beside(group)
        for group in [g for g in self._groups if g.kind in PRODUCTS]:
            self._settle(group)
        for group in [g for g in self._groups if g.kind == "alone"]:
            self._take_rows(group)
        return self._ordered()

    def _place(self, value: int, node: Node) -> None:
        kind = _kind(node, self._alone)
        if kind in ("alone", *PRODUCTS):
            shape = space(node)
            group = Group(kind, [value], list(shape), None, {value: tuple(range(len(shape)))})
            return self._open(value, group)
        candidates = self._candidates(value, node)
        for group in candidates:
            try:
                self._join(group, value, node, kind)
            except Unfit as why:
                group.ended = group.ended or f"%{value}: {why}"
                continue
            for other in candidates:
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
        shape as it does. A step of operands goes to no group of rows like that: what it is needed for may fold other
        axes (`_beside`)."""
        found: dict[int, Group] = {}
        for read in sorted(node.reads, key=lambda r: -r.value):
            if (group := self._of.get(read.value)) is not None:
                found.setdefault(id(group), group)
        shape = space(node)
        inputs = {r.value for r in node.reads if r.value < self._graph.first and r.layout.size > 1}
        kinds = ("pointwise", "row") if node.spec.primitive == "reduce" else ("pointwise",)
        beside = {user for v in inputs for user in self._graph.users[v] if user in self._of}
        near = {id(self._of[user]) for user in beside if space(self._graph.node(user)) == shape}
        for group in reversed(self._groups) if near else ():
            if id(group) in near and group.kind in kinds:
                found.setdefault(id(group), group)
        return [g for g in found.values() if g.kind != "alone"]

    # joining

    def _join(self, group: Group, value: int, node: Node, kind: str) -> None:
        """Adds a node to a group. Raises Unfit, and then nothing has changed."""
        group.places[value], group.reduced = self._fit.joining(group, value, node, kind)
        if kind == "fold":
            group.kind = "row"
        group.members.append(value)
        self._enter(value, group)

    def _merge(self, group: Group, other: Group, to: dict[int, int]) -> None:
        """Takes the second group into the first. to: the axes of its domain that are known to be ones of the first's.
        Raises Unfit, and then nothing has changed."""
        trial = self._fit.merging(group, other, to)
        group.kind, group.members, group.places, group.reduced = trial.kind, trial.members, trial.places, trial.reduced
        for member in other.members:
            self._enter(member, group)
        self._groups.remove(other)

    def _joined(self, group: Group, other: Group, value: int, node: Node) -> Group:
        """One group of two, both of which a node reads that has joined the first; or the first, where they do not go
        together."""
        try:
            if group.kind in PRODUCTS and other.kind in PRODUCTS:
                raise Unfit("a product's kernel has one product")
            if self._fit.needs(other, group) or self._fit.between(other, group):
                raise Unfit("a third group lies between the two")
            kind = next((k for k in (*PRODUCTS, "row") if k in (group.kind, other.kind)), "pointwise")
            self._fit.check_size([*group.members, *other.members], kind)
            pairs = self._fit.pairs(group, other, value, node)
            if kind in PRODUCTS:
                product, side = (group, other) if group.kind == kind else (other, group)
                self._fit.check_side(product, side, value)
                self._merge(product, side, dict(pairs) if side is other else {mine: its for its, mine in pairs})
                return product
            try:
                self._merge(group, other, dict(pairs))
            except Unfit:
                self._merge(other, group, {mine: its for its, mine in pairs})
                return other
        except Unfit as why:
            if not other.ended or other.ended.startswith(f"%{value}:"):  # why the node did not join it says less
                other.ended = f"%{value}: {why}"
        return group

    def _beside(self, steps: Group) -> None:
        """Takes a group of steps into one of rows that reads one of its operands too, where neither needs the other."""
        for group in reversed(self._groups):
            if group.kind != "row" or (pairs := self._fit.shared(group, steps)) is None:
                continue
            if self._fit.needs(group, steps) or self._fit.needs(steps, group):
                continue
            try:
                self._fit.check_size([*group.members, *steps.members], "row")
                self._merge(group, steps, pairs)
            except Unfit as why:
                steps.ended = steps.ended or str(why)
            else:
                return

    def _settle(self, group: Group) -> None:
        """Leaves a product the steps after it that have one result together; the others become a group."""
        rest: list[int] = []
        product = product_of(self._graph, group)
        while sum(len(self._fit.leaving(m, group)) for m in group.members) > 1:
            last = max(m for m in group.members if m != product)
            group.members.remove(last)
            rest.insert(0, last)
            for value in self._graph.results_of(rest[0]):
                del self._of[value]
        if rest:
            group.ended = "a product's kernel has one result"
        limit = self._limits.get("pointwise")
        most = max(1, len(rest) if limit is None else limit.most)
        pieces = [rest[i : i + most] for i in range(0, len(rest), most)]
        left = [Group("pointwise", its, group.lengths, None, {m: group.places.pop(m) for m in its}) for its in pieces]
        self._groups += left
        for made in left:
            for member in made.members:
                self._enter(member, made)
        for made in left:
            self._rejoin(made)

    def _rejoin(self, made: Group) -> None:
        """Takes steps that a product has left into a group that reads their values."""
        user = -1
        while made in self._groups and (later := [u for u in self._users(made) if u > user]):
            user = min(later)
            group = self._of[user]
            if group is not made and group.kind in ("pointwise", "row"):
                self._joined(group, made, user, self._graph.node(user))

    def _take_rows(self, group: Group) -> None:
        """Takes the gather of a scatter's values to it."""
        (number,) = group.members
        node = self._graph.node(number)
        if node.spec.primitive != "scatter" or node.spec.name in self._alone or node.inferred.sourced:
            return
        _, values, _, _ = scattered_operands(node.reads, node.inferred)
        other = self._of.get(values.value)
        if other is None or other.kind != "alone" or gathered_rows(self._graph, values) is None:
            return
        if self._graph.users[values.value] != {number} or self._graph.node(values.value).spec.name in self._alone:
            return
        try:
            self._fit.check_size([*other.members, *group.members], "scatter")
        except Unfit as why:
            other.ended = other.ended or str(why)
            return
        group.kind, group.members = "scatter", [*other.members, *group.members]
        self._groups.remove(other)
        self._enter(other.members[0], group)

    def _users(self, group: Group) -> set[int]:
        """The nodes that read its values; -1: they are results."""
        values = (v for member in group.members for v in self._graph.results_of(member))
        return {user for v in values for user in self._graph.users.get(v, ())}

    def _ordered(self) -> list[Group]:
        """The groups, each after those that it needs."""
        done: list[Group] = []
        seen: set[Group] = set()

        def visit(group: Group) -> None:
            if group in seen:
                return
            seen.add(group)
            for needed in sorted(self._fit.direct(group), key=lambda g: g.members[0]):
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
    return node.spec.primitive if node.spec.primitive in PRODUCTS else "alone"


def _fresh_places(group: Group, shape: Shape) -> tuple[int | None, ...]:
    """The axes of an index space as a new group's domain."""
    places: list[int | None] = []
    for n in shape:
        places.append(None if n == 1 else len(group.lengths))
        if n > 1:
            group.lengths.append(n)
    return tuple(places)
