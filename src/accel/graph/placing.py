"""Results that are computed in place: a join of values that groups compute is no launch where each group writes its
values to their boxes in the join's memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..layout import Layout, Shape, layout
from .fit import Group
from .graph import Graph, Read


def placed(graph: Graph, groups: Sequence[Group], alone: frozenset[str] = frozenset()) -> list[Group]:
    """The groups without the joins whose operands are all values of pointwise and row groups, or of such joins, that
    nothing else reads; these groups have the values' places (`Group.boxes`). alone: names of ops that stand alone."""
    return _Placing(graph, groups, alone).left()


class _Placing:
    def __init__(self, graph: Graph, groups: Sequence[Group], alone: frozenset[str]) -> None:
        self._graph, self._groups, self._alone = graph, groups, alone
        self._of = {value: group for group in groups for m in group.members for value in graph.results_of(m)}
        self._uses = Counter(read.value for _, read in graph.reads())
        self._merged: set[int] = set()  # joins that are no launch

    def left(self) -> list[Group]:
        """The groups that remain."""
        left = []
        for group in self._groups:
            boxes = self._boxes(group)
            if boxes is None:
                left.append(group)
                continue
            self._merged.add(group.members[0])
            for value, read in boxes.items():
                self._of[value].boxes[value] = read
        return left

    def _boxes(self, group: Group) -> dict[int, Read] | None:
        """Where in a join's memory the values are computed that it is made of; None for what is no such join."""
        node = self._graph.node(group.members[0])
        if group.kind != "alone" or node.spec.primitive != "join" or node.spec.name in self._alone:
            return None
        its = node.outputs[0]
        if not its.size or not all(self._is_placeable(read) for read in node.reads):
            return None
        found: dict[int, Read] = {}
        whole = self._place(group.members[0], group.members[0], its.strides, 0, found)
        return found if whole else None

    def _is_placeable(self, read: Read) -> bool:
        maker = self._of.get(read.value)
        return (
            self._uses[read.value] == 1
            and maker is not None
            and (maker.kind in ("pointwise", "row") or read.value in self._merged)
        )

    def _place(self, joined: int, into: int, strides: Shape, offset: int, found: dict[int, Read]) -> bool:
        """Adds where in the memory of the join `into` the operands of the join `joined` lie, which itself lies there
        with these strides. False where one is read otherwise than it lies."""
        node = self._graph.node(joined)
        for read, start in zip(node.reads, node.inferred.starts, strict=True):
            own = self._graph.layout(read.value)
            steps = _followed(own, read, strides)
            if steps is None:
                return False
            at = offset + sum(s * step for s, step in zip(start, strides, strict=True))
            if read.value in self._merged:
                if not self._place(read.value, into, steps, at, found):
                    return False
            else:
                found[read.value] = Read(into, layout(own.dtype, own.shape, steps, own.device), at)
        return True


def _followed(own: Layout, read: Read, strides: Shape) -> Shape | None:
    """A value's strides where what reads it, axes of length 1 apart as it lies, has these; None where it is read
    otherwise."""
    walked = [(n, step, to) for n, step, to in zip(read.layout.shape, read.layout.strides, strides, strict=True)]
    steps = iter([x for x in walked if x[0] != 1])
    lying = [(n, step) for n, step in zip(own.shape, own.strides, strict=True) if n != 1]
    if read.offset or lying != [(n, step) for n, step, _ in walked if n != 1]:
        return None
    return tuple(next(steps)[2] if n != 1 else 0 for n in own.shape)
