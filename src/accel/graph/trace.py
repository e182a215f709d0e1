"""Tracing: a function runs once on arrays that have a layout and no memory; every primitive that it calls is
recorded."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .. import registry
from ..array import Array, Symbol
from ..cache import Cache
from ..checks import Check
from ..config import config
from ..conversion import given_number, tabulated
from ..errors import AccelError, ArgumentError
from ..layout import Layout, result_layout, row_major
from ..ops.spec import OpSpec, Seen
from ..parts import half, interleaved, pair, parts
from .apart import on_parts
from .graph import Graph, Node, Read

STANDS = "; the traced function stands at "

PACKAGE = str(Path(__file__).parents[1])

_known: Cache[tuple[Any, ...], tuple[Any, tuple[Layout, ...]]] = Cache(1 << 11)
"""Of calls that become nodes, by what decides that: the parameters that kernels take, and the results' layouts."""

Recorded = tuple[OpSpec, Any, Any, list[tuple[Symbol, Layout, int]], tuple[Layout, ...]]
"""A node whose values are not numbered yet: spec, parameters as given and inferred, reads, outputs."""


class Tracer:
    """Records the calls of one function, of which a complex operand is two inputs, its parts. is_constant: says of an
    array from outside the function whether it is a constant that a Python scalar became, and all others are refused;
    None: none is."""

    def __init__(self, inputs: Sequence[Layout], is_constant: Callable[[Array], bool] | None = None) -> None:
        self._given = tuple(inputs)
        self._inputs = tuple(real for x in inputs for real in ((half(x),) * 2 if x.dtype.kind == "c" else (x,)))
        self._is_constant = is_constant
        self._symbols = [Symbol(self) for _ in self._inputs]
        self._captured: list[Array] = []
        self._capturing: list[Symbol] = []
        self._nodes: list[Recorded] = []
        self._giving: list[tuple[Symbol, ...]] = []  # by node: of each of its results
        self._checks: list[tuple[Check, Array]] = []
        self._alone: frozenset[str] = frozenset()
        self._settings = config.current()
        self._lines = is_constant is not None
        self.over = False
        """Whether the function has ended; set by who called it."""

    def arguments(self) -> list[Array]:
        """The arrays that the function is called with."""
        left = (Array(symbol, 0, its) for symbol, its in zip(self._symbols, self._inputs, strict=True))
        return [pair(next(left), next(left), 2) if x.dtype.kind == "c" else next(left) for x in self._given]

    def call(self, spec: OpSpec, inputs: Sequence[Array], params: Any, out: Array | None) -> Any:
        """What `dispatch.call` does while this traces."""
        if out is not None:
            raise ArgumentError(
                f"{spec.name}: writing into an array cannot be traced; return the result instead{self.where()}"
            )
        if config.current() is not self._settings:
            raise ArgumentError(f"{spec.name}: settings cannot change while a function is traced{self.where()}")
        try:
            return self._record(spec, inputs, params)
        except AccelError as error:
            if self._lines and STANDS not in str(error):
                error.args = (f"{error}{self.where()}", *error.args[1:])
            raise

    def _record(self, spec: OpSpec, inputs: Sequence[Array], params: Any) -> Any:
        layouts = tuple([x.layout for x in inputs])
        key = (spec, params, self._settings, self._alone, *layouts)
        known = _known.find(key)
        if known is None:
            if (passed := passed_on(spec, inputs, params, self.call, self._alone)) is not None:
                return passed
            inferred = spec.infer(layouts, params)
            its = (result_layout(layouts, shape, dtype, spec.keeps_order) for shape, dtype in inferred.outputs)
            known = inferred.params, tuple(its)
            _known.keep(key, known)
        inferred_params, outputs = known
        reads = [(self._symbol(spec.name, x), x.layout, x.offset) for x in inputs]
        symbols = tuple([Symbol(self) for _ in outputs])
        self._nodes.append((spec, params, inferred_params, reads, outputs))
        self._giving.append(symbols)
        results = tuple([Array(symbol, 0, its) for symbol, its in zip(symbols, outputs, strict=True)])
        return results[0] if len(results) == 1 else results

    def check(self, check: Check, array: Array) -> None:
        """Has each run of what is traced look at an array, as `Check.look` takes it."""
        self._checks.append((check.at(self.where() if self._lines else ""), array))

    def where(self) -> str:
        """The end of an error's message: where the traced function stands."""
        line = _line()
        return f"{STANDS}{line}" if line else ""

    def stand_alone(self, names: frozenset[str]) -> None:
        """Ops that are recorded as such, although they are composed."""
        self._alone = names

    def _symbol(self, what: str, x: Array) -> Symbol:
        """The value that an array stands for; an array of the outside becomes a constant."""
        if isinstance(x.buffer, Symbol):
            if x.buffer.tracer is self:
                return x.buffer
            if self._is_constant is None or not self._is_constant(x):
                raise ArgumentError(f"{what}: an array of another trace, which is over, cannot be computed with")
        elif self._is_constant is not None and not self._is_constant(x):
            raise ArgumentError(
                f"{what}: an array of shape {x.shape} comes from outside the traced function; pass it as an "
                "argument, since what a trace has captured would never change again"
            )
        for array, symbol in zip(self._captured, self._capturing, strict=True):
            if array.buffer is x.buffer:
                return symbol
        whole = x.buffer.tracer.whole(x.buffer) if isinstance(x.buffer, Symbol) else tabulated(x)
        if whole is None and x.ndim and isinstance(given_number(x), (bool, int, float)):
            whole = x.view((), ())  # the first one met may have no elements; complex ones are read by their parts
        if whole is not None and whole.dtype.kind == "c":
            whole = interleaved(whole)
        self._captured.append(x if whole is None else whole)
        self._capturing.append(Symbol(self))
        return self._capturing[-1]

    def whole(self, symbol: Symbol) -> Array:
        """All of a value of this trace, of which an array that another trace meets may be a part."""
        values = [*zip(self._symbols, self._inputs, strict=True)]
        values += [
            each for node, its in zip(self._nodes, self._giving, strict=True) for each in zip(its, node[4], strict=True)
        ]
        return Array(symbol, 0, next(its for found, its in values if found is symbol))

    def graph(self, results: Sequence[Array]) -> Graph:
        """The graph of what was recorded, without the nodes that no result needs."""
        whole = [*results, *(array for _, array in self._checks)]
        given = [(self._result(x), x.layout, x.offset) for each in whole for x in _real(each)]
        pairs = tuple(isinstance(x, Array) and x.dtype.kind == "c" for x in results)
        giving = {symbol: i for i, symbols in enumerate(self._giving) for symbol in symbols}
        needed: set[Symbol] = set()
        pending = [symbol for symbol, _, _ in given]
        while pending:
            symbol = pending.pop()
            if symbol not in needed:
                needed.add(symbol)
                if (i := giving.get(symbol)) is not None:
                    pending += [s for s, _, _ in self._nodes[i][3]]
        constants = [(a, s) for a, s in zip(self._captured, self._capturing, strict=True) if s in needed]
        kept = [(node, its) for node, its in zip(self._nodes, self._giving, strict=True) if needed.intersection(its)]
        given_by_nodes = [s for _, symbols in kept for s in symbols]
        numbers = {s: i for i, s in enumerate([*self._symbols, *(s for _, s in constants), *given_by_nodes])}
        # a constant is read from where the array that was met first begins
        start = {s: a.offset for a, s in constants}

        def read(symbol: Symbol, its: Layout, offset: int) -> Read:
            return Read(numbers[symbol], its, offset - start.get(symbol, 0))

        nodes = tuple(
            Node(spec, params, inferred, tuple(read(*r) for r in reads), outputs)
            for (spec, params, inferred, reads, outputs), _ in kept
        )
        made = Graph(
            self._inputs,
            tuple(a for a, _ in constants),
            nodes,
            tuple(read(*r) for r in given),
            pairs if any(pairs) else (),
            tuple(check for check, _ in self._checks),
        )
        made.check()
        return made

    def _result(self, x: Any) -> Symbol:
        if not isinstance(x, Array):
            raise ArgumentError(f"the traced function returned a {type(x).__name__}; expected arrays")
        return self._symbol("the traced function's result", x)


def _real(x: Any) -> tuple[Any, ...]:
    """The parts of a complex result; another result itself."""
    return parts(x) if isinstance(x, Array) and x.dtype.kind == "c" else (x,)


def passed_on(
    spec: OpSpec,
    inputs: Sequence[Array],
    params: Any,
    call: Callable[..., Any],
    alone: frozenset[str] = frozenset(),
) -> Any:
    """The result of a call that becomes others: on views of its operands, on operands that are brought to what kernels
    take, or of what a composed op calls. None for a primitive's, on operands as kernels take them. call: takes the
    place of `dispatch.call`. alone: names of ops that count as primitives."""
    layouts = tuple(x.layout for x in inputs)
    spec = registry.served(spec, layouts, params)
    adapted = spec.adapt(layouts, params)
    if isinstance(adapted, Seen):
        views = [x.view(its.shape, its.strides) for x, its in zip(inputs, adapted.layouts, strict=True)]
        return call(spec, views, adapted.params, None).view(adapted.shape, row_major(adapted.shape))
    if adapted is not None:
        return adapted(*inputs)
    if spec.decompose is not None and spec.decomposes(params) and spec.inlined:
        if spec.name not in alone:
            return spec.decompose(*inputs, params)
        if any(x.dtype.kind == "c" for x in layouts):
            return on_parts(spec, inputs, params, call)
    return None


def _line() -> str | None:
    """Where the nearest caller outside this package stands."""
    frame = sys._getframe(2)
    while frame is not None and (
        frame.f_code.co_filename.startswith(PACKAGE) or frame.f_code.co_filename == "<string>"
    ):
        frame = frame.f_back  # type: ignore[assignment]
    return None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
