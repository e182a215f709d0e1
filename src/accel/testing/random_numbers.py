"""Examples of random numbers: states, and the parameters of distributions."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..dtypes import DType
from .draw import Draw, shape
from .families import Edge, Sample, Samples

STATES = ((0, 0), (1, 2**64 - 1), (2**64 - 1, 1), (0x0370734413198A2E, 0x299F31D0A4093822))
SHAPES = ((1,), (), (3, 1, 5), (1025,), (2, 4097), (0, 3))
RANGES = (
    (0, 1, False),
    (0, 6, False),
    (2**64 - 128, 256, False),
    (0, 2**32, False),
    (5, 2**32 + 1, True),
    (0, 0, True),
)
"""low modulo 2^64, count, and whether 128 bits are asked for."""


def _state(its: Draw, *more: int) -> np.ndarray:
    stream, key = (its.integer(0, 2**32 - 1) << 32 | its.integer(0, 2**32 - 1) for _ in range(2))
    return np.array([stream, key, *more], np.uint64)


def _samples(make: Any, parameters: tuple[Any, ...]) -> Samples:
    """make(state, parameter, shape): the arguments."""

    def draw(its: Draw) -> Sample:
        return Sample(make(_state(its), its.choice(parameters), shape(its)))

    def edge(state: tuple[int, int], parameter: Any, its_shape: tuple[int, ...]) -> Edge:
        words = np.array(state, np.uint64)
        return Edge(max(1, prod(its_shape)), lambda: Sample(make(words, parameter, its_shape)))

    edges = [edge(s, parameters[i % len(parameters)], SHAPES[0]) for i, s in enumerate(STATES)]
    edges += [edge(STATES[3], parameters[i % len(parameters)], each) for i, each in enumerate(SHAPES)]
    edges += [edge(STATES[1], each, SHAPES[2]) for each in parameters]
    return Samples(draw, edges)


def _number(value: float | None, dtype: DType) -> np.ndarray | None:
    return None if value is None else np.array(value, dtype.numpy)


def words(dtype: DType) -> Samples:
    return _samples(lambda state, _, its_shape: (state, its_shape), (None,))


def uniform(dtype: DType) -> Samples:
    def make(state: np.ndarray, ends: tuple[Any, Any], its_shape: tuple[int, ...]) -> tuple[Any, ...]:
        return (state, *(_number(x, dtype) for x in ends), its_shape, dtype)

    return _samples(make, ((None, None), (-1.0, 1.0), (0.0, 3.0), (5.0, 5.0), (1e-4, 2.0)))


def exponential(dtype: DType) -> Samples:
    def make(state: np.ndarray, scale: float | None, its_shape: tuple[int, ...]) -> tuple[Any, ...]:
        return state, _number(scale, dtype), its_shape, dtype

    return _samples(make, (None, 1.0, 0.25, 100.0))


def normal(dtype: DType) -> Samples:
    def make(state: np.ndarray, parameters: tuple[Any, Any], its_shape: tuple[int, ...]) -> tuple[Any, ...]:
        return (state, *(_number(x, dtype) for x in parameters), its_shape, dtype)

    return _samples(make, ((None, None), (0.0, 1.0), (-3.0, 0.5)))


def truncated_normal(dtype: DType) -> Samples:
    def make(state: np.ndarray, parameters: tuple[Any, ...], its_shape: tuple[int, ...]) -> tuple[Any, ...]:
        return (state, *(_number(x, dtype) for x in parameters), its_shape, dtype)

    infinity = float("inf")
    some = ((0.0, 1.0, -2.0, 2.0), (1.0, 2.0, -infinity, 0.5), (0.0, 1.0, 3.0, infinity), (0.0, 0.5, 1.0, 1.0))
    return _samples(make, (*some, (0.0, 1.0, 1.0, -1.0), (0.0, -1.0, 0.0, 1.0)))


def race(dtype: DType) -> Samples:
    def make(state: np.ndarray, weights: tuple[float, ...], its_shape: tuple[int, ...]) -> tuple[Any, ...]:
        return state, np.resize(np.array(weights, dtype.numpy), prod(its_shape))

    return _samples(make, ((1.0,), (0.25, 0.0, 0.75), (1e-4, 1.0)))


def gamma_attempt(dtype: DType) -> Samples:
    def make(state: np.ndarray, alpha: Any, its_shape: tuple[int, ...]) -> tuple[Any, ...]:
        return state, _number(alpha, dtype), its_shape

    return _samples(make, (1.0, 0.5, 2.5, 30.0))


def bernoulli(dtype: DType) -> Samples:
    def make(state: np.ndarray, p: Any, its_shape: tuple[int, ...]) -> tuple[Any, ...]:
        return state, _number(p, dtype), its_shape

    return _samples(make, (0.5, 0.0, 1.0, 0.125, float("nan")))


def integers(dtype: DType) -> Samples:
    def make(state: np.ndarray, limits: tuple[int, int, bool], its_shape: tuple[int, ...]) -> tuple[Any, ...]:
        low, count, long = limits
        return np.array([*state, low, count], np.uint64), its_shape, dtype, long

    return _samples(make, RANGES)


def law(dtype: DType) -> Samples:
    def make(state: np.ndarray, parameters: tuple[Any, ...], its_shape: tuple[int, ...]) -> tuple[Any, ...]:
        name, *numbers = parameters
        return (state, *(_number(x, dtype) for x in numbers), name, its_shape, dtype)

    located = [(name, *numbers) for name in ("laplace", "logistic", "gumbel", "cauchy") for numbers in LOCATED]
    shaped = [(name, a, 1.0) for name in ("rayleigh", "weibull", "pareto", "power") for a in (1.0, 0.5, 3.0)]
    return _samples(make, (*located, *shaped, ("laplace", 0.0, -1.0), ("weibull", 0.0, 1.0)))


LOCATED = ((0.0, 1.0), (-2.0, 0.25))


def triangular(dtype: DType) -> Samples:
    def make(state: np.ndarray, parameters: tuple[Any, ...], its_shape: tuple[int, ...]) -> tuple[Any, ...]:
        return (state, *(_number(x, dtype) for x in parameters), its_shape, dtype)

    return _samples(make, ((0.0, 0.5, 1.0), (-2.0, -2.0, 3.0), (0.0, 4.0, 4.0), (1.0, 0.0, 2.0)))


def geometric(dtype: DType) -> Samples:
    return _samples(lambda state, p, its_shape: (state, _number(p, dtype), its_shape), (0.5, 1.0, 0.0, 1e-3, 0.9))


def poisson_attempt(dtype: DType) -> Samples:
    means = (3.0, 0.0, 10.0, 250.5, 1e6, -1.0, float("inf"))
    return _samples(lambda state, mean, its_shape: (state, _number(mean, dtype), its_shape), means)


def binomial_attempt(dtype: DType) -> Samples:
    def make(state: np.ndarray, parameters: tuple[Any, ...], its_shape: tuple[int, ...]) -> tuple[Any, ...]:
        return (state, *(_number(x, dtype) for x in parameters), its_shape)

    return _samples(make, ((10.0, 0.3), (0.0, 0.5), (1000.0, 0.75), (20.0, 1.0), (1e6, 0.1), (5.0, 1.5)))
