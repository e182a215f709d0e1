"""Further distributions of `accel.random.Generator`, with the names and parameters of numpy.random.Generator."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import linalg
from .arguments import real
from .array import Array
from .conversion import from_numpy
from .creation import asarray
from .dtypes import FLOAT32, INT64, DType
from .errors import ArgumentError, ShapeError, shown
from .layout import Shape
from .memory import Device
from .ops.composed import random_laws as laws
from .ops.composed.linear import linear
from .ops.composed.random import floating, wide
from .ops.composed.softmax import softmax
from .ops.concatenation import stack
from .ops.primitive.pointwise import astype, fn
from .ops.primitive.reduce import all as every

ATTEMPTS = 32
"""Of distributions by rejection, after which the last one counts: at most once in 10^20 numbers."""


class Distributions:
    """What draws by the methods of a generator that `accel.random.Generator` has."""

    _device: Device
    _next: Callable[..., Array]
    _operands: Callable[..., tuple[Shape, tuple[Array, ...]]]
    _drawn: Callable[..., Any]
    exponential: Callable[..., Array]
    gamma: Callable[..., Array]
    normal: Callable[..., Array]

    def _attempted(self, streams: int, attempt: Callable[[Array], tuple[Array, Array]]) -> Array:
        """The first result of each element that is accepted. streams: that an attempt takes; attempt: a function of the
        state, which gives results and whether each is accepted or cannot be. That is read on the host."""
        state = self._next()
        step = from_numpy(np.array([streams, 0], np.uint64), self._device, copy=True)
        result, accepted = attempt(state)
        for _ in range(ATTEMPTS - 1):
            if bool(every(accepted)):
                break
            state = fn.add(state, step)
            value, again = attempt(state)
            result, accepted = fn.where(accepted, result, value), fn.logical_or(accepted, again)
        return result

    def _law(self, op: str, size: Any, dtype: Any, **given: Any) -> Array:
        """Numbers of one of `laws.LAWS`."""
        its = floating(op, dtype)
        shape, operands = self._operands(op, size, its, **given)
        one, two = operands if len(operands) == 2 else (operands[0], asarray(1.0, dtype=its, device=self._device))
        return self._drawn(
            shape, operands, lambda its_shape: laws.random_law(self._next(), one, two, op, its_shape, its)
        )

    def standard_exponential(self, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """`exponential` with scale 1."""
        return self.exponential(1.0, size, dtype)

    def standard_gamma(self, shape: Any, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """`gamma` with scale 1."""
        return self.gamma(shape, 1.0, size, dtype)

    def laplace(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """Numbers with density exp(-|x - loc| / scale) / (2 scale), by inversion; at most 23 scales from loc in float32
        (float64: 45).

        loc, scale: numbers, or arrays that broadcast to size (None: to each other); NaN where scale is not above 0.
        Raises DtypeError, ShapeError, ArgumentError.
        """
        return self._law("laplace", size, dtype, loc=loc, scale=scale)

    def logistic(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """Numbers with distribution function 1 / (1 + exp(-(x - loc) / scale)), by inversion. loc, scale, errors: as in
        `laplace`."""
        return self._law("logistic", size, dtype, loc=loc, scale=scale)

    def gumbel(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """Numbers with distribution function exp(-exp(-(x - loc) / scale)), by inversion. loc, scale, errors: as in
        `laplace`."""
        return self._law("gumbel", size, dtype, loc=loc, scale=scale)

    def standard_cauchy(self, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """Numbers with density 1 / (pi (1 + x^2)), by inversion. Raises DtypeError, ArgumentError."""
        return self._law("cauchy", size, dtype, loc=0.0, scale=1.0)

    def rayleigh(self, scale: Any = 1.0, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """Lengths of vectors of two normal numbers of deviation scale, by inversion. scale, errors: as in `laplace`."""
        return self._law("rayleigh", size, dtype, scale=scale)

    def weibull(self, a: Any, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """Numbers with distribution function 1 - exp(-x^a), by inversion. a: the shape parameter, as scale in
        `laplace`, and so errors."""
        return self._law("weibull", size, dtype, a=a)

    def pareto(self, a: Any, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """Numbers with distribution function 1 - (1 + x)^-a (Pareto's second kind), by inversion. a, errors: as in
        `weibull`."""
        return self._law("pareto", size, dtype, a=a)

    def power(self, a: Any, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """Numbers in [0, 1] with density a x^(a - 1), by inversion. a, errors: as in `weibull`."""
        return self._law("power", size, dtype, a=a)

    def triangular(self, left: Any, mode: Any, right: Any, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """Numbers whose density rises evenly from left to mode and falls evenly to right, by inversion.

        left, mode, right: as loc in `laplace`; NaN where they are not in order, or left is not below right. Raises
        DtypeError, ShapeError, ArgumentError.
        """
        its = floating("triangular", dtype)
        shape, given = self._operands("triangular", size, its, left=left, mode=mode, right=right)
        return self._drawn(shape, given, lambda its_shape: laws.random_triangular(self._next(), *given, its_shape, its))

    def lognormal(self, mean: Any = 0.0, sigma: Any = 1.0, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """Numbers whose logarithm is normally distributed, with this mean and deviation. mean, sigma: as loc in
        `laplace`, and so errors."""
        its = floating("lognormal", dtype)
        shape, given = self._operands("lognormal", size, its, mean=mean, sigma=sigma)
        return self._drawn(shape, given, lambda its_shape: laws.random_lognormal(self._next(), *given, its_shape, its))

    def geometric(self, p: Any, size: Any = None) -> Array:
        """How many trials of probability p it takes until one succeeds, int64, by inversion in float32.

        Counts above 2^24 have 24 binary digits. p: as loc in `laplace`; where it is not above 0 and at most 1, the
        count is 0, and a number is refused. Raises ShapeError, ArgumentError.
        """
        self._within("geometric", "p", p, lambda x: 0.0 < x <= 1.0, "a probability above 0")
        shape, given = self._operands("geometric", size, FLOAT32, p=p)
        return self._drawn(shape, given, lambda its_shape: laws.random_geometric(self._next(), *given, its_shape))

    def poisson(self, lam: Any = 1.0, size: Any = None) -> Array:
        """Counts of events of which lam are expected, int64: by inversion below 10, else by transformed rejection
        (Hörmann 1993), in float32: counts above 2^24 have 24 binary digits.

        lam: as loc in `laplace`; where it is not finite and 0 or more, the count is -1, and a number is refused.
        Whether an attempt is left over is read on the host. Raises ShapeError, ArgumentError.
        """
        self._within("poisson", "lam", lam, lambda x: 0.0 <= x < math.inf, "a finite number of 0 or more")
        shape, (mean,) = self._operands("poisson", size, FLOAT32, lam=lam)
        return self._drawn(shape, (mean,), lambda its_shape: self._counts(laws.random_poisson_attempt, its_shape, mean))

    def binomial(self, n: Any, p: Any, size: Any = None) -> Array:
        """How many of n trials of probability p succeed, int64: by inversion where n p or n (1 - p) is below 10, else
        by transformed rejection (Hörmann 1993), in float32: counts above 2^24 have 24 binary digits.

        n, p: as loc in `laplace`; where n is not 0 or more, or p not from 0 to 1, the count is -1, and a number is
        refused. Whether an attempt is left over is read on the host. Raises ShapeError, ArgumentError.
        """
        self._within("binomial", "n", n, lambda x: 0.0 <= x < 2.0**63, "a number of trials of 0 or more")
        self._within("binomial", "p", p, lambda x: 0.0 <= x <= 1.0, "a probability")
        shape, given = self._operands("binomial", size, FLOAT32, n=n, p=p)
        return self._drawn(
            shape, given, lambda its_shape: self._counts(laws.random_binomial_attempt, its_shape, *given)
        )

    def _counts(self, attempt: Any, shape: Shape, *given: Array) -> Array:
        return astype(self._attempted(2, lambda state: attempt(state, *given, shape)), INT64)

    @staticmethod
    def _within(op: str, name: str, value: Any, fits: Callable[[float], bool], expected: str) -> None:
        """Raises ArgumentError for a number that does not fit; arrays are not looked at, which may lie on a device."""
        if not hasattr(value, "shape") and not fits(real(op, name, value)):
            raise ArgumentError(f"{op}: {name}: expected {expected}, got {shown(value)}")

    def negative_binomial(self, n: Any, p: Any, size: Any = None) -> Array:
        """How many trials of probability p fail before n succeed, int64: counts by `poisson`, of a mean by `gamma`.

        n: above 0. p: in (0, 1]. Errors: as in `binomial`.
        """
        self._within("negative_binomial", "n", n, lambda x: x > 0.0, "a number above 0")
        self._within("negative_binomial", "p", p, lambda x: 0.0 < x <= 1.0, "a probability above 0")
        shape, (count, chance) = self._operands("negative_binomial", size, FLOAT32, n=n, p=p)
        return self.poisson(fn.multiply(self.gamma(count, 1.0, shape), fn.divide(fn.subtract(1.0, chance), chance)))

    def chisquare(self, df: Any, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """Sums of squares of df standard normal numbers: `gamma` of df / 2, times 2. df, errors: as in `gamma`."""
        shape, (degrees,), its = self._wide("chisquare", size, dtype, df=df)
        return astype(self._chisquare(degrees, shape), its, copy=False)

    def _chisquare(self, degrees: Array, shape: Shape) -> Array:
        return self.gamma(fn.multiply(degrees, 0.5), 2.0, shape, degrees.dtype)

    def f(self, dfnum: Any, dfden: Any, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """Ratios of two `chisquare` numbers, each divided by its degrees of freedom. dfnum, dfden, errors: as in
        `gamma`."""
        shape, (above, below), its = self._wide("f", size, dtype, dfnum=dfnum, dfden=dfden)
        first, second = (fn.divide(self._chisquare(x, shape), x) for x in (above, below))
        return astype(fn.divide(first, second), its, copy=False)

    def standard_t(self, df: Any, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """Student's t with df degrees of freedom: a normal number over the root of a `chisquare` one divided by df. df,
        errors: as in `gamma`."""
        shape, (degrees,), its = self._wide("standard_t", size, dtype, df=df)
        z = self.normal(0.0, 1.0, shape, degrees.dtype)
        return astype(fn.divide(z, fn.sqrt(fn.divide(self._chisquare(degrees, shape), degrees))), its, copy=False)

    def beta(self, a: Any, b: Any, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """Shares x / (x + y) of gamma distributed x and y of the shapes a and b, from their logarithms, so that small
        shapes give shares too. a, b, errors: as in `gamma`."""
        shape, given, its = self._wide("beta", size, dtype, a=a, b=b)
        first, second = (self._log_gamma(x, shape) for x in given)
        return astype(fn.sigmoid(fn.subtract(first, second)), its, copy=False)

    def _log_gamma(self, a: Array, shape: Shape) -> Array:
        """Logarithms of gamma distributed numbers: of those of a + 1 times the power 1 / a of an even one."""
        value = fn.log(self.gamma(fn.add(a, 1.0), 1.0, shape, a.dtype))
        power = fn.divide(self.exponential(1.0, shape, a.dtype), fn.where(fn.greater(a, 0.0), a, math.nan))
        return fn.subtract(value, power)

    def dirichlet(self, alpha: Any, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """Shares that add up to 1 along the last axis: gamma distributed numbers of the shapes alpha, divided by their
        sum, from their logarithms.

        alpha: (k,), above 0, k at least 1; the result is size and k. Raises DtypeError, ShapeError, ArgumentError.
        """
        its = floating("dirichlet", dtype)
        shapes = asarray(alpha, dtype=wide(its), device=self._device)
        if shapes.ndim != 1 or not shapes.size:
            raise ShapeError(f"dirichlet: alpha: expected a vector of one element at least, got shape {shapes.shape}")
        whole, _ = self._operands("dirichlet", () if size is None else size, its)
        return astype(softmax(self._log_gamma(shapes, (*whole, shapes.size)), axis=-1), its, copy=False)

    def multinomial(self, n: int, pvals: Any, size: Any = None) -> Array:
        """How often each of k outcomes comes in n trials, int64: `binomial` counts of each among what is left.

        pvals: (k,), probabilities that add up to 1, of which the last is what the others leave; the result is size and
        k. They are read on the host. Raises ShapeError, ArgumentError.
        """
        try:
            found = np.asarray(pvals, np.float64)
        except (TypeError, ValueError):
            raise ArgumentError(f"multinomial: pvals: expected numbers, got {shown(pvals)}") from None
        chances = found.reshape(-1).tolist()
        if found.ndim != 1 or not chances:
            raise ShapeError(f"multinomial: pvals: expected a vector of one element at least, got {shown(pvals)}")
        if not all(p >= 0.0 for p in chances) or not abs(math.fsum(chances) - 1.0) < 1e-5:
            raise ArgumentError(f"multinomial: pvals: expected probabilities that add up to 1, got {shown(pvals)}")
        self._within("multinomial", "n", n, lambda x: 0.0 <= x <= 2.0**24, "a number of trials from 0 to 2^24")
        whole, _ = self._operands("multinomial", () if size is None else size, FLOAT32)
        left = asarray(int(n), dtype=INT64, device=self._device)
        counts, rest = [], 1.0
        for p in chances[:-1]:
            share = min(p / rest, 1.0) if rest > 0.0 else 0.0
            counts.append(self.binomial(left, np.float32(share), whole))
            left, rest = fn.subtract(left, counts[-1]), rest - p
        return stack([*counts, fn.add(left, asarray(np.zeros(whole, np.int64), device=self._device))], axis=-1)

    def multivariate_normal(self, mean: Any, cov: Any, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """Vectors of normal numbers with these means and covariances: mean + L z of the Cholesky factor L of cov.

        mean: (k,). cov: (k, k), symmetric and positive definite. The result is size and k. Raises LinAlgError where cov
        is not positive definite, DtypeError, ShapeError, ArgumentError.
        """
        its = floating("multivariate_normal", dtype)
        kind = wide(its)
        centre, spread = (asarray(x, dtype=kind, device=self._device) for x in (mean, cov))
        if centre.ndim != 1 or spread.shape != 2 * centre.shape:
            found = f"{centre.shape} and {spread.shape}"
            raise ShapeError(f"multivariate_normal: mean, cov: expected shapes (k,) and (k, k), got {found}")
        whole, _ = self._operands("multivariate_normal", () if size is None else size, its)
        z = self.normal(0.0, 1.0, (*whole, centre.size), kind)
        return astype(linear(z, linalg.cholesky(spread), centre), its, copy=False)

    def _wide(self, op: str, size: Any, dtype: Any, **given: Any) -> tuple[Shape, tuple[Array, ...], DType]:
        """The shape of a result, its parameters in what it is computed in, and its dtype."""
        its = floating(op, dtype)
        shape, operands = self._operands(op, size, wide(its), **given)
        return shape, operands, its
