"""The graph of a traced function: its text, its checker, and what it leaves out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tracing import staged, traced

import accel
from accel.dtypes import TABLE
from accel.errors import AccelError
from accel.graph.apart import filled
from accel.graph.graph import Read
from accel.layout import layout

X = accel.asarray(np.ones((8, 16), np.float32))


def small(x):
    return accel.exp(x[::-1]) * 2.0 + accel.sum(x, axis=1, keepdims=True)


def test_a_graph_as_text():
    assert str(traced(small, X)).splitlines() == [
        "  %0: float32[8, 16] = input",
        "  %1: float32[] = constant",
        "  %2: float32[8, 16] = exp(%0 + 112 as [8, 16] by [-16, 1])",
        "  %3: float32[8, 16] = multiply(%2, %1)",
        "  %4: float32[8] = sum[1](%0)",
        "  %5: float32[8, 16] = add(%3, %4 as [8, 1] by [1, 0])",
        "  return %5",
    ]


def test_nodes_that_no_result_needs_are_left_out():
    def wasteful(x):
        accel.tanh(accel.exp(x) * 5.0)
        return x + 1.0

    graph = traced(wasteful, X)
    assert [node.spec.name for node in graph.nodes] == ["add"]
    assert len(graph.constants) == 1


def wrong_read(graph, value, its=None, offset=0):
    node = graph.nodes[0]
    read = Read(value, its or node.reads[0].layout, offset)
    return replace(graph, nodes=(replace(node, reads=(read,)), *graph.nodes[1:]))


@pytest.mark.parametrize(
    ("value", "its", "offset", "message"),
    [
        (2, None, 0, "not there yet"),
        (9, None, 0, "not there yet"),
        (-1, None, 0, "not there yet"),
        (0, None, 1, "beyond its memory"),
        (0, None, -1, "beyond its memory"),
        (0, layout(TABLE["float32"], (9, 16), None, X.device), 0, "beyond its memory"),
        (0, layout(TABLE["int32"], (8, 16), None, X.device), 0, "as int32"),
    ],
)
def test_wrong_graphs_are_refused(value, its, offset, message):
    graph = traced(lambda x: accel.exp(x) + accel.tanh(x), X)
    wrong_read(graph, 0).check()
    with pytest.raises(AccelError, match=message):
        wrong_read(graph, value, its, offset).check()


def test_a_result_that_is_not_there_is_refused():
    graph = traced(accel.exp, X)
    with pytest.raises(AccelError, match="not there yet"):
        replace(graph, results=(Read(2, X.layout),)).check()


@pytest.mark.parametrize("function", [lambda x, c: accel.exp(x) * c, lambda x, c: accel.sum(x * c, axis=1)])
def test_numbers_are_uniforms_and_no_part_of_a_program(function):
    def params(c):
        (stage,) = staged(lambda x: function(x, c), X)
        return stage.work.params

    assert params(2.0) == params(3.0)
    (other,) = staged(lambda x: accel.tanh(x) * 2.0, X)
    assert params(2.0) != other.work.params


def test_a_constant_is_met_without_elements_first():
    """The number stays whole, whatever the first array on it looks like."""

    @accel.fuse
    def zeros(x, y):
        return tuple(filled(0.5, z.shape, z.dtype, z.device) for z in (x, y))

    made = zeros(np.ones((0, 3)), np.ones((2, 3)))
    assert made[0].shape == (0, 3) and made[1].tolist() == [[0.5] * 3] * 2
