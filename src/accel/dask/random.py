"""`accel.random` in chunks: an element's number is a function of its place in the whole array, so that chunks change
none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

from .. import random as whole
from ..array import Array as Memory
from ..composition import recorded_by
from ..conversion import to_numpy
from ..errors import UnsupportedError
from ..layout import Shape, broadcast_strides, row_major
from ..ops.composed.random import Part
from ..ops.spec import OpSpec
from . import work
from .chunks import normalized
from .collection import Array
from .grid import Grid, Layer, begins

__all__ = ["Generator", "default_rng"]

_CHUNKS: ContextVar[Any] = ContextVar("accel.dask.chunks", default="auto")
"""What a call says of its result's chunks."""


class _Drawing:
    """Takes the place of `dispatch.call` where numbers are drawn: each task draws those of its own chunk."""

    def call(self, spec: OpSpec, inputs: Sequence[Memory], params: Any, out: Memory | None) -> Any:
        state, *others = inputs
        ((shape, dtype),) = spec.infer(tuple(x.layout for x in inputs), params).outputs
        chunks = normalized(spec.name, _CHUNKS.get(), shape, dtype)
        numbers, steps = [int(word) for word in to_numpy(state)], row_major(shape)
        operands = [to_numpy(x.view(shape, broadcast_strides(x.layout, shape))) if x.ndim else x for x in others]
        layer = Layer(spec.name, chunks, dtype, (), numbers, params.names, params.values, list(map(_told, operands)))
        grid = Grid(layer.name, chunks, dtype, None)
        for place, begin in begins(grid).items():
            first = sum(at * step for at, step in zip(begin, steps, strict=True))
            its = grid.lengths(place)
            box = tuple(slice(at, at + n) for at, n in zip(begin, its, strict=True))
            values = tuple(
                Part(its, steps) if name == "shape" else value
                for name, value in zip(params.names, params.values, strict=True)
            )
            parts = [_told(x if isinstance(x, Memory) else x[box]) for x in operands]
            layer.put(place, work.drawn, spec.name, params.given, values, (*numbers, first % 2**64), *parts)
        return layer.grid().array()


def _told(x: Any) -> Any:
    """An operand as a task carries it."""
    return to_numpy(x) if isinstance(x, Memory) else x


class Generator(whole.Generator):
    """`accel.random.Generator`, whose results are chunked: the same seed and calls give the same numbers.

    Each call takes ``chunks`` beside its other arguments, as `from_array` does. Parameters that are arrays are in
    memory. Of the methods, permutation, choice, gamma, and what is made of several calls or by attempts, such as beta
    and poisson, are not shared out.
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed, "cpu")

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["key"])  # type: ignore[misc]
        self._calls, self._spawned = state["calls"], state["spawned"]

    def spawn(self, n_children: int) -> list[whole.Generator]:
        """As `accel.random.Generator.spawn`."""
        return [Generator(child.state["key"]) for child in super().spawn(n_children)]

    def _drawn(self, shape: Shape, operands: tuple[Memory, ...], draw: Callable[[Shape], Any]) -> Any:
        with recorded_by(_Drawing()):
            return Array(draw(shape).buffer)


def _method(name: str) -> Callable[..., Any]:
    base = getattr(whole.Generator, name)

    def method(self: Generator, *arguments: Any, chunks: Any = None, **keywords: Any) -> Any:
        token = _CHUNKS.set(_CHUNKS.get() if chunks is None else chunks)
        try:
            return base(self, *arguments, **keywords)
        finally:
            _CHUNKS.reset(token)

    method.__name__, method.__doc__ = name, f"`accel.random.Generator.{name}`, in chunks."
    return method


def _refused(name: str) -> Callable[..., Any]:
    def method(self: Generator, *arguments: Any, **keywords: Any) -> Any:
        raise UnsupportedError(f"{name}: is not shared out between chunks; accel.random has it in one process")

    method.__name__, method.__doc__ = name, "Raises UnsupportedError."
    return method


DRAWN = (
    "random", "uniform", "exponential", "standard_exponential", "normal", "standard_normal", "truncated_normal",
    "lognormal", "laplace", "logistic", "gumbel", "standard_cauchy", "rayleigh", "weibull", "pareto", "power",
    "triangular", "geometric", "bernoulli", "integers",
)  # fmt: skip
KEPT = ("key", "spawn", "state")
"""Methods that draw no array of a given size."""

for _name in dir(whole.Generator):
    if not _name.startswith("_") and _name not in KEPT:
        setattr(Generator, _name, _method(_name) if _name in DRAWN else _refused(_name))


def default_rng(seed: int | None = None) -> Generator:
    """A new `Generator`."""
    return Generator(seed)
