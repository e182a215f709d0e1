"""Factorisations of blocks of complex matrices: those of pairs, by the same primitive."""

from __future__ import annotations

from ...array import Array
from ...registry import OPS
from ..parameters import Factor
from ..primitive.factor_pair import cholesky_pairs, lu_pairs, qr_pairs, solve_pairs
from ..primitive.jacobi import jacobi_row_pairs
from .rule import both, rule, split


@rule(OPS["cholesky_block"])
def _cholesky(x: Array, params: Factor) -> Array:
    return both(*cholesky_pairs(*split(x)))


@rule(OPS["lu_block"])
def _lu(x: Array, params: Factor) -> tuple[Array, Array]:
    re, im, order = lu_pairs(*split(x))
    return both(re, im), order


@rule(OPS["qr_block"])
def _qr(x: Array, params: Factor) -> tuple[Array, Array]:
    re, im, tau = qr_pairs(*split(x))
    return both(re, im), tau


@rule(OPS["solve_block"])
def _solve(triangle: Array, b: Array, params: Factor) -> Array:
    return both(*solve_pairs(*split(triangle), *split(b), unit=params.kind == "solve_unit"))


@rule(OPS["jacobi_rows"])
def _jacobi(x: Array, params: Factor) -> tuple[Array, Array]:
    re, im, worst = jacobi_row_pairs(*split(x), length=params.length)
    return both(re, im), worst
