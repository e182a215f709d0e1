"""How far the exact result of a scalar function of arguments with errors may be from that of the arguments as they are:
one rule per function, all in float64.

A rule gets the result, then a pair (value, error) per argument. A function that has none here but a derivative changes
by at most the argument's error times the largest slope there. Where an argument is infinite or NaN, see `special`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np

from ..dtypes import as_dtype
from ..scalar import FUNCTIONS
from .bounded import EXACTLY, LEAST, rounding
from .elements import fn

Elements = np.ndarray
Argument = tuple[Elements, Elements]
Rule = Callable[..., Elements]


def ends(x: Argument) -> Argument:
    """The interval that the exact argument is in."""
    value, error = x
    low, high = np.nextafter(value - error, -np.inf), np.nextafter(value + error, np.inf)
    return np.where(error > 0, low, value), np.where(error > 0, high, value)


def apart(a: Elements, b: Elements) -> Elements:
    """a - b; 0 of equal infinities."""
    return np.where(a == b, 0.0, a - b)


def times(a: Elements, b: Elements) -> Elements:
    """a b, where 0 stands for exactly nothing: 0 times infinity is 0."""
    return np.where((a == 0) | (b == 0), 0.0, a * b)


def slope(name: str, y: Elements, x: Argument) -> Elements:
    """The largest |derivative| of a function of one argument over its interval: at an end, or at or beside a turn.

    Infinite where the function is not finite at an end. What the derivative's own roundings lose is small beside it, or
    beside a unit of the function.
    """
    row = FUNCTIONS[name]
    assert callable(row.derivative)
    low, high = ends(x)
    places = [low, high]
    for turn in row.turns:
        for near in (np.nextafter(turn, -np.inf), turn, np.nextafter(turn, np.inf)):
            if (inside := (low < near) & (near < high)).any():
                places.append(np.where(inside, near, low))
    every = np.stack(places)
    value = getattr(fn, name)(every)
    (there,) = row.derivative(fn, 1.0, value, every)
    worst = np.where(np.isfinite(value), np.abs(there), np.inf).max(0)
    return worst * (1 + 2.0**-30) + 2.0**-51 * np.abs(y)


def smooth(name: str) -> Rule:
    return lambda y, x: times(slope(name, y, x), x[1])


def largest(y: Elements, *x: Argument) -> Elements:
    """Of the largest of several."""
    up = reduce(np.maximum, (apart(v, y) + e for v, e in x))
    down = reduce(np.minimum, (apart(y, v) + e for v, e in x))
    return np.maximum(up, down)


def smallest(y: Elements, *x: Argument) -> Elements:
    return largest(-y, *((-v, e) for v, e in x))


def _clip(y: Elements, x: Argument, low: Argument, high: Argument) -> Elements:
    raised = np.maximum(x[0], low[0])
    return smallest(y, (raised, largest(raised, x, low)), high)


def _sum(y: Elements, a: Argument, b: Argument) -> Elements:
    return a[1] + b[1]


def _product(y: Elements, a: Argument, b: Argument) -> Elements:
    return times(np.abs(a[0]), b[1]) + times(np.abs(b[0]), a[1]) + times(a[1], b[1])


def _quotient(y: Elements, a: Argument, b: Argument) -> Elements:
    (va, ea), (vb, eb) = a, b
    room = np.abs(vb) - eb
    changed = ea / room + times(np.abs(va / vb), eb / room)  # divided first: a product of what is tiny may be 0
    return np.where((ea == 0) & (eb == 0), 0.0, np.where(room > 0, changed, np.inf))


def _root(y: Elements, x: Argument) -> Elements:
    """|sqrt(a) - sqrt(b)| is |a - b| over the sum of roots, and at most sqrt(|a - b|). An exact argument is not
    negative, or its root is not finite."""
    value, error = x
    return np.where(value >= 0, np.minimum(np.where(value > 0, error / np.sqrt(value), np.inf), np.sqrt(error)), np.inf)


def _power(y: Elements, x: Argument, p: Argument) -> Elements:
    """By the slopes along both axes, largest at corners of the box. A base that may be 0 or negative: for whole
    exponents that are exact; for those up to 1 as in a root, |a**p - b**p| being at most |a - b|**p."""
    (low, high), (least, most) = ends(x), ends(p)
    furthest = np.abs(x[0]) + x[1]
    bases, exponents = np.stack([low, high, low, high]), np.stack([least, least, most, most])
    given = np.concatenate([bases, bases, np.stack([furthest, furthest, x[1], x[1]])])
    powers = fn.pow(given, np.concatenate([exponents, exponents - 1, np.stack([p[0] - 1, most, least, most])]))
    along_exponent = powers[:4].max(0) * np.maximum(np.abs(np.log(low)), np.abs(np.log(high)))
    along_base = (np.abs(exponents) * powers[4:8]).max(0)
    positive = times(along_base, x[1]) + times(along_exponent, p[1])
    whole = (p[1] == 0) & (p[0] >= 1) & (p[0] == np.rint(p[0]))
    other = np.where(whole, times(p[0] * powers[8], x[1]), np.inf)
    root = (x[0] >= 0) & (least > 0) & (most <= 1)
    steepest = np.maximum(1 / (np.e * least), powers[9] * np.abs(np.log(furthest)))
    other = np.where(root, np.maximum(powers[10], powers[11]) + times(steepest, p[1]), other)
    unchanged = (x[1] == 0) & (p[1] == 0) | (p[1] == 0) & (p[0] == 0)
    unchanged = unchanged | (x[0] == 0) & (x[1] == 0) & (p[0] > p[1])
    return np.where(unchanged, 0.0, np.where(low > 0, positive * (1 + 2.0**-30), other))


def stepped(function: Callable[[Elements], Elements]) -> Rule:
    """A function that rises by jumps: by its values at the ends."""

    def rule(y: Elements, x: Argument) -> Elements:
        low, high = ends(x)
        return np.maximum(apart(function(high), y), apart(y, function(low)))

    return rule


def _product_with(name: str) -> Rule:
    """A product with a function of the second argument, and 0 where the first is exactly 0."""

    def rule(y: Elements, a: Argument, b: Argument) -> Elements:
        value = getattr(fn, name)(b[0])
        changed = _product(y, a, (value, times(slope(name, value, b), b[1])))
        return np.where((a[0] == 0) & (a[1] == 0), 0.0, changed)

    return rule


def _fmod(y: Elements, a: Argument, b: Argument) -> Elements:
    """As of the remainder; the divisor's magnitude to both sides where the quotient is uncertain."""
    sizes = (np.abs(a[0]), a[1]), (np.abs(b[0]), b[1])
    whole = np.floor(sizes[0][0] / sizes[1][0])
    certain = (_floor_quotient(whole, *sizes) == 0) & ((whole > 0) | (np.abs(a[0]) > a[1]))
    return np.where(certain, a[1] + times(whole, b[1]), 2 * (np.abs(b[0]) + b[1]))


def _frac(y: Elements, x: Argument) -> Elements:
    low, high = ends(x)
    return np.where(np.trunc(low) == np.trunc(high), x[1], 1.0 + np.abs(y))


def _ldexp(y: Elements, x: Argument, n: Argument) -> Elements:
    return np.where(n[1] == 0, fn.ldexp(x[1], n[0]), np.inf)


def _frexp_exponent(y: Elements, x: Argument) -> Elements:
    """It rises with the magnitude, and has no least value near 0."""
    low, high = ends(x)
    reached = np.maximum(*(np.abs(apart(fn.frexp_exponent(end), y)) for end in (low, high)))
    return np.where((x[1] == 0) | (np.abs(x[0]) > x[1]), reached, np.inf)


def _frexp_fraction(y: Elements, x: Argument) -> Elements:
    """The argument's error over its power of two, while that is certain."""
    low, high = (fn.frexp_exponent(end) for end in ends(x))
    certain = (low == high) & (np.abs(x[0]) > x[1])
    return np.where(certain, fn.ldexp(x[1], -low), np.where(x[1] > 0, 2.0, 0.0))


def _wave(y: Elements, x: Argument) -> Elements:
    """Slopes up to 1, and values from -1 to 1."""
    return np.minimum(x[1], 1.0 + np.abs(y))


def _between_poles(name: str) -> Rule:
    """Steepest at an end, unless a pole, which is no positive number, may be inside."""

    def rule(y: Elements, x: Argument) -> Elements:
        low, high = ends(x)
        inside = (low > 0) | (np.floor(low) == np.floor(high)) & (low != np.floor(low))
        return np.where(inside, times(slope(name, y, x), x[1]), np.inf)

    return rule


def _trigamma(y: Elements, x: Argument) -> Elements:
    """By its values at the ends where it falls, above 0; its derivative is no function that we have."""
    low, high = ends(x)
    reached = np.maximum(apart(fn.trigamma(low), y), apart(y, fn.trigamma(high)))
    return np.where(x[1] == 0, 0.0, np.where(low > 0, reached, np.inf))


def _tangent(y: Elements, x: Argument) -> Elements:
    """Steepest at an end, unless a pole may be inside."""
    branch = [np.floor(end / np.pi + 0.5 + side) for end in ends(x) for side in (-(2.0**-40), 2.0**-40)]
    inside = (branch[0] == branch[3]) & (np.abs(x[0]) < 2.0**40)
    return np.where(inside, times(slope("tan", y, x), x[1]), np.inf)


def _distance(y: Elements, a: Argument, b: Argument) -> Elements:
    return a[1] + b[1]


def _angle(y: Elements, a: Argument, b: Argument) -> Elements:
    """By how far the point moves against its distance; a whole turn where it may cross the cut or the origin."""
    moved = np.hypot(a[1], b[1])
    room = np.hypot(a[0], b[0]) * (1 - 2.0**-50) - moved
    crosses = (b[0] <= b[1]) & (np.abs(a[0]) <= a[1]) & (a[1] > 0)
    return np.where(crosses | (room <= 0), 2 * np.pi, np.minimum(np.pi / 2 * times(moved, 1 / room), 2 * np.pi))


def _neighbour(y: Elements, a: Argument, b: Argument) -> Elements:
    """The argument's error, and a last place to each side, of float32 at the most."""
    least = float(np.finfo(np.float32).smallest_subnormal)
    return np.where((a[1] > 0) | (b[1] > 0), a[1] + 4 * (2.0**-23 * (np.abs(y) + a[1]) + least), 0.0)


def _floor_quotient(y: Elements, a: Argument, b: Argument) -> Elements:
    quotient = a[0] / b[0]
    error = _quotient(quotient, a, b)
    exact = (a[1] == 0) & (b[1] == 0)
    low, high = ends((quotient, error))
    return np.where(exact, 0.0, np.maximum(apart(np.floor(high), y), apart(y, np.floor(low))))


def _remainder(y: Elements, a: Argument, b: Argument) -> Elements:
    """a - q b while the quotient's floor q is certain; else anything between 0 and b."""
    floor = np.floor(a[0] / b[0])
    certain = _floor_quotient(floor, a, b) == 0
    return np.where(certain, a[1] + times(np.abs(floor), b[1]), np.maximum(np.abs(b[0]) + b[1], np.abs(y)))


def _signed(y: Elements, a: Argument, b: Argument) -> Elements:
    return a[1] + np.where((b[1] > 0) & (np.abs(b[0]) <= b[1]), 2 * np.abs(a[0]), 0.0)


def choice(y: Elements, condition: Argument, a: Argument, b: Argument) -> Elements:
    """The chosen one's error; either's where the condition may be the other one."""
    chosen = condition[0] != 0
    mine, other = np.where(chosen, a[1], b[1]), np.where(chosen, b[1], a[1])
    return np.where(condition[1] > 0, np.maximum(mine, np.abs(apart(a[0], b[0])) + other), mine)


# decisions: 1 where the exact one may be another


def _certain_nan(x: Argument) -> Elements:
    return np.isnan(x[0]) & (x[1] == 0)


def compared(y: Elements, a: Argument, b: Argument) -> Elements:
    """Undecided within the errors, unless there are none."""
    error = a[1] + b[1]
    open_ = (error > 0) & ~(np.abs(apart(a[0], b[0])) > error)
    return (open_ & ~_certain_nan(a) & ~_certain_nan(b)).astype(np.float64)


def _sign_bit(y: Elements, x: Argument) -> Elements:
    return ((x[1] > 0) & ~(np.abs(x[0]) > x[1])).astype(np.float64)


def _classified(y: Elements, x: Argument) -> Elements:
    return (~np.isfinite(x[1])).astype(np.float64)


def _of_booleans(function: Callable[..., Elements]) -> Rule:
    """By every combination that the arguments may be."""

    def rule(y: Elements, *x: Argument) -> Elements:
        given = [v != 0 for v, _ in x]
        found = np.zeros(np.shape(y), bool)
        for number in range(1, 2 ** len(x)):
            flips = [bool(number >> i & 1) for i in range(len(x))]
            possible = reduce(np.logical_and, (e > 0 for (_, e), flip in zip(x, flips, strict=True) if flip))
            other = function(*(v ^ flip for v, flip in zip(given, flips, strict=True)))
            found |= possible & (other != (y != 0))
        return found.astype(np.float64)

    return rule


def _known(y: Elements, *x: Argument) -> Elements:
    """Bits of integers: nothing is known of another argument's."""
    return np.where(reduce(np.logical_and, (e == 0 for _, e in x)), 0.0, np.inf)


RULES: dict[str, Rule] = {
    **{name: smooth(name) for name, row in FUNCTIONS.items() if row.arity == 1 and callable(row.derivative)},
    "add": _sum,
    "subtract": _sum,
    "multiply": _product,
    "divide": _quotient,
    "floor_divide": _floor_quotient,
    "remainder": _remainder,
    "pow": _power,
    "logaddexp": lambda y, a, b: np.maximum(a[1], b[1]),  # slopes of 0 to 1 that add up to 1
    "negative": lambda y, x: x[1],
    "positive": lambda y, x: x[1],
    "abs": lambda y, x: x[1],
    "sign": stepped(np.sign),
    "square": lambda y, x: _product(y, x, x),
    "reciprocal": lambda y, x: _quotient(y, (np.ones_like(x[0]), np.zeros_like(x[1])), x),
    "sqrt": _root,
    "signbit": _sign_bit,
    "copysign": _signed,
    "nextafter": _neighbour,
    "xlogy": _product_with("log"),
    "xlog1py": _product_with("log1p"),
    "fmod": _fmod,
    "frac": _frac,
    "frexp_exponent": _frexp_exponent,
    "frexp_fraction": _frexp_fraction,
    "gamma": _between_poles("gamma"),
    "ldexp": _ldexp,
    "digamma": _between_poles("digamma"),
    "lgamma": _between_poles("lgamma"),
    "trigamma": _trigamma,
    "sinc": lambda y, x: np.minimum(1.5 * x[1], 1.25),
    "sin": _wave,
    "cos": _wave,
    "tan": _tangent,
    "atan2": _angle,
    "hypot": _distance,
    "where": choice,
    "minimum": smallest,
    "maximum": largest,
    "clip": _clip,
    "relu": lambda y, x: largest(y, x, (np.zeros_like(x[0]), np.zeros_like(x[1]))),
    "floor": stepped(np.floor),
    "ceil": stepped(np.ceil),
    "trunc": stepped(np.trunc),
    "round": stepped(np.rint),
    **dict.fromkeys(("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"), compared),
    **dict.fromkeys(("isnan", "isinf", "isfinite"), _classified),
    **dict.fromkeys(("logical_and", "bitwise_and"), _of_booleans(np.logical_and)),
    **dict.fromkeys(("logical_or", "bitwise_or"), _of_booleans(np.logical_or)),
    **dict.fromkeys(("logical_xor", "bitwise_xor"), _of_booleans(np.logical_xor)),
    **dict.fromkeys(("logical_not", "bitwise_invert"), _of_booleans(np.logical_not)),
}

SELECTIVE = ("negative", "positive", "abs", "sign", "copysign", "minimum", "maximum", "clip", "relu")
"""Functions whose rules hold for infinite arguments too."""

POLES: dict[str, Callable[..., Elements]] = {
    "divide": lambda a, b: b == 0,
    "reciprocal": lambda x: x == 0,
    "rsqrt": lambda x: x == 0,
    "log": lambda x: x == 0,
    "log2": lambda x: x == 0,
    "log10": lambda x: x == 0,
    "log1p": lambda x: x == -1,
    "atanh": lambda x: np.abs(x) == 1,
    "digamma": lambda x: x == 0,
    "erfinv": lambda x: np.abs(x) == 1,
    "gamma": lambda x: x == 0,
    "trigamma": lambda x: (x <= 0) & (x == np.floor(x)),
    "lgamma": lambda x: (x <= 0) & (x == np.floor(x)),
    "logit": lambda x: (x == 0) | (x == 1),
    "ndtri": lambda x: (x == 0) | (x == 1),
    "entr": lambda x: x < 0,
    "xlogy": lambda a, b: b == 0,
    "xlog1py": lambda a, b: b == -1,
    "pow": lambda x, p: (x == 0) & (p < 0),
}
"""Where functions of finite arguments are infinite; every other infinity is an overflow."""


def of_function(name: str, dtype: str, y: Elements, x: Sequence[Argument]) -> tuple[Elements, Elements]:
    """The bound of a function's result y at a compute dtype: what its arguments' errors do, and its own rounding."""
    if any(e.any() for _, e in x):
        changed = RULES.get(name, _known)(y, *x)
    else:
        changed = np.zeros_like(y)
    row = FUNCTIONS[name]
    if row.result == "bool" or as_dtype(dtype).kind != "f":
        return changed, np.zeros_like(y)
    ulp = row.ulp[dtype == "float64"]
    if ulp:
        inexact = reduce(np.logical_or, (e > 0 for _, e in x))
        changed = np.where(inexact, changed + 4 * LEAST, changed)  # more than products lose that underflow
    own = rounding(np.maximum(np.abs(y), row.least), ulp, as_dtype(dtype)) if ulp else np.zeros_like(y)
    of_zero = reduce(np.logical_or, ((v == 0) & (e == 0) for v, e in x))
    own = np.where((y == 0) & of_zero, 0.0, own)
    if name in EXACTLY:
        own = np.where(EXACTLY[name](y, *(v for v, _ in x)), 0.0, own)
    return special(name, y, changed, x), np.where(_ordinary(y, x), own, 0.0)


def _ordinary(y: Elements, x: Sequence[Argument]) -> Elements:
    return reduce(np.logical_and, (np.isfinite(v) for v, _ in x), np.isfinite(y))


def special(name: str, y: Elements, changed: Elements, x: Sequence[Argument]) -> Elements:
    """A rule's bound with what holds of infinities and NaN: exact where the arguments are, or where one alone decides;
    else nothing is known."""
    ordinary = _ordinary(y, x)
    if name == "where" or ordinary.all():  # an argument that is not chosen has no part in it
        return changed
    finite = reduce(np.logical_and, (np.isfinite(v) for v, _ in x))
    unchanged = reduce(np.logical_and, (e == 0 for _, e in x))
    pole = POLES[name](*(v for v, _ in x)) if name in POLES else np.zeros(np.shape(y), bool)
    certain = np.where(finite, unchanged & (np.isnan(y) | pole), unchanged)
    certain = certain | np.isnan(y) & reduce(np.logical_or, map(_certain_nan, x))
    if name in ("add", "subtract", "multiply", "divide"):
        (a, ea), (b, eb) = x
        infinite, other = np.isinf(a) & (ea == 0), np.isinf(b) & (eb == 0)
        sums = name in ("add", "subtract")
        certain = certain | infinite & np.isfinite(b) & np.isfinite(eb) & (sums | (np.abs(b) > eb))
        certain = certain | other & np.isfinite(a) & np.isfinite(ea) & (sums | (name == "divide") | (np.abs(a) > ea))
    if name == "pow":
        (a, ea), (b, eb) = x
        certain = certain | np.isinf(a) & (ea == 0) & (np.abs(b) > eb)
    if name in SELECTIVE:
        return np.where(certain, 0.0, np.where(finite & ~ordinary, np.inf, changed))
    return np.where(ordinary, changed, np.where(certain, 0.0, np.inf))
