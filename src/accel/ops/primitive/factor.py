"""Factorisations of blocks: Cholesky's, LU with row exchanges, and solutions with a lower triangle, each element by
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
from ...numerics import FACTOR
from ..parameters import Factor
from ..spec import Inferred, OpSpec, Output, Primitive

if TYPE_CHECKING:
    from ...graph.bound import Analysis


def _infer(op: str, inputs: tuple[Layout, ...], params: Factor) -> Inferred:
    x, *rest = inputs
    if any(its.dtype not in (FLOAT32, FLOAT64) or its.dtype is not x.dtype for its in inputs):
        raise DtypeError(f"{op}: takes float32 or float64, got {', '.join(str(its.dtype) for its in inputs)}")
    square = params.kind != "lu"
    fits = x.ndim == 3 and x.shape[2] <= FACTOR and (not square or x.shape[1] == x.shape[2])
    if not fits or any(b.ndim != 3 or b.shape[:2] != x.shape[:2] for b in rest):
        raise ShapeError(f"{op}: expected blocks of {FACTOR} columns at most, got {[its.shape for its in inputs]}")
    result = rest[0] if rest else x
    order = (((x.shape[0], x.shape[1]), INT64),) if params.kind == "lu" else ()
    return Inferred(((result.shape, x.dtype), *order), params)


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
    return x.astype(np.longdouble)


def exact_cholesky(a: np.ndarray) -> np.ndarray:
    """In extended precision."""
    a, made = _wide(a), np.zeros(a.shape, np.longdouble)
    with np.errstate(all="ignore"):
        for k in range(a.shape[-1]):
            made[:, k, k] = np.sqrt(a[:, k, k])
            made[:, k + 1 :, k] = a[:, k + 1 :, k] / made[:, k, k, None]
            a[:, k + 1 :, k + 1 :] -= made[:, k + 1 :, k, None] * made[:, None, k + 1 :, k]
    return made


def exact_lu(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In extended precision."""
    count, m, n = a.shape
    a, order = _wide(a), np.tile(np.arange(m), (count, 1))
    with np.errstate(all="ignore"):
        for k in range(min(m, n)):
            size = np.abs(a[:, k:, k])
            p = k + np.argmax(np.where(np.isnan(size), np.inf, size), axis=-1)
            exchange(a, k, p)
            exchange(order, k, p)
            divisor = a[:, k, k, None]
            a[:, k + 1 :, k] = np.where(divisor != 0, a[:, k + 1 :, k] / divisor, a[:, k + 1 :, k])
            a[:, k + 1 :, k + 1 :] -= a[:, k + 1 :, k, None] * a[:, k, None, k + 1 :]
    return a, order


def exact_solve(triangle: np.ndarray, b: np.ndarray, unit: bool = False) -> np.ndarray:
    """In extended precision."""
    x, triangle = _wide(b), _wide(triangle)
    with np.errstate(all="ignore"):
        for k in range(b.shape[1]):
            if not unit:
                x[:, k] /= triangle[:, k, k, None]
            x[:, k + 1 :] -= triangle[:, k + 1 :, k, None] * x[:, k, None, :]
    return x


def _bound(function: Callable[..., Any], reference: Any, *operands: Any, **keywords: Any) -> Any:
    from ...graph.interpret import bound

    return bound(function, reference, *operands, **keywords)


def _samples(kind: str, dtype: DType) -> Any:
    from ...testing import factor_family

    return factor_family.blocks(kind, dtype)


for _function, _answer_of, _reference, _arguments in (
    (cholesky_block, cholesky, exact_cholesky, ("x",)),
    (lu_block, lu, exact_lu, ("x",)),
    (solve_block, solve, exact_solve, ("triangle", "b")),
):
    registry.register(
        OpSpec(
            name=_function.__name__,
            primitive="factor",
            summary=(_function.__doc__ or "").partition(".")[0].replace("\n   ", ""),
            function=_function,
            infer=partial(_infer, _function.__name__),
            canonical=_answer_of,
            reference=_reference,
            bound=partial(_bound, _function),
            bits=lambda dtype, numerics: "bits",
            samples=partial(_samples, _function.__name__.removesuffix("_block")),
            dtypes=(FLOAT32, FLOAT64),
            arguments=_arguments,
            namespace="internal",
            flops=lambda inputs, outputs: inputs[-1].size * inputs[0].shape[-1],
        )
    )


def _answer(params: Factor, outputs: tuple[Output, ...], x: np.ndarray, *rest: np.ndarray) -> Sequence[np.ndarray]:
    if params.kind == "cholesky":
        return [cholesky(x)]
    if params.kind == "lu":
        return lu(x)
    return [solve(x, *rest, unit=params.kind == "solve_unit")]


class _Matrices:
    """Bounded elements that are stored into, by the steps of an analysis."""

    def __init__(self, analysis: Analysis, x: Bounded) -> None:
        self._analysis = analysis
        self.value, self.error = x.value.copy(), x.error.copy()

    def __getitem__(self, key: Any) -> Bounded:
        return Bounded(self.value[key], self.error[key])

    def __setitem__(self, key: Any, x: Bounded) -> None:
        self.value[key], self.error[key] = x.value, x.error

    def step(self, name: str, *given: Bounded) -> Bounded:
        return self._analysis.step(name, as_dtype(self.value.dtype).name, *given)

    def subtract(self, key: Any, a: Bounded, b: Bounded) -> None:
        """Takes a * b from the elements, rounded once."""
        c = self[key]
        value = fma(-a.value, b.value, c.value)
        with np.errstate(all="ignore"):
            error = c.error + np.abs(a.wide()) * b.error + a.error * (np.abs(b.wide()) + b.error)
            self[key] = bounded(value, error + rounding(value.astype(np.float64), 0.5, c.dtype))


def _analysed(
    analysis: Analysis, params: Factor, outputs: tuple[Output, ...], x: Bounded, *rest: Bounded
) -> list[Bounded]:
    """The canonical steps. From a pivot on that may be another row nothing is known."""
    a = _Matrices(analysis, x)
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
    b = _Matrices(analysis, rest[0])
    for k, rows in enumerate(below):
        if params.kind == "solve":
            b[:, k] = b.step("divide", b[:, k], a[:, k, k].seen(lambda v: v[:, None]))
        b.subtract(rows, a[(*rows, k)].seen(lambda v: v[:, :, None]), b[:, k].seen(lambda v: v[:, None, :]))
    return [b[:]]


def _analysed_lu(a: _Matrices, count: int, m: int, n: int) -> list[Bounded]:
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


registry.register_primitive(
    Primitive("factor", _answer, _analysed, "that of a whole factorisation is not made of those of its blocks")
)
