"""Movement of complex elements: copies, joins, selections. A real array with one more axis, of the two parts, is moved
in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import dispatch
from ...array import Array
from ...dtypes import BOOL, DType, promote
from ...errors import DtypeError
from ...layout import Layout
from ...registry import OPS
from ..composed.movement import pad, roll
from ..concatenation import SPECS
from ..parameters import Gather, Join
from ..primitive.gather import GATHER, TAKE, TAKE_ALONG_AXIS
from ..primitive.join import JOIN
from ..primitive.pointwise import ASTYPE, COPY, astype, fn
from ..primitive.reduce import normalize_axes
from ..primitive.scatter import INDEX_ADD, PUT_ALONG_AXIS, SCATTER
from ..spec import OpSpec
from .rule import View, both, moves, rule, serve, split, wider, zeros_beside


def _all(arrays: Sequence[Array], view: View, more: int) -> list[Array]:
    return [view(x) for x in arrays]


def _first(arrays: Sequence[Array], view: View, more: int) -> list[Array]:
    x, *positions = arrays
    return [view(x), *(wider(index, more) for index in positions)]


def _same(layouts: tuple[Layout, ...], params: Any) -> tuple[Any, Any]:
    return params, params


def _join(layouts: tuple[Layout, ...], params: Join) -> tuple[Join, Join]:
    return params, Join((*params.shape, 2), tuple((*start, 0) for start in params.starts))


def _gather(layouts: tuple[Layout, ...], params: Gather) -> tuple[Gather, Gather]:
    _, *positions = layouts
    return params, Gather((*params.walks, max((x.ndim for x in positions), default=len(params.walks))))


def _axis(layouts: tuple[Layout, ...], axis: Any) -> tuple[Any, Any]:
    return axis, normalize_axes("concat", axis, layouts[0].ndim)[0] if type(axis) is int else axis


moves(COPY, _same, _all)
moves(JOIN, _join, _all)
for _spec in (GATHER, TAKE, TAKE_ALONG_AXIS):
    moves(_spec, _gather, _first)
for _spec in SPECS.values():
    moves(_spec, _axis, _all)


def _stepwise(name: str) -> None:
    """A composition of movements, each of which moves parts together: it is not traced."""
    spec = OPS[name]
    serve(spec, adapt=lambda layouts, params: lambda *arrays: spec.decompose(*arrays, params))


_stepwise(pad.__name__)
_stepwise(roll.__name__)


def _scatters(spec: OpSpec) -> None:
    """Real parts among real parts, imaginary ones among imaginary ones."""

    @rule(spec)
    def scattered(*operands_and_params: Any) -> Array:
        """Each part stored, or added, by itself; cells, and the numbers of sources, are those of both."""
        *operands, params = operands_and_params
        given = [split(x) if x.dtype.kind == "c" else (x, x) for x in operands]
        return both(*(dispatch.call(spec, part, params) for part in zip(*given, strict=True)))


for _spec in (PUT_ALONG_AXIS, INDEX_ADD, SCATTER):
    _scatters(_spec)


@rule(ASTYPE)
def _astype(x: Array, target: DType | None) -> Array:
    """To another complex dtype by parts; real numbers get imaginary parts of 0; True where a part is not zero."""
    dtype = target or x.dtype
    re, im = split(x)
    if dtype is BOOL and im is not None:
        return fn.logical_or(fn.not_equal(re, 0.0), fn.not_equal(im, 0.0))
    if dtype.kind != "c":
        raise DtypeError(f"astype: dtype: complex numbers do not become {dtype}; take their real parts")
    wide = fn.positive(astype(re, dtype.component))
    return both(wide, zeros_beside(wide) if im is None else astype(im, dtype.component))


@rule(OPS["where"])
def _where(condition: Array, x1: Array, x2: Array, params: None) -> Array:
    """Chosen parts; of a real operand the imaginary part is 0."""
    if condition.dtype is not BOOL:
        raise DtypeError(f"where: condition: expected bool, got {condition.dtype}")
    part = promote(x1.dtype, x2.dtype).component
    (a, b), (c, d) = ((astype(re, part, copy=False), 0.0 if im is None else im) for re, im in map(split, (x1, x2)))
    return both(fn.where(condition, a, c), fn.where(condition, b, d))
