"""Hypothesis strategies of operands: shapes with zeros, ones and primes, every memory layout, and values from every
regime.

Elements come from a seeded generator, so that an example is cheap to draw and shrinks by regime, shape and layout.
"""

from __future__ import annotations

from math import prod
from typing import Any

import ml_dtypes
import numpy as np
from hypothesis import strategies as st

from ..dtypes import BOOL, TABLE, DType
from ..numerics import BLOCK, KC, LANES
from ..scalar import FUNCTIONS, ProgramBuilder, ScalarFunction

Sample = tuple[tuple[np.ndarray, ...], dict[str, Any]]

LENGTHS = (0, 1, 2, 3, 5, 7, 13, 16, 17, 33)
REGIMES = ("integers", "normal", "special", "wide", "huge", "tiny")


def values(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...], regime: str) -> np.ndarray:
    """An array of elements of a regime."""
    return np.asarray(_values(rng, dtype, shape, regime), dtype.numpy)


def _values(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...], regime: str) -> np.ndarray:
    """Elements of a regime: small integers; standard normal; special values among them; magnitudes over the dtype's
    whole range;
    next to its largest number; subnormal and next to its smallest."""
    if dtype is BOOL:
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        info = np.iinfo(dtype.numpy)
        if regime in ("integers", "normal"):
            return rng.integers(max(info.min, -9), 10, shape).astype(dtype.numpy)
        made = rng.integers(info.min, info.max, shape, dtype=dtype.numpy, endpoint=True)
        edges = np.array([info.min, info.max, 0, 1, info.max // 2], dtype.numpy)
        return np.where(rng.random(shape) < 0.3, rng.choice(edges, shape), made)
    info = ml_dtypes.finfo(dtype.numpy)
    low, high = float(np.log2(float(info.smallest_subnormal))), float(np.log2(float(info.max)))
    signs = rng.choice([-1.0, 1.0], shape)
    with np.errstate(all="ignore"):
        if regime == "integers":
            made = rng.integers(-9, 10, shape).astype(np.float64)
        elif regime == "normal":
            made = rng.standard_normal(shape)
        elif regime == "huge":
            made = signs * np.exp2(high - 4 * rng.random(shape))
        elif regime == "tiny":
            made = signs * np.exp2(low + 14 * rng.random(shape))
        else:
            made = signs * np.exp2(low + (high - low) * rng.random(shape))
        if regime == "special":
            made = np.where(rng.random(shape) < 0.5, rng.standard_normal(shape), made)
            smallest, largest = float(info.smallest_subnormal), float(info.max)
            edges = [0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 0.5, 2, largest, -largest, smallest, -smallest]
            edges += [float(info.smallest_normal), 1.5, 2.5, -0.5]
            made = np.where(rng.random(shape) < 0.4, rng.choice(edges, shape), made)
        return np.asarray(made).astype(dtype.numpy)


@st.composite
def arrays(draw: st.DrawFn, dtype: DType, shape: tuple[int, ...], regimes: tuple[str, ...] = REGIMES) -> np.ndarray:
    """An array of a shape, in some memory layout: row-major, axes permuted, sliced out of a larger one, reversed, or
    stretched."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    regime = draw(st.sampled_from(regimes))
    lay = draw(st.sampled_from(("row-major", "permuted", "sliced", "reversed", "stretched")))
    if lay == "permuted":
        order = draw(st.permutations(range(len(shape))))
        base = values(rng, dtype, tuple(shape[a] for a in order), regime)
        return base.transpose(np.argsort(order)) if shape else base
    if lay == "sliced":
        base = values(rng, dtype, tuple(2 * n + 1 for n in shape), regime)
        return base[(..., *(slice(1, None, 2) for _ in shape))]
    if lay == "reversed":
        base = values(rng, dtype, shape, regime)
        return base[(..., *(slice(None, None, -1) for _ in shape))]
    if lay == "stretched":
        kept = tuple(n if draw(st.booleans()) or n == 0 else 1 for n in shape)
        return np.broadcast_to(values(rng, dtype, kept, regime), shape)
    return values(rng, dtype, shape, regime)


@st.composite
def shapes(draw: st.DrawFn, most: int = 4, least: int = 0, elements: int = 2000) -> tuple[int, ...]:
    """A shape of LENGTHS with at most a number of elements; at times one axis far longer than the others."""
    shape: list[int] = []
    for _ in range(draw(st.integers(least, most))):
        n = draw(st.sampled_from(LENGTHS))
        shape.append(n if prod(shape) * n <= elements else 1)
    if shape and prod(shape) and draw(st.integers(0, 5)) == 0:
        axis = draw(st.integers(0, len(shape) - 1))
        rest = prod(shape) // shape[axis]
        shape[axis] = max(1, elements // rest) + draw(st.integers(0, 3))
    return tuple(shape)


@st.composite
def broadcast(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to another: some axes of length 1, some leading ones absent."""
    kept = [1 if draw(st.integers(0, 4)) == 0 else n for n in shape]
    return tuple(kept[draw(st.integers(0, len(kept))) :]) if draw(st.integers(0, 3)) == 0 else tuple(kept)


@st.composite
def elementwise(draw: st.DrawFn, row: ScalarFunction, dtype: DType) -> Sample:
    """Operands of a scalar function: one of them of the full shape, the others broadcast against it."""
    shape = draw(shapes())
    full = draw(st.integers(0, row.arity - 1))
    operands = []
    for i in range(row.arity):
        its_dtype = BOOL if row.name == "where" and i == 0 else dtype
        operands.append(draw(arrays(its_dtype, shape if i == full else draw(broadcast(shape)))))
    return tuple(operands), {}


@st.composite
def programs(draw: st.DrawFn, dtype: DType) -> Sample:
    """A chain of random scalar functions over one operand."""
    build = ProgramBuilder(dtype.name)
    value, kind = 0, {"b": "bool", "i": "int", "u": "int", "f": "float"}[dtype.kind]
    names = sorted(f.name for f in FUNCTIONS.values() if f.arity == 1 and f.result == "same" and kind in f.kinds)
    for _ in range(draw(st.integers(0, 3)) if names else 0):
        value = build.apply(draw(st.sampled_from(names)), value)
    return (build.finish(value, dtype.name), draw(arrays(dtype, draw(shapes())))), {}


@st.composite
def casts(draw: st.DrawFn, dtype: DType) -> Sample:
    """Any dtype to any dtype."""
    target = draw(st.sampled_from([d.name for d in TABLE.values()]))
    return (draw(arrays(dtype, draw(shapes()))), target), {}


@st.composite
def copies(draw: st.DrawFn, dtype: DType) -> Sample:
    """One operand."""
    return (draw(arrays(dtype, draw(shapes()))),), {}


@st.composite
def reductions(draw: st.DrawFn, kind: str, dtype: DType) -> Sample:
    """An operand, axes and keepdims; at times more elements than one block, or than the lanes."""
    long = draw(st.integers(0, 3)) == 0
    shape = draw(shapes(least=1 if long else 0, most=3))
    if long:
        n = draw(st.sampled_from((LANES - 1, LANES + 1, 2 * LANES, BLOCK, BLOCK + 1, 2 * BLOCK + 70)))
        shape = tuple(draw(st.permutations([*(min(m, 3) for m in shape[1:]), n])))
    keywords: dict[str, Any] = {}
    if kind in ("argmax", "argmin"):
        axis = draw(st.sampled_from([None, *range(-len(shape), len(shape))]))
    else:
        some = st.lists(st.integers(0, max(0, len(shape) - 1)), unique=True, max_size=len(shape)).map(tuple)
        axis = draw(st.one_of(st.none(), some)) if shape else None
    if axis is not None:
        keywords["axis"] = axis
    if draw(st.booleans()):
        keywords["keepdims"] = True
    if kind in ("max", "min", "argmax", "argmin"):
        shape = tuple(max(1, n) for n in shape)
    if kind in ("sum", "prod") and draw(st.integers(0, 3)) == 0:
        wider = {
            "b": ("int32", "uint8", "bool"),
            "i": ("int64", "int8", "bool"),
            "u": ("uint64", "int16", "bool"),
            "f": (dtype.accumulator,),
        }
        keywords["dtype"] = draw(st.sampled_from(wider[dtype.kind]))
    return (draw(arrays(dtype, shape)),), keywords


MATRIX = (0, 1, 2, 3, 5, 7, 8, 17, 33)
DEPTH = (*MATRIX, 64, KC - 1, KC, KC + 1, 2 * KC + 3)


@st.composite
def matmul(draw: st.DrawFn, dtype: DType) -> Sample:
    """Operands with batches that broadcast, 1-D operands, and depths around the chunk."""
    m, n = draw(st.sampled_from(MATRIX)), draw(st.sampled_from(MATRIX))
    k = draw(st.sampled_from(DEPTH))
    batch = draw(st.sampled_from(((), (), (), (1,), (2,), (3, 2), (0,), (2, 1, 2))))
    if k > 64:
        batch = ()
    left = (k,) if draw(st.integers(0, 6)) == 0 else (*draw(broadcast(batch)), m, k)
    right = (k,) if draw(st.integers(0, 6)) == 0 else (*draw(broadcast(batch)), k, n)
    keywords = _result_dtype(draw, dtype)
    return (draw(arrays(dtype, left)), draw(arrays(dtype, right))), keywords


@st.composite
def linear(draw: st.DrawFn, dtype: DType) -> Sample:
    """x, weight, perhaps a bias; an activation for floats."""
    rows, features, outputs = (draw(st.sampled_from(MATRIX)) for _ in range(3))
    lead = draw(st.sampled_from(((), (rows,), (rows, 2), (2, rows, 1))))
    regimes = ("integers", "normal", "tiny")
    operands = [draw(arrays(dtype, (*lead, features), regimes)), draw(arrays(dtype, (outputs, features), regimes))]
    if draw(st.booleans()):
        operands.append(draw(arrays(dtype, (outputs,), regimes)))
    keywords = _result_dtype(draw, dtype)
    if dtype.kind == "f" and draw(st.booleans()):
        keywords["activation"] = draw(st.sampled_from(("gelu", "gelu_tanh", "relu", "silu", "sigmoid", "tanh")))
    return tuple(operands), keywords


def _result_dtype(draw: st.DrawFn, dtype: DType) -> dict[str, Any]:
    """At times, the dtype extension of products."""
    if draw(st.integers(0, 2)):
        return {}
    if dtype.kind == "f":
        return {"dtype": dtype.accumulator}
    return {"dtype": draw(st.sampled_from(("int32", "int64", "uint16", dtype.name)))}


@st.composite
def softmax(draw: st.DrawFn, dtype: DType) -> Sample:
    """An operand with at least one axis, and an axis of it."""
    shape = draw(shapes(least=1, most=3))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    keywords: dict[str, Any] = {"axis": axis}
    if dtype.itemsize == 2 and draw(st.booleans()):
        keywords["dtype"] = "float32"
    return (draw(arrays(dtype, shape)),), keywords


@st.composite
def logsumexp(draw: st.DrawFn, dtype: DType) -> Sample:
    """An operand, axes and keepdims, as for a sum, and at times float32 from 16-bit floats."""
    (x,), keywords = draw(reductions("logsumexp", dtype))
    if dtype.itemsize == 2 and draw(st.booleans()):
        keywords["dtype"] = "float32"
    return (x,), keywords
