"""`accel.fuse`: a user's function of accel calls, traced once for each set of layouts and compiled as accel's own
compositions are."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from . import composition, dispatch, interop
from .array import Array
from .cache import Cache
from .conversion import is_constant
from .dtypes import TABLE
from .errors import ArgumentError, shown
from .graph.graph import Graph
from .holder import HOLDERS
from .layout import Layout
from .memo import Key, Memo
from .ops.compose import canonical_of, typed
from .ops.spec import Inferred, OpSpec

LEAF = object()
"""Stands for an array in a structure."""

VARIES = object()
VALUE = object()
"""Begins what stands for a value that is no array, in a structure."""

Place = tuple[Any, Any] | None
"""Where something is in a call's arguments, or in a result: in what, and its key there."""

Leaf = tuple[Place, Any]
"""An array and its place."""


Rule = Callable[..., Sequence[Array | None]]
"""rule(structured, params, cotangents, results, operands), as `OpSpec.vjp`, of a `Structured`."""

ENDLESS = "{} is a list or dict that contains itself, or is nested deeper than Python's recursion goes"


def fuse(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, compiled: its accel calls run as few kernels, with the bits of calling them one by one.

        @accel.fuse
        def gated(x, w):
            return accel.nn.silu(x @ w) * x

    The first call with arrays of given shapes, strides, dtypes and device traces the function, once, on arrays that
    have no elements; later ones run what was compiled. Arguments and results are arrays of any kind that accel takes,
    and packed weights, in tuples, lists and dicts, nested as you like; the function itself sees `accel.Array`. Other
    arguments must be hashable; each new value of one is traced anew. Whatever the function does beside calling accel
    happens at the trace only.

    Raises ArgumentError where the function cannot be traced: where it reads an element (``if x > 0``, ``float(x)``),
    writes into an array, changes settings, or uses an array that it was not given. What `accel.arange`, `linspace`,
    `eye`, `zeros`, `ones`, `full` and, of Python numbers, `asarray` make in it are constants. Errors name the line.
    """
    if not callable(function):
        raise ArgumentError(f"fuse: function: expected a callable, got {shown(function)}")
    return functools.update_wrapper(Fused(function), function, updated=())  # a callable object keeps what it has


class Fused:
    """What `fuse` makes of a function. Each structure of its arguments is an op of its own. rule: the derivative that
    is stated for it, by which it is one node of a graph; None: what it calls are the nodes."""

    def __init__(self, function: Callable[..., Any], rule: Rule | None = None) -> None:
        self._function, self._rule = function, rule
        self._name = getattr(function, "__name__", type(function).__name__)
        self._ops: Cache[Any, Structured] = Cache(256)
        self._memo = Memo(self._positional)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        if not keywords:
            return self._memo.call(*args)
        found: list[Leaf] = []
        return self._op(args, keywords, found).call(values_of(found))

    def _positional(self, key: Key, *args: Any) -> Any:
        """A call with arguments that are new, or in tuples, lists or dicts. key: what they are known by."""
        found: list[Leaf] = []
        op = self._op(args, {}, found)
        result = op.call(values_of(found))
        if len(found) == sum(map(interop.is_array, args)):  # a holder's arrays are no arguments of their own
            self._memo.keep(key, op.spec, None, op.finish)
        return result

    def _op(self, args: tuple[Any, ...], keywords: dict[str, Any], found: list[Leaf]) -> Structured:
        """The op of a call's arguments, whose arrays go into `found`."""
        try:
            structure = taken_apart((args, keywords), self._name, None, found)
            op = self._ops.find(structure)
        except RecursionError:
            raise ArgumentError(f"{self._name}: {ENDLESS.format('an argument')}") from None
        if not found:
            raise ArgumentError(f"{self._name}: expected at least one array among the arguments of a fused function")
        if op is None:
            op = Structured(self._function, self._name, structure, names_of(found), rule=self._rule)
            self._ops.keep(structure, op)
        return op

    def __reduce__(self) -> Any:
        """By name where that is this one's, as functions are pickled; else as the function, to be fused anew."""
        name = getattr(self, "__qualname__", "")
        found = getattr(sys.modules.get(getattr(self, "__module__", None) or ""), name, None)
        return name if found is self else (fuse, (self._function,))

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)


class Structured:
    """The function for arguments of one structure. captures: see `OpSpec`. rule: see `Fused`."""

    def __init__(
        self,
        function: Callable[..., Any],
        name: str,
        structure: Any,
        names: tuple[str, ...],
        captures: Callable[[Array], bool] = is_constant,
        rule: Rule | None = None,
    ) -> None:
        self._function, self._structure = function, structure
        self._results: Any = None
        """The structure of the results that all traces gave so far; VARIES where there are several."""
        self._lock = threading.Lock()
        self._by_layouts: Cache[tuple[Any, ...], Any] = Cache(256)
        self.spec = OpSpec(
            name=name,
            primitive="fused",
            summary=f"the fused function {name}",
            function=function,
            infer=self._infer,
            canonical=functools.partial(canonical_of, function),
            reference=functools.partial(canonical_of, function),
            bound=lambda reference, *operands, **keywords: np.zeros(np.shape(reference)),
            bits=lambda dtype, numerics: "bits",
            samples=lambda dtype: None,
            dtypes=tuple(TABLE.values()),
            arguments=names,
            namespace="internal",
            decompose=self._run,
            captures=captures,
            inlined=rule is None,
            vjp=None if rule is None else functools.partial(rule, self),
        )

    def call(self, arrays: tuple[Any, ...]) -> Any:
        """The function on arrays of any kind."""
        return self.finish(interop.enter(self.spec, arrays, None), arrays)

    def finish(self, results: Any, arrays: tuple[Any, ...]) -> Any:
        """What the function returns, of the op's results."""
        structure = self._of_arrays(arrays) if self._results is VARIES else self._results
        several = results if isinstance(results, tuple) else (results,)
        return several[0] if structure is LEAF else put_together(structure, iter(several))

    def _of_arrays(self, arrays: tuple[Any, ...]) -> Any:
        """The structure of the results, where it is another for other layouts."""
        names = dict(zip(self.spec.arguments, arrays, strict=True))
        return self.of_layouts(tuple(x.layout for x in interop.adopt(self.spec.name, **names)[0]))

    def of_layouts(self, layouts: tuple[Layout, ...]) -> Any:
        """The structure of the results for arrays of these layouts."""
        key = _described(layouts)
        while (structure := self._by_layouts.find(key)) is None:  # again where other threads' entries displaced it
            composition.trace(self.spec, layouts, None)
        return structure

    def _run(self, *arrays_and_params: Any) -> tuple[Array, ...]:
        """The function on the arrays of a call; its results, of whatever structure, as a tuple."""
        arrays = arrays_and_params[:-1]
        args, keywords = put_together(self._structure, iter(arrays))
        result, given = self._function(*args, **keywords), []
        try:
            structure = taken_apart(result, self.spec.name, (None, "the result"), given)
        except RecursionError:
            raise ArgumentError(f"{self.spec.name}: {ENDLESS.format('the result')}") from None
        if not given:
            raise ArgumentError(
                f"{self.spec.name}: a fused function returns at least one array, got {shown(structure)}"
            )
        for place, x in given:
            if not isinstance(x, Array):
                raise ArgumentError(
                    f"{self.spec.name}: {named(place)} is a {type(x).__module__}.{type(x).__qualname__}; a fused "
                    "function computes with accel's functions only"
                )
        self._by_layouts.keep(_described(tuple(x.layout for x in arrays)), structure)
        with self._lock:
            self._results = structure if self._results in (None, structure) else VARIES
        return values_of(given)

    def _infer(self, inputs: tuple[Layout, ...], params: None) -> Inferred:
        dispatch.one_device(inputs, self.spec.name)
        graph = composition.graph_of(self.spec, inputs, params)
        return Inferred(graph.outputs, params)


def _described(layouts: tuple[Layout, ...]) -> tuple[Any, ...]:
    """What layouts are, also where one of them is a double (`layout.INTERNED`)."""
    return tuple([(x.dtype, x.shape, x.strides, x.device) for x in layouts])


def graph_of(function: Callable[..., Any], name: str, layouts: tuple[Layout, ...]) -> Graph:
    """The graph of a function of arrays that lie like these. name: of the function, in errors."""
    structure = (tuple, ((tuple, (LEAF,) * len(layouts)), (dict, ())))
    names = tuple(f"operand {i}" for i in range(len(layouts)))
    return composition.trace(Structured(function, name, structure, names).spec, layouts, None)


def taken_apart(value: Any, op: str, place: Place, found: list[Leaf]) -> Any:
    """A structure with LEAF for each array, which goes into `found`; equal structures are of values that have the same
    types and signs too. Raises ArgumentError."""
    kind = type(value)
    if kind is tuple or kind is list:
        return kind, tuple([taken_apart(v, op, (place, i), found) for i, v in enumerate(value)])
    if kind is dict:
        return kind, tuple([(k, typed(k), taken_apart(v, op, (place, k), found)) for k, v in value.items()])
    if interop.is_array(value) and not isinstance(value, np.generic):
        found.append((place, value))
        return LEAF
    if isinstance(value, (tuple, list)):
        return _kind(value), tuple([taken_apart(v, op, (place, i), found) for i, v in enumerate(value)])
    if isinstance(value, dict):
        return taken_apart(dict(value), op, place, found)
    if (holder := HOLDERS.get(kind)) is not None:
        compared, arrays = holder.apart(value)
        return kind, compared, tuple([taken_apart(v, op, (place, i), found) for i, v in enumerate(arrays)])
    try:
        hash(value)
    except TypeError:
        raise ArgumentError(
            f"{op}: {named(place)}: got a {kind.__qualname__}, which is neither an array, a tuple, list or "
            "dict of them, nor a value that is compared"
        ) from None
    return VALUE, value, typed(value)


def values_of(found: list[Leaf]) -> tuple[Any, ...]:
    """The arrays, in order."""
    return tuple([value for _, value in found])


def names_of(found: list[Leaf]) -> tuple[str, ...]:
    """A name for each array; keys that look alike make no two of them one."""
    names = [named(place) for place, _ in found]
    alike = len(set(names)) < len(names)
    return tuple([f"{name} (array {i})" for i, name in enumerate(names)] if alike else names)


def named(place: Place) -> str:
    """A place in words: ``argument 0[2]['weight']``."""
    keys = []
    while place is not None:
        place, key = place
        keys.append(key)
    first = keys.pop()
    if isinstance(first, str):  # of a result
        words = first
    else:
        name = keys.pop()
        words = name if first else f"argument {name}"
    return "".join([words, *(f"[{key!r}]" for key in reversed(keys))])


def _kind(value: Sequence[Any]) -> Any:
    """How a sequence is made again of its parts."""
    if isinstance(value, list):
        return list
    return type(value) if hasattr(value, "_fields") else tuple


def put_together(structure: Any, arrays: Iterator[Any]) -> Any:
    """The structure with the arrays in their places."""
    if structure is LEAF:
        return next(arrays)
    if structure[0] is VALUE:
        return structure[1]
    kind, *compared, parts = structure
    if compared:
        return HOLDERS[kind].together(compared[0], [put_together(part, arrays) for part in parts])
    if kind is dict:
        return {key: put_together(part, arrays) for key, _, part in parts}
    made = [put_together(part, arrays) for part in parts]
    return kind(*made) if hasattr(kind, "_fields") else kind(made)
