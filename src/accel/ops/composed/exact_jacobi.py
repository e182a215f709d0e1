"""Singular values, eigenvalues and pseudo-inverses in extended precision, by rotations by the angle itself, and bounds
around them: the backward error of Jacobi's rotations, times what the matrix makes of it (Demmel and Veselić, "Jacobi's
method is more accurate than QR", 1992; Stewart and Sun, "Matrix perturbation theory", 1990).

Vectors have a sign, or a direction, that nothing defines: the exact ones have that of the canonical ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...dtypes import as_dtype
from .. import bounds
from .exact_factorization import FIRST_ORDER, each

WORK = 10
"""Sweeps whose roundings a bound has room for."""


def _wide(x: np.ndarray) -> np.ndarray:
    kind = np.longdouble if x.dtype in (np.float64, np.complex128) else np.float64
    return x.astype(np.result_type(kind, np.complex64) if x.dtype.kind == "c" else kind)


def _whole(parts: tuple[np.ndarray, ...]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else parts[0] + 1j * parts[1]


def _rounds(n: int) -> list[np.ndarray]:
    """Pairs of n numbers, n even, that meet at once: all but the last stand on a circle."""
    return [
        np.array([[n - 1, at], *([(at + i) % (n - 1), (at - i) % (n - 1)] for i in range(1, n // 2))])
        for at in range(n - 1)
    ]


def turned(x: np.ndarray, length: int) -> np.ndarray:
    """One matrix' rows, their first elements orthogonal, in descending order of their norms."""
    x = _wide(x)
    n, tiny = len(x), float(np.finfo(x.real.dtype).eps)
    if n % 2:
        x = np.concatenate([x, np.zeros_like(x[:1])])
    with np.errstate(all="ignore"):
        for _ in range(40):
            still = True
            for pairs in _rounds(len(x)):
                p, q = x[pairs[:, 0]], x[pairs[:, 1]]
                a, b = ((np.abs(r[:, :length]) ** 2).sum(-1) for r in (p, q))
                g = (p[:, :length] * q[:, :length].conj()).sum(-1)
                size = np.abs(g)
                some = size > tiny * np.sqrt(a) * np.sqrt(b)
                still = still and not some.any()
                angle = 0.5 * np.arctan2(2 * size, b - a)
                angle = np.where(some, np.where(angle > np.pi / 4, angle - np.pi / 2, angle), 0)[:, None]
                c, s, phase = np.cos(angle), np.sin(angle), np.where(some, g / size, 1)[:, None]
                x[pairs[:, 0]], x[pairs[:, 1]] = c * p - s * phase * q, s * p + c * phase * q
            if still:
                break
    norms = np.sqrt((np.abs(x[:, :length]) ** 2).sum(-1))
    added = np.arange(len(x)) >= n
    return x[np.lexsort((added, -norms))][:n]


def _aligned(exact: np.ndarray, canonical: np.ndarray) -> np.ndarray:
    """Rows in the direction of others."""
    inner = (np.nan_to_num(_wide(canonical)) * exact.conj()).sum(-1)
    return np.where(inner == 0, 1, inner / np.where(inner == 0, 1, np.abs(inner)))[..., None] * exact


def _finite(x: np.ndarray) -> bool:
    return bool(np.isfinite(x).all())


def size(x: np.ndarray) -> float:
    return float(np.sqrt((np.abs(_wide(x)) ** 2).sum()))


def backward(x: np.ndarray, length: int, size: float) -> float:
    """By how much, in norm, the matrix differs of which the result is exact: 6 roundings of a row's elements in each of
    its rotations, and what remains of the cosines. Infinite where squares may overflow, or lose digits."""
    dtype = as_dtype(x.real.dtype)
    u, pairs = bounds.product_roundoff(dtype), len(x) // 2 + 1
    if size and not bounds.largest(dtype) ** -0.25 < size < bounds.largest(dtype) ** 0.25:
        return np.inf
    return float(u * (12 * WORK * pairs + 8 * length**0.5) * size)


def gaps(values: np.ndarray) -> np.ndarray:
    """The distance of each number from the nearest other one."""
    apart = np.abs(values[:, None] - values[None, :]).astype(np.float64)
    apart[range(len(values)), range(len(values))] = np.inf
    found: np.ndarray = apart.min(axis=1, initial=np.inf)
    return found


def _over(error: float, gap: np.ndarray) -> np.ndarray:
    """Of vectors, each of norm 1."""
    with np.errstate(all="ignore"):
        found = np.where(np.isinf(gap), error * 0, 2 * error / gap)
    return np.where(found < FIRST_ORDER, found, np.inf)


# rows


def _ranks(x: np.ndarray, length: int) -> np.ndarray:
    norms = (np.abs(_wide(x[:, :length])) ** 2).sum(-1)
    return np.argsort(np.argsort(-norms, kind="stable"), kind="stable")


def rows(made: tuple[np.ndarray, ...], *parts: np.ndarray, length: int) -> Any:
    """In the order and the directions of the canonical ones, which are made."""
    canonical = _whole(made)
    found = []
    for x, its in zip(_whole(parts), canonical, strict=True):
        exact_rows = turned(x, length)[_ranks(its, length)] if _finite(x) else _wide(x) * np.nan
        found.append(_aligned(exact_rows, its))
    exact = np.array(found).reshape(canonical.shape)
    return *((exact,) if len(parts) == 1 else (exact.real, exact.imag)), np.zeros((len(exact), 1))


def bound_rows(reference: Any, *parts: np.ndarray, length: int, enough: float) -> Any:
    """enough: the largest cosine that may be left."""
    exact, given = _whole(reference[:-1]), _whole(parts)
    found, worst = np.full(exact.shape, np.inf), np.full((len(exact), 1), np.inf)
    for i, (its, x) in enumerate(zip(exact, given, strict=True)):
        if not _finite(x):
            continue
        norms = np.sqrt((np.abs(its[:, :length]) ** 2).sum(-1)).astype(np.float64)
        error, whole = backward(x, length, size(x[:, :length])), size(x)
        off = backward(x, length, whole) + _over(error, gaps(norms)) * whole
        found[i] = off[:, None]
        worst[i] = enough if np.isfinite(error) else np.inf
    return *(found,) * len(parts), worst


# decompositions


def _rows_of(a: np.ndarray) -> np.ndarray:
    return a if a.shape[0] < a.shape[1] else a.T


def decomposed(a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of one matrix: vectors of the longer side as rows, singular values, vectors of the shorter side."""
    x = _rows_of(a)
    count, length = x.shape
    if not _finite(x):
        wide = _wide(x)
        return wide * np.nan, wide[:, 0].real * np.nan, wide[:, :1] * np.full(count, np.nan)
    made = turned(np.concatenate([x, np.eye(count, dtype=x.dtype)], axis=1), length)
    s = np.sqrt((np.abs(made[:, :length]) ** 2).sum(-1))
    return made[:, :length] / np.where(s > 0, s, 1)[:, None], s, made[:, length:].conj()


def _canonical(op: str, *operands: np.ndarray, **keywords: Any) -> Any:
    from ... import registry
    from ..compose import canonical_of

    return canonical_of(registry.OPS[op].function, *operands, **keywords)


def _bad(x: np.ndarray) -> np.ndarray:
    finite = np.isfinite(x).all(axis=(-2, -1))
    return np.asarray(np.count_nonzero(~finite))


def _stacked(results: list[np.ndarray], shape: tuple[int, ...], x: np.ndarray) -> np.ndarray:
    return np.array(results, _wide(x[..., :0]).dtype).reshape(shape)


def svd(x: np.ndarray, full_matrices: bool = True) -> Any:
    canonical = _canonical("svd", x, full_matrices=full_matrices)
    if not x.size:
        return *map(_wide, canonical[:3]), _bad(x)
    k, flat = min(x.shape[-2:]), [v.reshape(-1, *v.shape[x.ndim - 2 :]) for v in canonical[:3]]
    u, s, v = (_wide(its) for its in flat)
    for i, a in enumerate(x.reshape(-1, *x.shape[-2:])):
        long, s[i], short = decomposed(a)
        left, right = (short, long) if a.shape[0] < a.shape[1] else (long, short)
        u[i, :, :k], v[i, :k] = _aligned(left, u[i].T[:k]).T, _aligned(right, v[i, :k])
    return *(its.reshape(like.shape) for its, like in zip((u, s, v), canonical, strict=False)), _bad(x)


def bound_svd(reference: Any, x: np.ndarray, full_matrices: bool = True) -> Any:
    m, n = x.shape[-2:]
    k = min(m, n)
    u, s, v = (np.full(its.shape, np.inf) for its in reference[:3])
    for at in np.ndindex(x.shape[:-2]) if x.size else ():
        values = reference[1][at].astype(np.float64)
        if not _finite(x[at]):
            continue
        error = backward(_rows_of(x[at]), max(m, n), size(x[at]))
        off, s[at] = _over(error, gaps(values)), error
        of_long = np.where(values > 0, np.maximum(off, _over(error, values)), np.inf)
        left, right = (off, of_long) if m < n else (of_long, off)
        u[at][:, :k], v[at][:k] = left, right[:, None]
    return u, s, v, 0.0


def svdvals(x: np.ndarray) -> Any:
    made = each(lambda a: decomposed(a)[1], x) if x.size else []
    return _stacked(made, (*x.shape[:-2], min(x.shape[-2:])), x), _bad(x)


def _each_error(x: np.ndarray, error: Callable[[np.ndarray], float], shape: tuple[int, ...]) -> np.ndarray:
    """A number for each matrix, for all elements of its result."""
    found = np.array([error(a) if _finite(a) else np.inf for a in x.reshape(-1, *x.shape[-2:])]) if x.size else 0.0
    lead = len(x.shape) - 2
    return np.broadcast_to(np.reshape(found, (*x.shape[:-2], *(1,) * (len(shape) - lead))) if x.size else found, shape)


def bound_svdvals(reference: Any, x: np.ndarray) -> Any:
    error = _each_error(x, lambda a: backward(_rows_of(a), max(a.shape), size(a)), reference[0].shape)
    return error, 0.0


def _mirrored(a: np.ndarray) -> np.ndarray:
    lower = np.tril(a, -1)
    return lower + lower.T + np.diag(np.diagonal(a))


def _eigen(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ascending eigenvalues, and vectors as rows, of one matrix."""
    x = _wide(_mirrored(a))
    if not _finite(x):
        return x[0] * np.nan, x * np.nan
    peak = np.abs(x).max()
    x = x / (peak or 1)
    shift = np.abs(x).sum(-1).max()
    _, s, rows = decomposed(x + shift * np.eye(len(x)))
    return ((s - shift) * (peak or 1))[::-1], rows[::-1]


def _error_eigen(a: np.ndarray) -> float:
    x = _mirrored(a)
    return 2 * backward(x, len(x), size(x) + float(np.abs(_wide(x)).sum(-1).max()) * len(x) ** 0.5)


def eigh(x: np.ndarray) -> Any:
    canonical = _canonical("eigh", x)
    made = each(_eigen, x) if x.size else []
    values = _stacked([w for w, _ in made], x.shape[:-1], x)
    vectors = _stacked([v for _, v in made], x.shape, x)
    return values, _aligned(vectors, canonical[1].mT).mT, _bad(np.tril(x))


def bound_eigh(reference: Any, x: np.ndarray) -> Any:
    values, vectors = (np.full(its.shape, np.inf) for its in reference[:2])
    for at in np.ndindex(x.shape[:-2]) if x.size else ():
        if _finite(np.tril(x[at])):
            error = _error_eigen(x[at])
            values[at], vectors[at] = error, _over(error, gaps(reference[0][at]))
    return values, vectors, 0.0


def eigvalsh(x: np.ndarray) -> Any:
    made = each(lambda a: _eigen(a)[0], x) if x.size else []
    return _stacked(made, x.shape[:-1], x), _bad(np.tril(x))


def bound_eigvalsh(reference: Any, x: np.ndarray) -> Any:
    return _each_error(np.tril(x), _error_eigen, reference[0].shape), 0.0


def _kept(s: np.ndarray, rtol: Any) -> np.ndarray:
    kept: np.ndarray = s > s[:1] * rtol
    return kept


def pinv(x: np.ndarray, rtol: np.ndarray) -> Any:
    shape = (*x.shape[:-2], x.shape[-1], x.shape[-2])

    def one(a: np.ndarray, least: Any) -> np.ndarray:
        long, s, short = decomposed(a)
        u, v = (short, long) if a.shape[0] < a.shape[1] else (long, short)
        kept = _kept(s, least)
        return (v.conj().T * np.where(kept, 1 / np.where(kept, s, 1), 0)) @ u.conj() + (s[0] - s[0])

    flat = x.reshape(-1, *x.shape[-2:]) if x.size else ()
    given = np.broadcast_to(rtol, x.shape[:-2]).reshape(-1)
    return _stacked([one(a, least) for a, least in zip(flat, given, strict=False)], shape, x), _bad(x)


def bound_pinv(reference: Any, x: np.ndarray, rtol: np.ndarray) -> Any:
    found = np.full(reference[0].shape, np.inf if x.size else 0.0)
    for at in np.ndindex(x.shape[:-2]) if x.size else ():
        if not _finite(x[at]):
            continue
        a, least = x[at], np.broadcast_to(rtol, x.shape[:-2])[at]
        s = decomposed(a)[1].astype(np.float64)
        error, large = backward(_rows_of(a), max(a.shape), size(a)), size(reference[0][at])
        sure = (np.abs(s - s[0] * float(least)) > 2 * error).all() or not s[0]
        if sure and large * error < FIRST_ORDER:
            found[at] = (
                4 * large * large * error + 8 * bounds.gamma(64, bounds.product_roundoff(as_dtype(x.dtype))) * large
            )
    return found, 0.0
