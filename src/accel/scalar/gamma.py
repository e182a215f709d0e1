"""gamma, lgamma, digamma and trigamma.

From 4.5 (digamma: 4, trigamma: 3) on Stirling's formula, what it leaves a minimax polynomial of 1 / x**2; below, a
polynomial over an interval of length 1, moved up or down by the recurrence; for negative arguments the reflection.
"""

from __future__ import annotations

from typing import Any

from .angle import sine_of_pi
from .binary_format import format_of, infinity, nan
from .coefficients import LN2, LOG2_E
from .coefficients_gamma import (
    DIGAMMA,
    DIGAMMA_ROOT,
    DIGAMMA_TAIL,
    GAMMA,
    LGAMMA,
    LOG2_ROOT_2PI,
    LOG_PI,
    LOG_ROOT_2PI,
    STIRLING,
    TRIGAMMA,
    TRIGAMMA_TAIL,
)
from .coefficients_trigonometric import PI
from .exponential import exp2_factors
from .expr import Expr, const, eq, fma, rarely, select
from .extended import fast_two_sum, polynomial, polynomial_by_halves, two_product
from .logarithm import log_tail, normalised
from .power import log2_pair
from .scalar_function import ScalarFunction
from .trigonometric import flip, odd, second

FAR = 4.5
GAMMA_END = {"float32": 44.0, "float64": 186.0}  # gamma is infinite before, and the result of reflection 0


def two_sum(a: Expr, b: Expr) -> tuple[Expr, Expr]:
    """a + b rounded, and its exact error (D. E. Knuth)."""
    s = a + b
    back = s - a
    return s, (a - (s - back)) + (b - back)


def log_pair(x: Expr) -> tuple[Expr, Expr]:
    """log(x) as a pair, in error by what rounding `log_tail`, which is below 0.1, loses; for finite x > 0."""
    m, k = normalised(x)
    f = m - 1.0
    high, low = LN2[x.dtype]
    total, rest = fast_two_sum(k * high, f)
    return two_sum(total, rest + fma(k, low, log_tail(f)))


def _stirling(a: Expr) -> Expr:
    """What Stirling's formula leaves of log(gamma(a))."""
    inverse = 1.0 / a
    return inverse * polynomial(inverse * inverse, STIRLING[a.dtype])


def _recurrence(a: Expr) -> tuple[Expr, Expr, Expr]:
    """(t, v, the error of v) for 0 <= a < 4.5: gamma(a) is gamma(2 + t), |t| <= 1/2, times v for a >= 3/2, else over
    it."""
    one, zero = const(1.0, a.dtype), const(0.0, a.dtype)
    small, top = a < 0.5, a >= 3.5
    less = select(
        top,
        const(4.0, a.dtype),
        select(a >= 2.5, const(3.0, a.dtype), select(a >= 1.5, const(2.0, a.dtype), select(small, zero, one))),
    )
    below = fma(a, a, a)
    below_low = fma(a, a, a - below)
    above, above_low = two_product(a - 1.0, a - 2.0)
    single = select(a < 1.5, a, select(a < 2.5, one, a - 1.0))
    v = select(small, below, select(top, above, single))
    return a - less, v, select(small, below_low, select(top, above_low, zero))


def _lgamma_pair(a: Expr) -> tuple[Expr, Expr]:
    """log(gamma(a)) as a sum of two for a > 0; the first infinite where it overflows."""
    t, v, v_low = _recurrence(a)
    far = a >= FAR
    log_high, log_low = log_pair(select(far, a, v))
    shift, factor = a - 0.5, log_high - 1.0
    product, product_low = two_product(shift, factor)
    rest = LOG_ROOT_2PI[a.dtype][0] - 0.5
    product_low = fma(shift, log_low, product_low) + (_stirling(a) + rest)
    log_low = log_low + v_low / v
    over = a < 1.5
    log_high, log_low = select(over, -log_high, log_high), select(over, -log_low, log_low)
    p = polynomial_by_halves(t, t * t, LGAMMA[a.dtype])
    near = t * p
    near, near_low = two_sum(log_high, near)
    near_low = near_low + (fma(t, p, -(t * p)) + log_low)
    overflow = ~(product < infinity(a.dtype))
    product_low = rarely(overflow, const(0.0, a.dtype), product_low)
    return select(far, product, near), select(far, product_low, near_low)


def lgamma(x: Expr) -> Expr:
    """For x < 0 log(pi / (a |sin(pi a)|)) - lgamma(a), a = |x|."""
    f = format_of(x)
    a = abs(x)
    high, low = _lgamma_pair(a)
    whole = a >= 2.0**f.fraction
    sine, sine_low, _ = _sine(rarely(whole, const(0.0, x.dtype), a))
    product, product_low = two_product(sine, a)
    product_low = fma(sine_low, a, product_low)
    log_high, log_low = log_pair(select(eq(sine, 0.0), const(1.0, x.dtype), product))
    pi_high, pi_low = LOG_PI[x.dtype]
    first, first_low = two_sum(pi_high - log_high, -high)
    lost = (pi_high - (pi_high - log_high)) - log_high
    reflected = first + (first_low + (lost + ((pi_low - log_low) - (low + product_low / product))))
    reflected = select(eq(sine, 0.0), infinity(x.dtype), reflected)
    reflected = select(eq(x, x), reflected, x)
    value = high + low
    value = rarely((x < 0.0) & (a > 2.0 ** -(f.fraction + 6)), reflected, value)
    end = ~((a > 0.0) & (a < infinity(x.dtype)))
    return rarely(end, select(eq(x, x), infinity(x.dtype), x), value)


def _sine(a: Expr) -> tuple[Expr, Expr, Expr]:
    """|sin(pi a)| as a pair, and bits whose sign bit is the sine's sign, for 0 <= a < 2**fraction."""
    sine, sine_low, cosine, cosine_low, q = sine_of_pi(a)
    n, n_low = fast_two_sum(select(odd(q), cosine, sine), select(odd(q), cosine_low, sine_low))
    negative = n < 0.0
    sign = second(q) ^ select(negative, const(format_of(a).sign_mask, q.dtype), 0)
    return abs(n), select(negative, -n_low, n_low), sign


def gamma(x: Expr) -> Expr:
    """For x < 0 pi / (a sin(pi a) gamma(a)), a = |x|, with the sign of -sin(pi a)."""
    f = format_of(x)
    a = abs(x)
    far = a >= FAR
    t, v, v_low = _recurrence(a)
    core = polynomial(t, GAMMA[x.dtype])
    over = core / v
    over = over + (fma(-over, v, core) - over * v_low) / v
    near = select(a < 1.5, over, fma(core, v, core * v_low))
    # x**(x - 1/2) e**-x sqrt(2 pi) times the rest, all as a power of two
    limited = select(a > GAMMA_END[x.dtype], const(GAMMA_END[x.dtype], x.dtype), a)
    log_high, log_low = log2_pair(rarely(~(a > 0.0), const(1.0, x.dtype), limited))
    e_high, e_low = LOG2_E[x.dtype]
    shift = limited - 0.5
    p, p_low = two_product(shift, log_high)
    p_low = fma(shift, log_low, p_low)
    q, q_low = two_product(limited, e_high)
    q_low = fma(limited, e_low, q_low)
    z, z_low = fast_two_sum(p, -q)
    c_high, c_low = LOG2_ROOT_2PI[x.dtype]
    z, lost = fast_two_sum(z, const(c_high, x.dtype))
    rest = fma(_stirling(limited), e_high, (p_low - q_low) + (z_low + lost + c_low))
    power, scale = exp2_factors(*fast_two_sum(z, rest))
    power = select(far, power, near)
    scale = select(far, scale, const(1.0, x.dtype))
    value = power * scale
    # the reflection, as a quotient of pairs
    whole = a >= 2.0**f.fraction
    sine, sine_low, sign = _sine(rarely(whole, const(0.0, x.dtype), a))
    d, d_low = two_product(limited, power)
    e, e_low = two_product(d, sine)
    e_low = fma(d_low, sine, fma(d, sine_low, e_low))
    pi_high, pi_low = PI[x.dtype]
    quotient = pi_high / e
    quotient = quotient + (fma(-quotient, e, pi_high) - fma(quotient, e_low, -pi_low)) / e
    reflected = -flip(quotient / scale, sign)
    reflected = select(eq(sine, 0.0), nan(x.dtype), reflected)
    value = rarely(x < 0.0, reflected, value)
    value = rarely(a < 2.0 ** -(f.fraction + 6), 1.0 / x, value)
    infinite = select(x > 0.0, x, nan(x.dtype))
    return rarely(~(a < infinity(x.dtype)), infinite, value)


def digamma(x: Expr) -> Expr:
    """For x < 0 digamma(a) + 1 / a + pi / tan(pi a), a = |x|."""
    f = format_of(x)
    one, zero = const(1.0, x.dtype), const(0.0, x.dtype)
    a = abs(x)
    inverse = 1.0 / a
    far = a >= 4.0
    log_high, log_low = log_pair(a)
    square = inverse * inverse
    far_low = log_low - fma(square, polynomial(square, DIGAMMA_TAIL[x.dtype]), inverse * 0.5)
    below, middle, top = a < 1.0, a >= 2.0, a >= 3.0
    y = select(top, a - 2.0, select(middle, a - 1.0, a))  # what the recurrence leaves, less 1 where below
    root, root_low = DIGAMMA_ROOT[x.dtype]
    t = y - select(below, const(0.5, x.dtype), 1.5)
    distance = (y - select(below, const(root - 1.0, x.dtype), root)) - root_low
    core = distance * polynomial_by_halves(t, t * t, DIGAMMA[x.dtype])
    n = select(top, fma(a, 2.0, -3.0), select(middle, one, select(below, -one, zero)))
    d = select(top, (a - 1.0) * (a - 2.0), select(middle, a - 1.0, a))
    ratio = n / d
    near, near_low = two_sum(core, ratio)
    near_low = near_low + fma(-ratio, d, n) / d
    high, low = select(far, log_high, near), select(far, far_low, near_low)
    value = high + low
    whole = a >= 2.0**f.fraction
    sine, sine_low, cosine, cosine_low, q = sine_of_pi(rarely(whole, zero, a))
    swapped = odd(q)
    n, n_low = fast_two_sum(select(swapped, sine, cosine), select(swapped, sine_low, cosine_low))
    d, d_low = fast_two_sum(select(swapped, cosine, sine), select(swapped, cosine_low, sine_low))
    turn = n / d
    turn_low = (fma(-turn, d, n) + fma(-turn, d_low, n_low)) / d
    pi_high, pi_low = PI[x.dtype]
    pole, pole_low = two_product(turn, pi_high)
    pole_low = fma(turn, pi_low, fma(turn_low, pi_high, pole_low))
    sign = q << (31 if x.dtype == "float32" else 63)
    pole, pole_low = flip(pole, sign), flip(pole_low, sign)
    first, first_low = two_sum(pole, high)
    first, more = two_sum(first, inverse)
    reflected = first + (first_low + (more + (low + pole_low) + fma(-inverse, a, 1.0) * inverse))
    reflected = select(eq(d, 0.0), nan(x.dtype), reflected)
    value = rarely(x < 0.0, reflected, value)
    value = rarely(a < 2.0 ** -(f.fraction + 6), -1.0 / x, value)
    infinite = select(x > 0.0, x, nan(x.dtype))
    return rarely(~(a < infinity(x.dtype)), infinite, value)


def trigamma(x: Expr) -> Expr:
    """For x < 0 (pi / sin(pi a))**2 - trigamma(a + 1), a = |x|.

    From 3 on, and between 2 and 3, formulas of trigamma(a); below 2 of that less 1 / a**2, and below 1 less
    1 / (a + 1)**2 too."""
    f = format_of(x)
    zero = const(0.0, x.dtype)
    a = abs(x)
    inverse = 1.0 / a
    inverse_low = fma(-inverse, a, 1.0) * inverse
    inverse_square = inverse * inverse
    inverse_square_low = fma(inverse * 2.0, inverse_low, fma(inverse, inverse, -inverse_square))
    tail = polynomial(inverse_square, TRIGAMMA_TAIL[x.dtype])
    far, below, middle = a >= 3.0, a < 1.0, a < 2.0
    far_low = fma(inverse_square, fma(inverse, tail, 0.5), inverse_low)
    t = a - select(below, const(0.5, x.dtype), select(middle, const(1.5, x.dtype), 2.5))
    core = polynomial(t, TRIGAMMA[x.dtype])
    second_inverse = 1.0 / (a + 1.0)
    near_low = select(below, core, zero)
    near = select(below, second_inverse * second_inverse, core)
    near, lost = fast_two_sum(near, near_low)
    high, low = select(far, inverse, near), select(far, far_low, lost)
    first, first_low = two_sum(inverse_square, high)
    value = select(middle, first + (first_low + (low + inverse_square_low)), high + low)
    # the reflection
    whole = a >= 2.0**f.fraction
    sine, sine_low, _ = _sine(rarely(whole, zero, a))
    pi_high, pi_low = PI[x.dtype]
    ratio = pi_high / sine
    ratio_low = (fma(-ratio, sine, pi_high) - fma(ratio, sine_low, -pi_low)) / sine
    pole, pole_low = two_product(ratio, ratio)
    pole_low = fma(ratio * 2.0, ratio_low, pole_low)
    less, less_low = select(middle, zero, inverse_square), select(middle, zero, inverse_square_low)
    reflected, reflected_low = fast_two_sum(pole, -high)
    reflected = reflected + (reflected_low + ((pole_low - low) + (less + less_low)))
    reflected = select(eq(sine, 0.0), infinity(x.dtype), reflected)
    value = rarely(x < 0.0, reflected, value)
    tiny = select(inverse_square < infinity(x.dtype), inverse_square + inverse_square_low, infinity(x.dtype))
    value = rarely(a < 2.0 ** -(f.fraction // 2 + 4), tiny, value)
    infinite = select(x > 0.0, zero, nan(x.dtype))
    return rarely(~(a < infinity(x.dtype)), infinite, value)


def _trigamma(mp: Any, x: Any) -> Any:
    """By the asymptotic series where mpmath's own takes long, and by reflection."""
    if x < 0:
        return (mp.pi / mp.sinpi(x)) ** 2 - _trigamma(mp, 1 - x)
    if x < 2**40:
        return mp.psi(1, x)
    u = 1 / x
    return u + u**2 / 2 + u**3 / 6 - u**5 / 30 + u**7 / 42


FLOAT = ("float",)

ROWS = (
    ScalarFunction(
        "gamma", 1, FLOAT, gamma, "Gives the gamma function of each element.", ulp=(2.5, 2.5),
        special=("NaN -> NaN", "+0 -> +inf", "-0 -> -inf", "a negative integer -> NaN", "+inf -> +inf", "-inf -> NaN"),
        source="Stirling's formula as a power of two in pairs of floats; below 4.5 a minimax polynomial and recurrence",
        reference=lambda mp, x: mp.gamma(x),
        derivative=lambda fn, g, y, x: (g * (y * fn.digamma(x)),),
    ),
    ScalarFunction(
        "lgamma", 1, FLOAT, lgamma, "Gives the logarithm of the magnitude of the gamma function of each element.",
        ulp=(3.0, 2.0), least=1.0,
        special=("NaN -> NaN", "+0, -0 -> +inf", "a negative integer -> +inf", "inf -> +inf"),
        source="Stirling's formula; below 4.5 a minimax polynomial and recurrence; where the result is below 1, near "
        "its zeros, the error is in units of 1",
        reference=lambda mp, x: mp.log(abs(mp.gamma(x))) if abs(x) < 1e4 else mp.loggamma(x).real,
        derivative=lambda fn, g, y, x: (g * fn.digamma(x),),
    ),
    ScalarFunction(
        "digamma", 1, FLOAT, digamma, "Gives the derivative of lgamma at each element.", ulp=(2.0, 2.0), least=1.0,
        special=("NaN -> NaN", "+0 -> -inf", "-0 -> +inf", "a negative integer -> NaN", "+inf -> +inf", "-inf -> NaN"),
        source="the logarithm and a minimax polynomial; below 4 another and recurrence; where the result is below 1, "
        "near its zeros, the error is in units of 1",
        reference=lambda mp, x: mp.digamma(x),
        derivative=lambda fn, g, y, x: (g * fn.trigamma(x),),
    ),
    ScalarFunction(
        "trigamma", 1, FLOAT, trigamma, "Gives the derivative of digamma at each element.", ulp=(1.5, 1.5),
        range="above 0",
        special=("NaN -> NaN", "+0, -0 -> +inf", "a negative integer -> +inf", "+inf -> +0", "-inf -> NaN"),
        source="its asymptotic series, what that leaves a minimax polynomial; below 3 another and recurrence",
        reference=_trigamma,
        derivative="its derivative, the polygamma function of order 2, is not there",
    ),
)  # fmt: skip
