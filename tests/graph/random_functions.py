"""Random functions of arrays: what `accel.fuse` and composed ops may be made of, drawn as a list of instructions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

import accel
from accel.dtypes import TABLE
from accel.testing.draw import Draw
from accel.testing.values import values

LENGTHS = (1, 2, 3, 5, 8, 64, 67)
UNARY = ("exp", "tanh", "negative", "square", "abs", "floor", "sqrt")
BINARY = ("add", "subtract", "multiply", "divide", "maximum")
REDUCTIONS = ("sum", "max", "mean", "min", "prod")
MOST_ELEMENTS = 1 << 19
DTYPES = ("float32", "float16", "float64")


@dataclass(frozen=True)
class Instruction:
    """One step of a function: its name, the values that it takes, and what else it is told."""

    name: str
    values: tuple[int, ...]
    more: Any = None


@dataclass(frozen=True)
class Drawn:
    """A function: shapes and dtypes of its arrays, its instructions, the values that it returns."""

    inputs: tuple[tuple[tuple[int, ...], str], ...]
    steps: tuple[Instruction, ...]
    results: tuple[int, ...]

    def __call__(self, *arrays: Any) -> tuple[Any, ...]:
        found = list(arrays)
        for step in self.steps:
            found.append(_run(step, [found[v] for v in step.values]))
        return tuple(found[v] for v in self.results)

    def arrays(self, regime: str = "normal") -> list[np.ndarray]:
        """Its operands."""
        rng = np.random.default_rng(len(self.steps))
        return [values(rng, TABLE[d], s, regime) for s, d in self.inputs]


def _run(step: Instruction, given: Sequence[Any]) -> Any:
    name, more = step.name, step.more
    if name in REDUCTIONS:
        return getattr(accel, name)(given[0], axis=more[0], keepdims=more[1])
    if name == "where":
        return accel.where(given[0] > given[1], given[1], given[2])
    if name == "cast":
        return accel.astype(given[0], getattr(accel, more))
    if name == "scaled":
        return given[0] * more
    if name == "index":
        return given[0][more]
    if name == "permute":
        return accel.permute_dims(given[0], more)
    if name == "reshape":
        return accel.reshape(given[0], more)
    if name == "cumulative_sum":
        return accel.cumulative_sum(given[0], axis=more)
    if name == "matmul":
        return given[0] @ accel.matrix_transpose(given[1])
    return getattr(accel, name)(*given)


def draw(its: Draw, most: int = 12) -> Drawn:
    """A function of one to three arrays, whose values share shapes so that its steps go together."""
    full = tuple(its.choice(LENGTHS) for _ in range(its.integer(1, 3)))
    inputs: list[tuple[tuple[int, ...], str]] = []
    for _ in range(its.integer(1, 3)):
        shape = tuple(1 if its.once_in(4) else n for n in full)
        inputs.append((shape[its.integer(0, len(shape) - 1) :] if its.once_in(4) else shape, its.choice(DTYPES)))
    shapes, steps = [s for s, _ in inputs], []
    for _ in range(its.integer(2, most)):
        step, shape = _step(its, shapes)
        if prod(shape) > MOST_ELEMENTS:
            continue
        steps.append(step)
        shapes.append(shape)
    if not steps:
        steps.append(Instruction("exp", (0,)))
        shapes.append(shapes[0])
    count = its.integer(1, 3)
    results = {len(shapes) - 1, *(its.integer(len(inputs), len(shapes) - 1) for _ in range(count - 1))}
    return Drawn(tuple(inputs), tuple(steps), tuple(sorted(results)))


def _step(its: Draw, shapes: list[tuple[int, ...]]) -> tuple[Instruction, tuple[int, ...]]:
    a = its.integer(max(0, len(shapes) - 4), len(shapes) - 1)
    shape = shapes[a]
    kind = its.choice(
        ("unary", "binary", "binary", "reduce", "reduce", "view", "cast", "where", "scaled", "matmul", "scan")
    )
    fits = [i for i, s in enumerate(shapes) if _broadcast(s, shape) is not None]
    if kind == "binary":
        b = its.choice(fits)
        return Instruction(its.choice(BINARY), (a, b)), _broadcast(shapes[b], shape)  # type: ignore[return-value]
    if kind == "where":
        b = its.choice(fits)
        both = _broadcast(shapes[b], shape)
        c = its.choice([i for i, s in enumerate(shapes) if _broadcast(s, both) is not None])  # type: ignore[arg-type]
        return Instruction("where", (a, b, c)), _broadcast(shapes[c], both)  # type: ignore[return-value, arg-type]
    if kind == "reduce" and shape:
        axes = tuple(sorted(its.some(range(len(shape))))) or (len(shape) - 1,)
        keep = bool(its.integer(0, 2))
        kept = tuple(1 if i in axes else n for i, n in enumerate(shape) if keep or i not in axes)
        return Instruction(its.choice(REDUCTIONS), (a,), (axes, keep)), kept
    if kind == "view" and shape:
        return _view(its, a, shape)
    if kind == "cast":
        return Instruction("cast", (a,), its.choice(DTYPES)), shape
    if kind == "scaled":
        return Instruction("scaled", (a,), its.choice((0.5, -3.0, 1e-3))), shape
    if kind == "scan" and shape:
        return Instruction("cumulative_sum", (a,), its.integer(0, len(shape) - 1)), shape
    if kind == "matmul" and len(shape) == 2:
        pairs = [i for i, s in enumerate(shapes) if len(s) == 2 and s[1] == shape[1]]
        b = its.choice(pairs)
        return Instruction("matmul", (a, b)), (shape[0], shapes[b][0])
    return Instruction(its.choice(UNARY), (a,)), shape


def _view(its: Draw, a: int, shape: tuple[int, ...]) -> tuple[Instruction, tuple[int, ...]]:
    kind = its.choice(("index", "permute", "reshape"))
    if kind == "permute":
        axes = tuple(its.permutation(range(len(shape))))
        return Instruction("permute", (a,), axes), tuple(shape[i] for i in axes)
    if kind == "reshape":
        size = int(np.prod(shape))
        target = its.choice(((size,), (1, size), (size, 1), (2, size // 2) if size % 2 == 0 else (size,)))
        return Instruction("reshape", (a,), target), target
    key = its.choice((slice(1, None), slice(None, None, 2), slice(None, None, -1)))
    n = len(range(shape[0])[key])
    return (Instruction("index", (a,), key), (n, *shape[1:])) if n else (Instruction("exp", (a,)), shape)


def _broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        return None


def of(function: Callable[..., Any]) -> Any:
    """What a function returns, as a tuple."""
    return function if isinstance(function, tuple) else (function,)
