"""Factorisations of blocks of complex numbers, whose real and imaginary parts are arrays of their own: what factor.py
has, by the same primitive.

The canonical steps are stated once, and taken by `Steps` of numbers, or by `Judged` of numbers and their errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import dispatch, interop, registry
from ...dtypes import DType, as_dtype
from ...graph.bounded import Bounded, bounded
from ...numerics import LANES
from .. import bounds
from ..factor_derivative import factor_vjp
from ..parameters import Factor
from ..spec import Output, Primitive
from . import factor, jacobi
from .factor import Matrices, bounded_fma, exchange, fma

if TYPE_CHECKING:
    from ...graph.bound import Analysis

Pair = tuple[Any, Any]
"""Real and imaginary parts."""


def _run(kind: str, *operands: Any) -> tuple[Any, ...]:
    name = f"{kind.removesuffix('_unit')}_pairs"
    arrays, restore = interop.adopt(name, **{f"operand {i}": x for i, x in enumerate(operands)})
    return tuple(map(restore, dispatch.call(registry.OPS[name], arrays, Factor(kind, pairs=True))))


def cholesky_pairs(re: Any, im: Any) -> tuple[Any, ...]:
    """Both parts of the lower Cholesky factors of Hermitian blocks, of which the lower triangle is read, and the real
    parts of the diagonal; else as `cholesky_block`."""
    return _run("cholesky", re, im)


def lu_pairs(re: Any, im: Any) -> tuple[Any, ...]:
    """Both parts of L and U, and the order of their rows, as `lu_block`; a pivot has the largest |re| + |im|."""
    return _run("lu", re, im)


def qr_pairs(re: Any, im: Any) -> tuple[Any, ...]:
    """Both parts of R and the reflections' vectors, and their factors tau, which are real, as `qr_block`."""
    return _run("qr", re, im)


def solve_pairs(re: Any, im: Any, b_re: Any, b_im: Any, unit: bool = False) -> tuple[Any, ...]:
    """Both parts of the solutions with lower triangles, as `solve_block`."""
    return _run("solve_unit" if unit else "solve", re, im, b_re, b_im)


class Steps:
    """Steps of numbers, rounded once each."""

    fma = staticmethod(fma)
    value = staticmethod(np.asarray)
    stored = staticmethod(np.copy)
    sqrt = staticmethod(np.sqrt)
    add = staticmethod(np.add)
    multiply = staticmethod(np.multiply)
    divide = staticmethod(np.divide)
    exchange = staticmethod(exchange)

    def where(self, condition: np.ndarray, a: Any, b: Any) -> Any:
        return np.where(condition, a, b).astype(np.result_type(*(x for x in (a, b) if isinstance(x, np.ndarray))))

    def zeros(self, like: Any, shape: tuple[int, ...]) -> Any:
        return np.zeros(shape, like.dtype)

    def sure(self, chosen: np.ndarray, x: Any, result: Any) -> Any:
        """The result of a choice that was made by x being 0."""
        return result

    def pivot(self, a: Pair, k: int) -> np.ndarray:
        return k + pivot(a[0][:, k:, k], a[1][:, k:, k])

    def dot(self, x: Pair, y: Pair) -> Pair:
        return dot(x, y)


def pivot(re: np.ndarray, im: np.ndarray) -> np.ndarray:
    """The first place of the largest |re| + |im| along the last axis; NaN is above all numbers."""
    place: np.ndarray = np.argmax(np.abs(re) + np.abs(im), axis=-1)
    return place


def dot(x: Pair, y: Pair) -> Pair:
    """Sums of conj(x) y along axis 1, by LANES lanes that fold in halves; zeros fill up the last lanes."""
    parts = np.broadcast_arrays(*x, *y)
    count, m, *columns = parts[0].shape
    rows = -(-m // LANES)
    parts = [np.pad(v, [(0, 0), (0, rows * LANES - m), *[(0, 0)] * len(columns)]) for v in parts]
    a, b, c, d = (v.reshape(count, rows, LANES, *columns) for v in parts)
    lanes = np.zeros_like(a[:, 0]), np.zeros_like(a[:, 0])
    for row in range(rows):
        lanes = plus(Steps(), (a[:, row], -b[:, row]), (c[:, row], d[:, row]), lanes)
    while lanes[0].shape[1] > 1:
        half = lanes[0].shape[1] // 2
        lanes = lanes[0][:, :half] + lanes[0][:, half:], lanes[1][:, :half] + lanes[1][:, half:]
    return lanes[0][:, 0], lanes[1][:, 0]


def plus(do: Any, a: Pair, b: Pair, c: Pair) -> Pair:
    """c + a b, the number a being [[re, -im], [im, re]]."""
    return do.fma(-a[1], b[1], do.fma(a[0], b[0], c[0])), do.fma(a[0], b[1], do.fma(a[1], b[0], c[1]))


def over(do: Any, x: Pair, y: Pair) -> Pair:
    """x / y. Both are turned by -i where y's imaginary part is the larger one, so that no quotient of parts is above 1
    (Smith, Algorithm 116: Complex division, 1962)."""
    turned = np.abs(do.value(y[1])) > np.abs(do.value(y[0]))
    (a, b), (c, d) = ((do.where(turned, im, re), do.where(turned, -re, im)) for re, im in (x, y))
    ratio = do.divide(d, c)
    size = do.fma(d, ratio, c)
    return do.divide(do.fma(b, ratio, a), size), do.divide(do.fma(-a, ratio, b), size)


def seen(x: Pair, *key: Any) -> Pair:
    return x[0][key], x[1][key]


def store(x: Pair, key: Any, value: Pair) -> None:
    x[0][key], x[1][key] = value


ALL = slice(None)


def cholesky(do: Any, a: Pair) -> tuple[Any, ...]:
    shape = do.value(a[0]).shape
    a, made = (do.stored(a[0]), do.stored(a[1])), (do.zeros(a[0], shape), do.zeros(a[0], shape))
    for k in range(shape[-1]):
        root, rest = do.sqrt(a[0][:, k, k]), (ALL, slice(k + 1, None), slice(k + 1, None))
        column = tuple(do.divide(part[:, k + 1 :, k], root[:, None]) for part in a)
        made[0][:, k, k] = root
        store(made, (ALL, slice(k + 1, None), k), column)
        conjugate = -column[0][:, None, :], column[1][:, None, :]
        store(a, rest, plus(do, seen(column, ALL, ALL, None), conjugate, seen(a, *rest)))
    return made


def lu(do: Any, a: Pair) -> tuple[Any, ...]:
    count, m, n = do.value(a[0]).shape
    a, order = (do.stored(a[0]), do.stored(a[1])), do.stored(np.tile(np.arange(m), (count, 1)))
    for k in range(min(m, n)):
        p, below = do.pivot(a, k), slice(k + 1, None)
        for x in (*a, order):
            do.exchange(x, k, p)
        divisor, kept = seen(a, ALL, k, k, None), seen(a, ALL, below, k)
        zero = (do.value(divisor[0]) == 0) & (do.value(divisor[1]) == 0)
        quotient = over(do, kept, divisor)
        column = tuple(
            do.sure(zero, do.add(*divisor), do.where(zero, x, y)) for x, y in zip(kept, quotient, strict=True)
        )
        store(a, (ALL, below, k), column)
        row = -a[0][:, k, None, k + 1 :], -a[1][:, k, None, k + 1 :]
        store(a, (ALL, below, below), plus(do, seen(column, ALL, ALL, None), row, seen(a, ALL, below, below)))
    return *a, order


def qr(do: Any, a: Pair) -> tuple[Any, ...]:
    count, m, n = do.value(a[0]).shape
    a, taus = (do.stored(a[0]), do.stored(a[1])), do.zeros(a[0], (count, n))
    nothing = do.zeros(a[0], (count, m))
    for k in range(n):
        below = np.arange(m) > k
        v = tuple(do.where(below, x[:, :, k], nothing) for x in a)
        total, (re, im) = do.dot(v, v)[0], seen(a, ALL, k, k)
        none = do.value(total) == 0
        square = do.fma(im, im, do.multiply(re, re))
        head, norm = do.sqrt(square), do.sqrt(do.add(square, total))
        size, still = do.add(head, norm), do.value(head) == 0
        e = do.sure(still, head, do.where(still, 1, do.divide(re, head)))
        f = do.sure(still, head, do.where(still, 0, do.divide(im, head)))
        turned = (
            do.fma(v[1], f[:, None], do.multiply(v[0], e[:, None])),
            do.fma(-v[0], f[:, None], do.multiply(v[1], e[:, None])),
        )
        skip = none[:, None]
        v = tuple(
            do.sure(skip, total[:, None], do.where(below & ~skip, do.divide(x, size[:, None]), nothing)) for x in turned
        )
        taus[:, k] = do.sure(none, total, do.where(none, 0, do.divide(size, norm)))
        diagonal = -do.multiply(e, norm), -do.multiply(f, norm)
        store(a, (ALL, k, k), tuple(do.where(none, x, y) for x, y in zip((re, im), diagonal, strict=True)))
        store(a, (ALL, slice(k + 1, None), k), seen(v, ALL, slice(k + 1, None)))
        if k + 1 == n:
            break
        at = np.arange(m) == k
        whole = do.where(at, 1, v[0]), do.where(at, 0, v[1])
        w = do.dot(seen(whole, ALL, ALL, None), seen(a, ALL, ALL, slice(k + 1, None)))
        change = tuple(-do.multiply(taus[:, k, None], x)[:, None, :] for x in w)
        rest = seen(a, ALL, slice(k, None), slice(k + 1, None))
        changed = plus(do, seen(whole, ALL, slice(k, None), None), change, rest)
        kept = (do.where(skip[:, :, None], x, y) for x, y in zip(rest, changed, strict=True))
        store(a, (ALL, slice(k, None), slice(k + 1, None)), tuple(kept))
    return *a, taus


def solve(do: Any, triangle: Pair, b: Pair, unit: bool = False) -> tuple[Any, ...]:
    x = do.stored(b[0]), do.stored(b[1])
    for k in range(do.value(b[0]).shape[1]):
        if not unit:
            store(x, (ALL, k), over(do, seen(x, ALL, k), seen(triangle, ALL, k, k, None)))
        factors = -triangle[0][:, k + 1 :, k, None], -triangle[1][:, k + 1 :, k, None]
        below = (ALL, slice(k + 1, None))
        store(x, below, plus(do, factors, seen(x, ALL, k, None), seen(x, *below)))
    return x


def steps(do: Any, kind: str, *parts: Any) -> tuple[Any, ...]:
    """The results of a kind by some steps."""
    with np.errstate(all="ignore"):
        if kind.startswith("solve"):
            return solve(do, parts[:2], parts[2:], kind == "solve_unit")
        return {"cholesky": cholesky, "lu": lu, "qr": qr}[kind](do, parts)


class Judged:
    """Steps of numbers with their errors."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self.doubtful: np.ndarray | bool = False  # of which matrices nothing is known

    fma = staticmethod(bounded_fma)

    def value(self, x: Any) -> np.ndarray:
        return x.value

    def stored(self, x: Any) -> Matrices:
        return Matrices(self.analysis, x if isinstance(x, Bounded) else Bounded.exact(x))

    def zeros(self, like: Any, shape: tuple[int, ...]) -> Matrices:
        return self.stored(np.zeros(shape, like.value.dtype))

    def _step(self, name: str, *given: Bounded) -> Bounded:
        return self.analysis.step(name, as_dtype(given[0].value.dtype).name, *given)

    def sqrt(self, x: Bounded) -> Bounded:
        return self._step("sqrt", x)

    def add(self, x: Bounded, y: Bounded) -> Bounded:
        return self._step("add", x, y)

    def multiply(self, x: Bounded, y: Bounded) -> Bounded:
        return self._step("multiply", x, y)

    def divide(self, x: Bounded, y: Bounded) -> Bounded:
        return self._step("divide", x, y)

    def exchange(self, x: Matrices, k: int, p: np.ndarray) -> None:
        exchange(x.value, k, p)
        exchange(x.error, k, p)

    def where(self, condition: np.ndarray, a: Any, b: Any) -> Bounded:
        values = [x if isinstance(x, int) else x.value for x in (a, b)]
        errors = [0.0 if isinstance(x, int) else x.error for x in (a, b)]
        return Bounded(Steps().where(condition, *values), np.where(condition, *errors))

    def sure(self, chosen: np.ndarray, x: Bounded, result: Bounded) -> Bounded:
        """Nothing is known of it where x may be no 0."""
        return Bounded(result.value, np.where(chosen & (x.error > 0), np.inf, result.error))

    def pivot(self, a: Pair, k: int) -> np.ndarray:
        """Nothing is known of a matrix from a pivot on that may be another row."""
        (re, im), each = seen(a, ALL, slice(k, None), k), np.arange(len(a[0].value))
        p = pivot(re.value, im.value)
        size, error = np.abs(re.wide()) + np.abs(im.wide()), re.error + im.error
        error = error + bounds.unit_roundoff(re.dtype) * size * (im.value != 0)
        top, its = size[each, p][:, None], error[each, p][:, None]
        doubt = (top - its <= size + error) & (its + error > 0) | np.isnan(size)
        doubt[each, p] = False
        for x in a:
            x.error[doubt.any(axis=1)] = np.inf
        self.doubtful = self.doubtful | doubt.any(axis=1)
        return k + p

    def dot(self, x: Pair, y: Pair) -> Pair:
        value = dot((x[0].value, x[1].value), (y[0].value, y[1].value))
        u, rows = bounds.unit_roundoff(x[0].dtype), -(-x[0].value.shape[1] // LANES)
        made = []
        for part, pairs in zip(value, (zip(x, y, strict=True), zip(x, y[::-1], strict=True)), strict=True):
            error = 0.0
            for a, b in pairs:
                left, right = np.abs(a.wide()), np.abs(b.wide())
                rounded = bounds.gamma(2 * rows + LANES.bit_length() - 1, u) * left * right
                each = left * b.error + a.error * (right + b.error) + rounded
                error = error + (each + ((left > 0) & (right > 0)) * bounds.smallest(x[0].dtype)).sum(axis=1)
            made.append(bounded(part, error))
        return made[0], made[1]


def _answer(params: Factor, outputs: tuple[Output, ...], *operands: np.ndarray) -> Sequence[np.ndarray]:
    if params.kind == "jacobi":
        return jacobi.steps(params.length, *operands)
    if not params.pairs:
        return factor.answer(params, outputs, *operands)
    return steps(Steps(), params.kind, *operands)


def _analysed(analysis: Analysis, params: Factor, outputs: tuple[Output, ...], *operands: Bounded) -> Sequence[Bounded]:
    """The canonical steps. From a pivot on that may be another row nothing is known, and nothing of rows that Jacobi's
    rotations have turned, of which the ops made of them have bounds."""
    if params.kind == "jacobi":
        made = jacobi.steps(params.length, *(x.value for x in operands))
        return [Bounded(x, np.full(x.shape, np.inf)) for x in made]
    if not params.pairs:
        return factor.analysed(analysis, params, outputs, *operands)
    do = Judged(analysis)
    made = [x[:] if isinstance(x, Matrices) else x for x in steps(do, params.kind, *operands)]
    if params.kind == "lu":
        made[-1].error[do.doubtful] = np.inf
    return made


registry.register_primitive(Primitive("factor", _answer, _analysed, factor_vjp))


# what the tests compare with


def _canonical(kind: str) -> Any:
    def made(*parts: np.ndarray, unit: bool = False) -> tuple[np.ndarray, ...]:
        return steps(Steps(), "solve_unit" if unit else kind, *parts)

    return made


def _exact(function: Any) -> Any:
    """A reference of factor.py, of whole numbers."""

    def made(*parts: np.ndarray, **keywords: Any) -> tuple[np.ndarray, ...]:
        whole = [np.empty(x.shape, np.clongdouble) for x in parts[::2]]
        for x, re, im in zip(whole, parts[::2], parts[1::2], strict=True):
            x.real, x.imag = re, im
        result, *rest = several if isinstance(several := function(*whole, **keywords), tuple) else (several,)
        return result.real, result.imag, *(x.real for x in rest)

    return made


def _samples(kind: str, dtype: DType) -> Any:
    from ...testing import factor_family

    return factor_family.pairs(kind, dtype)


for _function, _reference, _arguments in (
    (cholesky_pairs, factor.exact_cholesky, ("re", "im")),
    (lu_pairs, factor.exact_lu, ("re", "im")),
    (qr_pairs, factor.exact_qr, ("re", "im")),
    (solve_pairs, factor.exact_solve, ("re", "im", "b_re", "b_im")),
):
    _kind = _function.__name__.removesuffix("_pairs")
    factor.register(
        _function,
        _arguments,
        infer=partial(factor.infer, _function.__name__),
        canonical=_canonical(_kind),
        reference=_exact(_reference),
        bound=partial(factor.bound, _function),
        samples=partial(_samples, _kind),
        flops=lambda inputs, outputs, params: 4 * inputs[-1].size * inputs[0].shape[-1],
    )
