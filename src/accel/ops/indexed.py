"""torch's functions of elements that integers or booleans name, with `axis` for `dim`: all are the primitives
``gather`` and ``scatter``. None writes to its operands.

A position below 0 counts from the end. One out of range is an IndexError, before anything is computed where the host
has the positions at hand, else as `accel.checks` says: then a gather gives 0 there, and a scatter drops the value.
"""

from __future__ import annotations

from typing import Any

from .. import dispatch, interop
from ..arguments import switch, word
from ..array import Array
from ..conversion import constant
from ..dtypes import BOOL, INT64
from ..errors import ArgumentError, DtypeError, ShapeError, shown
from ..layout import Shape, broadcast_shapes, broadcast_strides
from ..position_memo import Key
from .cells import cells_along, cells_of, in_rows
from .parameters import SCATTER_FOLDS, Scatter, nothing_of
from .pieces import filled
from .primitive.gather import Selecting, as_positions, check_positions, gathered
from .primitive.pointwise import astype, copy, fn, source_of
from .primitive.reduce import axis_of
from .primitive.scan import cumulative_sum
from .primitive.scatter import SCATTER
from .selection import selected
from .views import reshape

REDUCTIONS = {"sum": "add", "prod": "multiply", "mean": "add", "amax": "max", "amin": "min"}
"""torch's names, and the scatters that combine so."""


def _with_source(op: str, argument: str, source: Any, **operands: Any) -> tuple[list[Array], Any, interop.Restore]:
    """The operands, and the source, which may be a number; an array of it has the dtype of x."""
    if interop.is_scalar(source):
        arrays, restore = interop.arrays(op, **operands)
        return arrays, source, restore
    (*arrays, given), restore = interop.arrays(op, **operands, **{argument: source})
    if given.dtype is not arrays[0].dtype:
        raise DtypeError(f"{op}: {argument}: expected x's dtype, {arrays[0].dtype}, got {given.dtype}")
    return arrays, given, restore


def _along(op: str, x: Array, axis: Any, index: Array) -> tuple[int, Array]:
    """The axis, and positions with as many axes as x, of which none but it is longer than x's."""
    positions = as_positions(op, "index", index)
    along = axis_of(op, "axis", axis, x.ndim)
    fits = len(positions.shape) == x.ndim
    if not fits or any(n > m for a, (n, m) in enumerate(zip(positions.shape, x.shape, strict=True)) if a != along):
        raise ShapeError(
            f"{op}: index: expected {x.ndim} axes, none but axis {along} longer than those of x, whose shape is "
            f"{x.shape}, got shape {positions.shape}"
        )
    return along, positions


def _corner(x: Array, shape: Shape) -> Array:
    """The first elements along each axis, as many as the shape says."""
    return x.view(shape, x.strides)


def gather(x: Any, axis: int, index: Any) -> Any:
    """Elements of x at positions along an axis, of index's shape: for axis 1, x[i, index[i, j, k], k].

    index: of any integer dtype, with as many axes as x, and along all but that one no longer than x. Raises IndexError,
    ShapeError, AxisError, DtypeError, ArgumentError. As torch.gather; `take_along_axis` broadcasts, as NumPy's does.
    """
    return _gathered.call(x, index, axis)


def _gather(key: Key, x: Any, index: Any, axis: Any) -> Any:
    (array, numbers), restore = interop.arrays("gather", x=x, index=index)
    along, positions = _along("gather", array, axis, numbers)
    if array is not x or positions is not index:
        return restore(_gathered.call(array, positions, axis))
    shape = positions.shape
    part = _corner(x, (*shape[:along], x.shape[along], *shape[along + 1 :]))
    walks = tuple(-1 if a == along else a for a in range(x.ndim))
    return _gathered.found(key, (x, positions), part, positions, walks)


_gathered = Selecting("gather", "gather: index", _gather)


def scatter(x: Any, axis: int, index: Any, src: Any, *, reduce: str | None = None) -> Any:
    """x with elements of src stored at positions along an axis: for axis 1, src[i, j, k] at [i, index[i, j, k], k].

    index: as of `gather`. src: a number, or an array of x's dtype that is nowhere shorter than index, of which the
    first elements along each axis are taken. Of several for one element the last one stays, in row-major order of
    index. reduce: ``add`` or ``multiply`` combines them with x as `scatter_reduce` does. Errors are those of `gather`.
    As torch.scatter.
    """
    kinds = {"add": "sum", "multiply": "prod"}
    reduction = "" if reduce is None else kinds[word("scatter", "reduce", reduce, (*kinds,))]
    return _scattered("scatter", x, axis, index, src, reduction)


def scatter_add(x: Any, axis: int, index: Any, src: Any) -> Any:
    """`scatter_reduce` by sum."""
    return _scattered("scatter_add", x, axis, index, src, "sum")


def scatter_reduce(x: Any, axis: int, index: Any, src: Any, reduce: str, *, include_self: bool = True) -> Any:
    """x with elements of src combined with those of x at positions along an axis: for axis 1, src[i, j, k] with the one
    at [i, index[i, j, k], k].

    reduce: ``sum``, ``prod``, ``mean``, ``amax`` or ``amin``. Sums and products of one element's are by rule 2 of
    docs/numerics.md, in row-major order of index, in float32 for 16-bit floats; x's own comes last. A mean is the sum
    divided by the number, rounded down for integers. include_self: without it x's elements count only where there are
    no others. index, src, errors: as of `scatter`; booleans have extremes only. As torch.scatter_reduce.
    """
    reduction = word("scatter_reduce", "reduce", reduce, (*REDUCTIONS,))
    return _scattered("scatter_reduce", x, axis, index, src, reduction, include_self)


def _scattered(op: str, x: Any, axis: Any, index: Any, src: Any, reduction: str, include: Any = True) -> Any:
    (x, index), source, restore = _with_source(op, "src", src, x=x, index=index)
    along, positions = _along(op, x, axis, index)
    shape = positions.shape
    if not isinstance(source, Array):
        source = source_of(op, "src", source, x, shape)
    elif source.ndim != x.ndim or any(n > m for n, m in zip(shape, source.shape, strict=True)):
        raise ShapeError(f"{op}: src: has shape {source.shape}, which is shorter than that of index, {shape}")
    forward = check_positions(f"{op}: index", positions, x.shape[along])
    if not x.size or not positions.size:
        return restore(copy(x))
    cells = cells_along(positions, x.shape, along, forward)
    values = in_rows(_corner(source, shape), positions.size, ())
    return restore(_combined(op, x, values, cells, (-1,) * x.ndim, reduction, include))


def _combined(
    op: str, x: Array, values: Array, cells: Array, walks: Shape, reduction: str, include: Any = True
) -> Array:
    """A scatter of operands that fit. reduction: by torch's name; "": the last one stays."""
    own = switch(op, "include_self", include)
    kind, dtype = REDUCTIONS.get(reduction, "set"), x.dtype
    folds = kind in SCATTER_FOLDS
    if (folds and dtype is BOOL) or (kind in ("max", "min") and dtype.kind == "c"):
        raise DtypeError(f"{op}: reduce: there is no {reduction} of {dtype}")
    if folds and dtype.kind == "c" and reduction != "sum":
        raise DtypeError(f"{op}: reduce: there is only a sum of {dtype}")
    if folds and dtype.kind == "f":
        x, values = (astype(a, dtype.accumulator, copy=False) for a in (x, values))
    if not own and kind != "set":
        x = _put(x, filled(nothing_of(kind, x.dtype), values.shape, x.dtype, x.device), cells, walks, "set")
    made = _put(x, values, cells, walks, kind)
    if reduction == "mean":
        one = constant(1, INT64, x.device)
        ones, held = one.view(values.shape, (0,) * values.ndim), filled(int(own), x.shape, INT64, x.device)
        many = fn.maximum(_put(held, ones, cells, walks, "add"), one)
        made = made / astype(many, made.dtype) if dtype.kind == "f" else fn.floor_divide(made, astype(many, dtype))
    return astype(made, dtype, copy=False)


def _put(x: Array, values: Array, cells: Array, walks: Shape, kind: str) -> Array:
    result: Array = dispatch.call(SCATTER, (x, values, cells), Scatter(x.shape, walks, kind))
    return result


def index_select(x: Any, axis: int, index: Any) -> Any:
    """The rows of x at positions along an axis, in the order of index, a vector of any integer dtype. Raises
    IndexError, ShapeError, AxisError, DtypeError, ArgumentError. As torch.index_select."""
    return _index_selected.call(x, index, axis)


def _index_select(key: Key, x: Any, index: Any, axis: Any) -> Any:
    op = "index_select"
    (array, numbers), restore = interop.arrays(op, x=x, index=index)
    along, positions = _rows(op, array, axis, numbers)
    if array is not x or positions is not index:
        return restore(_index_selected.call(array, positions, axis))
    after = x.ndim - along - 1
    spread = positions.view(
        (*(1,) * along, positions.size, *(1,) * after), (*(0,) * along, *positions.strides, *(0,) * after)
    )
    walks = tuple(-1 if a == along else a for a in range(x.ndim))
    return _index_selected.found(key, (x, positions), x, spread, walks)


_index_selected = Selecting("gather", "index_select: index", _index_select)


def _rows(op: str, x: Array, axis: Any, index: Array) -> tuple[int, Array]:
    """The axis, and a vector of positions."""
    positions = as_positions(op, "index", index)
    along = axis_of(op, "axis", axis, x.ndim)
    if positions.ndim != 1:
        raise ShapeError(f"{op}: index: expected one axis, got shape {positions.shape}")
    return along, positions


def _rows_combined(
    op: str, argument: str, x: Any, axis: Any, index: Any, source: Any, reduction: str, include: Any = True
) -> Any:
    (x, index), given, restore = _with_source(op, argument, source, x=x, index=index)
    along, positions = _rows(op, x, axis, index)
    shape = (*x.shape[:along], positions.size, *x.shape[along + 1 :])
    if not isinstance(given, Array) or (argument == "value" and not given.ndim):
        given = source_of(op, argument, given, x, shape)
    elif given.shape != shape:
        raise ShapeError(f"{op}: {argument}: expected shape {shape}, got {given.shape}")
    forward = check_positions(f"{op}: index", positions, x.shape[along])
    if not x.size or not positions.size:
        return restore(copy(x))
    walks = tuple(-1 if a == along else a + (a < along) for a in range(x.ndim))
    rows = given.permute((along, *(a for a in range(x.ndim) if a != along)))
    cells = cells_of([positions], [x.shape[along]], [forward])
    return restore(_combined(op, x, rows, cells, walks, reduction, include))


def index_copy(x: Any, axis: int, index: Any, source: Any) -> Any:
    """x with the rows of source stored along an axis, row i at index[i]; of several for one row the last stays. index:
    a vector of any integer dtype. source: of x's dtype and shape, but with as many rows as index has elements. Errors
    are those of `index_select`. As torch.index_copy."""
    if interop.is_scalar(source):
        raise ArgumentError(f"index_copy: source: expected an array, got the scalar {shown(source)}")
    return _rows_combined("index_copy", "source", x, axis, index, source, "")


def index_fill(x: Any, axis: int, index: Any, value: Any) -> Any:
    """x with a number, or an array without axes of x's dtype, stored in all rows along an axis that index names. Errors
    are those of `index_select`. As torch.index_fill."""
    return _rows_combined("index_fill", "value", x, axis, index, value, "")


def index_reduce(x: Any, axis: int, index: Any, source: Any, reduce: str, *, include_self: bool = True) -> Any:
    """x with the rows of source combined with those of x along an axis, row i with the one at index[i].

    reduce: ``prod``, ``mean``, ``amax`` or ``amin``, and ``sum``, for which `index_add` is; with include_self as in
    `scatter_reduce`. index, source, errors: as of `index_copy`. As torch.index_reduce.
    """
    op = "index_reduce"
    if interop.is_scalar(source):
        raise ArgumentError(f"{op}: source: expected an array, got the scalar {shown(source)}")
    reduction = word(op, "reduce", reduce, (*REDUCTIONS,))
    return _rows_combined(op, "source", x, axis, index, source, reduction, include_self)


def _masked(op: str, x: Array, mask: Array) -> tuple[Array, Array]:
    """Both broadcast to one shape. Raises DtypeError, ShapeError."""
    if mask.dtype is not BOOL:
        raise DtypeError(f"{op}: mask: expected bool, got {mask.dtype}")
    shape = broadcast_shapes(x.shape, mask.shape, what=op)
    x, mask = (a.view(shape, broadcast_strides(a.layout, shape)) for a in (x, mask))
    return x, mask


def masked_fill(x: Any, mask: Any, value: Any) -> Any:
    """x, with a number, or an array without axes, where the mask is true. mask: bool, broadcast against x. Raises
    DtypeError, ShapeError, ArgumentError. As torch.masked_fill."""
    op = "masked_fill"
    operands = {"x": x, "mask": mask} | ({} if interop.is_scalar(value) else {"value": value})
    (x, mask, *given), restore = interop.arrays(op, **operands)
    x, mask = _masked(op, x, mask)
    if given and given[0].ndim:
        raise ShapeError(f"{op}: value: expected an array without axes, got shape {given[0].shape}")
    return restore(fn.where(mask, source_of(op, "value", given[0] if given else value, x, ()), x))


def masked_select(x: Any, mask: Any) -> Any:
    """The elements of x where the mask is true, as a vector in row-major order. mask: bool, broadcast against x. How
    many there are is read, so this cannot be traced. Raises DtypeError, ShapeError, ArgumentError. As
    torch.masked_select."""
    op = "masked_select"
    (x, mask), restore = interop.arrays(op, x=x, mask=mask)
    x, mask = _masked(op, x, mask)
    return restore(selected(x, mask) if x.ndim else selected(reshape(x, (1,)), reshape(mask, (1,))))


def masked_scatter(x: Any, mask: Any, source: Any) -> Any:
    """x, with the elements of source in row-major order where the mask is true. mask: bool, broadcast against x.
    source: of x's dtype and any shape, with at least as many elements as are true, or an IndexError says so, as one of
    `take` does. Raises DtypeError, ShapeError, ArgumentError. As torch.masked_scatter."""
    op = "masked_scatter"
    (x, mask, source), restore = interop.arrays(op, x=x, mask=mask, source=source)
    if source.dtype is not x.dtype:
        raise DtypeError(f"{op}: source: expected x's dtype, {x.dtype}, got {source.dtype}")
    x, mask = _masked(op, x, mask)
    if not x.size:
        return restore(copy(x))
    flat = reshape(mask, (mask.size,))
    ranks = cumulative_sum(flat)  # from 1
    words = f" elements are chosen; expected as many, got shape {source.shape}"
    check_positions(f"{op}: source:", ranks.view((1,), (1,), ranks.size - 1), source.size + 1, least=0, after=words)
    # those before the first one that is true stay, whatever is read for them
    taken = gathered("take", reshape(source, (source.size,)), [fn.subtract(ranks, 1)], (-1,), [None])
    return restore(fn.where(mask, reshape(taken, x.shape), x))
