"""Factorisations of blocks: Cholesky's, LU with row exchanges, QR, and solutions with a lower triangle, each element by
element. One primitive, ``factor``, of which `accel.linalg` makes those of any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import dispatch, interop, registry
from ...dtypes import FLOAT32, FLOAT64, INT64, DType, as_dtype
from ...errors import DtypeError, ShapeError
from ...graph.bounded import Bounded, bounded, rounding
from ...ieee import fma32, fma64
from ...layout import Layout
from ...numerics import FACTOR, LANES
from .. import bounds
from ..parameters import Factor
from ..spec import Inferred, OpSpec, Output

if TYPE_CHECKING:
    from ...graph.bound import Analysis


def infer(op: str, inputs: tuple[Layout, ...], params: Factor) -> Inferred:
    parts = 2 if params.pairs else 1
    x, rest = inputs[0], inputs[parts:]
    if any(its.dtype not in (FLOAT32, FLOAT64) or its.dtype is not x.dtype for its in inputs):
        raise DtypeError(f"{op}: takes float32 or float64, got {', '.join(str(its.dtype) for its in inputs)}")
    fits = x.ndim == 3 and x.shape[2] <= FACTOR
    if fits and params.kind != "lu":
        fits = x.shape[1] == x.shape[2] or (params.kind == "qr" and x.shape[1] > x.shape[2])
    fits = fits and len({its.shape for its in inputs[:parts]}) == 1 and len({its.shape for its in rest}) < 2
    if not fits or any(b.ndim != 3 or b.shape[:2] != x.shape[:2] for b in rest):
        raise ShapeError(f"{op}: expected blocks of {FACTOR} columns at most, got {[its.shape for its in inputs]}")
    result = rest[0] if rest else x
    beside: dict[str, tuple[Output, ...]] = {
        "lu": ((x.shape[:2], INT64),),
        "qr": (((x.shape[0], x.shape[2]), x.dtype),),
    }
    return Inferred((*((result.shape, x.dtype),) * parts, *beside.get(params.kind, ())), params)


def _run(op: str, kind: str, *operands: Any) -> Any:
    arrays, restore = interop.adopt(op, **{f"operand {i}": x for i, x in enumerate(operands)})
    result = dispatch.call(registry.OPS[op], arrays, Factor(kind))
    return tuple(map(restore, result)) if isinstance(result, tuple) else restore(result)


def cholesky_block(x: Any) -> Any:
    """The lower Cholesky factors of blocks (count, n, n), n <= FACTOR, of which the lower triangle is read. Where one
    is not positive definite, the factor has on its diagonal, from some place on, no number above 0."""
    return _run("cholesky_block", "cholesky", x)


def lu_block(x: Any) -> Any:
    """L and U of blocks (count, m, n), n <= FACTOR, with their rows in another order, and that order, int64
    (count, m)."""
    return _run("lu_block", "lu", x)


def qr_block(x: Any) -> Any:
    """Householder's reflections of blocks (count, m, n), n <= FACTOR, m >= n: R with their vectors below the diagonal,
    whose first element, 1, is left out, and their factors tau (count, n)."""
    return _run("qr_block", "qr", x)


def solve_block(triangle: Any, b: Any, unit: bool = False) -> Any:
    """The solutions of lower triangles (count, n, n), n <= FACTOR, with right-hand sides (count, n, columns). unit: as
    if the diagonals were 1."""
    return _run("solve_block", "solve_unit" if unit else "solve", triangle, b)


# what the tests compare with


def fma(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """a * b + c of arrays that broadcast, rounded once."""
    a, b, c = np.broadcast_arrays(a, b, c)
    result: np.ndarray = (fma64 if c.dtype == np.float64 else fma32)(a, b, c)
    return result


def cholesky(a: np.ndarray) -> np.ndarray:
    """The canonical answer."""
    a, made = a.copy(), np.zeros(a.shape, a.dtype)
    with np.errstate(all="ignore"):
        for k in range(a.shape[-1]):
            root = np.sqrt(a[:, k, k])
            column = a[:, k + 1 :, k] / root[:, None]
            made[:, k, k], made[:, k + 1 :, k] = root, column
            a[:, k + 1 :, k + 1 :] = fma(-column[:, :, None], column[:, None, :], a[:, k + 1 :, k + 1 :])
    return made


def pivot(column: np.ndarray) -> np.ndarray:
    """The first place of the largest |x| along the last axis; NaN is above all numbers."""
    bits = np.ascontiguousarray(np.abs(column)).view(f"u{column.dtype.itemsize}")
    place: np.ndarray = np.argmax(bits, axis=-1)
    return place


def exchange(x: np.ndarray, k: int, p: np.ndarray) -> None:
    """Exchanges row k with row p, another one of each matrix."""
    each = np.arange(x.shape[0])
    kept = x[:, k].copy()
    x[:, k] = x[each, p]
    x[each, p] = kept


def lu(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The canonical answer."""
    count, m, n = a.shape
    a, order = a.copy(), np.tile(np.arange(m), (count, 1))
    with np.errstate(all="ignore"):
        for k in range(min(m, n)):
            p = k + pivot(a[:, k:, k])
            exchange(a, k, p)
            exchange(order, k, p)
            divisor = a[:, k, k, None]
            column = np.where(divisor != 0, a[:, k + 1 :, k] / divisor, a[:, k + 1 :, k])
            a[:, k + 1 :, k] = column
            a[:, k + 1 :, k + 1 :] = fma(-column[:, :, None], a[:, k, None, k + 1 :], a[:, k + 1 :, k + 1 :])
    return a, order


def dot(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sums of products along axis 1, by LANES lanes of fma that fold in halves; zeros fill up the last lanes."""
    x, y = np.broadcast_arrays(x, y)
    count, m, *columns = x.shape
    rows = -(-m // LANES)
    x, y = (np.pad(v, [(0, 0), (0, rows * LANES - m), *[(0, 0)] * len(columns)]) for v in (x, y))
    x, y = (v.reshape(count, rows, LANES, *columns) for v in (x, y))
    lanes = np.zeros_like(x[:, 0])
    for row in range(rows):
        lanes = fma(x[:, row], y[:, row], lanes)
    while lanes.shape[1] > 1:
        half = lanes.shape[1] // 2
        lanes = lanes[:, :half] + lanes[:, half:]
    return lanes[:, 0]


def qr(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The canonical answer."""
    a, tau = a.copy(), np.zeros((a.shape[0], a.shape[2]), a.dtype)
    with np.errstate(all="ignore"):
        for k in range(a.shape[2]):
            v = np.where(np.arange(a.shape[1]) > k, a[:, :, k], 0).astype(a.dtype)
            head, size = a[:, k, k], dot(v, v)
            norm, none = np.sqrt(fma(head, head, size)), size == 0
            top = np.where(head < 0, norm, -norm)
            divisor = head - top
            v = np.where(none[:, None], 0, v / divisor[:, None]).astype(a.dtype)
            tau[:, k] = np.where(none, 0, divisor / -top)
            a[:, k, k], a[:, k + 1 :, k] = np.where(none, head, top), v[:, k + 1 :]
            v[:, k] = 1
            factor = -(tau[:, k, None] * dot(v[:, :, None], a[:, :, k + 1 :]))
            changed = fma(v[:, k:, None], factor[:, None, :], a[:, k:, k + 1 :])
            a[:, k:, k + 1 :] = np.where(none[:, None, None], a[:, k:, k + 1 :], changed)
    return a, tau


def solve(triangle: np.ndarray, b: np.ndarray, unit: bool = False) -> np.ndarray:
    """The canonical answer."""
    x = b.copy()
    with np.errstate(all="ignore"):
        for k in range(b.shape[1]):
            if not unit:
                x[:, k] = x[:, k] / triangle[:, k, k, None]
            x[:, k + 1 :] = fma(-triangle[:, k + 1 :, k, None], x[:, k, None, :], x[:, k + 1 :])
    return x


def _wide(x: np.ndarray) -> np.ndarray:
    return x.astype(np.clongdouble if x.dtype.kind == "c" else np.longdouble)


def exact_cholesky(a: np.ndarray) -> np.ndarray:
    """In extended precision."""
    a = _wide(a)
    made = np.zeros_like(a)
    with np.errstate(all="ignore"):
        for k in range(a.shape[-1]):
            made[:, k, k] = np.sqrt(a[:, k, k].real)
            made[:, k + 1 :, k] = a[:, k + 1 :, k] / made[:, k, k, None].real
            a[:, k + 1 :, k + 1 :] -= made[:, k + 1 :, k, None] * made[:, None, k + 1 :, k].conj()
    return made


def exact_lu(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In extended precision."""
    count, m, n = a.shape
    a, order = _wide(a), np.tile(np.arange(m), (count, 1))
    with np.errstate(all="ignore"):
        for k in range(min(m, n)):
            size = np.abs(a[:, k:, k].real) + np.abs(a[:, k:, k].imag)
            p = k + np.argmax(np.where(np.isnan(size), np.inf, size), axis=-1)
            exchange(a, k, p)
            exchange(order, k, p)
            divisor = a[:, k, k, None]
            a[:, k + 1 :, k] = np.where(divisor != 0, a[:, k + 1 :, k] / divisor, a[:, k + 1 :, k])
            a[:, k + 1 :, k + 1 :] -= a[:, k + 1 :, k, None] * a[:, k, None, k + 1 :]
    return a, order


def exact_qr(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In extended precision."""
    a, tau = _wide(a), np.zeros((a.shape[0], a.shape[2]), np.longdouble)
    with np.errstate(all="ignore"):
        for k in range(a.shape[2]):
            head, below = a[:, k, k].copy(), a[:, k + 1 :, k].copy()
            size, length = (below * below.conj()).real.sum(axis=1), np.abs(head)
            direction = np.where(length == 0, 1, head / length)
            norm = np.sqrt(length * length + size)
            divisor = direction * (length + norm)
            v = np.concatenate([np.ones((len(a), 1)), below / divisor[:, None]], axis=1)
            none = size == 0
            tau[:, k] = np.where(none, 0, (length + norm) / norm)
            v[:, 1:] = np.where(none[:, None], 0, v[:, 1:])
            a[:, k, k], a[:, k + 1 :, k] = np.where(none, head, -direction * norm), v[:, 1:]
            rest = a[:, k:, k + 1 :]
            product = (v.conj()[:, :, None] * rest).sum(axis=1)
            change = tau[:, k, None, None] * v[:, :, None] * product[:, None, :]
            a[:, k:, k + 1 :] = np.where(none[:, None, None], rest, rest - change)
    return a, tau


def exact_solve(triangle: np.ndarray, b: np.ndarray, unit: bool = False) -> np.ndarray:
    """In extended precision."""
    x, triangle = _wide(b), _wide(triangle)
    with np.errstate(all="ignore"):
        for k in range(b.shape[1]):
            if not unit:
                x[:, k] /= triangle[:, k, k, None]
            x[:, k + 1 :] -= triangle[:, k + 1 :, k, None] * x[:, k, None, :]
    return x


def bound(function: Callable[..., Any], reference: Any, *operands: Any, **keywords: Any) -> Any:
    from ...graph import interpret

    return interpret.bound(function, reference, *operands, **keywords)


def _samples(kind: str, dtype: DType) -> Any:
    from ...testing import factor_family

    return factor_family.blocks(kind, dtype)


def register(function: Callable[..., Any], arguments: tuple[str, ...], **its: Any) -> None:
    """Registers an op of this primitive. its: the fields of its spec that kinds differ in."""
    registry.register(
        OpSpec(
            name=function.__name__,
            primitive="factor",
            summary=(function.__doc__ or "").partition(".")[0].replace("\n   ", ""),
            function=function,
            bits=lambda dtype, numerics: "bits",
            dtypes=(FLOAT32, FLOAT64),
            arguments=arguments,
            namespace="internal",
            **its,
        )
    )


for _function, _answer_of, _reference, _arguments in (
    (cholesky_block, cholesky, exact_cholesky, ("x",)),
    (lu_block, lu, exact_lu, ("x",)),
    (qr_block, qr, exact_qr, ("x",)),
    (solve_block, solve, exact_solve, ("triangle", "b")),
):
    register(
        _function,
        _arguments,
        infer=partial(infer, _function.__name__),
        canonical=_answer_of,
        reference=_reference,
        bound=partial(bound, _function),
        samples=partial(_samples, _function.__name__.removesuffix("_block")),
        flops=lambda inputs, outputs, params: inputs[-1].size * inputs[0].shape[-1],
    )


def answer(params: Factor, outputs: tuple[Output, ...], x: np.ndarray, *rest: np.ndarray) -> Sequence[np.ndarray]:
    if params.kind == "cholesky":
        return [cholesky(x)]
    if params.kind in ("lu", "qr"):
        return lu(x) if params.kind == "lu" else qr(x)
    return [solve(x, *rest, unit=params.kind == "solve_unit")]


class Matrices:
    """Bounded elements that are stored into, by the steps of an analysis."""

    def __init__(self, analysis: Analysis, x: Bounded) -> None:
        self.analysis = analysis
        self.value, self.error = x.value.copy(), x.error.copy()

    def __getitem__(self, key: Any) -> Bounded:
        return Bounded(self.value[key], self.error[key])

    def __setitem__(self, key: Any, x: Bounded) -> None:
        self.value[key], self.error[key] = x.value, x.error

    def step(self, name: str, *given: Bounded) -> Bounded:
        return self.analysis.step(name, as_dtype(self.value.dtype).name, *given)

    def subtract(self, key: Any, a: Bounded, b: Bounded) -> None:
        """Takes a * b from the elements, rounded once."""
        self[key] = bounded_fma(-a, b, self[key])


def bounded_fma(a: Bounded, b: Bounded, c: Bounded) -> Bounded:
    """a * b + c, rounded once."""
    value = fma(a.value, b.value, c.value)
    with np.errstate(all="ignore"):
        error = c.error + np.abs(a.wide()) * b.error + a.error * (np.abs(b.wide()) + b.error)
        return bounded(value, error + rounding(value.astype(np.float64), 0.5, c.dtype))


def analysed(
    analysis: Analysis, params: Factor, outputs: tuple[Output, ...], x: Bounded, *rest: Bounded
) -> list[Bounded]:
    """The canonical steps. From a pivot on that may be another row nothing is known."""
    a = Matrices(analysis, x)
    below = [(slice(None), slice(k + 1, None)) for k in range(x.value.shape[-1])]
    if params.kind == "cholesky":
        for k, rows in enumerate(below):
            a[:, k, k] = a.step("sqrt", a[:, k, k])
            a[(*rows, k)] = a.step("divide", a[(*rows, k)], a[:, k, k].seen(lambda v: v[:, None]))
            column = a[(*rows, k)]
            a.subtract((*rows, rows[1]), column.seen(lambda v: v[:, :, None]), column.seen(lambda v: v[:, None, :]))
        return [Bounded(np.tril(a.value), np.tril(a.error))]
    if params.kind == "lu":
        return _analysed_lu(a, *x.value.shape)
    if params.kind == "qr":
        return _analysed_qr(a, *x.value.shape)
    b = Matrices(analysis, rest[0])
    for k, rows in enumerate(below):
        if params.kind == "solve":
            b[:, k] = b.step("divide", b[:, k], a[:, k, k].seen(lambda v: v[:, None]))
        b.subtract(rows, a[(*rows, k)].seen(lambda v: v[:, :, None]), b[:, k].seen(lambda v: v[:, None, :]))
    return [b[:]]


def _analysed_lu(a: Matrices, count: int, m: int, n: int) -> list[Bounded]:
    order = np.tile(np.arange(m), (count, 1))
    unsure = np.zeros(order.shape)
    for k in range(min(m, n)):
        p = k + pivot(a.value[:, k:, k])
        for x in (a.value, a.error, order):
            exchange(x, k, p)
        size, error = np.abs(a[:, k:, k].wide()), a.error[:, k:, k]
        doubt = (size[:, :1] - error[:, :1] <= size[:, 1:] + error[:, 1:]) & ((error[:, :1] + error[:, 1:]) > 0)
        doubt = (doubt | np.isnan(size[:, 1:])).any(axis=1)
        a.error[doubt], unsure[doubt] = np.inf, np.inf
        divisor, below = a[:, k, k].seen(lambda v: v[:, None]), (slice(None), slice(k + 1, None))
        quotient, kept = a.step("divide", a[(*below, k)], divisor), a[(*below, k)]
        zero = divisor.value == 0
        column = Bounded(np.where(zero, kept.value, quotient.value), np.where(zero, kept.error, quotient.error))
        column.error[np.broadcast_to(zero & (divisor.error > 0), column.error.shape)] = np.inf
        a[(*below, k)] = column
        right = a[:, k, k + 1 :].seen(lambda v: v[:, None, :])
        a.subtract((*below, below[1]), column.seen(lambda v: v[:, :, None]), right)
    return [a[:], Bounded(order, unsure)]


def _dot(x: Bounded, y: Bounded) -> Bounded:
    """`dot` of operands that broadcast."""
    u = bounds.unit_roundoff(x.dtype)
    depth = -(-x.value.shape[1] // LANES) + LANES.bit_length() - 1
    value = dot(x.value, y.value)
    with np.errstate(all="ignore"):
        left, right = np.abs(x.wide()), np.abs(y.wide())
        error = left * y.error + x.error * (right + y.error) + bounds.gamma(depth, u) * left * right
        products = ((left > 0) & (right > 0)).sum(axis=1)
        return bounded(value, error.sum(axis=1) + products * bounds.smallest(x.dtype))


def _analysed_qr(a: Matrices, count: int, m: int, n: int) -> list[Bounded]:
    tau = Matrices(a.analysis, Bounded.exact(np.zeros((count, n), a.value.dtype)))
    for k in range(n):
        below = np.arange(m) > k
        v = Bounded(np.where(below, a.value[:, :, k], 0).astype(a.value.dtype), np.where(below, a.error[:, :, k], 0))
        head, size = a[:, k, k], _dot(v, v)
        none = size.value == 0
        total = bounded_fma(head, head, size)
        norm, sign = a.step("sqrt", total), np.where(head.value < 0, 1, -1).astype(a.value.dtype)
        unsure = ((np.abs(head.wide()) <= head.error) & (head.error > 0)) | (none & (size.error > 0))
        top = Bounded(sign * norm.value, np.where(unsure, np.inf, norm.error))
        divisor = a.step("subtract", head, top)
        quotient = a.step("divide", v, divisor.seen(lambda x: x[:, None]))
        v = Bounded(
            np.where(none[:, None], 0, quotient.value).astype(v.value.dtype),
            np.where(none[:, None], np.where(unsure, np.inf, 0)[:, None], quotient.error) * below,
        )
        share = a.step("divide", divisor, -top)
        tau[:, k] = Bounded(np.where(none, 0, share.value), np.where(none & ~unsure, 0, share.error))
        a[:, k, k] = Bounded(np.where(none, head.value, top.value), np.where(none & ~unsure, head.error, top.error))
        a[:, k + 1 :, k] = v.seen(lambda x, k=k: x[:, k + 1 :])
        v.value[:, k], v.error[:, k] = 1, 0
        if k + 1 == n:
            break
        rest = a[:, :, k + 1 :]
        product = a.step("multiply", tau[:, k].seen(lambda x: x[:, None]), _dot(v.seen(lambda x: x[:, :, None]), rest))
        factor = (-product)[:, None, :]
        changed = bounded_fma(v.seen(lambda x, k=k: x[:, k:, None]), factor, rest.seen(lambda x, k=k: x[:, k:]))
        kept, skip = rest.seen(lambda x, k=k: x[:, k:]), none[:, None, None]
        a[:, k:, k + 1 :] = Bounded(
            np.where(skip, kept.value, changed.value),
            np.where(skip & ~unsure[:, None, None], kept.error, np.where(skip, np.inf, changed.error)),
        )
    return [a[:], tau[:]]
