"""Random numbers of each element's own counter (docs/numerics.md, "Random numbers"): what `accel.random` draws."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import inf, nan, pi
from typing import Any

from ...array import Array
from ...conversion import DIGITS, index_range
from ...dtypes import FLOAT32, FLOAT64, INT64, TABLE, UINT64, DType, as_dtype
from ...errors import DtypeError
from ...layout import Shape, row_major
from ..bounds import largest
from ..compose import AnyOperand, Operand, composed
from ..primitive.pointwise import astype, fn
from ..views import broadcast_to, reshape
from . import exact_random as exact


def examples(family: str, dtype: DType) -> Any:
    """The examples of a distribution."""
    from ...testing import random_numbers

    return getattr(random_numbers, family)(dtype)


@dataclass(frozen=True)
class Part:
    """Stands for the shape of a result that is a part of a larger one: its lengths, and how far apart the places of
    neighbours along each axis are in the whole. The place of its first element is the last number of the state."""

    shape: Shape
    steps: Shape


def positions(shape: Shape | Part, state: Array) -> Array:
    """The place of each element of a result in row-major order, as uint64."""
    part = shape if isinstance(shape, Part) else Part(shape, row_major(shape))
    first = state[-1] if part is shape else astype(reshape(index_range(1, state.device), ()), UINT64)
    result = first
    for axis, n in enumerate(part.shape):
        if n > 1:
            step, rest = part.steps[axis], (1 for _ in part.shape[axis + 1 :])
            each = astype(reshape(index_range(n, state.device), (n, *rest)), UINT64)
            result = result + (each * step if step > 1 else each)
    return broadcast_to(result, part.shape)


def words(state: Array, shape: Shape | Part, further: int = 0) -> Array:
    """64 random bits for each element. state: uint64, the stream and the key first. further: streams beyond it."""
    return fn.philox(positions(shape, state), state[0] + further if further else state[0], state[1])


def unit(word: Array, dtype: DType) -> Array:
    """Numbers k / 2^p in [0, 1), all equally likely, from words; p is the dtype's precision, and of a 16-bit dtype they
    are given in float32."""
    digits = DIGITS[dtype.name]
    if dtype is FLOAT64:
        return astype(fn.bitwise_right_shift(word, 64 - digits), FLOAT64) * 2.0**-digits
    return astype(fn.bitwise_right_shift(word & (2**32 - 1), 32 - digits), FLOAT32) * 2.0**-digits


def inside(share: Array, dtype: DType) -> Array:
    """Numbers of `unit` moved into (0, 1), which rounding leaves there."""
    digits = DIGITS[dtype.name]
    return share * (1.0 - 2.0**-digits) + 2.0 ** -(digits + 1)


def wide(dtype: DType) -> DType:
    """What a distribution of a dtype is computed in."""
    return TABLE[dtype.accumulator]


def floating(op: str, dtype: Any) -> DType:
    """The dtype of a distribution of real numbers. Raises DtypeError."""
    found = as_dtype(dtype, f"{op}: dtype")
    if found.kind != "f":
        raise DtypeError(f"{op}: dtype: takes floating dtypes, got {found}")
    return found


@composed(reference=exact.uniform, samples=partial(examples, "uniform"), namespace="internal", widen=False)
def random_uniform(state: AnyOperand, low: Operand | None, high: Operand | None, shape: Shape, dtype: Any) -> Array:
    """Evenly distributed numbers in [low, high), None for 0 and 1. state: uint64, stream and key."""
    its = floating("uniform", dtype)
    if low is None or high is None:
        return astype(unit(words(state, shape), its), its, copy=False)
    u = unit(words(state, shape), wide(its))
    start, end = (astype(x, wide(its), copy=False) for x in (low, high))
    return astype(start + (end - start) * u, its, copy=False)


@composed(reference=exact.exponential, samples=partial(examples, "exponential"), namespace="internal", widen=False)
def random_exponential(state: AnyOperand, scale: Operand | None, shape: Shape, dtype: Any) -> Array:
    """-scale log(1 - u) of u evenly distributed in [0, 1)."""
    its = floating("exponential", dtype)
    result = -fn.log1p(-unit(words(state, shape), wide(its)))
    return astype(result if scale is None else result * astype(scale, wide(its), copy=False), its, copy=False)


def standard_normal(state: Array, shape: Shape, dtype: DType, further: int = 0) -> Array:
    """Numbers of the standard normal distribution in float32 or float64, by the cosine of Box and Muller (1958).

    The radius is of the word's low half and the angle of its high half; in float64 the angle is of the next stream."""
    first = words(state, shape, further)
    if dtype is FLOAT64:
        radius = astype(first, FLOAT64) * 2.0**-64 + 2.0**-65
        turn = unit(words(state, shape, further + 1), FLOAT64)
    else:
        radius = astype(first & (2**32 - 1), FLOAT32) * 2.0**-32 + 2.0**-33
        turn = astype(fn.bitwise_right_shift(first, 40), FLOAT32) * 2.0**-24
    return fn.sqrt(fn.log(radius) * -2.0) * fn.cos(turn * (2 * pi))


@composed(reference=exact.normal, samples=partial(examples, "normal"), namespace="internal", widen=False)
def random_normal(state: AnyOperand, loc: Operand | None, scale: Operand | None, shape: Shape, dtype: Any) -> Array:
    """loc + scale z of z with the standard normal distribution."""
    its = floating("normal", dtype)
    result = standard_normal(state, shape, wide(its))
    if loc is not None and scale is not None:
        mean, deviation = (astype(x, wide(its), copy=False) for x in (loc, scale))
        result = mean + deviation * result
    return astype(result, its, copy=False)


@composed(
    reference=exact.truncated_normal, samples=partial(examples, "truncated_normal"), namespace="internal", widen=False
)
def random_truncated_normal(
    state: AnyOperand, loc: Operand, scale: Operand, low: Operand, high: Operand, shape: Shape, dtype: Any
) -> Array:
    """loc + scale z of z with the standard normal distribution between (low - loc) / scale and (high - loc) / scale, by
    inversion in the tail where both have one sign; NaN where low is above high or scale not above 0."""
    its = floating("truncated_normal", dtype)
    kind = wide(its)
    mean, deviation, start, end = (astype(x, kind, copy=False) for x in (loc, scale, low, high))
    deviation = fn.where(deviation > 0.0, deviation, nan)
    first, last = (start - mean) / deviation, (end - mean) / deviation
    upper = first > 0.0
    first, last = fn.where(upper, -last, first), fn.where(upper, -first, last)
    least, greatest = fn.ndtr(first), fn.ndtr(last)
    share = inside(unit(words(state, shape), kind), kind)
    z = fn.where(greatest > 0.0, fn.ndtri(least + (greatest - least) * share), last)
    value = mean + deviation * fn.where(upper, -z, z)
    value = fn.minimum(fn.maximum(value, start), end)
    return astype(fn.where(start <= end, value, nan), its, copy=False)


@composed(reference=exact.gamma_attempt, samples=partial(examples, "gamma_attempt"), namespace="internal", widen=False)
def random_gamma_attempt(state: AnyOperand, alpha: Operand, shape: Shape) -> tuple[Array, Array]:
    """One attempt at gamma(alpha) for each element, of alpha's dtype, and whether it is accepted (Marsaglia and Tsang
    2000). An alpha below 1 goes by alpha + 1 and a power of u evenly distributed in (0, 1). Takes four streams."""
    its = wide(alpha.dtype)
    half = 2.0 ** -(DIGITS[its.name] + 1)
    a = astype(alpha, its, copy=False)
    small = a < 1.0
    d = fn.where(small, a + 1.0, a) - 1 / 3
    z = standard_normal(state, shape, its)
    root = 1.0 + z / fn.sqrt(d * 9.0)
    v = root * root * root
    u = unit(words(state, shape, 2), its) + half
    accepted = (v > 0.0) & (fn.log(u) < 0.5 * z * z + d * (1.0 - v + fn.log(fn.where(v > 0.0, v, 1.0))))
    power = fn.pow(inside(unit(words(state, shape, 3), its), its), 1.0 / fn.where(small, a, 1.0))
    value = d * v * fn.where(small, power, 1.0)
    return astype(value, alpha.dtype, copy=False), accepted


@composed(reference=exact.bernoulli, samples=partial(examples, "bernoulli"), namespace="internal", widen=False)
def random_bernoulli(state: AnyOperand, p: Operand, shape: Shape) -> Array:
    """True with probability p: where u, evenly distributed in [0, 1) and of p's dtype, is less than p."""
    return unit(words(state, shape), wide(p.dtype)) < astype(p, wide(p.dtype), copy=False)


@composed(reference=exact.race, samples=partial(examples, "race"), namespace="internal", widen=False)
def random_race(state: AnyOperand, p: Operand) -> Array:
    """For each weight of a vector when it arrives, evenly likely at any time with a rate of p: the order of arrival is
    that of draws without replacement (Efraimidis and Spirakis 2006). Infinite where p is 0."""
    its = wide(p.dtype)
    weight = astype(p, its, copy=False)
    r = astype(fn.bitwise_right_shift(words(state, p.shape), 1), its) * 2.0**-63 + 2.0**-64
    rate = fn.where(weight > 0.0, weight, 1.0)
    time = fn.minimum(-fn.log1p(-r) / rate, largest(its))
    return fn.where(weight > 0.0, time, inf)


@composed(
    reference=exact.integers,
    samples=partial(examples, "integers"),
    namespace="internal",
    dtypes=tuple(d for d in TABLE.values() if d.kind in "iu"),
    widen=False,
)
def random_integers(state: AnyOperand, shape: Shape, dtype: Any, long: bool) -> Array:
    """Integers from low on, of as many as count says: low + floor(w count / 2^64) of 64 random bits w; where long, of
    128 bits, whose second half is of the next stream; low + w where count is 0, which stands for 2^64.

    state: uint64, the stream, the key, low modulo 2^64, count."""
    low, count = state[2], state[3]
    first = words(state, shape)
    chosen = fn.multiply_high(first, count)
    if long:
        product = first * count
        carried = (product + fn.multiply_high(words(state, shape, 1), count)) < product
        chosen = fn.where(fn.equal(count, 0), first, chosen + astype(carried, UINT64))
    its = as_dtype(dtype, "integers: dtype")
    whole = low + chosen
    return astype(astype(whole, INT64, copy=False) if its.kind == "i" else whole, its, copy=False)


@composed(
    reference=exact.words, samples=partial(examples, "words"), namespace="internal", dtypes=(UINT64,), widen=False
)
def random_words(state: AnyOperand, shape: Shape) -> Array:
    """64 random bits for each element, as uint64. state: uint64, stream and key."""
    return words(state, shape)
