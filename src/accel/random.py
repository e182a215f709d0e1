"""`accel.random`: random numbers that are the same bits on every backend, with the names of numpy.random.Generator.

Every number is a function of the generator's key, of which call it was, and of the element's place in row-major order
(docs/numerics.md, "Random numbers"). So neither device, nor number of threads, nor shape changes an element.
"""

from __future__ import annotations

import math
import os
import threading
from math import prod
from typing import Any

import numpy as np

from . import ops as _ops  # noqa: F401  # fills the op table
from .arguments import integer, integers, real, switch
from .array import Array, empty
from .conversion import constant, from_numpy
from .creation import asarray, device_of
from .distributions import Distributions
from .dtypes import BOOL, FLOAT32, INT64, DType, as_dtype
from .errors import ArgumentError, DtypeError, ShapeError, shown
from .layout import Shape, broadcast_shapes, row_major
from .memory import Device, host_list
from .ops.composed import random as drawn
from .ops.composed.counting import count_nonzero
from .ops.composed.exact_random import philox
from .ops.composed.extremes import cummax
from .ops.primitive.gather import take
from .ops.primitive.pointwise import astype, fn
from .ops.primitive.reduce import all as every
from .ops.primitive.reduce import sum as total_of
from .ops.primitive.scan import cumulative_sum
from .ops.primitive.search import searchsorted
from .ops.primitive.sort import argsort

__all__ = ["Generator", "default_rng"]

ROW = 1 << 12
"""Elements of a row, where the places of many elements are made of those of rows and in a row."""

MANY = 1 << 32
"""Elements of a result, more than which are tried for memory before the places of rows are counted."""

SUM_OF_PROBABILITIES = {"float64": 2.0**-26, "float32": 2.0**-12, "float16": 2.0**-6, "bfloat16": 2.0**-4}
"""How far from 1 the sum of probabilities may be."""

STREAMS = 1 << 8
"""Streams of one call."""

SPAWNING = 2**64 - 1
"""The stream of which the keys of spawned generators are words."""


class Generator(Distributions):
    """Draws random numbers by Philox 4x32-10 (Salmon et al. 2011), whose counter is the element's place.

    seed: an integer from 0 to 2^64 - 1; None takes one from the operating system. device: where arrays are made, None
    for the default device. A generator may be used by several threads: each call has streams of its own.
    """

    def __init__(self, seed: int | None = None, device: str | Device | None = None) -> None:
        self._key = int.from_bytes(os.urandom(8), "little") if seed is None else _word("Generator", "seed", seed)
        self._device = device_of(device)
        self._calls = 0
        self._spawned = 0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Generator(seed={self._key}, device={str(self._device)!r})"

    @property
    def state(self) -> dict[str, int]:
        """Key, calls so far, and generators spawned so far. Setting it restores them."""
        with self._lock:
            return {"key": self._key, "calls": self._calls, "spawned": self._spawned}

    @state.setter
    def state(self, value: dict[str, int]) -> None:
        names = ("key", "calls", "spawned")
        if not isinstance(value, dict) or sorted(value) != sorted(names):
            raise ArgumentError(f"state: expected a dict of {', '.join(names)}, got {shown(value)}")
        key, calls, spawned = (_word("state", name, value[name]) for name in names)
        with self._lock:
            self._key, self._calls, self._spawned = key, calls, spawned

    def __getstate__(self) -> dict[str, Any]:
        return {**self.state, "device": str(self._device)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["key"], state["device"])  # type: ignore[misc]
        self._calls, self._spawned = state["calls"], state["spawned"]

    def spawn(self, n_children: int) -> list[Generator]:
        """Independent generators: each one's key is a word of this one's. Raises ArgumentError."""
        count = integer("spawn", "n_children", n_children)
        if count < 0:
            raise ArgumentError(f"spawn: n_children: expected 0 or more, got {count}")
        children = host_list("spawn: n_children", count)
        with self._lock:
            first, key = self._spawned, self._key
            self._spawned += count
        for i in range(count):
            children[i] = Generator(int(philox(first + i, SPAWNING, key)), self._device)
        return children

    def _next(self, *more: int) -> Array:
        """The state of a new call, with numbers that its op takes there."""
        with self._lock:
            call = self._calls
            self._calls += 1
            key = self._key
        return from_numpy(np.array([call * STREAMS % 2**64, key, *more], np.uint64), self._device)

    def key(self) -> Array:
        """The stream and the key of a new call, uint64 of shape (2,): what functions that draw by themselves take, as
        `accel.nn.dropout` does."""
        return self._next()

    def random(self, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """Evenly distributed numbers k / 2^p in [0, 1), where p is the dtype's precision (24 for float32).

        size: a length, a shape, or None for one number without axes. Raises DtypeError, ArgumentError.
        """
        return self.uniform(0.0, 1.0, size, dtype)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """Evenly distributed numbers low + (high - low) u with u of `random`; rounding may reach high.

        low, high: numbers, or arrays that broadcast to size (None: to each other). Raises DtypeError, ShapeError,
        ArgumentError.
        """
        its = drawn.floating("uniform", dtype)
        standard = isinstance(low, (int, float)) and isinstance(high, (int, float)) and (low, high) == (0, 1)
        given = {} if standard else {"low": low, "high": high}
        shape, operands = self._operands("uniform", size, its, **given)
        low, high = operands or (None, None)
        return self._drawn(
            shape, operands, lambda its_shape: drawn.random_uniform(self._next(), low, high, its_shape, its)
        )

    def exponential(self, scale: Any = 1.0, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """Exponentially distributed numbers with mean scale, by inversion: at most 16.6 scale in float32, 36.7 in
        float64. scale: as in `uniform`. Raises DtypeError, ShapeError, ArgumentError."""
        its = drawn.floating("exponential", dtype)
        given = {} if isinstance(scale, (int, float)) and scale == 1 else {"scale": scale}
        shape, operands = self._operands("exponential", size, its, **given)
        scale = operands[0] if operands else None
        return self._drawn(
            shape, operands, lambda its_shape: drawn.random_exponential(self._next(), scale, its_shape, its)
        )

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """Normally distributed numbers loc + scale z, by Box and Muller (1958); |z| is at most 6.8 in float32, 9.5 in
        float64. loc, scale: as in `uniform`. Raises DtypeError, ShapeError, ArgumentError."""
        its = drawn.floating("normal", dtype)
        standard = isinstance(loc, (int, float)) and isinstance(scale, (int, float)) and (loc, scale) == (0, 1)
        shape, operands = self._operands("normal", size, its, **({} if standard else {"loc": loc, "scale": scale}))
        loc, scale = operands or (None, None)
        return self._drawn(
            shape, operands, lambda its_shape: drawn.random_normal(self._next(), loc, scale, its_shape, its)
        )

    def standard_normal(self, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """`normal` with loc 0 and scale 1."""
        return self.normal(0.0, 1.0, size, dtype)

    def truncated_normal(
        self, loc: Any = 0.0, scale: Any = 1.0, low: Any = -2.0, high: Any = 2.0, size: Any = None, dtype: Any = FLOAT32
    ) -> Array:
        """Numbers of the normal distribution with this mean and deviation, given that they are from low to high.

        By inversion, of the tail where all is on one side of the mean, whose far end has the resolution of some 2^24
        steps (float64: 2^53); where the whole interval is so far out that its probability is 0 in the dtype, some 14
        deviations (float64: 38), all numbers are that end of it that is nearer. loc, scale, low, high: as in `uniform`;
        low and high may be infinite. NaN where low is above high, or scale not above 0. Raises DtypeError, ShapeError,
        ArgumentError.
        """
        its = drawn.floating("truncated_normal", dtype)
        shape, given = self._operands("truncated_normal", size, its, loc=loc, scale=scale, low=low, high=high)
        return self._drawn(
            shape, given, lambda its_shape: drawn.random_truncated_normal(self._next(), *given, its_shape, its)
        )

    def gamma(self, shape: Any, scale: Any = 1.0, size: Any = None, dtype: Any = FLOAT32) -> Array:
        """Gamma distributed numbers with this shape parameter, above 0, times scale, by Marsaglia and Tsang (2000).

        Each attempt has streams of its own, and each element takes the first that it accepts: some 95 of a hundred take
        the first. Whether one is left over is read on the host after each attempt. shape, scale: as in `uniform`; one
        that is not above 0 gives NaN. Raises DtypeError, ShapeError, ArgumentError.
        """
        its = drawn.floating("gamma", dtype)
        whole, (alpha, factor) = self._operands("gamma", size, its, shape=shape, scale=scale)
        alpha = fn.where(fn.greater(alpha, 0.0), alpha, math.nan)

        def attempt(state: Array, its_shape: Shape) -> tuple[Array, Array]:
            value, accepted = drawn.random_gamma_attempt(state, alpha, its_shape)
            return value, fn.logical_or(accepted, fn.isnan(value))

        def draw(its_shape: Shape) -> Array:
            return fn.multiply(self._attempted(4, lambda state: attempt(state, its_shape)), factor)

        return self._drawn(whole, (alpha, factor), draw)

    def bernoulli(self, p: Any = 0.5, size: Any = None) -> Array:
        """Booleans, true with probability p, to 24 binary places. p: as in `uniform`. Raises ShapeError,
        ArgumentError."""
        shape, operands = self._operands("bernoulli", size, FLOAT32, p=p)
        return self._drawn(
            shape, operands, lambda its_shape: drawn.random_bernoulli(self._next(), operands[0], its_shape)
        )

    def integers(
        self, low: int, high: int | None = None, size: Any = None, dtype: Any = INT64, endpoint: bool = False
    ) -> Array:
        """Integers of [low, high), or of [low, high] where endpoint; of [0, low) where high is None.

        No integer's probability differs from its share by more than 2^-64. Raises ArgumentError where there is no such
        integer, or the dtype does not hold them; DtypeError.
        """
        its = as_dtype(dtype, "integers: dtype")
        if its.kind not in "iu":
            raise DtypeError(f"integers: dtype: takes integer dtypes, got {its}")
        first, last = integer("integers", "low", low), None if high is None else integer("integers", "high", high)
        first, last = (0, first) if last is None else (first, last)
        count = last - first + bool(switch("integers", "endpoint", endpoint))
        limits = np.iinfo(its.numpy)
        if count <= 0:
            raise ArgumentError(f"integers: low, high: expected low below high, got {first} and {last}")
        if first < limits.min or first + count - 1 > limits.max:
            raise ArgumentError(f"integers: low, high: {its} does not hold all from {first} to {first + count - 1}")
        shape, long = _size("integers", size), count > 2**32
        state = self._next(first % 2**64, count % 2**64)
        return self._drawn(shape, (), lambda its_shape: drawn.random_integers(state, its_shape, its, long))

    def permutation(self, x: Any) -> Array:
        """The integers from 0 to x - 1 in random order, as int64; of an array, its parts along the first axis.

        The order is that of 64 random bits for each place, and of the places where these are equal. Raises
        ArgumentError, ShapeError.
        """
        if hasattr(x, "shape") and len(x.shape):
            array = asarray(x, device=self._device)
            return take(array, self._order(array.shape[0]), axis=0)
        n = integer("permutation", "x", x)
        if n < 0:
            raise ArgumentError(f"permutation: x: expected 0 or more, got {n}")
        return self._order(n)

    def choice(self, a: Any, size: Any = None, replace: bool = True, p: Any = None) -> Array:
        """Elements of a vector, or integers below a, each as likely as any other, or with probabilities p.

        replace: whether one may be chosen again; without it they are the first of a `permutation`, or, with p, those of
        one draw after another. p: a vector of numbers of 0 or more that add up to 1; what is likely with 0 is never
        chosen. Its dtype is what is computed in, so that choices are as fine as 2^-24 in float32. p is looked at on the
        host, which waits for the device. Raises ArgumentError where there is nothing to choose, or too little, or p is
        no distribution; DtypeError, ShapeError.
        """
        array = asarray(a, device=self._device) if hasattr(a, "shape") and len(a.shape) else None
        if array is not None and array.ndim > 1:
            raise ShapeError(f"choice: a: expected a vector or an integer, got shape {array.shape}")
        n = integer("choice", "a", a) if array is None else array.size
        shape = _size("choice", size)
        count = prod(shape)
        if n < 1 and count:
            raise ArgumentError(f"choice: a: expected at least one element, got {shown(a)}")
        weights = None if p is None else self._probabilities(p, n)
        if switch("choice", "replace", replace):
            places = self.integers(0, max(1, n), shape) if weights is None else self._weighted(weights, shape)
        elif count > (possible := n if weights is None else int(count_nonzero(weights))):
            raise ArgumentError(f"choice: size: {count} of {possible} elements cannot be chosen without one twice")
        else:
            order = self._order(n) if weights is None else argsort(drawn.random_race(self._next(), weights))
            places = order[:count].view(shape, row_major(shape))
        return places if array is None else take(array, places)

    def _probabilities(self, p: Any, n: int) -> Array:
        """The probabilities of n elements, in float32 or float64. Raises ArgumentError, DtypeError, ShapeError."""
        given = asarray(p, device=self._device)
        if given.dtype.kind != "f":
            raise DtypeError(f"choice: p: takes floating dtypes, got {given.dtype}")
        if given.shape != (n,):
            raise ShapeError(f"choice: p: expected shape ({n},), got {given.shape}")
        weights = astype(given, drawn.wide(given.dtype), copy=False)
        if not bool(every(fn.greater_equal(weights, 0.0))):
            raise ArgumentError("choice: p: expected numbers of 0 or more")
        total = float(total_of(weights))
        if not abs(total - 1.0) <= SUM_OF_PROBABILITIES[given.dtype.name]:
            raise ArgumentError(f"choice: p: expected numbers that add up to 1, got a sum of {total:.9g}")
        return weights

    def _weighted(self, weights: Array, shape: Shape) -> Array:
        """Places that are as likely as weights say: how many partial sums are no larger than a share of the whole."""
        sums = cummax(fn.where(fn.greater(weights, 0.0), cumulative_sum(weights), 0.0), 0)[0]
        share = self.random(shape, weights.dtype)
        return searchsorted(sums, fn.multiply(share, sums[-1]), side="right")

    def _order(self, n: int) -> Array:
        """0 to n - 1 in random order."""
        return argsort(self._drawn((n,), (), lambda its_shape: drawn.random_words(self._next(), its_shape)))

    def _operands(self, op: str, size: Any, dtype: DType, **given: Any) -> tuple[Shape, tuple[Array, ...]]:
        """The shape of a result, and its parameters as arrays of a dtype."""
        arrays = []
        for name, x in given.items():
            if isinstance(x, (int, float)) or not hasattr(x, "shape"):
                arrays.append(constant(real(op, name, x), dtype, self._device))
            else:
                arrays.append(asarray(x, dtype=dtype, device=self._device))
        if size is None:
            return broadcast_shapes(*(x.shape for x in arrays), what=op), tuple(arrays)
        shape = _size(op, size)
        for name, x in zip(given, arrays, strict=True):
            if broadcast_shapes(x.shape, shape, what=op) != shape:
                raise ShapeError(f"{op}: {name}: has shape {x.shape}, which does not broadcast to size {shape}")
        return shape, tuple(arrays)

    def _drawn(self, shape: Shape, operands: tuple[Array, ...], draw: Any) -> Array:
        """What draw(shape) makes. Where no parameter has axes it is drawn in whole rows: places are then made of few
        numbers, and of the memory of the last row a rest is left over."""
        n = prod(shape)
        if n == 0 or any(x.ndim for x in operands):
            return draw(shape)
        if n > MANY:
            empty((n,), BOOL, self._device)
        made = draw((n,) if n <= ROW else (-(-n // ROW), ROW))
        return made.view(shape, row_major(shape))


def default_rng(seed: int | None = None, device: str | Device | None = None) -> Generator:
    """A new `Generator`."""
    return Generator(seed, device)


def _word(op: str, argument: str, value: Any) -> int:
    found = integer(op, argument, value)
    if not 0 <= found < 2**64:
        raise ArgumentError(f"{op}: {argument}: expected an integer from 0 to 2^64 - 1, got {shown(value)}")
    return found


def _size(op: str, size: Any) -> Shape:
    """A shape from a length, a shape or None. Raises ArgumentError."""
    shape = () if size is None else integers(op, "size", size)
    if any(n < 0 for n in shape):
        raise ArgumentError(f"{op}: size: expected lengths of 0 or more, got {shown(size)}")
    return shape
