"""The canonical algorithms of the bit contract in NumPy, and calls of the extension on NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType

import ml_dtypes
import numpy as np

KC, LANES, BLOCK = 256, 64, 4096

FLOATS = ("float16", "bfloat16", "float32", "float64")
INTEGERS = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
DTYPES = ("bool", *INTEGERS, *FLOATS)

Fma = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def numpy_dtype(name: str) -> np.dtype:
    return np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)


def strides(array: np.ndarray) -> list[int]:
    """In elements."""
    return [s // array.itemsize for s in array.strides]


def same(x: np.ndarray, y: np.ndarray) -> bool:
    """Equal shapes, dtypes and bits, in whatever layout; any NaN equals any NaN."""
    if x.shape != y.shape or x.dtype != y.dtype:
        return False
    if x.dtype.kind in "biu":
        return np.array_equal(x, y)
    bits = np.dtype(f"uint{8 * x.dtype.itemsize}")
    x, y = x.ravel(), y.ravel()
    with np.errstate(invalid="ignore"):  # ml_dtypes compares signalling NaNs as floats
        xnan, ynan = x != x, y != y
    return np.array_equal(xnan, ynan) and np.array_equal(x[~xnan].view(bits), y[~ynan].view(bits))


def matmul(a: np.ndarray, b: np.ndarray, fma: Fma, kc: int = KC) -> np.ndarray:
    """(..., m, k) x (..., k, n) of float32 or float64: rule 3."""
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    total = np.zeros((*batch, a.shape[-2], b.shape[-1]), a.dtype)
    with np.errstate(all="ignore"):
        for first in range(0, a.shape[-1], kc):
            acc = np.zeros_like(total)
            for k in range(first, min(first + kc, a.shape[-1])):
                acc = fma(a[..., :, k, None], b[..., None, k, :], acc)
            total = acc if first == 0 else total + acc
    return total


def mul_add(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """What fma is not: two roundings."""
    return a * b + c


def maximum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """NaN propagates; +0 is larger than -0."""
    if a.dtype.kind == "f":
        return np.where(
            np.isnan(a),
            a,
            np.where((a == b) & np.signbit(a), b, np.where(a > b, a, np.where(b > a, b, np.where(np.isnan(b), b, a)))),
        )
    return np.maximum(a, b)


def minimum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """NaN propagates; -0 is smaller than +0."""
    return -maximum(-a, -b) if a.dtype.kind == "f" else np.minimum(a, b)


IDENTITY: dict[str, Callable[[np.dtype], object]] = {
    "sum": lambda d: -0.0 if d.kind == "f" else 0,
    "prod": lambda d: 1,
    "max": lambda d: -np.inf if d.kind == "f" else np.iinfo(d).min if d.kind in "iu" else False,
    "min": lambda d: np.inf if d.kind == "f" else np.iinfo(d).max if d.kind in "iu" else True,
}
FOLDS = {"sum": np.add, "prod": np.multiply, "max": maximum, "min": minimum}


def fold(kind: str, x: np.ndarray, lanes: int = LANES, block: int = BLOCK) -> np.ndarray:
    """Reduces the last axis (at least one element) in x's dtype: rule 2."""
    op, identity = FOLDS[kind], IDENTITY[kind](x.dtype)
    with np.errstate(all="ignore"):
        while True:
            results = []
            for first in range(0, x.shape[-1], block):
                part = x[..., first : first + block]
                acc = np.full((*x.shape[:-1], lanes), identity, x.dtype)
                for i in range(0, part.shape[-1], lanes):
                    row = part[..., i : i + lanes]
                    acc[..., : row.shape[-1]] = op(acc[..., : row.shape[-1]], row)
                while acc.shape[-1] > 1:
                    half = acc.shape[-1] // 2
                    acc = op(acc[..., :half], acc[..., half:])
                results.append(acc)
            x = np.concatenate(results, axis=-1)
            if x.shape[-1] == 1:
                return x[..., 0]


def run_matmul(
    cpu: ModuleType,
    isa: str,
    a: np.ndarray,
    b: np.ndarray,
    out: np.ndarray,
    threads: int = 1,
    epilogue: object = None,
    extras: Sequence[np.ndarray] = (),
) -> np.ndarray:
    """Batch axes broadcast; `out` has the full shape."""
    batch, (m, n), k = out.shape[:-2], out.shape[-2:], a.shape[-1]
    a = np.broadcast_to(a, (*batch, m, k))
    b = np.broadcast_to(b, (*batch, k, n))
    extras = [np.broadcast_to(e, out.shape) for e in extras]
    kernel = cpu.Matmul(isa, a.dtype.name, out.dtype.name, epilogue)
    inputs = [x.ctypes.data for x in (a, b, *extras)]
    further = [strides(e) for e in extras]
    kernel.run(inputs, [out.ctypes.data], batch, m, n, k, strides(a), strides(b), strides(out), further, threads)
    return out


def run_reduce(
    cpu: ModuleType, isa: str, kind: str, x: np.ndarray, axes: tuple[int, ...], output: str, threads: int = 1
) -> np.ndarray:
    kept = [d for d in range(x.ndim) if d not in axes]
    out = np.empty([x.shape[d] for d in kept], numpy_dtype(output))
    s = strides(x)
    cpu.Reduce(isa, kind, x.dtype.name, output).run(
        [x.ctypes.data],
        [out.ctypes.data],
        out.shape,
        strides(out),
        [s[d] for d in kept],
        [x.shape[d] for d in axes],
        [s[d] for d in axes],
        threads,
    )
    return out


def run_pointwise(program: object, out: np.ndarray, inputs: Sequence[np.ndarray], threads: int = 1) -> np.ndarray:
    inputs = [np.broadcast_to(x, out.shape) for x in inputs]
    program.run(
        [x.ctypes.data for x in inputs],
        [out.ctypes.data],
        out.shape,
        strides(out),
        [strides(x) for x in inputs],
        threads,
    )
    return out


def random(rng: np.random.Generator, dtype: str, shape: tuple[int, ...], spread: float = 4.0) -> np.ndarray:
    """Integers and bools over their whole range; floats of both signs over exponents of about 2**±spread."""
    target = numpy_dtype(dtype)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype in INTEGERS:
        info = np.iinfo(target)
        return rng.integers(info.min, info.max, shape, target, endpoint=True)
    return (rng.standard_normal(shape) * np.exp2(rng.uniform(-spread, spread, shape))).astype(target)
