"""Further distributions (docs/numerics.md, "Random numbers"): by inversion, and by attempts until one is accepted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf, log, nan, pi
from typing import Any

from ...array import Array
from ...dtypes import FLOAT32, FLOAT64, INT64, DType
from ...layout import Shape
from ..compose import AnyOperand, Operand, composed
from ..primitive.pointwise import astype, fn
from . import exact_random_laws as exact
from .random import Part, examples, floating, standard_normal, unit, wide, words

SMALL_MEAN, TERMS = 10.0, 40
"""Counts of a smaller mean are found among so many terms, beyond which float32 has no probability left."""


def fine(state: Array, shape: Shape | Part, dtype: DType) -> Array:
    """Evenly distributed numbers in (0, 1], which are as fine near 0 as the dtype is, float32 or float64."""
    first = words(state, shape)
    if dtype is FLOAT64:
        return astype(first, FLOAT64) * 2.0**-64 + 2.0**-65
    return astype(first & (2**32 - 1), FLOAT32) * 2.0**-32 + 2.0**-33


def either(state: Array, shape: Shape | Part, dtype: DType) -> Array:
    """1 or -1: by the highest bit of the word, in float64 of the next stream's."""
    word = words(state, shape, int(dtype is FLOAT64))
    return 1.0 - 2.0 * astype(fn.bitwise_right_shift(word, 63), dtype)


def _laplace(v: Array, sign: Array, loc: Array, scale: Array) -> Array:
    return loc - scale * sign * fn.log(v)


def _logistic(v: Array, sign: Array, loc: Array, scale: Array) -> Array:
    half = v * 0.5
    return loc + scale * sign * (fn.log1p(-half) - fn.log(half))


def _gumbel(v: Array, sign: Array, loc: Array, scale: Array) -> Array:
    below = 1.0 - (2.0**-53 if v.dtype is FLOAT64 else 2.0**-24)
    return loc - scale * fn.log(-fn.log1p(-fn.minimum(v, below)))


def _cauchy(v: Array, sign: Array, loc: Array, scale: Array) -> Array:
    return loc + scale * sign / fn.tan(v * (pi / 2))


def _rayleigh(v: Array, sign: Array, scale: Array, _: Array) -> Array:
    return scale * fn.sqrt(-2.0 * fn.log(v))


def _weibull(v: Array, sign: Array, a: Array, _: Array) -> Array:
    return fn.pow(-fn.log(v), 1.0 / a)


def _pareto(v: Array, sign: Array, a: Array, _: Array) -> Array:
    return fn.expm1(-fn.log(v) / a)


def _power(v: Array, sign: Array, a: Array, _: Array) -> Array:
    return fn.pow(v, 1.0 / a)


LAWS: dict[str, Callable[..., Array]] = {
    "laplace": _laplace,
    "logistic": _logistic,
    "gumbel": _gumbel,
    "cauchy": _cauchy,
    "rayleigh": _rayleigh,
    "weibull": _weibull,
    "pareto": _pareto,
    "power": _power,
}
"""By name: of v in (0, 1], a sign and two parameters. Those of one parameter take it as the first."""


@composed(reference=exact.law, samples=partial(examples, "law"), namespace="internal", widen=False)
def random_law(state: AnyOperand, first: Operand, second: Operand, law: str, shape: Shape, dtype: Any) -> Array:
    """Numbers of a distribution of `LAWS`, by inversion. NaN where the last of its parameters is not above 0."""
    its = floating(law, dtype)
    kind = wide(its)
    one, two = (astype(x, kind, copy=False) for x in (first, second))
    two = fn.where(two > 0.0, two, nan)
    one = one if law in ("laplace", "logistic", "gumbel", "cauchy") else fn.where(one > 0.0, one, nan)
    value = LAWS[law](fine(state, shape, kind), either(state, shape, kind), one, two)
    return astype(value, its, copy=False)


@composed(reference=exact.triangular, samples=partial(examples, "triangular"), namespace="internal", widen=False)
def random_triangular(
    state: AnyOperand, left: Operand, mode: Operand, right: Operand, shape: Shape, dtype: Any
) -> Array:
    """Numbers whose density rises from left to mode and falls to right, by inversion from the nearer end."""
    its = floating("triangular", dtype)
    kind = wide(its)
    low, top, high = (astype(x, kind, copy=False) for x in (left, mode, right))
    ordered = (low <= top) & (top <= high) & (low < high)
    span = fn.where(ordered, high - low, nan)
    v = fine(state, shape, kind)
    share = (top - low) / span
    rising = low + fn.sqrt(v * span * (top - low))
    falling = high - fn.sqrt((1.0 - v) * span * (high - top))
    return astype(fn.where(v <= share, rising, falling), its, copy=False)


@composed(reference=exact.lognormal, samples=partial(examples, "normal"), namespace="internal", widen=False)
def random_lognormal(state: AnyOperand, mean: Operand | None, sigma: Operand | None, shape: Shape, dtype: Any) -> Array:
    """e to the power of mean + sigma z, of z with the standard normal distribution; None for 0 and 1."""
    its = floating("lognormal", dtype)
    z = standard_normal(state, shape, wide(its))
    if mean is not None and sigma is not None:
        z = astype(mean, wide(its), copy=False) + astype(sigma, wide(its), copy=False) * z
    return astype(fn.exp(z), its, copy=False)


@composed(
    reference=exact.geometric,
    samples=partial(examples, "geometric"),
    namespace="internal",
    widen=False,
    dtypes=(FLOAT32,),
)
def random_geometric(state: AnyOperand, p: Operand, shape: Shape) -> Array:
    """How many trials it takes until one of probability p succeeds, by inversion in float32; 0 where p is none."""
    possible = (p > 0.0) & (p <= 1.0)
    rate = -fn.log1p(-fn.where(possible & (p < 1.0), p, 0.5))
    count = fn.maximum(fn.ceil(-fn.log(fine(state, shape, FLOAT32)) / rate), 1.0)
    count = fn.where(p < 1.0, fn.minimum(count, 2.0**62), 1.0)
    return astype(fn.where(possible, count, 0.0), INT64)


def _hat(share: Array, state: Array, shape: Shape | Part) -> tuple[Array, Array, Array]:
    """Of Hörmann's hat: a share of 1 less 1/2, how far that is from the nearer end, v in (0, 1) of the next stream."""
    u = share - (0.5 - 2.0**-25)
    v = unit(words(state, shape, 1), FLOAT32) + 2.0**-25
    return u, fn.maximum(0.5 - fn.abs(u), 2.0**-25), v


def deviance(k: Array, mean: Array) -> Array:
    """k log(k / mean) - k + mean, without cancellation of its large parts; k and mean above 0."""
    d = (k - mean) / mean
    return mean * ((1.0 + d) * fn.log1p(d) - d)


def stirling(k: Array) -> Array:
    """log(k!) less its main part k log(k) - k + log(2 pi k) / 2, for k of 1 and more."""
    return (1 / 12 - (1 / 360 - (1 / 1260) / (k * k)) / (k * k)) / k


def _few(u: Array, first: Array, ratio: Callable[[float], Array]) -> Array:
    """How many partial sums of probabilities are at most u: of the first, and of each of its followers by the ratio to
    the one before."""
    each = total = first
    count = astype(u >= total, FLOAT32)
    for k in range(1, TERMS):
        each = each * ratio(float(k))
        total = total + each
        count = count + astype(u >= total, FLOAT32)
    return count


@composed(
    reference=exact.poisson_attempt, samples=partial(examples, "poisson_attempt"), namespace="internal", widen=False,
    dtypes=(FLOAT32,),
)  # fmt: skip
def random_poisson_attempt(state: AnyOperand, mean: Operand, shape: Shape) -> tuple[Array, Array]:
    """One attempt at a count of this mean for each element, float32, and whether it is accepted: by inversion for means
    below 10, else by transformed rejection (Hörmann 1993, PTRS). Takes two streams. -1 where mean is not 0 or more."""
    known = (mean >= 0.0) & (mean < inf)
    large = known & (mean >= SMALL_MEAN)
    small = fn.where(known & ~large, mean, 0.0)
    share = unit(words(state, shape), FLOAT32)
    u, near, v = _hat(share, state, shape)
    few = _few(share, fn.exp(-small), lambda k: small * (1 / k))
    big = fn.where(large, mean, SMALL_MEAN)
    b = 0.931 + 2.53 * fn.sqrt(big)
    a = 0.02483 * b - 0.059
    k = fn.floor((2.0 * a / near + b) * u + big + 0.43)
    inside = fn.maximum(k, 1.0)
    probability = -deviance(inside, big) - 0.5 * fn.log(2 * pi * inside) - stirling(inside)
    probability = fn.where(k >= 1.0, probability, -big)
    hat = fn.log(v * (1.1239 + 1.1328 / (b - 3.4)) / (a / (near * near) + b))
    quickly = (near >= 0.07) & (v <= 0.9277 - 3.6224 / (b - 2.0))
    never = (k < 0.0) | ((near < 0.013) & (v > near))
    accepted = quickly | (~never & (hat <= probability))
    value = fn.where(large, k, fn.where(known, few, -1.0))
    return value, ~large | accepted


@composed(
    reference=exact.binomial_attempt, samples=partial(examples, "binomial_attempt"), namespace="internal", widen=False,
    dtypes=(FLOAT32,),
)  # fmt: skip
def random_binomial_attempt(state: AnyOperand, n: Operand, p: Operand, shape: Shape) -> tuple[Array, Array]:
    """One attempt at how many of n trials of probability p succeed, float32, and whether it is accepted: by inversion
    for means below 10, else by transformed rejection (Hörmann 1993, BTRS), of the rarer outcome. Takes two streams. -1
    where n is not 0 or more or p not from 0 to 1."""
    known = (n >= 0.0) & (n < 2.0**63) & (p >= 0.0) & (p <= 1.0)
    often = p > 0.5
    rare = fn.where(known, fn.where(often, 1.0 - p, p), 0.0)
    trials = fn.where(known, n, 0.0)
    mean = trials * rare
    large = mean >= SMALL_MEAN
    random = unit(words(state, shape), FLOAT32)
    u, near, v = _hat(random, state, shape)
    odds = fn.where(large, 0.0, rare) / (1.0 - rare)
    none = fn.exp(fn.where(large, 0.0, trials * fn.log1p(-rare)))
    few = _few(random, none, lambda k: fn.maximum(trials - (k - 1.0), 0.0) * (odds * (1 / k)))
    few = fn.minimum(few, trials)
    count, share = fn.where(large, trials, 40.0), fn.where(large, rare, 0.5)
    middle = count * share
    spread = fn.sqrt(middle * (1.0 - share))
    b = 1.15 + 2.53 * spread
    a = 0.0248 * b - 0.0873 + 0.01 * share
    k = fn.floor((2.0 * a / near + b) * u + middle + 0.5)
    mode = fn.floor((count + 1.0) * share)

    def probability(x: Array) -> Array:
        """The logarithm of that of x successes, of 1 to count - 1, but for what all have in common."""
        y = count - x
        others = count - middle
        return -deviance(x, middle) - deviance(y, others) - stirling(x) - stirling(y) - 0.5 * fn.log(x / count * y)

    inside = fn.minimum(fn.maximum(k, 1.0), count - 1.0)
    ends = fn.where(k < 1.0, count * fn.log1p(-share), count * fn.log(share))
    ends = ends - stirling(count) + 0.5 * log(2 * pi)
    found = fn.where((k >= 1.0) & (k <= count - 1.0), probability(inside), ends)
    hat = fn.log(v * ((2.83 + 5.1 / b) * spread) / (a / (near * near) + b))
    quickly = (near >= 0.07) & (v <= 0.92 - 4.2 / b)
    possible = (k >= 0.0) & (k <= count)
    accepted = possible & (quickly | (hat <= found - probability(mode)))
    value = fn.where(large, k, few)
    value = fn.where(often, trials - value, value)
    return fn.where(known, value, -1.0), ~large | accepted
