"""Cases of factorisations."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from ...linalg import cholesky, qr, solve
from .case import Calls, Case, sampled
from .data import Data

DTYPES = ("float32", "float64")
COMPLEX = "complex64"
SIZES = (256, 1024)


def choleskys() -> list[Case]:
    """Of symmetric positive definite matrices."""
    return [symmetric(n, dtype) for dtype, n in product(DTYPES, SIZES)]


def solves() -> list[Case]:
    """Of one right-hand side, and of as many as there are rows."""
    return [system(n, k, dtype) for dtype, n in product(DTYPES, SIZES) for k in (1, n)]


def of_complex_numbers() -> list[Case]:
    """All three, of fewer rows."""
    each = [case for n in (64, 256) for case in (symmetric(n, COMPLEX), factors(n, COMPLEX), system(n, n, COMPLEX))]
    names = ("cholesky", "qr", "solve")
    return [replace(case, name=f"{names[i % 3]} {case.name}") for i, case in enumerate(each)]


def _drawn(data: Data, dtype: str, shape: tuple[int, int], key: int = 0) -> np.ndarray:
    if dtype != COMPLEX:
        return data.array(dtype, shape, "unit", key)
    return data.array("float32", (*shape, 2), "unit", key).view(dtype)[..., 0]


def _wide(x: np.ndarray) -> np.ndarray:
    return x.astype(np.result_type(x, np.float64))


def _diagonal(x: np.ndarray, n: int) -> np.ndarray:
    """The matrix with a diagonal so large that float32 has digits left."""
    return x + n * np.eye(n, dtype=x.dtype)


def symmetric(n: int, dtype: str) -> Case:
    """Cholesky's factor."""

    def build(data: Data) -> Calls:
        half = _drawn(data, dtype, (n, n))
        x = _diagonal((half + half.conj().T) / 2, n)
        (a,) = data.accel(x)
        peers = {"numpy": lambda: np.linalg.cholesky(x)}
        if data.torch is not None:
            factored, tensor = data.torch.linalg.cholesky, data.tensor(x)
            peers["torch"] = lambda: factored(tensor)
        return Calls(lambda: cholesky(a), peers, lambda: _parts(np.linalg.cholesky(_wide(x))), _parts)

    return Case(f"{n}x{n}, {dtype}", dtype, build)


def qrs() -> list[Case]:
    """Both factors of square matrices."""
    return [factors(n, dtype) for dtype, n in product(DTYPES, SIZES)]


def factors(n: int, dtype: str) -> Case:
    """Q and R, of which R is compared up to the signs of its rows, which are a library's own choice."""

    def build(data: Data) -> Calls:
        x = _diagonal(_drawn(data, dtype, (n, n)), n)
        (a,) = data.accel(x)
        peers = {"numpy": lambda: np.linalg.qr(x).R}
        if data.torch is not None:
            factored, tensor = data.torch.linalg.qr, data.tensor(x)
            peers["torch"] = lambda: factored(tensor).R
        wide = _wide(x)
        return Calls(lambda: qr(a).R, peers, lambda: _absolute(np.linalg.qr(wide).R), _absolute)

    return Case(f"{n}x{n}, {dtype}", dtype, build)


def _parts(x: np.ndarray) -> np.ndarray:
    """A sample, of complex numbers of real and imaginary parts."""
    some = sampled(x)
    return np.stack([some.real, some.imag]) if x.dtype.kind == "c" else some


def _absolute(x: np.ndarray) -> np.ndarray:
    return sampled(np.abs(x))


def system(n: int, k: int, dtype: str) -> Case:
    """A system of n equations with k right-hand sides."""

    def build(data: Data) -> Calls:
        x, y = _diagonal(_drawn(data, dtype, (n, n)), n)[::-1].copy(), _drawn(data, dtype, (n, k), 1)
        a, b = data.accel(x, y)
        peers = {"numpy": lambda: np.linalg.solve(x, y)}
        if data.torch is not None:
            solved, (left, right) = data.torch.linalg.solve, data.tensors(x, y)
            peers["torch"] = lambda: solved(left, right)
        wide = _wide(x), _wide(y)
        return Calls(lambda: solve(a, b), peers, lambda: _parts(np.linalg.solve(*wide)), _parts)

    return Case(f"{n}x{n}, {k} right-hand sides, {dtype}", dtype, build)
