"""Graphs of functions and of their derivatives, for tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import accel
from accel.array import Array
from accel.composition import recorded_by
from accel.conversion import from_numpy, to_numpy
from accel.graph.derivative import backward, forward, undivided
from accel.graph.trace import Tracer

RNG = np.random.default_rng(11)


def graph_of(function: Callable[..., Any], arrays: list[Array], alone: frozenset[str] = frozenset()):
    """alone: composed ops that stay nodes, as those with a derivative of their own do where one is taken."""
    tracer = Tracer([x.layout for x in arrays])
    tracer.stand_alone(alone)
    with recorded_by(tracer):
        result = function(*tracer.arguments())
    return tracer.graph(result if isinstance(result, tuple) else (result,))


def on_cpu(x: np.ndarray) -> Array:
    return from_numpy(x, accel.device("cpu"), copy=True)


def gradients(function: Callable[..., Any], operands: list[np.ndarray]) -> tuple[list, list[np.ndarray]]:
    """Cotangents of the operands, and those given to the results."""
    arrays = [on_cpu(x) for x in operands]
    graph = graph_of(function, arrays, undivided())
    values = forward(graph, arrays)
    results = [values[r.value].view(r.layout.shape, r.layout.strides, r.offset) for r in graph.returned]
    given = [RNG.standard_normal(y.shape) for y in results]
    found = backward(graph, values, [on_cpu(g.astype(y.dtype.numpy)) for g, y in zip(given, results, strict=True)])
    return [None if g is None else to_numpy(g) for g in found], given


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)
