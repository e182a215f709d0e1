"""The canonical algorithms of the bit contract (docs/numerics.md), written down in NumPy: slow, plain, and the judge of
every backend.

The keyword parameters (lanes, block, kc, fused, size) exist for the controls of the tests: each changes the bits, and a
comparison that cannot see the change proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from ..dtypes import FLOAT32, FLOAT64, DType, as_dtype
from ..ieee import fma32, fma64
from ..layout import Shape
from ..numerics import BLOCK, KC, LANES, SCAN


def narrow(x: np.ndarray, dtype: DType) -> np.ndarray:
    """Accumulators to a result dtype: one rounding for floats, wrapping for integers."""
    with np.errstate(all="ignore"):
        return x.astype(dtype.numpy)


def flatten(x: np.ndarray, axes: Shape) -> np.ndarray:
    """(kept…, n): the reduced axes last and flattened in row-major order."""
    kept = [a for a in range(x.ndim) if a not in axes]
    shape = [x.shape[a] for a in kept] + [prod(x.shape[a] for a in axes)]
    return np.ascontiguousarray(x.transpose(*kept, *axes)).reshape(shape)


def tree(x: np.ndarray, combine: np.ufunc, identity: float, lanes: int = LANES, block: int = BLOCK) -> np.ndarray:
    """Reduces the last axis (length at least 1): lanes, then halves, block by block, until one value is left."""
    while x.shape[-1] > 1:
        n = x.shape[-1]
        width = block if n > block else -(-n // lanes) * lanes
        blocks = -(-n // width)
        padded = np.full((*x.shape[:-1], blocks * width), identity, x.dtype)
        padded[..., :n] = x
        rows = padded.reshape(*x.shape[:-1], blocks, width // lanes, lanes)
        lane = rows[..., 0, :]
        for i in range(1, width // lanes):
            lane = combine(lane, rows[..., i, :])
        half = lanes // 2
        while half:
            lane = combine(lane[..., :half], lane[..., half : 2 * half])
            half //= 2
        x = lane[..., 0]
    return x[..., 0]


def reduce(kind: str, x: np.ndarray, axes: Shape, output: DType, lanes: int = LANES, block: int = BLOCK) -> np.ndarray:
    """sum, prod, max, min, any, all, argmax or argmin over axes, without them in the result."""
    dtype = as_dtype(x.dtype)
    flat = flatten(x, axes)
    with np.errstate(all="ignore"):
        if kind in ("any", "all"):
            return getattr(np, kind)(flat != 0, axis=-1)
        if kind in ("argmax", "argmin"):
            wide = flat.astype(np.float32) if dtype.itemsize == 2 and dtype.kind == "f" else flat
            return getattr(np, kind)(wide, axis=-1).astype(np.int64)
        if kind in ("max", "min"):
            return _extreme(kind, flat, dtype)
        if dtype.kind != "f":
            wide = flat.astype(np.uint64)
            return narrow(getattr(np, kind)(wide, axis=-1, dtype=np.uint64), output)
        accumulator = as_dtype(dtype.accumulator)
        wide = flat.astype(accumulator.numpy)
        if flat.shape[-1] == 0:
            return np.full(flat.shape[:-1], 0.0 if kind == "sum" else 1.0, output.numpy)
        combine, identity = (np.add, -0.0) if kind == "sum" else (np.multiply, 1.0)
        return narrow(tree(wide, combine, identity, lanes, block), output)


def _extreme(kind: str, flat: np.ndarray, dtype: DType) -> np.ndarray:
    """Propagates NaN; +0 is above -0."""
    if dtype.kind != "f":
        return getattr(np, kind)(flat, axis=-1)
    wide = flat.astype(np.float64)
    result = getattr(np, kind)(wide, axis=-1)
    zero_sign = np.signbit(wide) | (wide != 0)  # max: negative only where every zero is; min: where any is
    negative = zero_sign.all(-1) if kind == "max" else (np.signbit(wide) & (wide == 0)).any(-1)
    result = np.where(result == 0, np.where(negative, -0.0, 0.0), result)
    return result.astype(dtype.numpy)


Parts = tuple[np.ndarray, ...]
"""Arrays of one shape whose elements belong together: the values, and what is known of each."""


def scan(x: Parts, combine: Callable[[Parts, Parts], Parts], size: int = SCAN) -> Parts:
    """Scans the last axis by groups of `size` elements."""
    groups = [_groups(v, size) for v in x]
    scanned = _tree(groups, combine, size)
    if groups[0].shape[-2] > 1:
        before = _before(tuple(v[..., :-1, -1] for v in scanned), combine, size)
        rest = combine(tuple(v[..., None] for v in before), tuple(v[..., 1:, :] for v in scanned))
        for v, new in zip(scanned, rest, strict=True):
            v[..., 1:, :] = new
    return tuple(v.reshape(*v.shape[:-2], -1)[..., : whole.shape[-1]] for v, whole in zip(scanned, x, strict=True))


def _groups(x: np.ndarray, size: int) -> np.ndarray:
    """(…, n) as (…, groups, size), what is missing as zeros: no result depends on what follows it."""
    n = x.shape[-1]
    groups = -(-n // size)
    padded = np.zeros((*x.shape[:-1], groups * size), x.dtype)
    padded[..., :n] = x
    return padded.reshape(*x.shape[:-1], groups, size)


def _tree(x: list[np.ndarray], combine: Callable[[Parts, Parts], Parts], size: int) -> list[np.ndarray]:
    x = [v.copy() for v in x]
    step = 1
    while step < size:
        at = np.array([j for j in range(size) if j & step])
        last = (at & ~(2 * step - 1)) + step - 1
        for v, new in zip(x, combine(tuple(v[..., last] for v in x), tuple(v[..., at] for v in x)), strict=True):
            v[..., at] = new
        step *= 2
    return x


def _before(totals: Parts, combine: Callable[[Parts, Parts], Parts], size: int) -> Parts:
    """What comes before groups 1, 2, … k, from the totals of groups 0 to k - 1."""
    k = totals[0].shape[-1]
    scanned = _tree([_groups(v, size) for v in totals], combine, size)
    result = tuple(v.reshape(*v.shape[:-2], -1)[..., :k] for v in scanned)  # of group c, at c - 1
    if k >= size:
        above = _before(tuple(v[..., : k // size, -1] for v in scanned), combine, size)
        c = np.arange(size, k + 1)
        outer = tuple(v[..., c // size - 1] for v in above)
        both = combine(outer, tuple(v[..., c - 1] for v in result))
        for v, alone, new in zip(result, outer, both, strict=True):
            v[..., c - 1] = np.where(c % size == 0, alone, new)
    return result


def accumulate(a: np.ndarray, b: np.ndarray, kc: int = KC, fused: bool = True) -> np.ndarray:
    """float32 or float64 (…, m, k) @ (…, k, n): fma over ascending k from +0 in chunks of kc, chunk results added in
    order.

    fused=False rounds each product first, which no backend may do.
    """
    wide = a.dtype == np.float64
    fma = fma64 if wide else fma32
    k = a.shape[-1]
    shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
    total = np.zeros(shape, a.dtype)
    with np.errstate(all="ignore"):
        for start in range(0, k, kc):
            chunk = np.zeros(shape, a.dtype)
            for i in range(start, min(start + kc, k)):
                column, row = np.broadcast_to(a[..., :, i, None], shape), np.broadcast_to(b[..., i, None, :], shape)
                chunk = fma(column, row, chunk) if fused else column * row + chunk
            total = chunk if start == 0 else total + chunk
    return total


def matmul(a: np.ndarray, b: np.ndarray, output: DType | None = None, kc: int = KC, fused: bool = True) -> np.ndarray:
    """(…, m, k) @ (…, k, n) of one dtype; output None leaves floats in their accumulator dtype."""
    dtype = as_dtype(a.dtype)
    if dtype.kind == "f":
        wide = FLOAT64 if dtype is FLOAT64 else FLOAT32
        result = accumulate(a.astype(wide.numpy), b.astype(wide.numpy), kc, fused)
        return result if output is None else narrow(result, output)
    with np.errstate(all="ignore"):
        result = a.astype(np.uint64) @ b.astype(np.uint64)  # wrapping, so right modulo any smaller power of two
    return narrow(result, output or dtype)


def sort_keys(x: np.ndarray, descending: bool = False) -> np.ndarray:
    """Unsigned integers of the elements' width, in the order that elements are sorted in: -0 before +0, and every NaN
    is the same largest key. descending: the complement of each."""
    dtype = as_dtype(x.dtype)
    bits = np.ascontiguousarray(x).view(f"u{dtype.itemsize}").reshape(x.shape)
    sign = bits.dtype.type(1 << (8 * dtype.itemsize - 1))
    if dtype.kind == "f":
        keys = np.where(bits & sign, ~bits, bits | sign)
        keys = np.where(x != x, ~bits.dtype.type(0), keys)
    else:
        keys = bits ^ sign if dtype.kind == "i" else bits
    return ~keys if descending else keys


def argsort(x: np.ndarray, axis: int, descending: bool = False) -> np.ndarray:
    """Indices (int64) that sort along an axis, those of equal keys ascending."""
    return np.argsort(sort_keys(x, descending), axis=axis, kind="stable").astype(np.int64)


def search_keys(x: np.ndarray) -> np.ndarray:
    """`sort_keys` by which -0 and +0 are equal: the order of values, with every NaN behind all numbers."""
    keys = sort_keys(x)
    if as_dtype(x.dtype).kind != "f":
        return keys
    zero = keys.dtype.type(1 << (8 * keys.dtype.itemsize - 1))
    return np.where(keys == ~zero, zero, keys)


def search(x: np.ndarray, values: np.ndarray, right: bool) -> np.ndarray:
    """How many elements of a vector come before each value, or are equal to it where ``right``: by halving, always
    with the same lengths, so that the answer is one in any vector."""
    keys, its = search_keys(x), search_keys(values)

    def before(place: np.ndarray) -> np.ndarray:
        return keys[place] <= its if right else keys[place] < its

    low, length = np.zeros(values.shape, np.int64), len(x)
    while length > 1:
        half = length // 2
        low += half * before(low + half - 1)
        length -= half
    return np.asarray(low + before(low) if length else low)
