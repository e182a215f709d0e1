"""The order of a row program's work: passes over a row's elements, and what is computed once for the row between
them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from accel.scalar import Fold, Index, Program, RowProgram, Step


@dataclass(frozen=True)
class Part:
    """Values as one scalar program of given ones."""

    given: tuple[int, ...]
    results: tuple[int, ...]
    program: Program


@dataclass(frozen=True)
class Pass:
    """A walk over a row's elements, which needs the folds of the passes before.

    part: each element's values; given may be inputs (which are read), held values, an index, and values of the row.
    folds: that it computes. outputs: numbers of the program's outputs that it stores. takes: given values that an
    earlier pass held. holds: values, given or results, that it holds for later passes.
    """

    part: Part
    folds: tuple[int, ...]
    outputs: tuple[int, ...]
    takes: tuple[int, ...]
    holds: tuple[int, ...]


@dataclass(frozen=True)
class Passes:
    """A program in order. rows[p]: values of the row that steps compute and that are known before pass p; the last are
    known when every pass has run. walks: one for each level of folds, then one more if elements of the last are stored.
    """

    program: RowProgram
    walks: tuple[Pass, ...]
    rows: tuple[Part | None, ...]

    @property
    def levels(self) -> int:
        """Passes that compute folds."""
        return len(self.rows) - 1

    @property
    def folds(self) -> tuple[int, ...]:
        """The values of all folds that are needed."""
        return tuple(f for walk in self.walks for f in walk.folds)

    @property
    def held(self) -> tuple[int, ...]:
        """Values of each element that are held between passes."""
        return tuple(v for walk in self.walks for v in walk.holds)

    @property
    def parts(self) -> tuple[Part, ...]:
        """All scalar programs."""
        return (*(walk.part for walk in self.walks), *(part for part in self.rows if part is not None))


@lru_cache(maxsize=256)
def passes(program: RowProgram, hold: bool) -> Passes:
    """The passes of a program. hold: elements that a later pass needs are held, not computed again."""
    values, level = program.values, _levels(program)
    needed = _needed(program, program.outputs, ())
    folds = [v for v in needed if isinstance(_item(program, v), Fold)]
    depth = max((level[v] for v in folds), default=0)
    found: list[tuple[list[int], list[int], list[int], set[int]]] = []  # given, results, outputs, takes
    available: set[int] = set()
    for p in range(depth + 1):
        outputs = [k for k, v in enumerate(program.outputs) if values[v].each and level[v] == p]
        if p == depth and not outputs:
            break
        roots = [program.steps[f - len(program.inputs)].arg for f in folds if level[f] == p + 1]
        roots = list(dict.fromkeys([*roots, *(program.outputs[k] for k in outputs)]))
        ends = {v for v in range(len(values)) if not values[v].each or not isinstance(_item(program, v), Step)}
        cone = _needed(program, roots, ends | (available if hold else set()))
        given = [v for v in cone if v in ends or (hold and v in available)]
        found.append((given, roots, outputs, {v for v in given if hold and v in available}))
        available |= {v for v in cone if values[v].each and not isinstance(_item(program, v), Index)}
    walks, held = [], set()
    for p, (given, results, outputs, takes) in enumerate(found):
        later = {v for _, _, _, its in found[p + 1 :] for v in its} - held
        computed = _needed(program, results, given)
        holds = sorted(later.intersection(computed))
        held.update(holds)
        results = list(dict.fromkeys([*results, *(v for v in holds if v not in given)]))
        its_folds = tuple(f for f in folds if level[f] == p + 1)
        part = joint(program, given, results)
        walks.append(Pass(part, its_folds, tuple(outputs), tuple(sorted(takes)), tuple(holds)))
    wanted = {v for walk in walks for v in walk.part.given if not values[v].each}
    wanted |= {v for v in program.outputs if not values[v].each}
    rows = []
    for p in range(depth + 1):
        results = sorted(v for v in wanted if level[v] == p and isinstance(_item(program, v), Step))
        ends = {v for v in range(len(values)) if not isinstance(_item(program, v), Step)}
        given = [v for v in _needed(program, results, ends) if v in ends]
        rows.append(joint(program, given, results) if results else None)
    return Passes(program, tuple(walks), tuple(rows))


def joint(program: RowProgram, given: Iterable[int], results: Iterable[int]) -> Part:
    """Values computed together from given ones, which share what they have in common."""
    given, results = tuple(given), tuple(results)
    numbers = {v: i for i, v in enumerate(given)}
    steps: list[Step] = []
    for v in _needed(program, results, given):
        if v not in numbers:
            item = _item(program, v)
            assert isinstance(item, Step)
            steps.append(Step(item.function, item.dtype, tuple(numbers[a] for a in item.args)))
            numbers[v] = len(given) + len(steps) - 1
    dtypes = tuple(program.values[v].dtype for v in given)
    output = program.values[results[0]].dtype
    return Part(given, results, Program(dtypes, tuple(steps), output, tuple(numbers[v] for v in results)))


def _item(program: RowProgram, value: int) -> Step | Fold | Index | None:
    """What gives a value; None: an input."""
    return None if value < len(program.inputs) else program.steps[value - len(program.inputs)]


def _args(program: RowProgram, value: int) -> tuple[int, ...]:
    item = _item(program, value)
    return item.args if isinstance(item, Step) else (item.arg,) if isinstance(item, Fold) else ()


def _needed(program: RowProgram, roots: Iterable[int], ends: Iterable[int]) -> list[int]:
    """The values that the roots need, themselves included, in order; nothing behind one of ``ends``."""
    ends, seen, stack = set(ends), set(), list(roots)
    while stack:
        v = stack.pop()
        if v not in seen:
            seen.add(v)
            if v not in ends:
                stack += _args(program, v)
    return sorted(seen)


def _levels(program: RowProgram) -> list[int]:
    """For every value, how many passes of folds come before it is known."""
    found: list[int] = []
    for v in range(len(program.values)):
        before = max((found[a] for a in _args(program, v)), default=0)
        found.append(before + isinstance(_item(program, v), Fold))
    return found
