"""Every primitive says of itself what tests, bounds and derivatives go by."""

from __future__ import annotations

import numpy as np
import pytest
from tracing import traced

import accel
from accel import registry
from accel.errors import AccelError, ArgumentError
from accel.graph.derivative import backward, forward
from accel.ops.spec import Primitive


def test_what_kernels_compute_is_registered():
    computed = {spec.primitive for spec in registry.OPS.values() if spec.decompose is None} | {"row"}
    assert computed == set(registry.PRIMITIVES)


@pytest.mark.parametrize("name", registry.PRIMITIVES)
def test_each_has_all_or_a_reason(name):
    its = registry.primitive(name)
    assert its.name == name
    assert callable(its.canonical)
    for said in (its.analysed, its.vjp):
        assert callable(said) or (isinstance(said, str) and len(said.split()) > 3)


def test_unknown_and_twice():
    with pytest.raises(AccelError, match=r"is not registered; there are .*matmul"):
        registry.primitive("sorted")
    with pytest.raises(ValueError, match="already"):
        registry.register_primitive(registry.primitive("matmul"))


def test_the_reason_for_no_derivative_and_no_bound_is_said(monkeypatch):
    x = accel.asarray(np.ones((3, 4), np.float32))
    graph = traced(accel.exp, x)
    nothing = Primitive("pointwise", registry.primitive("pointwise").canonical, "no rule for it", "nobody took one")
    monkeypatch.setitem(registry.PRIMITIVES, "pointwise", nothing)
    with pytest.raises(ArgumentError, match="exp: the primitive pointwise has no derivative: nobody took one"):
        backward(graph, forward(graph, [x]), [x])
    from accel.graph.interpret import analyse

    with pytest.raises(ArgumentError, match="no rule for it"):
        analyse(accel.exp, np.ones(3, np.float32))
