"""The order in which an `einsum` of several operands is contracted: two at a time, by what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import prod

Path = list[tuple[int, ...]]
"""For each step the places of the operands that it contracts, whose result goes to the end of the others."""

Term = str
"""An operand's labels, one for each axis."""


def greedy(terms: Sequence[Term], output: Term, lengths: Mapping[str, int]) -> Path:
    """At each step the pair whose result saves most elements over its operands, then the one with the fewest products,
    then the first. With n operands n^3 pairs are looked at."""
    left, path = list(terms), []
    while len(left) > 1:
        found = min(combinations(range(len(left)), 2), key=lambda pair: (*_costs(pair, left, output, lengths), pair))
        path.append(found)
        left = after(left, found, output)
    return path


def in_order(count: int) -> Path:
    """The first two operands, then their result with the next one, and so on."""
    return [(0, 1)] + [(0, left - 1) for left in range(count - 1, 1, -1)] if count > 1 else []


def after(terms: Sequence[Term], step: tuple[int, ...], output: Term) -> list[Term]:
    """The operands that there are when some have been contracted."""
    rest = [term for i, term in enumerate(terms) if i not in step]
    return [*rest, remaining([terms[i] for i in step], rest, output)]


def remaining(taken: Sequence[Term], rest: Sequence[Term], output: Term) -> Term:
    """The labels of a contraction's result: those that other operands have, or the output. In the output's order where
    it is the last one."""
    if not rest:
        return output
    needed = set(output).union(*rest)
    return "".join(dict.fromkeys(label for term in taken for label in term if label in needed))


def _costs(pair: tuple[int, int], terms: Sequence[Term], output: Term, lengths: Mapping[str, int]) -> tuple[int, int]:
    """How many elements a contraction's result has more than its operands; and its products."""
    result = after(terms, pair, output)[-1]
    together = set(terms[pair[0]]) | set(terms[pair[1]])
    before = sum(_size(terms[i], lengths) for i in pair)
    return _size(result, lengths) - before, _size(together, lengths)


def _size(labels: Term | set[str], lengths: Mapping[str, int]) -> int:
    return prod(lengths[label] for label in set(labels))


def described(terms: Sequence[Term], output: Term, lengths: Mapping[str, int], path: Path) -> str:
    """What a path does, as text: a line for each step, with its products and the elements of its result."""
    left = list(terms)
    lines = [f"{','.join(terms)}->{output}"]
    for step in path:
        taken = [left[i] for i in step]
        left = after(left, step, output)
        products = _size(set("".join(taken)), lengths)
        size = _size(left[-1], lengths)
        lines.append(f"  {','.join(taken)}->{left[-1]}: {products} products, {size} elements")
    return "\n".join(lines)
