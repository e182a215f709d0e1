"""Elements that integer arrays select: `take`, `take_along_axis`, and what `x[indices]` computes. One primitive,
``gather``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import dispatch, interop, registry
from ..._core import within
from ...arguments import refuse, unshown
from ...array import Array, Symbol
from ...checks import Check
from ...composition import RECORDER
from ...config import config
from ...dtypes import INT64, TABLE, UINT64, DType
from ...errors import ArgumentError, DtypeError, ShapeError
from ...layout import Layout, Shape, broadcast_shapes, broadcast_strides, replaced
from ...position_memo import Key, PositionMemo
from .. import bounds
from ..parameters import Gather
from ..selection_derivative import gather_vjp
from ..spec import Inferred, OpSpec, Output, Primitive
from .pointwise import astype, fn
from .reduce import max as largest
from .reduce import normalize_axes
from .scan import one_axis

if TYPE_CHECKING:
    from ...graph.bound import Analysis
    from ...graph.bounded import Bounded


def _infer(inputs: tuple[Layout, ...], params: Gather) -> Inferred:
    x, *indices = inputs
    if len(indices) != params.walks.count(-1) or len(params.walks) != x.ndim:
        raise ShapeError(f"gather: {len(indices)} index arrays of {x.ndim} axes, of which {params.walks} say where")
    ndim = max((index.ndim for index in indices), default=len(params.walks))
    walked = [1] * ndim
    for n, to in zip(x.shape, params.walks, strict=True):
        if to >= 0:
            walked[to] = n
    shape = broadcast_shapes(tuple(walked), *(index.shape for index in indices), what="gather")
    if any(to >= 0 and shape[to] != n for n, to in zip(x.shape, params.walks, strict=True)):
        raise ShapeError(f"gather: x has shape {x.shape}, which is not walked with a result of shape {shape}")
    return Inferred(((shape, x.dtype),), params)


def as_positions(op: str, argument: str, indices: Array) -> Array:
    """Integers of any dtype as int64; those beyond it are the largest, which no axis has. Raises DtypeError."""
    if indices.dtype is INT64:
        return indices
    if indices.dtype.kind not in "iu":
        raise DtypeError(f"{op}: {argument}: expected an integer dtype, got {indices.dtype}")
    if indices.dtype is UINT64:
        indices = fn.minimum(indices, 2**63 - 1)
    result: Array = astype(indices, INT64)
    return result


def check_positions(
    what: str, positions: Array, length: int, least: int | None = None, *, after: str | None = None
) -> bool:
    """Has int64 positions looked at: IndexError where one is out of range for an axis of this length, or below least,
    which is -length unless given. That is at once or later, as `Check.on` says, in a trace whenever what is traced
    runs, and never where the setting says so or calls are explained. Whether none is known to be below 0.

    what, after: the words before a position in the message, and behind it.
    """
    recorder = RECORDER.get()
    if positions.size == 0 or getattr(recorder, "run", True) is False:
        return False
    least = -length if least is None else least
    device = positions.device
    forward = within(positions, least, length) if device.host or config.check != "off" else None
    if forward is not None:
        return forward
    if config.check == "off":
        return False
    if 0 in positions.strides:  # repeated ones are looked at once
        once = tuple(n if step else 1 for n, step in zip(positions.shape, positions.strides, strict=True))
        positions = positions.view(once, positions.strides)
    words = f" is out of range for an axis of length {length}" if after is None else after
    if not device.looked_at:
        positions = dispatch.call(FARTHEST, (positions,), least)
    return checked(Check(least, length, f"{what}: " if after is None else f"{what} ", words), positions)


def checked(check: Check, array: Array) -> bool:
    """Has an array looked at as a check says: by the trace that it is of, or here."""
    if not isinstance(array.buffer, Symbol):
        return check.on(array, config.current())
    look = getattr(RECORDER.get(), "check", None)  # none: its trace is over, of which the dispatcher speaks
    if look is not None:
        look(check, array)
    return False


def _farthest(positions: Array, least: int) -> Array:
    """The largest of what positions are above least, as a number without a sign: those below it come last."""
    result: Array = largest(astype(fn.subtract(positions, least), UINT64))
    return result


def gathered(op: str, x: Array, indices: Sequence[Array], walks: tuple[int, ...], names: Sequence[str | None]) -> Array:
    """The elements of x by `Gather`'s rule, after a look at the indices, int64 arrays that have names in messages, or
    None where they are known to be in range."""
    axes = [axis for axis, to in enumerate(walks) if to < 0]
    for index, name, axis in zip(indices, names, axes, strict=True):
        if name is not None:
            check_positions(name, index, x.shape[axis])
    result: Array = dispatch.call(registry.OPS[op], (x, *indices), _params(walks))
    return result


@lru_cache(maxsize=1024)
def _params(walks: tuple[int, ...]) -> Gather:
    """One object for each, by which a call's plan is found at once."""
    return Gather(walks)


class Selecting(PositionMemo):
    """The memo of a function that is one gather, at one array of positions.

    op: what is called. name: what messages call the positions. slow: as of a `PositionMemo`; it ends with `found`.
    least: 0 where no position may be below it; None: those below it count from the end.
    """

    __slots__ = ("_least", "_name", "_op")

    def __init__(self, op: str, name: str, slow: Callable[..., Any], least: int | None = None) -> None:
        super().__init__(slow)
        self._op, self._name, self._least = op, name, least

    def found(self, key: Key, given: tuple[Array, Array], x: Array, positions: Array, walks: tuple[int, ...]) -> Array:
        """The elements, by `Gather`'s rule. given: the call's array and its positions; x, positions: as the op takes
        them."""
        length = x.shape[walks.index(-1)]
        least = -length if self._least is None else self._least
        self.keep(key, given, registry.OPS[self._op], _params(walks), ((0, x), (1, positions)), (least, length))
        check_positions(self._name, positions, length, least)
        return gathered(self._op, x, [positions], walks, [None])


def picked(x: Array, positions: Array) -> Array:
    """Elements of a vector at int64 positions of any shape that are known to be in range."""
    return gathered("take", x, [positions], (-1,), [None])


def _adopted(op: str, x: Any, indices: Any) -> tuple[Array, Array, interop.Restore]:
    (array, positions), restore = interop.arrays(op, x=x, indices=indices)
    return array, as_positions(op, "indices", positions), restore


@unshown
def take(x: Any, indices: Any, /, *, axis: int | None = None, **others: Any) -> Any:
    """Elements of x at positions along an axis, in the order of the positions.

    indices: of any integer dtype and shape, which takes the axis' place in the result's shape; a position below 0
    counts from the end. axis: may be left out for one-dimensional x.
    Raises IndexError for a position out of range, on a GPU when it is synchronised or copied from
    (`accel.config.check`), also DtypeError, AxisError, ArgumentError, and ShapeError for x without axes.
    """
    if others:
        refuse("take", others)
    return _taken.call(x, indices, axis)


def _take(key: Key, x: Any, indices: Any, axis: Any) -> Any:
    array, positions, restore = _adopted("take", x, indices)
    if array is not x or positions is not indices:
        return restore(_taken.call(array, positions, axis))
    along = one_axis("take", axis, x.shape)
    after, more = x.ndim - along - 1, positions.ndim
    walks = tuple(a if a < along else -1 if a == along else a - 1 + more for a in range(x.ndim))
    shape = (*(1,) * along, *positions.shape, *(1,) * after)
    strides = (*(0,) * along, *positions.strides, *(0,) * after)
    return _taken.found(key, (x, positions), x, positions.view(shape, strides), walks)


_taken = Selecting("take", "take: indices", _take)


@unshown
def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1, **others: Any) -> Any:
    """Elements of x at positions along an axis, other positions for each row.

    indices: of any integer dtype, with as many axes as x; both are broadcast against each other along all axes but that
    one, along which the result has the length of indices. Positions and errors are those of `take`; raises ShapeError
    for shapes that do not broadcast.
    """
    if others:
        refuse("take_along_axis", others)
    return _taken_along.call(x, indices, axis)


def _take_along_axis(key: Key, x: Any, indices: Any, axis: Any) -> Any:
    op = "take_along_axis"
    array, positions, restore = _adopted(op, x, indices)
    if array is not x or positions is not indices:
        return restore(_taken_along.call(array, positions, axis))
    if x.ndim != positions.ndim:
        raise ShapeError(f"{op}: indices: expected {x.ndim} axes as x has, got shape {positions.shape}")
    if axis is None:
        raise ArgumentError(f"{op}: axis: expected an integer, got None")
    along = one_axis(op, axis, x.shape)
    target = replaced(x.shape, along, 1)
    shape = broadcast_shapes(target, replaced(positions.shape, along, 1), what=op)
    wide, spread = (
        array.view(full, broadcast_strides(array.layout, full))
        for array in (x, positions)
        for full in [replaced(shape, along, array.shape[along])]
    )
    walks = tuple(-1 if a == along else a for a in range(x.ndim))
    return _taken_along.found(key, (x, positions), wide, spread, walks)


_taken_along = Selecting("take_along_axis", "take_along_axis: indices", _take_along_axis)


def gather(x: Any, *indices: Any, walks: tuple[int, ...]) -> Any:
    """Elements of x where index arrays say, by the rule of `accel.ops.parameters.Gather`."""
    names = [f"index {k}" for k in range(len(indices))]
    (x, *given), restore = interop.adopt("gather", x=x, **dict(zip(names, indices, strict=True)))
    positions = [as_positions("gather", name, index) for name, index in zip(names, given, strict=True)]
    return restore(gathered("gather", x, positions, walks, [f"gather: {name}" for name in names]))


# what the tests compare with


def select(walks: tuple[int, ...], shape: Shape, x: np.ndarray, *indices: np.ndarray) -> np.ndarray:
    """The canonical answer."""
    good, keys, left = np.ones(shape, bool), [], iter(indices)
    for n, to in zip(x.shape, walks, strict=True):
        if to >= 0:
            keys.append(np.arange(n).reshape([n if a == to else 1 for a in range(len(shape))]))
            continue
        index = next(left)
        its = np.where(index < 0, index + n, index)
        inside = (its >= 0) & (its < n)
        good &= inside
        keys.append(np.where(inside, its, 0))
    made = np.zeros(shape, x.dtype)
    if x.size:
        np.copyto(made, x[tuple(keys)], where=good)
    return made


def _canonical_gather(x: np.ndarray, *indices: np.ndarray, walks: tuple[int, ...]) -> np.ndarray:
    walked = [1] * indices[0].ndim
    for n, to in zip(x.shape, walks, strict=True):
        if to >= 0:
            walked[to] = n
    return select(walks, np.broadcast_shapes(tuple(walked), *(i.shape for i in indices)), x, *indices)


def _canonical_take(x: np.ndarray, indices: np.ndarray, axis: int | None = None) -> np.ndarray:
    return np.take(x, indices.astype(np.int64), axis=0 if axis is None else axis)


def _canonical_along(x: np.ndarray, indices: np.ndarray, axis: int = -1) -> np.ndarray:
    (along,) = normalize_axes("take_along_axis", axis, x.ndim)
    shape = np.broadcast_shapes(replaced(x.shape, along, 1), replaced(indices.shape, along, 1))
    x, indices = (np.broadcast_to(a, replaced(shape, along, a.shape[along])) for a in (x, indices))
    return np.take_along_axis(x, indices.astype(np.int64), along)


def _samples(op: str, dtype: DType) -> Any:
    from ...testing import gather_family

    return gather_family.gathers(op, dtype)


TAKE, TAKE_ALONG_AXIS, GATHER = (
    registry.register(
        OpSpec(
            name=function.__name__,
            primitive="gather",
            summary=function.__doc__.partition("\n")[0].partition(", in the")[0].rstrip(".") + ".",
            function=function,
            infer=_infer,
            canonical=canonical,
            reference=canonical,
            bound=bounds.none,
            bits=lambda dtype, numerics: "exact",
            samples=partial(_samples, function.__name__),
            dtypes=tuple(TABLE.values()),
            arguments=("x", "indices"),
            namespace=namespace,
            selects=True,
        )
    )
    for function, canonical, namespace in (
        (take, _canonical_take, ""),
        (take_along_axis, _canonical_along, ""),
        (gather, _canonical_gather, "internal"),
    )
)


def look(name: str, summary: str, function: Callable[..., Array], argument: str) -> OpSpec:
    """The op of a function that makes one uint64 of int64 numbers and a parameter: no row of the table, but what a
    check looks at in one launch, on a device that the host does not read."""
    return OpSpec(
        name=name,
        primitive="composed",
        summary=summary,
        function=function,
        infer=lambda inputs, params: Inferred((((), UINT64),), params),
        canonical=function,
        reference=function,
        bound=bounds.none,
        bits=lambda dtype, numerics: "exact",
        samples=lambda dtype: None,
        dtypes=(INT64,),
        arguments=(argument,),
        namespace="internal",
        decompose=function,
    )


FARTHEST = look("farthest", "How far the positions that a check looks at are above the least.", _farthest, "positions")
"""What `check_positions` looks at."""


def _answer(params: Gather, outputs: tuple[Output], x: np.ndarray, *indices: np.ndarray) -> list[np.ndarray]:
    ((shape, _),) = outputs
    return [select(params.walks, shape, x, *indices)]


def _analysed(
    analysis: Analysis, params: Gather, outputs: tuple[Output], x: Bounded, *indices: Bounded
) -> list[Bounded]:
    """Elements keep their errors. Computed positions are exact: they are integers."""
    ((shape, _),) = outputs
    return [x.seen(lambda v: select(params.walks, shape, v, *(index.value for index in indices)))]


registry.register_primitive(Primitive("gather", _answer, _analysed, gather_vjp))
