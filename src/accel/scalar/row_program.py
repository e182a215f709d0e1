"""Row programs: what the primitive ``row`` computes.

A row program works on the rows of a domain: kept axes x reduced axes, the reduced ones last. A row's elements are
numbered in row-major order of the reduced axes. Every value is one number for each *element* or one for each *row*:

    softmax: inputs (element float32)            x
             Fold max (0)                        m      a row's
             Step subtract (0, 1)                x - m  an element's, since x is
             Step exp (2)
             Fold sum (3)                        t      a row's
             Step divide (3, 4)                  outputs (5,)

Folds follow docs/numerics.md, rule 2; steps are scalar functions, each rounded where it stands.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from . import convert
from .functions import FUNCTIONS
from .program import Program, Step

FOLDS = {
    "sum": ("float32", "float64", "int64", "uint64"),
    "prod": ("float32", "float64", "int64", "uint64"),
    "max": ("float32", "float64", "int64", "uint64"),
    "min": ("float32", "float64", "int64", "uint64"),
}
"""Kinds of folds, and the dtypes of the values that they take and give."""


@dataclass(frozen=True)
class Input:
    """An operand: its dtype, and whether it has a number for each element or one for each row."""

    dtype: str
    each: bool


@dataclass(frozen=True)
class Fold:
    """A row's elements of one value, reduced to a number for the row. A value that is the row's counts once for each
    element."""

    kind: str
    arg: int


@dataclass(frozen=True)
class Index:
    """Each element's own number in its row, from 0, as int64."""


Item = Step | Fold | Index


@dataclass(frozen=True)
class RowProgram:
    """Values are numbered: the inputs first, then one per item of ``steps``.

    outputs: the values that are stored, at least one and each once; one for each element, or for each row, as the value
    is. Every dtype may be an input's and an output's; 16-bit floats are cast before they are computed with.
    TypeError if an item does not fit.
    """

    inputs: tuple[Input, ...]
    steps: tuple[Item, ...]
    outputs: tuple[int, ...]

    def __post_init__(self) -> None:
        values = self.values
        for item in self.outputs:
            if not 0 <= item < len(values):
                raise TypeError(f"output {item} is no value")
        if not self.outputs or len(set(self.outputs)) < len(self.outputs):
            raise TypeError(f"outputs {self.outputs}: expected at least one, and each once")

    @cached_property
    def values(self) -> tuple[Input, ...]:
        """The dtype of every value, and whether it is each element's."""
        found = list(self.inputs)
        for item in self.steps:
            found.append(_value(item, found))
        return tuple(found)

    @property
    def folds(self) -> tuple[Fold, ...]:
        """The folds, in order."""
        return tuple(item for item in self.steps if isinstance(item, Fold))

    def leaves(self, value: int, known: Collection[int]) -> tuple[int, ...]:
        """Those of the known values that a value is computed from by steps alone, ascending."""
        found: set[int] = set()
        seen, stack = {value}, [value]
        while stack:
            v = stack.pop()
            if v in known:
                found.add(v)
                continue
            args = set(self.steps[v - len(self.inputs)].args) - seen
            seen |= args
            stack += args
        return tuple(sorted(found))

    def element_program(self, value: int, given: tuple[int, ...]) -> Program:
        """One value as a scalar program of other ones, its inputs in the order of ``given``.

        TypeError where the value is given itself, or needs a fold or an index that is not.
        """
        if value in given:
            raise TypeError(f"value {value} is given")
        numbers = {v: i for i, v in enumerate(given)}
        steps: list[Step] = []
        order: list[int] = []
        seen: set[int] = set()
        stack = [(value, False)]
        while stack:
            v, ready = stack.pop()
            if v in numbers or (v in seen and not ready):
                continue
            item = None if v < len(self.inputs) else self.steps[v - len(self.inputs)]
            if not isinstance(item, Step):
                raise TypeError(f"value {v} is not given and is no step: {item}")
            if ready:
                order.append(v)
                numbers[v] = len(given) + len(order) - 1
                continue
            seen.add(v)
            stack.append((v, True))
            stack += [(a, False) for a in reversed(item.args)]
        for v in order:
            item = self.steps[v - len(self.inputs)]
            steps.append(Step(item.function, item.dtype, tuple(numbers[a] for a in item.args)))
        return Program(tuple(self.values[v].dtype for v in given), tuple(steps), self.values[value].dtype)


def _value(item: Item, values: list[Input]) -> Input:
    """What an item gives. TypeError where it does not fit the values before it."""
    if isinstance(item, Index):
        return Input("int64", True)
    args = (item.arg,) if isinstance(item, Fold) else item.args
    if any(not 0 <= a < len(values) for a in args):
        raise TypeError(f"{item} uses a value that is not there yet")
    given = tuple(values[a].dtype for a in args)
    if isinstance(item, Fold):
        if item.kind not in FOLDS or given[0] not in FOLDS[item.kind]:
            raise TypeError(f"{item} of {given[0]}: expected one of {FOLDS}")
        return Input(given[0], False)
    each = any(values[a].each for a in args)
    if item.function == "cast":
        if len(given) != 1 or item.dtype not in convert.DTYPES:
            raise TypeError(f"{item} is not a cast")
        return Input(item.dtype, each)
    if item.function not in FUNCTIONS:
        raise TypeError(f"{item.function} is not a scalar function")
    row = FUNCTIONS[item.function]
    wanted = row.argument_dtypes(item.dtype)
    if given != wanted:
        raise TypeError(f"{item.function} at {item.dtype} takes {wanted}, not {given}")
    return Input(row.result_dtype(item.dtype), each)
