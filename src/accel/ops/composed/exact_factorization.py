"""Factorisations by their definitions in extended precision, and bounds around them: the backward error of the
canonical algorithms, times what the matrix makes of it (Higham, Accuracy and Stability of Numerical Algorithms,
chapters 7 to 10). Nothing here shares code with the bodies."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ...dtypes import FLOAT64, as_dtype
from ...scalar import FUNCTIONS
from .. import bounds

FIRST_ORDER = 0.25
"""Relative changes up to which twice their first-order effect bounds all of it; there is no bound beyond."""


def _wide(x: np.ndarray) -> np.ndarray:
    return np.asarray(x).astype(np.longdouble)


def each(function: Callable[..., Any], *operands: np.ndarray) -> list[Any]:
    """What a function makes of every matrix, along the axes before the last two."""
    batch = np.broadcast_shapes(*(x.shape[:-2] for x in operands))
    flat = [np.broadcast_to(x, (*batch, *x.shape[-2:])).reshape(prod(batch), *x.shape[-2:]) for x in operands]
    with np.errstate(all="ignore"):
        return [function(*matrices) for matrices in zip(*flat, strict=True)]


def stacked(results: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """One array of every matrix' result."""
    return np.array(results, np.longdouble).reshape(shape)


def eliminated(a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(L, U, order) with the largest element of each column as pivot."""
    u, n = _wide(a), a.shape[-1]
    order, lower = np.arange(n), np.zeros((n, n), np.longdouble)
    for k in range(n):
        p = k + int(np.argmax(np.where(np.isnan(u[k:, k]), np.inf, np.abs(u[k:, k]))))
        for x in (u, lower, order):
            x[[k, p]] = x[[p, k]]
        lower[k, k] = 1
        if u[k, k] != 0:
            lower[k + 1 :, k] = u[k + 1 :, k] / u[k, k]
            u[k + 1 :, k:] -= lower[k + 1 :, k, None] * u[k, k:]
    return lower, np.triu(u), order


def substituted(lower: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The solutions with a lower triangle."""
    x = _wide(b)
    for k in range(len(lower)):
        x[k] /= lower[k, k]
        x[k + 1 :] -= lower[k + 1 :, k, None] * x[k]
    return x


def solution(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The solutions of one system."""
    lower, upper, order = eliminated(a)
    return substituted(upper[::-1, ::-1], substituted(lower, b[order])[::-1])[::-1]


def lower_factor(a: np.ndarray) -> np.ndarray:
    """The lower Cholesky factor, of the lower triangle."""
    a, n = _wide(a), a.shape[-1]
    made = np.zeros((n, n), np.longdouble)
    for k in range(n):
        made[k, k] = np.sqrt(a[k, k])
        made[k + 1 :, k] = a[k + 1 :, k] / made[k, k]
        a[k + 1 :, k + 1 :] -= made[k + 1 :, k, None] * made[k + 1 :, k]
    return made


def cholesky(x: np.ndarray, upper: bool = False) -> tuple[np.ndarray, np.ndarray]:
    made = stacked(each(lower_factor, x.mT if upper else x), x.shape)
    bad = ~(np.diagonal(made, axis1=-2, axis2=-1) > 0).all(-1)
    return (made.mT if upper else made), np.asarray(np.count_nonzero(bad))


def _columns(b: np.ndarray) -> np.ndarray:
    return b[:, None] if b.ndim == 1 else b


def solve(x1: np.ndarray, x2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    b = _columns(x2)
    batch = np.broadcast_shapes(x1.shape[:-2], b.shape[:-2])
    made = stacked(each(solution, x1, b), (*batch, *b.shape[-2:]))
    return (made[..., 0] if x2.ndim == 1 else made), _singular(x1, made.size)


def _singular(a: np.ndarray, wanted: int) -> np.ndarray:
    """How many are singular, of those that are factored at all."""
    zero = each(lambda m: (np.diagonal(eliminated(m)[1]) == 0).any(), a) if wanted else []
    return np.asarray(np.count_nonzero(zero))


def inv(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    made = each(lambda a: solution(a, np.eye(len(a))), x)
    return stacked(made, x.shape), _singular(x, x.size)


def _signed(a: np.ndarray) -> tuple[np.longdouble, np.ndarray]:
    """The sign of the order of the rows, and the pivots."""
    _, upper, order = eliminated(a)
    odd = sum(int(order[i] > order[j]) for i in range(len(a)) for j in range(i + 1, len(a))) % 2
    return np.longdouble(-1 if odd else 1), np.diagonal(upper)


def det(x: np.ndarray) -> np.ndarray:
    def one(a: np.ndarray) -> Any:
        sign, pivots = _signed(a)
        return sign * np.prod(pivots)

    return stacked(each(one, x), x.shape[:-2])


def slogdet(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    def one(a: np.ndarray) -> Any:
        sign, pivots = _signed(a)
        return sign * np.prod(np.sign(pivots)), np.sum(np.log(np.abs(pivots)))

    made = each(one, x)
    return stacked([s for s, _ in made], x.shape[:-2]), stacked([v for _, v in made], x.shape[:-2])


def reflected(a: np.ndarray, complete: bool) -> tuple[np.ndarray, np.ndarray]:
    """Q and R by one reflection after the other."""
    r, m, n = _wide(a), *a.shape
    q = np.eye(m, dtype=np.longdouble)
    for k in range(min(m, n)):
        v = np.where(np.arange(m) < k, 0, r[:, k])
        if not (v[k + 1 :] != 0).any():
            continue
        v[k] += np.copysign(np.sqrt(np.sum(v * v)), v[k] if v[k] != 0 else 1)
        v /= np.sqrt(np.sum(v * v) / 2)
        r -= np.outer(v, v @ r)
        q -= np.outer(q @ v, v)
    keep = m if complete else min(m, n)
    return q[:, :keep], np.triu(r)[:keep]


def qr(x: np.ndarray, mode: str = "reduced") -> tuple[np.ndarray, np.ndarray]:
    m, n = x.shape[-2:]
    keep = m if mode == "complete" else min(m, n)
    made = each(lambda a: reflected(a, mode == "complete"), x)
    q = stacked([one for one, _ in made], (*x.shape[:-2], m, keep))
    return q, stacked([other for _, other in made], (*x.shape[:-2], keep, n))


# bounds


def growth(n: int, x: np.ndarray) -> float:
    """Of the backward error, relative to |L| |U|: each of three factors' elements has one rounding for each column at
    most, and one more for each product of blocks, of which there are fewer."""
    return bounds.gamma(6 * n + 8, bounds.product_roundoff(as_dtype(x.dtype)))


def _inverse(a: np.ndarray) -> np.ndarray:
    found = np.abs(solution(a, np.eye(len(a)))).astype(np.float64)
    return np.where(np.isfinite(found), found, np.inf)


def changed(a: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """|inverse|, the largest backward error by elements, and whether its effect is small."""
    lower, upper, order = eliminated(a)
    size = np.zeros(a.shape)
    size[order] = (np.abs(lower) @ np.abs(upper)).astype(np.float64)
    error = growth(len(a), a) * size + len(a) * bounds.smallest(as_dtype(a.dtype))
    inverse = _inverse(a)
    effect = inverse @ error
    return inverse, error, bool(np.max(np.sum(effect, axis=1), initial=0) < FIRST_ORDER)


def _solved(a: np.ndarray, b: np.ndarray, x: np.ndarray) -> np.ndarray:
    inverse, error, small = changed(a)
    size = np.abs(x).astype(np.float64)
    made = 2 * inverse @ (error @ size + len(a) * bounds.smallest(as_dtype(a.dtype)))
    made = made + 2 * bounds.product_roundoff(as_dtype(a.dtype)) * size
    return np.where(small & np.isfinite(made), made, np.inf)


def bound_solve(reference: Any, x1: np.ndarray, x2: np.ndarray) -> Any:
    b, dtype = _columns(x2), np.promote_types(x1.dtype, x2.dtype)
    exact = _columns(reference[0]) if x2.ndim == 1 and x1.ndim == 2 else reference[0]
    exact = exact[..., None] if x2.ndim == 1 and x1.ndim > 2 else exact
    made = each(_solved, x1.astype(dtype), b.astype(dtype), exact)
    found = np.array(made, np.float64).reshape(exact.shape)
    return found.reshape(reference[0].shape), _unsure(x1.astype(dtype) if found.size else x1[:0])


def _unsure(x: np.ndarray) -> np.ndarray:
    """Of how many are singular: nothing is known where the pivots' errors may make one of them 0."""
    sure = each(lambda a: changed(a)[2], x) if x.size else []
    return np.asarray(0.0 if all(sure) else np.inf)


def bound_inv(reference: Any, x: np.ndarray) -> Any:
    made = each(lambda a, exact: _solved(a, np.eye(len(a)), exact), x, reference[0])
    return np.array(made, np.float64).reshape(x.shape), _unsure(x)


def _relative(a: np.ndarray) -> float:
    """The largest relative change of the determinant."""
    inverse, error, small = changed(a)
    return 2 * float(np.sum(inverse.T * error)) if small else np.inf


def bound_det(reference: np.ndarray, x: np.ndarray) -> np.ndarray:
    n, dtype = x.shape[-1], as_dtype(x.dtype)

    def one(a: np.ndarray) -> Any:
        pivots = np.abs(_signed(a)[1]).astype(np.float64)
        large = np.prod(np.maximum(pivots, 1)) < bounds.largest(dtype) ** 0.5
        fits = large and np.prod(np.minimum(pivots, 1)) > bounds.largest(dtype) ** -0.5
        change = _relative(a) + bounds.gamma(n + 4, bounds.product_roundoff(dtype))
        return np.prod(pivots) * change * 1.5 if fits and change < FIRST_ORDER else np.inf

    return np.array(each(one, x), np.float64).reshape(x.shape[:-2])


def bound_slogdet(reference: Any, x: np.ndarray) -> Any:
    n, dtype = x.shape[-1], as_dtype(x.dtype)
    u = bounds.product_roundoff(dtype)

    def one(a: np.ndarray) -> Any:
        change, pivots = _relative(a), np.abs(_signed(a)[1]).astype(np.float64)
        if not change < FIRST_ORDER:
            return np.inf, np.inf
        logarithms = np.sum(np.abs(np.log(pivots)))
        ulp = FUNCTIONS["log"].ulp[dtype is FLOAT64]
        own = 2 * u * ulp * (logarithms + n * 2.0**-10) + bounds.gamma(bounds.tree_depth(n), u) * 2 * logarithms
        return 0.0, 2 * change + own

    made = each(one, x)
    return tuple(np.array([pair[i] for pair in made], np.float64).reshape(x.shape[:-2]) for i in (0, 1))


def bound_cholesky(reference: Any, x: np.ndarray, upper: bool = False) -> Any:
    """First-order: L Phi(L^-1 E L^-T) of a backward error E, where Phi halves the diagonal of a lower triangle."""
    dtype = as_dtype(x.dtype)

    def one(factor: np.ndarray) -> np.ndarray:
        lower = np.abs(factor).astype(np.float64)
        n = len(lower)
        inverse = np.abs(substituted(factor, np.eye(n))).astype(np.float64)
        error = growth(n, x) * lower @ lower.T + n * bounds.smallest(dtype)
        inner = np.tril(inverse @ error @ inverse.T)
        small = np.sum(inner, axis=1).max(initial=0) < FIRST_ORDER
        made = np.tril(2 * lower @ inner) + 2 * bounds.product_roundoff(dtype) * lower
        return made if small and np.isfinite(made).all() else np.where(np.tri(n), np.inf, 0.0)

    exact = reference[0].mT if upper else reference[0]
    found = np.array(each(one, exact), np.float64).reshape(exact.shape)
    return (found.mT if upper else found), np.asarray(0.0 if np.isfinite(found).all() else np.inf)


def bound_qr(reference: Any, x: np.ndarray, mode: str = "reduced") -> Any:
    """The factors of a matrix that is off by so many reflections' errors (Higham, 19.3), normwise; those of the first
    min(m, n) columns are as sensitive as these are ill-conditioned (Higham, 19.9)."""
    m, n = x.shape[-2:]
    k, dtype = min(m, n), as_dtype(x.dtype)
    depth = bounds.dot_depth(m) + bounds.dot_depth(n) + 24
    change = 2 * k * k**0.5 * bounds.gamma(depth, bounds.product_roundoff(dtype))

    def one(a: np.ndarray) -> tuple[float, float]:
        finite = np.isfinite(a).all()
        values = np.linalg.svd(a[:, :k].astype(np.float64), compute_uv=False) if finite and k else np.ones(1)
        condition = values[0] / values[-1] if values[-1] > 0 and finite else np.inf
        size = float(np.linalg.norm(a.astype(np.float64))) if finite else np.inf
        off = 4 * condition * change
        good = off < FIRST_ORDER and size < bounds.largest(dtype) / 4
        good = good and (size == 0 or size > 2**20 * bounds.smallest(dtype) / bounds.product_roundoff(dtype))
        return (off, off * size) if good else (np.inf, np.inf)

    made = each(one, x)
    shape = (*x.shape[:-2], 1, 1)
    found = [np.array([pair[i] for pair in made], np.float64).reshape(shape) for i in (0, 1)]
    q, r = (np.broadcast_to(its, np.shape(exact)) for its, exact in zip(found, reference, strict=True))
    if mode == "complete" and m > n:  # the columns that R does not reach are any that complete the others
        q = np.where(np.arange(m) < n, q, np.inf)
    return q, r
