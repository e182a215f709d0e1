"""A traced composition: the primitives that a function of arrays calls, and which value each of them reads under which
layout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..checks import Check
from ..dtypes import DType, complex_of
from ..errors import AccelError
from ..layout import Layout, Shape, span
from ..ops.spec import OpSpec


@dataclass(frozen=True)
class Read:
    """A value under a layout: what a node, or the caller, sees of it. offset: of the first element, in elements."""

    value: int
    layout: Layout
    offset: int = 0


@dataclass(frozen=True)
class Node:
    """One call of a primitive.

    spec, params: as the dispatcher takes them. inferred: the parameters that its kernels take. outputs: the layouts of
    its results, each of which lies in memory of its own.
    """

    spec: OpSpec
    params: Any
    inferred: Any
    reads: tuple[Read, ...]
    outputs: tuple[Layout, ...]


@dataclass(frozen=True)
class Graph:
    """Values are numbered: inputs first, then constants, then the results of each node, which reads values before them.
    A node goes by the number of its first result.

    inputs: their layouts. constants: arrays without axes, or others that the function brought along; they are a part of
    what is computed. results: what the function returns; a complex array is two, its parts, and where pairs is True
    (of each array that it returns). The last results are those that checks look at, one each.
    """

    inputs: tuple[Layout, ...]
    constants: tuple[Any, ...]
    nodes: tuple[Node, ...]
    results: tuple[Read, ...]
    pairs: tuple[bool, ...] = ()
    checks: tuple[Check, ...] = ()

    @property
    def returned(self) -> tuple[Read, ...]:
        """The results but those that checks look at."""
        return self.results[: len(self.results) - len(self.checks)]

    @property
    def looked_at(self) -> tuple[tuple[Check, Read], ...]:
        """The checks, with what each looks at."""
        return tuple(zip(self.checks, self.results[len(self.results) - len(self.checks) :], strict=True))

    @property
    def outputs(self) -> tuple[tuple[Shape, DType], ...]:
        """Shape and dtype of each array that the function returns."""
        left = iter(self.returned)
        found = []
        for paired in self.pairs or (False,) * len(self.returned):
            its = next(left).layout
            if paired:
                next(left)
            found.append((its.shape, complex_of(its.dtype) if paired else its.dtype))
        return tuple(found)

    @cached_property
    def first(self) -> int:
        """The number of the first node's value."""
        return len(self.inputs) + len(self.constants)

    def layout(self, value: int) -> Layout:
        """How a value lies in its own memory."""
        return self._layouts[value]

    @cached_property
    def _layouts(self) -> tuple[Layout, ...]:
        """Of each value."""
        given = (its for node in self.nodes for its in node.outputs)
        return (*self.inputs, *(x.layout for x in self.constants), *given)

    @cached_property
    def _givers(self) -> tuple[tuple[int, Node], ...]:
        """For each value from `first` on: the number and the node that it is a result of."""
        found: list[tuple[int, Node]] = []
        for node in self.nodes:
            found += [(self.first + len(found), node)] * len(node.outputs)
        return tuple(found)

    @property
    def count(self) -> int:
        """How many values there are."""
        return self.first + len(self._givers)

    def node(self, value: int) -> Node:
        """The node that gives a value, which is no input or constant."""
        return self._givers[value - self.first][1]

    def giver(self, value: int) -> int:
        """The number of the node that gives a value, which is no input or constant."""
        return self._givers[value - self.first][0]

    def numbered(self) -> Iterator[tuple[int, Node]]:
        """The nodes with their numbers, in order."""
        number = self.first
        for node in self.nodes:
            yield number, node
            number += len(node.outputs)

    def results_of(self, number: int) -> range:
        """The values that a node gives."""
        return range(number, number + len(self.node(number).outputs))

    def reads(self) -> Iterator[tuple[int, Read]]:
        """Every read: the number of the node that needs it (-1: a result), and the read."""
        for i, node in self.numbered():
            for read in node.reads:
                yield i, read
        for read in self.results:
            yield -1, read

    @cached_property
    def users(self) -> dict[int, set[int]]:
        """Of each value that is read: the numbers of the nodes that do, and -1 where it is a result."""
        found: dict[int, set[int]] = {}
        for user, read in self.reads():
            found.setdefault(read.value, set()).add(user)
        return found

    def check(self) -> None:
        """Raises AccelError where a node reads a later value, or beyond a value's memory."""
        layouts = self._layouts
        for user, read in self.reads():
            if not 0 <= read.value < (len(layouts) if user < 0 else user):
                raise AccelError(f"graph: value {user} reads value {read.value}, which is not there yet")
            own = layouts[read.value]
            if read.layout is own and read.offset == 0:
                continue
            if read.layout.dtype is not own.dtype:
                raise AccelError(f"graph: value {user} reads value {read.value} as {read.layout.dtype}")
            low, high = span(read.layout.shape, read.layout.strides)
            least, most = span(own.shape, own.strides)
            if high > low and (read.offset + low < least or read.offset + high > most):
                raise AccelError(f"graph: value {user} reads value {read.value} beyond its memory")

    def __str__(self) -> str:
        lines = [f"  %{i}: {described(x)} = input" for i, x in enumerate(self.inputs)]
        lines += [f"  %{i}: {described(x.layout)} = constant" for i, x in enumerate(self.constants, len(self.inputs))]
        for i, node in self.numbered():
            given = ", ".join(f"%{v}: {described(x)}" for v, x in enumerate(node.outputs, i))
            lines.append(f"  {given} = {called(node)}({', '.join(map(self.shown, node.reads))})")
        lines += [f"  check {self.shown(read)} from {c.least} to {c.length - 1}" for c, read in self.looked_at]
        return "\n".join([*lines, f"  return {', '.join(map(self.shown, self.returned))}"])

    def shown(self, read: Read) -> str:
        """A read as the printed graph has it: a value, with its own layout left out."""
        its = self.layout(read.value)
        if read.layout is its and read.offset == 0:
            return f"%{read.value}"
        at = f" + {read.offset}" if read.offset else ""
        return f"%{read.value}{at} as {list(read.layout.shape)} by {list(read.layout.strides)}"


def described(its: Layout) -> str:
    """dtype and shape."""
    return f"{its.dtype}{list(its.shape)}"


def called(node: Node) -> str:
    """The call of a node: for a program its functions, for a fold its axes."""
    params = node.inferred
    if hasattr(params, "steps"):
        return " ".join(step.function for step in params.steps) or "copy"
    if hasattr(params, "axes"):
        return f"{params.kind}{list(params.axes)}"
    return node.spec.name
