"""Vector-Jacobian products of the blocks that factorisations are made of: LU and solutions, which the derivatives of
whole ones use themselves."""

from __future__ import annotations

from collections.abc import Sequence

from ..array import Array
from ..conversion import index_range
from ..errors import ArgumentError
from ..parts import pair, parts
from .derivative import Cotangents, fn
from .parameters import Factor
from .pieces import joined


def factor_vjp(
    params: Factor, cotangents: Cotangents, results: Sequence[Array], operands: Sequence[Array]
) -> Cotangents:
    """Of the primitive; raises ArgumentError where there is none."""
    if params.kind in ("cholesky", "qr", "jacobi"):
        raise ArgumentError(f"factor: a block's {params.kind} has no derivative, that of a whole matrix has one")
    if params.pairs:
        cotangents, results = _joined(cotangents), _joined(results)
        operands = _joined(operands)
    g, made = cotangents[0], results[0]
    found: list[Array | None] = [None] * len(operands)
    if g is not None and params.kind == "lu":
        found = [_of_lu(g, made, results[1], operands[0])]
    elif g is not None:
        found = _of_solution(g, made, operands[0], params.kind == "solve_unit")
    if not params.pairs:
        return found
    return [part for x in found for part in ((None, None) if x is None else parts(x))]


def _joined(arrays: Sequence[Array | None]) -> list[Array | None]:
    """Parts as complex arrays, and what is behind them, which has none."""
    result: list[Array | None] = []
    for re, im in zip(arrays[::2], arrays[1::2], strict=False):
        given = re if re is not None else im
        if given is None:
            result.append(None)
            continue
        re, im = (given * 0.0 if x is None else x for x in (re, im))
        re, im = (re, im) if re.strides == im.strides else (fn.copy(re), fn.copy(im))
        result.append(pair(re, im))
    return result + list(arrays[len(arrays) // 2 * 2 :])


def _adjoint(x: Array) -> Array:
    return _conjugate(x).mT


def _conjugate(x: Array) -> Array:
    if x.dtype.kind != "c":
        return x
    re, im = parts(x)
    re, im = fn.positive(re), fn.negative(im)
    return pair(re, im)


def _part(x: Array, keep: str, k: int = 0) -> Array:
    """x with zeros above, or below, its k-th diagonal."""
    row, column = (index_range(n, x.device) for n in x.shape[-2:])
    kept = column <= row[:, None] + k if keep == "lower" else column >= row[:, None] + k
    result: Array = fn.where(kept, x, 0.0)
    return result


def _solved_upper(u: Array, b: Array, unit: bool = False) -> Array:
    """The solutions with an upper triangle, which is a lower one from its other end."""
    result: Array = fn.solve_block(u[:, ::-1, ::-1], b[:, ::-1], unit)
    return result[:, ::-1]


def _of_solution(g: Array, x: Array, triangle: Array, unit: bool) -> list[Array | None]:
    """T^-H g, and minus the lower triangle of that times the solutions."""
    along = _solved_upper(_adjoint(triangle), g, unit)
    outer = fn.matmul(along, _adjoint(x))
    return [-_part(outer, "lower", -1 if unit else 0), along]


def _of_lu(g: Array, packed: Array, order: Array, x: Array) -> Array:
    """L^-H (the lower triangle of L^H gL, below the diagonal, and the upper one of gU U^H) U^-H, in the order that rows
    had."""
    m, n = packed.shape[1:]
    if m < n:
        raise ArgumentError(f"lu_block: blocks of {m} rows and {n} columns have no derivative")
    lower, upper = packed[:, :n], _part(packed[:, :n], "upper")
    of_lower, of_upper = _part(g[:, :n], "lower", -1), _part(g[:, :n], "upper")
    below = None
    if m > n:
        below = _adjoint(_solved_upper(upper, _adjoint(g[:, n:])))
        of_upper = of_upper - _part(fn.matmul(_adjoint(packed[:, n:]), below), "upper")
    turned = _part(_adjoint(lower), "upper", 1)
    first = _part(of_lower + fn.matmul(turned, of_lower), "lower", -1)
    inner = first + _part(fn.matmul(of_upper, _adjoint(upper)), "upper")
    made = _adjoint(_solved_upper(upper, _adjoint(_solved_upper(turned, inner, True))))
    if below is not None:
        made = joined([made, below], 1)
    back = fn.argsort(order, axis=1)
    return fn.take_along_axis(made, back.view((*back.shape, 1), (*back.strides, 0)), axis=1)
