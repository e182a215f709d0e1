"""Derivatives of functions of accel calls: `grad`, `value_and_grad`, `vjp`, `jvp` and `checkpoint`, named as in JAX.

A function is traced as `fuse` traces it, and the graph of its derivative is compiled like any other: few kernels, and
the same bits on every device. Reverse mode: Griewank and Walther 2008, Evaluating Derivatives, chapter 3.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from . import composition
from .array import Array, Symbol
from .conversion import constant, is_constant
from .errors import ArgumentError, DtypeError, ShapeError, shown
from .fuse import LEAF, Fused, Leaf, Structured, fuse, named, names_of, put_together, taken_apart, values_of
from .graph.apart import joined, split, split_or_none, whole, zeros
from .ops.primitive.gather import checked


def grad(function: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function's gradient: a function of the same arguments, that gives the derivative of the result by each
    element of argument ``argnums``.

        @accel.grad
        def slope(w, x):
            return accel.sum(accel.nn.silu(x @ w) ** 2)

    function: of arrays in arguments, tuples, lists and dicts; it gives one floating number (an array without axes), and
    where has_aux a pair of this and of arrays that are handed through. Its rules are those of `fuse`. argnums: one
    position of an argument, or several. These hold floating or complex arrays only. The gradient has the argument's
    structure, and the shapes and dtypes in it; with several argnums it is a tuple of such. With has_aux the result is
    the pair of gradient and aux.

    At a corner the derivative is torch's: relu's at 0 is 0, maximum's at a tie is shared. Of a complex z = x + iy it is
    df/dx + i df/dy, torch's convention (JAX gives the conjugate). Cotangents add in a fixed order, so the gradient has
    the same bits on every device.

    Raises ArgumentError where an argument or the result is something else, or an op on the way has no derivative.
    """
    both = value_and_grad(function, argnums, has_aux)

    def gradient(*args: Any, **keywords: Any) -> Any:
        value, found = both(*args, **keywords)
        return (found, value[1]) if has_aux else found

    return _like(gradient, function)


def value_and_grad(
    function: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The function's result and its gradient, in one compiled pass: a function that gives the pair. See `grad`; with
    has_aux the first of the pair is itself a pair, value and aux."""
    _check_callable("value_and_grad", function)
    places = _places(argnums)

    def both(*args: Any, **keywords: Any) -> Any:
        if places and max(places) >= len(args):
            raise ArgumentError(
                f"{_name(function)}: argnums: expected positions of the {len(args)} arguments, got {shown(argnums)}"
            )
        pulled = Pulled(function, args, keywords)
        structure = pulled.structure
        if has_aux:
            is_pair = structure is not LEAF and structure[0] is tuple and len(structure[1]) == 2
            structure = structure[1][0] if is_pair else None
        if structure is not LEAF:
            wanted = "a pair, of one array and of aux" if has_aux else "one array"
            raise ArgumentError(f"{_name(function)}: expected the function to give {wanted}, to take a gradient of")
        y = pulled.results[0]
        if y.shape != () or y.dtype.kind != "f":
            raise ArgumentError(
                f"{_name(function)}: expected the function to give a floating number, an array without axes, got shape "
                f"{y.shape} and dtype {y.dtype}; vjp takes a cotangent of any shape"
            )
        nothing = [None] * (len(pulled.results) - 1)
        back = pulled.back([constant(1.0, y.dtype, y.device), *nothing])
        found = tuple(_floating(_name(function), args[i], back) for i in places)
        return pulled.result, found if isinstance(argnums, Sequence) else found[0]

    return fuse(_like(both, function))


def vjp(function: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """The function's result, and what pulls a cotangent of the result back to a cotangent of each primal.

    primals: the function's arguments. The second result is a function: it takes a cotangent with the structure, shapes
    and dtypes of the function's result, and gives a tuple, with those of the primals; None in the place of an array
    that is neither floating nor complex. It computes the function again; `value_and_grad` does both in one pass.

    Raises ArgumentError, ShapeError or DtypeError where a cotangent does not fit the result, and as `grad` does.
    """
    _check_callable("vjp", function)
    return _fused(function)(*primals), lambda cotangent: _pullback(function)(cotangent, primals)


@functools.lru_cache(maxsize=256)
def _fused(function: Callable[..., Any]) -> Callable[..., Any]:
    return fuse(function)


@functools.lru_cache(maxsize=256)
def _pullback(function: Callable[..., Any]) -> Callable[..., Any]:
    def pullback(cotangent: Any, primals: tuple[Any, ...]) -> Any:
        pulled = Pulled(function, primals, {})
        return _part(primals, pulled.back(fitting("vjp", "cotangent", pulled.result, cotangent)))

    return fuse(_like(pullback, function))


def jvp(function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """The function's result, and the result's derivative along tangents of the arguments.

    primals: a tuple or list of the function's arguments. tangents: as many, each with the structure, shapes and dtypes
    of its primal; None in the place of an array that is neither floating nor complex. The second result has the
    structure of the first, None there too. What is computed is the transpose of the linear map that `vjp` is, at a
    small multiple of the function's cost. A Hessian's product with a vector is ``jvp(grad(f), (x,), (v,))[1]``.

    Raises ArgumentError, ShapeError or DtypeError where tangents do not fit the primals, and as `grad` does.
    """
    _check_callable("jvp", function)
    for name, value in (("primals", primals), ("tangents", tangents)):
        if not isinstance(value, (tuple, list)):
            raise ArgumentError(f"jvp: {name}: expected a tuple or list, got {shown(value)}")
    return _push(function)(tuple(primals), tuple(tangents))


@functools.lru_cache(maxsize=256)
def _push(function: Callable[..., Any]) -> Callable[..., Any]:
    def push(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> Any:
        pulled = Pulled(function, primals, {})
        given = fitting("jvp", "tangents", primals, tangents)

        def linear(cotangents: tuple[Array, ...]) -> tuple[Array, ...]:
            # the cotangents that are None are of arrays with no tangent
            back = Pulled(function, primals, {}).back(_put_back(cotangents, pulled.results))
            return tuple(g for g in (back[id(x)] for x in arrays_in(primals)) if g is not None)

        smooth = tuple(zeros(y) for y in pulled.results if _is_smooth(y))
        transposed = Pulled(linear, (smooth,), {})
        back = transposed.back([g for g in given if g is not None])
        along = _put_back([back[id(z)] for z in smooth], pulled.results)
        return pulled.result, put_together(pulled.structure, iter(along))

    return fuse(_like(push, function))


def checkpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, of which a derivative keeps the arguments only, and computes everything else again.

    It trades time for memory (Chen et al. 2016, arXiv:1604.06174); values and gradients have the same bits. Its rules
    are those of `fuse`.
    """
    _check_callable("checkpoint", function)
    return functools.update_wrapper(Fused(function, _again), function, updated=())


def _again(
    its: Structured,
    params: None,
    cotangents: Sequence[Array | None],
    results: Sequence[Array],
    operands: Sequence[Array],
) -> list[Array | None]:
    """The derivative of a checkpointed function, from its operands."""
    from .graph import derivative

    graph = composition.graph_of(its.spec, tuple(x.layout for x in operands), None, derivative.undivided())
    return derivative.backward(graph, derivative.forward(graph, operands), cotangents)


class Pulled:
    """A function within a trace: its values on arguments, and what cotangents of the results are pulled back to.

    result: what the function gives. results: the arrays in it. structure: of it.
    """

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        from .graph import derivative  # not with accel, as few programs take derivatives

        name = _name(function)
        found: list[Leaf] = []
        structure = taken_apart((args, keywords), name, None, found)
        self._inputs: list[Array] = list(values_of(found))
        its = Structured(function, name, structure, names_of(found), _is_around)
        layouts = tuple(x.layout for x in self._inputs)
        self._graph = composition.trace(its.spec, layouts, None, derivative.undivided())
        self._values = derivative.forward(self._graph, split(self._inputs))
        self.structure = its.of_layouts(layouts)
        made = [derivative.seen(self._values, read) for read in self._graph.returned]
        for check, read in self._graph.looked_at:
            checked(check, derivative.seen(self._values, read))
        self._pairs = self._graph.pairs or (False,) * len(made)
        self.results = list(joined(made, self._pairs))
        self.result = put_together(self.structure, iter(self.results))

    def back(self, cotangents: Sequence[Array | None]) -> dict[int, Array | None]:
        """The cotangent of each array among the arguments, by its id; None where it is not smooth. cotangents: of the
        results, None for nothing."""
        from .graph import derivative

        given = split_or_none(cotangents, self._pairs)
        found = iter(derivative.backward(self._graph, self._values, given))
        made: dict[int, Array | None] = {}
        for x in self._inputs:
            its = [zeros(part) if (g := next(found)) is None else g for part in split([x])]
            made[id(x)] = whole(its) if _is_smooth(x) else None
        return made


def _is_around(x: Array) -> bool:
    """Whether an array that a function has not been given is a constant, or of a trace around this one."""
    if isinstance(x.buffer, Symbol):
        return x.buffer.tracer is not None and not x.buffer.tracer.over
    return is_constant(x)


def _is_smooth(x: Array) -> bool:
    return x.dtype.kind in "fc"


def _put_back(smooth: Sequence[Array], results: Sequence[Array]) -> list[Array | None]:
    """What stands for each result, where only the smooth ones have something."""
    left = iter(smooth)
    return [next(left) if _is_smooth(y) else None for y in results]


def arrays_in(value: Any) -> list[Array]:
    """The arrays of a value: of tuples, lists and dicts, nested."""
    found: list[Leaf] = []
    taken_apart(value, "", (None, ""), found)
    return list(values_of(found))


def with_arrays(value: Any, arrays: Iterable[Array | None]) -> Any:
    """The structure of a value, with other arrays in the places of its own."""
    return put_together(taken_apart(value, "", (None, ""), []), iter(arrays))


def _part(value: Any, back: dict[int, Array | None]) -> Any:
    """The structure of a value, with what its arrays were pulled back to."""
    return with_arrays(value, [back[id(x)] for x in arrays_in(value)])


def _floating(op: str, argument: Any, back: dict[int, Array | None]) -> Any:
    """The same, of an argument that a gradient is taken by. Raises ArgumentError where it is not smooth."""
    for x in (found := arrays_in(argument)):
        if not _is_smooth(x):
            raise ArgumentError(f"{op}: a gradient is taken by floating and complex arrays, got one of {x.dtype}")
    if not found:
        raise ArgumentError(f"{op}: expected arrays in what a gradient is taken by, got {shown(argument)}")
    return _part(argument, back)


def fitting(op: str, argument: str, value: Any, given: Any, every: bool = False) -> list[Array | None]:
    """The arrays of what is given for a value, of the same structure, shapes and dtypes; None for what is not smooth,
    unless every array is wanted. Raises ArgumentError, ShapeError or DtypeError."""
    leaves: list[Leaf] = []
    structure = taken_apart(value, op, (None, argument), leaves)
    wanted = put_together(structure, iter([x if every or _is_smooth(x) else None for _, x in leaves]))
    places: list[Leaf] = []
    theirs: list[Leaf] = []
    want = taken_apart(wanted, op, (None, argument), places)
    if taken_apart(given, op, (None, argument), theirs) != want:
        raise ArgumentError(
            f"{op}: {argument}: expected the structure of {_described(wanted)}, got {_described(given)}"
        )
    for (place, x), (_, y) in zip(places, theirs, strict=True):
        if y.shape != x.shape:
            raise ShapeError(f"{op}: {named(place)}: expected shape {x.shape}, got {y.shape}")
        if y.dtype is not x.dtype:
            raise DtypeError(f"{op}: {named(place)}: expected dtype {x.dtype}, got {y.dtype}")
    left = iter(values_of(theirs))
    return [next(left) if every or _is_smooth(x) else None for _, x in leaves]


def _described(value: Any) -> str:
    """A structure in words: arrays by their shapes."""
    if isinstance(value, Array):
        return f"array{list(value.shape)}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_described(v)}" for key, v in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return ("({})" if isinstance(value, tuple) else "[{}]").format(", ".join(map(_described, value)))
    return shown(value)


def _places(argnums: Any) -> tuple[int, ...]:
    several = argnums if isinstance(argnums, (tuple, list)) else (argnums,)
    if not several or not all(type(i) is int and i >= 0 for i in several) or len(set(several)) < len(several):
        raise ArgumentError(
            f"argnums: expected a position of an argument, from 0, or several different ones, got {shown(argnums)}"
        )
    return tuple(several)


def _check_callable(op: str, function: Any) -> None:
    if not callable(function):
        raise ArgumentError(f"{op}: function: expected a callable, got {shown(function)}")


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _like(made: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """A function with another one's name and docstring."""
    return functools.update_wrapper(made, function, updated=())
