"""How an op gets its rule for complex operands: `rule` for a function of parts, `moves` for one that moves elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ... import composition, dispatch, registry
from ...array import Array
from ...complex_plan import Moved
from ...conversion import constant
from ...dtypes import promote
from ...layout import Layout, broadcast_shapes, broadcast_strides
from ...parts import pair, parts
from ..primitive.pointwise import astype, copy, fn
from ..spec import Inferred, OpSpec, Seen

Parts = tuple[Array, Array | None]
"""Real and imaginary parts of an operand; no imaginary ones where it is real."""


def split(x: Array) -> Parts:
    """The parts of an operand, as views."""
    return parts(x) if x.dtype.kind == "c" else (x, None)


def both(re: Array, im: Array) -> Array:
    """The complex array of two real ones, whose shapes and dtypes may differ."""
    common, shape = promote(re.dtype, im.dtype), broadcast_shapes(re.shape, im.shape)
    re, im = (astype(x, common, copy=False) for x in (re, im))
    re, im = (x.view(shape, broadcast_strides(x.layout, shape)) for x in (re, im))
    return pair(re, im) if re.strides == im.strides else pair(copy(re), copy(im))


def number(value: float, like: Array) -> Array:
    """A number of an array's dtype: for what chooses between numbers, which alone would be float32."""
    return constant(value, like.dtype, like.device)


def zeros_beside(x: Array) -> Array:
    """+0 for each element of a floating array, also for NaN: a step like others, which a constant would not be."""
    result: Array = fn.abs(fn.copysign(0.0, x))
    return result


def _infer(op: list[OpSpec], inputs: tuple[Layout, ...], params: Any) -> Inferred:
    dispatch.one_device(inputs, op[0].name)
    return Inferred(composition.graph_of(op[0], inputs, params).outputs, params)


def serve(spec: OpSpec, **columns: Any) -> OpSpec:
    """Puts a variant of an op in its place where numbers are complex."""
    itself: list[OpSpec] = []
    made = replace(spec, primitive="complex", infer=partial(_infer, itself), keeps_order=False, **columns)
    itself.append(made)
    registry.COMPLEX[spec] = registry.COMPLEX[made] = made
    return made


View = Callable[[Array], Array]


def rule(
    spec: OpSpec, alike: Callable[[tuple[Layout, ...]], bool] = lambda layouts: False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a function of (operands…, params) what an op computes where numbers are complex: with real ops on parts.

    alike(layouts): whether the op does to each part, with real operands beside them, what it does to real numbers: then
    the parts go through it together, where they lie side by side.
    """

    def adapt(layouts: tuple[Layout, ...], params: Any) -> Any:
        _check(spec, layouts)
        return Moved(dispatch.call, spec, (params, params), _each) if alike(layouts) else None

    def decorate(body: Callable[..., Any]) -> Callable[..., Any]:
        serve(spec, adapt=adapt, decompose=body, decomposes=lambda params: True)
        return body

    return decorate


def _check(spec: OpSpec, layouts: tuple[Layout, ...]) -> None:
    """Raises ShapeError, in the op's name, where operands of an elementwise op do not broadcast."""
    if spec.primitive == "pointwise":
        broadcast_shapes(*(x.shape for x in layouts), what=spec.name)


def alike(spec: OpSpec) -> None:
    """Makes an op of one operand do to parts what it does to real numbers."""
    serve(spec, adapt=lambda layouts, params: Moved(dispatch.call, spec, (params, params), _each))


def _each(arrays: Sequence[Array], view: View, more: int) -> list[Array]:
    return [view(x) if x.dtype.kind == "c" else wider(x, more) for x in arrays]


def all_complex(layouts: tuple[Layout, ...]) -> bool:
    """Whether every operand is complex."""
    return all(x.dtype.kind == "c" for x in layouts)


Operands = Callable[[Sequence[Array], View, int], Sequence[Array]]
"""operands(arrays, view, more): those of the real call: complex ones as view makes them, others with so many further
axes of length 1 at the end."""


def moves(spec: OpSpec, params: Callable[[tuple[Layout, ...], Any], tuple[Any, Any]], operands: Operands) -> None:
    """Makes an op take the parts of complex operands together. params(layouts, params): those of the call on one part,
    and of that on arrays with one more axis, the last."""

    def adapt(layouts: tuple[Layout, ...], given: Any) -> Any:
        its_params = params(layouts, given)
        adapted = spec.adapt(layouts, given)
        if isinstance(adapted, Seen):
            return lambda *arrays: dispatch.on_views(spec, adapted)(arrays, None)
        if adapted is None and spec.primitive != "pointwise":
            spec.infer(layouts, given)  # which says what is wrong with shapes, before they are those of parts
        return adapted or Moved(dispatch.call, spec, its_params, operands)

    serve(spec, adapt=adapt)


def wider(x: Array, more: int) -> Array:
    """A view with further axes of length 1 at the end."""
    return x.view((*x.shape, *(1,) * more), (*x.strides, *(0,) * more))
