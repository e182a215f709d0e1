"""Scans along one axis: cumulative sums, products, maxima, minima, and logarithms of sums of exponentials. One
primitive, ``scan``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import dispatch, interop, registry
from ...arguments import refuse, switch, unshown
from ...array import Array
from ...dtypes import BOOL, FLOAT64, FLOATS, TABLE, DType, as_dtype
from ...errors import ArgumentError, AxisError, DtypeError, ShapeError, shown
from ...graph.bounded import Bounded
from ...layout import Layout
from ...scalar import FUNCTIONS, Program, Step
from ...scalar.evaluate import evaluate
from .. import bounds, canonical
from ..derivative import Cotangents
from ..parameters import COMBINES, Scan
from ..scan_derivative import OF_SCANS
from ..spec import Inferred, OpSpec, Output, Primitive
from .pointwise import astype
from .reduce import accumulates, normalize_axes, sum_dtype

if TYPE_CHECKING:
    from ...graph.bound import Analysis

KINDS = {
    "cumulative_sum": "sum",
    "cumulative_prod": "prod",
    "cumulative_max": "max",
    "cumulative_min": "min",
    "logcumsumexp": "logaddexp",
}
"""What each op computes."""

Params = tuple[int | None, DType | None, bool]
"""The axis, the dtype that is asked for, and whether the result begins with the identity."""


def one_axis(op: str, axis: Any, shape: tuple[int, ...]) -> int:
    """The axis, not negative; None is that of a one-dimensional array. Raises AxisError, ArgumentError, ShapeError."""
    if not shape:
        raise ShapeError(f"{op}: x: expected an array with one axis or more, got one without axes")
    if isinstance(axis, (tuple, list)):
        raise ArgumentError(f"{op}: axis: expected an integer or None, got {shown(axis)}")
    if axis is None and len(shape) > 1:
        raise AxisError(f"{op}: axis: expected one of the {len(shape)} axes of x; None is for one-dimensional arrays")
    return normalize_axes(op, axis, len(shape))[0]


def _infer(op: str, inputs: tuple[Layout, ...], params: Params) -> Inferred:
    (x,), (axis, asked, initial), kind = inputs, params, KINDS[op]
    if kind == "logaddexp" and x.dtype.kind != "f":
        raise DtypeError(f"{op}: x: takes floating dtypes, got {x.dtype}; cast with astype")
    along = one_axis(op, axis, x.shape)
    shape = tuple(n + (initial and a == along) for a, n in enumerate(x.shape))
    adds = kind in ("sum", "prod")
    return Inferred(((shape, asked or (sum_dtype(x.dtype) if adds else x.dtype)),), Scan(kind, along, initial))


def _run(op: str, x: Array, params: Params) -> Array:
    result: Array = dispatch.call(registry.OPS[op], (x,), params)
    return result


def _cumulative(op: str, x: Any, axis: int | None, dtype: Any, initial: bool) -> Any:
    if dtype is None and (initial is False or initial is True) and (axis is None or type(axis) is int):
        return interop.enter(registry.OPS[op], (x,), (axis, None, initial))
    initial = switch(op, "include_initial", initial)
    (array,), restore = interop.adopt(op, x=x)
    asked = None if dtype is None else as_dtype(dtype)
    axis = one_axis(op, axis, array.shape)
    if asked is BOOL:
        return restore(astype(_run(op, astype(array, BOOL), (axis, None, initial)), BOOL))
    if asked is not None and not accumulates(array.dtype, asked):
        array = astype(array, asked)
    return restore(_run(op, array, (axis, asked, initial)))


@unshown
def cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False, **others: Any
) -> Any:
    """Sums of all elements up to each along an axis, in the canonical order of docs/numerics.md.

    axis: may be left out for one-dimensional x. dtype: of the result, as in `sum`: by default the operand's, or
    int64/uint64 for booleans and integers, which wrap. float16 and bfloat16 accumulate in float32, and each result is
    rounded once. include_initial: the result begins with 0 and is longer by one.
    Raises AxisError, DtypeError, ArgumentError, and ShapeError for an array without axes.
    """
    if others:
        refuse("cumulative_sum", others)
    return _cumulative("cumulative_sum", x, axis, dtype, include_initial)


@unshown
def cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False, **others: Any
) -> Any:
    """Products of all elements up to each along an axis; arguments as in `cumulative_sum`, the initial element is 1."""
    if others:
        refuse("cumulative_prod", others)
    return _cumulative("cumulative_prod", x, axis, dtype, include_initial)


@unshown
def cumulative_max(x: Any, /, *, axis: int | None = None, **others: Any) -> Any:
    """Largest of all elements up to each along an axis, which may be left out for one-dimensional x.

    NaN propagates to all later results; +0 is above -0. Raises AxisError, ArgumentError, ShapeError.
    """
    if others:
        refuse("cumulative_max", others)
    return _cumulative("cumulative_max", x, axis, None, False)


@unshown
def cumulative_min(x: Any, /, *, axis: int | None = None, **others: Any) -> Any:
    """Smallest of all elements up to each along an axis, which may be left out for one-dimensional x.

    NaN propagates to all later results; -0 is below +0. Raises AxisError, ArgumentError, ShapeError.
    """
    if others:
        refuse("cumulative_min", others)
    return _cumulative("cumulative_min", x, axis, None, False)


@unshown
def logcumsumexp(x: Any, /, *, axis: int | None = None, **others: Any) -> Any:
    """Logarithms of the sums of the exponentials of all elements up to each along an axis, by `logaddexp`.

    x: floating. axis: may be left out for one-dimensional x. float16 and bfloat16 are computed in float32, and each
    result is rounded once. Raises DtypeError for other dtypes, AxisError, ArgumentError, ShapeError.
    """
    if others:
        refuse("logcumsumexp", others)
    return _cumulative("logcumsumexp", x, axis, None, False)


# what the tests compare with


def combine(kind: str, dtype: DType) -> Callable[[canonical.Parts, canonical.Parts], canonical.Parts]:
    """The operation of a scan at a dtype that accumulates, on NumPy arrays."""
    program = Program((dtype.name,) * 2, (Step(COMBINES[kind], dtype.name, (0, 1)),), dtype.name)
    return lambda a, b: (evaluate(program, a[0], b[0]),)


def computed_dtype(kind: str, operand: DType) -> DType:
    """The dtype that a scan is computed in; integers in 64 bits, from which every narrower wrapped result follows."""
    if operand.kind == "f":
        return TABLE[operand.accumulator]
    return TABLE["uint64" if operand.kind == "u" else "int64"]


def scan(params: Scan, output: DType, x: np.ndarray) -> np.ndarray:
    """The canonical answer."""
    dtype = computed_dtype(params.kind, as_dtype(x.dtype))
    rows = np.moveaxis(x, params.axis, -1).astype(dtype.numpy)
    if x.size:
        (rows,) = canonical.scan((rows,), combine(params.kind, dtype))
    made = canonical.narrow(rows, output)
    if params.initial:
        first = np.full((*made.shape[:-1], 1), 1 if params.kind == "prod" else 0).astype(output.numpy)
        made = np.concatenate([first, made], axis=-1)
    return np.moveaxis(made, -1, params.axis)


def _canonical(
    op: str, x: np.ndarray, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> np.ndarray:
    have = as_dtype(x.dtype)
    asked = None if dtype is None else as_dtype(dtype)
    along = one_axis(op, axis, x.shape)
    if asked is BOOL:
        return _canonical(op, x != 0, axis, None, include_initial) != 0
    if asked is not None and not accumulates(have, asked):
        x = registry.OPS["astype"].canonical(x, asked)
        have = asked
    adds = KINDS[op] in ("sum", "prod")
    output = asked or (sum_dtype(have) if adds else have)
    return scan(Scan(KINDS[op], along, bool(include_initial)), output, x)


def _is_rounded(op: str, dtype: DType) -> bool:
    return dtype.kind == "f" and KINDS[op] in ("sum", "prod", "logaddexp")


def _exact(
    op: str, x: np.ndarray, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> np.ndarray:
    """In extended precision, one element after the other; what has one right answer, by the canonical algorithm."""
    have = as_dtype(x.dtype)
    if not _is_rounded(op, have):
        return _canonical(op, x, axis, dtype, include_initial)
    along = one_axis(op, axis, x.shape)
    wide = x.astype(np.float64 if have is not FLOAT64 else np.longdouble).astype(np.longdouble)
    function = {"sum": np.add, "prod": np.multiply, "logaddexp": np.logaddexp}[KINDS[op]]
    with np.errstate(all="ignore"):
        made = function.accumulate(wide, axis=along) if x.size else wide
    if include_initial:
        shape = tuple(1 if a == along else n for a, n in enumerate(made.shape))
        made = np.concatenate([np.full(shape, function.identity, np.longdouble), made], axis=along)
    return made


def _bound(
    op: str,
    exact: np.ndarray,
    x: np.ndarray,
    axis: int | None = None,
    dtype: Any = None,
    include_initial: bool = False,
) -> np.ndarray:
    have, kind = as_dtype(x.dtype), KINDS[op]
    if not _is_rounded(op, have):
        return np.zeros(np.shape(exact))
    asked = have if dtype is None else as_dtype(dtype)
    computed = asked if not accumulates(have, asked) else have
    accumulator = as_dtype(computed.accumulator)
    u = bounds.unit_roundoff(accumulator)
    rows = np.moveaxis(x.astype(np.float64), one_axis(op, axis, x.shape), -1)
    with np.errstate(all="ignore"):
        absolute = _OWN[kind](rows, u, accumulator)
        if computed is not have:
            absolute = absolute + 2 * rows.shape[-1] * bounds.unit_roundoff(computed) * np.abs(rows).cumsum(-1)
            absolute = np.where(kind == "prod", np.inf, absolute)
        if include_initial:
            absolute = np.concatenate([np.zeros((*rows.shape[:-1], 1)), absolute], axis=-1)
        absolute = np.moveaxis(absolute, -1, one_axis(op, axis, x.shape))
    return bounds.rounded(np.asarray(exact, np.float64), absolute, accumulator, asked if computed is have else computed)


def _own_of_sum(rows: np.ndarray, u: float, accumulator: DType) -> np.ndarray:
    """Roundings in the canonical order, of which sums of small whole numbers have none."""
    size = np.abs(rows).cumsum(-1)
    own = bounds.gamma(bounds.scan_depth(rows.shape[-1]), u) * size
    if bounds.integral(rows):
        own = np.where(size < 1 / u, 0.0, own)
    return np.where(size < bounds.largest(accumulator) / 2, np.where(size == 0, 0.0, own), np.inf)


def _own_of_prod(rows: np.ndarray, u: float, accumulator: DType) -> np.ndarray:
    """One rounding for each factor; nothing is promised where a partial product may underflow or overflow."""
    size = np.abs(rows)
    least = np.where(size > 0, np.minimum(size, 1), 1).cumprod(-1)
    most = np.maximum(size, 1).cumprod(-1)
    inside = (least > 1e-30) & (most < 1e30)
    growth = np.array([bounds.gamma(n, u) for n in range(rows.shape[-1])])
    made = np.where(size == 0, 0.0, size).cumprod(-1)
    return np.where(inside, np.where(made == 0, 0.0, growth * made) + bounds.smallest(accumulator), np.inf)


def _own_of_logaddexp(rows: np.ndarray, u: float, accumulator: DType) -> np.ndarray:
    """The function's own error each time, in units of the largest value on the way; what is passed on does not grow."""
    function = FUNCTIONS["logaddexp"]
    finite = np.where(np.isneginf(rows), 0.0, np.abs(rows))
    n = np.arange(1, rows.shape[-1] + 1)
    largest = np.maximum(np.maximum.accumulate(finite, -1) + np.log(n) if rows.size else finite, function.least)
    ulp = function.ulp[accumulator is FLOAT64]
    return bounds.scan_depth(rows.shape[-1]) * ulp * 2 * u * largest * (1 + 64 * u)


_OWN = {"sum": _own_of_sum, "prod": _own_of_prod, "logaddexp": _own_of_logaddexp}


def _samples(op: str, dtype: DType) -> Any:
    from ...testing import scan_family

    return scan_family.scans(KINDS[op], dtype)


CUMULATIVE_SUM, CUMULATIVE_PROD, CUMULATIVE_MAX, CUMULATIVE_MIN, LOGCUMSUMEXP = (
    registry.register(
        OpSpec(
            name=function.__name__,
            primitive="scan",
            summary=function.__doc__.partition(".")[0].partition(", in the")[0].partition(";")[0].replace("\n", " ")
            + ".",
            function=function,
            infer=partial(_infer, function.__name__),
            canonical=partial(_canonical, function.__name__),
            reference=partial(_exact, function.__name__),
            bound=partial(_bound, function.__name__),
            bits=lambda dtype, numerics, op=function.__name__: "bits" if _is_rounded(op, dtype) else "exact",
            samples=partial(_samples, function.__name__),
            dtypes=FLOATS if function is logcumsumexp else tuple(TABLE.values()),
            keeps_order=True,
            flops=lambda inputs, outputs, params: inputs[0].size,
        )
    )
    for function in (cumulative_sum, cumulative_prod, cumulative_max, cumulative_min, logcumsumexp)
)


def _answer(params: Scan, outputs: tuple[Output], x: np.ndarray) -> list[np.ndarray]:
    ((_, dtype),) = outputs
    return [scan(params, dtype, x)]


def _analysed(analysis: Analysis, params: Scan, outputs: tuple[Output], x: Bounded) -> list[Bounded]:
    """The canonical combinations of accumulators, each with its errors."""
    ((_, output),) = outputs
    wide = computed_dtype(params.kind, x.dtype).name
    rows = analysis.cast(wide, x).seen(lambda v: np.moveaxis(v, params.axis, -1))
    if x.value.size:

        def both(a: canonical.Parts, b: canonical.Parts) -> canonical.Parts:
            made = analysis.step(COMBINES[params.kind], wide, Bounded(*a), Bounded(*b))
            return made.value, made.error

        rows = Bounded(*canonical.scan((rows.value, rows.error), both))
    made = analysis.cast(output.name, rows)
    if params.initial:
        first = np.full((*made.value.shape[:-1], 1), 1 if params.kind == "prod" else 0, output.numpy)
        zero = np.zeros(first.shape)
        made = Bounded(np.concatenate([first, made.value], -1), np.concatenate([zero, made.error], -1))
    return [made.seen(lambda v: np.moveaxis(v, -1, params.axis))]


def _vjp(params: Scan, cotangents: Cotangents, results: Sequence[Array], operands: Sequence[Array]) -> Cotangents:
    (g,), (y,), (x,) = cotangents, results, operands
    if g is None:
        return [None]
    order = (*(a for a in range(x.ndim) if a != params.axis), params.axis)
    g, y, wide = (astype(v.permute(order), x.dtype.accumulator, copy=False) for v in (g, y, x))
    if params.initial:
        g, y = g[..., 1:], y[..., 1:]
    if params.kind == "logaddexp" and wide.dtype is not x.dtype:  # y has been rounded
        y = logcumsumexp(wide, axis=-1)
    made = OF_SCANS[params.kind](g, y, wide).permute(tuple(order.index(a) for a in range(x.ndim)))
    return [astype(made, x.dtype, copy=False)]


registry.register_primitive(Primitive("scan", _answer, _analysed, _vjp))
