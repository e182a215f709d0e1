"""Elements stored, or combined with what is there, where integers say: `put_along_axis`, `index_add`, and what
``x[indices] = values`` computes. One primitive, ``scatter``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import dispatch, interop, registry
from ...arguments import refuse, unshown
from ...array import Array
from ...dtypes import INT64, TABLE, DType, as_dtype
from ...errors import ArgumentError, DtypeError, ShapeError, shown
from ...layout import Layout, broadcast_shapes, broadcast_strides, replaced
from ...parts import parts
from .. import bounds, canonical
from ..cells import cells_along, cells_of, in_rows
from ..parameters import SCATTER_FOLDS, SCATTER_KINDS, Scatter, scattered_operands
from ..selection_derivative import scatter_vjp
from ..spec import Inferred, OpSpec, Output, Primitive
from .gather import as_positions, check_positions, select
from .pointwise import astype, copy, source_of
from .reduce import axis_of
from .sort import one_axis

if TYPE_CHECKING:
    from ...graph.bound import Analysis
    from ...graph.bounded import Bounded


def _infer(inputs: tuple[Layout, ...], params: Scatter) -> Inferred:
    base, values, cells, sources = scattered_operands(inputs, params)
    walked = sorted((to, n) for n, to in zip(params.shape, params.walks, strict=True) if to >= 0)
    if [to for to, _ in walked] != list(range(1, len(walked) + 1)) or -1 not in params.walks:
        raise ShapeError(f"scatter: walks {params.walks} do not say where values of shape {values.shape} go")
    rows = values.shape[0] if sources is not None and values.ndim else cells.size
    bases, numbers = ([x for x in its if x is not None] for its in ([base], [cells, sources]))
    if values.shape != (rows, *(n for _, n in walked)) or any(x.shape != params.shape for x in bases):
        shapes = ", ".join(str(x.shape) for x in inputs)
        raise ShapeError(f"scatter: operands of shapes {shapes} do not fit an output of shape {params.shape}")
    dtype = values.dtype
    wrong = any(x.dtype is not INT64 or x.shape != (cells.size,) for x in numbers)
    if wrong or any(x.dtype is not dtype for x in bases):
        raise DtypeError(f"scatter: operands of dtypes {', '.join(str(x.dtype) for x in inputs)} are of several kinds")
    if params.kind not in SCATTER_KINDS:
        raise ArgumentError(f"scatter: kind: expected one of {', '.join(SCATTER_KINDS)}, got {shown(params.kind)}")
    if params.folds and not _folds(dtype):
        raise DtypeError(f"scatter: there is no sum or product of {dtype}")
    return Inferred(((params.shape, dtype),), params)


def _folds(dtype: DType) -> bool:
    return dtype.kind in "iu" or (dtype.kind == "f" and dtype.itemsize >= 4)


def scattered(op: str, base: Array, values: Array, cells: Array, params: Scatter, *sources: Array) -> Array:
    """The base, with values where cells say; an array of its own also where there are none."""
    if base.size == 0 or values.size == 0 or cells.size == 0:
        result: Array = copy(base)
    else:
        result = dispatch.call(registry.OPS[op], (base, values, cells, *sources), params)
    return result


def store(out: Array, values: Array, cells: Array, params: Scatter) -> None:
    """Writes values to an array's own memory where cells say; nothing else there is written."""
    if not out.size or not values.size:
        return
    if out.dtype.kind == "c":
        for its, part in zip(parts(out), parts(values), strict=True):
            dispatch.call(STORE, (part, cells), params, its)
    else:
        dispatch.call(STORE, (values, cells), params, out)


# public functions


@unshown
def put_along_axis(x: Any, indices: Any, values: Any, /, *, axis: int = -1, **others: Any) -> Any:
    """x with values at positions along an axis, other positions for each row: what `take_along_axis` reads.

    indices: of any integer dtype, with as many axes as x, broadcast against it along all axes but that one; a position
    below 0 counts from the end. values: an array that broadcasts to the indices, or a number; cast to x's dtype. Of
    several values for one element the last one stays. x itself is not written.
    Raises IndexError for a position out of range, as `take` does, also DtypeError, AxisError, ShapeError,
    ArgumentError, and RangeError for a number that the dtype does not hold.
    """
    op = "put_along_axis"
    if others:
        refuse(op, others)
    operands = {"x": x, "indices": indices} | ({} if interop.is_scalar(values) else {"values": values})
    (x, indices, *given), restore = interop.arrays(op, **operands)
    positions = as_positions(op, "indices", indices)
    if x.ndim != positions.ndim:
        raise ShapeError(f"{op}: indices: expected {x.ndim} axes as x has, got shape {positions.shape}")
    along = one_axis(op, axis, x.ndim)
    n = x.shape[along]
    shape = broadcast_shapes(replaced(x.shape, along, 1), replaced(positions.shape, along, 1), what=op)
    shape = replaced(shape, along, positions.shape[along])
    source = source_of(op, "values", given[0] if given else values, x, shape)
    forward = check_positions(f"{op}: indices", positions, n)
    spread = positions.view(shape, broadcast_strides(positions.layout, shape))
    params = Scatter(x.shape, (-1,) * x.ndim)
    cells = cells_along(spread, x.shape, along, forward) if x.size and source.size else spread
    return restore(scattered(op, x, in_rows(source, source.size, ()), cells, params))


@unshown
def index_add(x: Any, /, axis: int, index: Any, source: Any, **others: Any) -> Any:
    """x with the rows of source added along an axis, row i to the one at index[i].

    index: a vector of any integer dtype; a position below 0 counts from the end. source: of x's dtype and shape, but
    with as many rows along the axis as index has elements. The rows for one element of x are summed in ascending order
    by the canonical rule of sums, and their sum is added once; 16-bit floats in float32. x itself is not written. For
    floats and integers.
    Raises IndexError for a position out of range, as `take` does, also DtypeError, AxisError, ShapeError
    and ArgumentError. As torch.index_add.
    """
    op = "index_add"
    if others:
        refuse(op, others)
    (x, index, source), restore = interop.arrays(op, x=x, index=index, source=source)
    positions = as_positions(op, "index", index)
    along = axis_of("index_add", "axis", axis, x.ndim)
    if positions.ndim != 1:
        raise ShapeError(f"{op}: index: expected one axis, got shape {positions.shape}")
    if source.shape != replaced(x.shape, along, positions.size):
        expected = replaced(x.shape, along, positions.size)
        raise ShapeError(f"{op}: source: expected shape {expected}, got {source.shape}")
    if source.dtype is not x.dtype or x.dtype.kind == "b":
        raise DtypeError(f"{op}: expected x and source of one dtype of numbers, got {x.dtype} and {source.dtype}")
    forward = check_positions(f"{op}: index", positions, x.shape[along])
    return restore(add_rows(op, x, positions, source, along, forward))


def add_rows(op: str, x: Array, positions: Array, source: Array, axis: int, forward: bool = False) -> Any:
    """`index_add` of arrays that fit."""
    if x.size == 0 or source.size == 0:
        return copy(x)
    wide, source = (astype(a, x.dtype.accumulator if x.dtype.kind == "f" else x.dtype, copy=False) for a in (x, source))
    walks = tuple(-1 if a == axis else a + (a < axis) for a in range(x.ndim))
    order = (axis, *(a for a in range(x.ndim) if a != axis))
    cells = cells_of([positions], [x.shape[axis]], [forward])
    added = scattered(op, wide, source.permute(order), cells, Scatter(x.shape, walks, "add"))
    return astype(added, x.dtype, copy=False)


def scatter(
    x: Any,
    values: Any,
    cells: Any,
    sources: Any = None,
    *,
    walks: tuple[int, ...],
    kind: str = "set",
    apart: bool = False,
    ascending: bool = False,
) -> Any:
    """x with rows of values stored, or combined, where cells say, by the rule of `accel.ops.parameters.Scatter`."""
    given = {} if sources is None else {"sources": sources}
    (x, values, cells, *found), restore = interop.arrays("scatter", x=x, values=values, cells=cells, **given)
    params = Scatter(x.shape, walks, kind, apart, ascending, bool(given))
    _infer(tuple(each.layout for each in (x, values, cells, *found)), params)
    return restore(scattered("scatter", x, values, cells, params, *found))


# what the tests compare with


def evaluate(
    params: Scatter, x: np.ndarray, values: np.ndarray, cells: np.ndarray, sources: np.ndarray | None = None
) -> np.ndarray:
    """The canonical answer."""
    if sources is not None:
        values = _rows_of(values, sources)
    made = np.array(x, order="C")
    counted = [axis for axis, to in enumerate(params.walks) if to < 0]
    walked = sorted((to, axis) for axis, to in enumerate(params.walks) if to >= 0)
    view = made.transpose(*counted, *(axis for _, axis in walked))
    lengths = view.shape[: len(counted)]
    inside = np.flatnonzero((cells >= 0) & (cells < prod(lengths)))
    order = inside[np.argsort(cells[inside], kind="stable")]
    its = cells[order]
    heads = np.flatnonzero(np.diff(its, prepend=-1))
    ends = np.append(heads[1:], len(its))[: len(heads)].astype(int)
    for head, end in zip(heads.tolist(), ends.tolist(), strict=True):
        at = np.unravel_index(its[head], lengths)
        view[at] = _combined(params.kind, view[at], values[order[head:end]])
    return made


def _rows_of(values: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Those at sources."""
    its = sources.reshape(-1, *(1,) * (values.ndim - 1))
    return select((-1, *range(1, values.ndim)), (sources.size, *values.shape[1:]), values, its)


def _combined(kind: str, held: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """What is there, with the rows of one cell."""
    if kind == "set":
        return rows[-1]
    if kind in ("max", "min"):
        return canonical.reduce(kind, np.concatenate([held[None], rows]), (0,), as_dtype(rows.dtype))
    combine = getattr(np, kind)
    with np.errstate(all="ignore"):
        if as_dtype(rows.dtype).kind != "f":
            return combine(held, combine.reduce(rows, axis=0, dtype=rows.dtype))
        return combine(held, canonical.tree(np.moveaxis(rows, 0, -1), combine, SCATTER_FOLDS[kind]))


def _canonical(
    x: np.ndarray,
    values: np.ndarray,
    cells: np.ndarray,
    sources: np.ndarray | None = None,
    *,
    walks: tuple[int, ...],
    kind: str = "set",
    **promised: bool,
) -> np.ndarray:
    return evaluate(Scatter(x.shape, walks, kind), x, values, cells, sources)


def _canonical_put(x: np.ndarray, indices: np.ndarray, values: Any, axis: int = -1) -> np.ndarray:
    along = one_axis("put_along_axis", axis, x.ndim)
    made = x.copy()
    shape = np.broadcast_shapes(replaced(x.shape, along, 1), replaced(indices.shape, along, 1))
    shape = replaced(shape, along, indices.shape[along])
    key = list(np.ogrid[tuple(slice(n) for n in x.shape)])
    key[along] = indices.astype(np.int64)
    rows = np.asarray(values)
    if rows.dtype != x.dtype:
        rows = registry.OPS["astype"].canonical(rows, x.dtype)
    made[tuple(key)] = np.broadcast_to(rows, shape)  # in sequence
    return made


def _row_params(x: np.ndarray, axis: int) -> tuple[Scatter, int]:
    along = axis_of("index_add", "axis", axis, x.ndim)
    return Scatter(x.shape, tuple(-1 if a == along else a + (a < along) for a in range(x.ndim)), "add"), along


def _canonical_add(x: np.ndarray, axis: int, index: np.ndarray, source: np.ndarray) -> np.ndarray:
    params, along = _row_params(x, axis)
    cells = np.where(index.astype(np.int64) < 0, index.astype(np.int64) + x.shape[along], index.astype(np.int64))
    wide = as_dtype(as_dtype(x.dtype).accumulator).numpy if as_dtype(x.dtype).kind == "f" else x.dtype
    made = evaluate(params, x.astype(wide), np.moveaxis(source.astype(wide), along, 0), cells)
    return canonical.narrow(made, as_dtype(x.dtype))


def _exact_add(x: np.ndarray, axis: int, index: np.ndarray, source: np.ndarray) -> np.ndarray:
    if as_dtype(x.dtype).kind != "f":
        return _canonical_add(x, axis, index, source)
    return _in_extended(x, axis, index, source)


def _in_extended(x: np.ndarray, axis: int, index: np.ndarray, source: np.ndarray) -> np.ndarray:
    along = axis_of("index_add", "axis", axis, x.ndim)
    wide = np.float64 if x.dtype != np.longdouble else np.longdouble
    made = np.moveaxis(x.astype(wide).astype(np.longdouble), along, 0)
    with np.errstate(all="ignore"):
        np.add.at(made, index.astype(np.int64), np.moveaxis(source.astype(wide).astype(np.longdouble), along, 0))
    return np.moveaxis(made, 0, along)


def _bound_add(exact: np.ndarray, x: np.ndarray, axis: int, index: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Roundings of the canonical sum, and one more."""
    dtype = as_dtype(x.dtype)
    if dtype.kind != "f":
        return np.zeros(np.shape(exact))
    accumulator = as_dtype(dtype.accumulator)
    with np.errstate(all="ignore"):
        size = _in_extended(np.abs(x), axis, index, np.abs(source)).astype(np.float64)
        own = bounds.gamma(bounds.tree_depth(index.size) + 1, bounds.unit_roundoff(accumulator)) * size
        own = np.where(size < bounds.largest(accumulator) / 2, np.where(size == 0, 0.0, own), np.inf)
    return bounds.rounded(np.asarray(exact, np.float64), own, accumulator, dtype)


def _samples(op: str, dtype: DType) -> Any:
    from ...testing import scatter_family

    return scatter_family.scatters(op, dtype)


PUT_ALONG_AXIS, INDEX_ADD, SCATTER = (
    registry.register(
        OpSpec(
            name=function.__name__,
            primitive="scatter",
            summary=summary,
            function=function,
            infer=_infer,
            canonical=canonical_form,
            reference=reference,
            bound=bound,
            bits=bits,
            samples=partial(_samples, function.__name__),
            dtypes=tuple(d for d in TABLE.values() if d.kind != "b" or function is not index_add),
            arguments=arguments,
            namespace=namespace,
            flops=(lambda inputs, outputs, params: inputs[1].size) if function is index_add else None,
        )
    )
    for function, summary, canonical_form, reference, bound, bits, arguments, namespace in (
        (
            put_along_axis, "An array with values at positions along an axis, other positions for each row.",
            _canonical_put, _canonical_put, bounds.none, lambda dtype, numerics: "exact",
            ("x", "indices", "values"), "",
        ),
        (
            index_add, "An array with rows added at positions along an axis.",
            _canonical_add, _exact_add, _bound_add, lambda dtype, numerics: "bits" if dtype.kind == "f" else "exact",
            ("x", "index", "source"), "",
        ),
        (
            scatter, "Rows stored, or combined, where numbers of cells say.",
            _canonical, _canonical, bounds.none, lambda dtype, numerics: "bits" if dtype.kind == "f" else "exact",
            ("x", "values", "cells", "sources"), "internal",
        ),
    )
)  # fmt: skip

STORE = replace(SCATTER, arguments=("values", "cells"), in_place=True)
"""The same in an array's own memory: out has to be given."""


def _answer(params: Scatter, outputs: tuple[Output], *operands: np.ndarray) -> list[np.ndarray]:
    return [evaluate(params, *operands)]


def _analysed(
    analysis: Analysis,
    params: Scatter,
    outputs: tuple[Output],
    x: Bounded,
    values: Bounded,
    cells: Bounded,
    *sources: Bounded,
) -> list[Bounded]:
    """What is stored keeps its errors. Computed cells are exact: they are integers."""
    from ...graph.bounded import Bounded, bounded

    for its in sources:
        values = values.seen(lambda v, its=its: _rows_of(v, its.value))
    made = evaluate(params, x.value, values.value, cells.value)
    errors = [np.broadcast_to(each.error, each.value.shape).astype(np.float64) for each in (x, values)]
    if params.kind in ("max", "min"):  # the result is off by no more than all that it is chosen from
        return [Bounded(made, evaluate(replace(params, kind="max"), *errors, cells.value))]
    if not params.folds or made.dtype.kind != "f":
        return [Bounded(made, evaluate(params, *errors, cells.value))]
    exact = [np.abs(each.value.astype(np.float64)) for each in (x, values)]
    size = evaluate(params, *(each + e for each, e in zip(exact, errors, strict=True)), cells.value)
    depth, dtype = bounds.tree_depth(cells.value.size) + 1, outputs[0][1]
    if params.kind == "add":
        error = evaluate(params, *errors, cells.value)
    else:
        depth = cells.value.size + 1
        error = size - evaluate(params, *exact, cells.value) * (1 - 2.0**-50)
        small = evaluate(params, *(np.where(each > 0, np.minimum(each, 1), 1) for each in exact), cells.value)
        error = np.where(small < 1e-30, np.inf, error) + depth * bounds.smallest(dtype)
    error = error + bounds.gamma(depth, bounds.unit_roundoff(dtype)) * size
    return [bounded(made, np.where(size < bounds.largest(dtype) / 2, error, np.inf))]


registry.register_primitive(Primitive("scatter", _answer, _analysed, scatter_vjp))
