"""Graphs and stages of functions, for tests."""

from __future__ import annotations

from accel import dispatch
from accel.composition import recorded_by
from accel.config import config
from accel.conversion import is_constant
from accel.graph.arrange import arranged
from accel.graph.compile import Stage, stages
from accel.graph.graph import Graph
from accel.graph.trace import Tracer


def traced(function, *arrays) -> Graph:
    tracer = Tracer([x.layout for x in arrays], is_constant)
    with recorded_by(tracer):
        results = function(*tracer.arguments())
    return tracer.graph(results if isinstance(results, tuple) else (results,))


def staged(function, *arrays) -> list[Stage]:
    return stages(arranged(traced(function, *arrays)), dispatch.chooser(arrays[0].device, config.current()))
