"""A composed op promises no more than what it is composed of: where a part of it has the class `bound` in a mode, as
matrix units may compute it there, so has it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import accel
from accel import composition, registry
from accel.dtypes import FLOAT16, FLOAT32
from accel.testing.compare import place
from accel.testing.draw import Draw

COMPOSED = [spec for spec in registry.OPS.values() if spec.decompose is not None]
EXAMPLES = 6


class Caught(Exception):
    """What an op is called with."""


class Catcher:
    def call(self, spec, inputs, params, out):
        raise Caught(spec, tuple(x.layout for x in inputs), params)


def graph_of(spec, sample):
    cpu = accel.device("cpu")
    operands = [place(x, cpu) if isinstance(x, np.ndarray) else x for x in sample.operands]
    keywords = {name: place(x, cpu) if isinstance(x, np.ndarray) else x for name, x in sample.keywords.items()}
    with pytest.raises(Caught) as caught, composition.recorded_by(Catcher()):
        spec.function(*operands, **keywords)
    return composition.graph_of(*caught.value.args)


@cache
def parts(spec, dtype):
    """(name, dtype) of the floating ops that examples of an op are composed of, other than itself."""
    found = set()
    drawn = spec.samples(dtype).draw
    for number in range(EXAMPLES):
        for node in graph_of(spec, drawn(Draw.seeded(number))).nodes:
            kinds = [read.layout.dtype for read in node.reads if read.layout.dtype.kind == "f"]
            if kinds and node.spec is not spec:
                found.add((node.spec, kinds[0]))
    return found


def promised_by_parts(spec, dtype, numerics):
    return "bound" not in {its.bits(kind, numerics) for its, kind in parts(spec, dtype)}


@pytest.mark.parametrize("numerics", ["fast", "default", "reproducible"])
def test_classes(numerics):
    wrong = [
        f"{spec.name} of {dtype}"
        for spec in COMPOSED
        for dtype in (FLOAT32, FLOAT16)
        if dtype in spec.dtypes
        and spec.bits(dtype, numerics) != "bound"
        and not promised_by_parts(spec, dtype, numerics)
    ]
    assert not wrong


def test_parts_that_are_open_are_seen():
    """Control: those whose body calls attention, convolution, and products."""
    names = ("scaled_dot_product_attention", "multi_head_attention", "conv2d", "packed_linear", "linear", "cov")
    for name in names:
        assert not promised_by_parts(registry.OPS[name], FLOAT32, "fast")
        assert promised_by_parts(registry.OPS[name], FLOAT32, "reproducible")
    assert promised_by_parts(registry.OPS["softmax"], FLOAT32, "fast")
