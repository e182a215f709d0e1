"""Attention, convolutions, products with quantised weights and in groups, and what follows positions or an order, at
the edges of the contract, on every instruction set: what is small enough for a build with sanitizers."""

from __future__ import annotations

import pytest

import accel
from accel.dtypes import TABLE
from accel.registry import OPS
from accel.testing.compare import check

MOST = {"attention": 2600, "convolution": 1000, "quantized_matmul": 20000, "grouped_matmul": 20000}
"""Elements of the largest operand."""


@pytest.mark.parametrize(
    ("op", "dtype"),
    [("attention", "float32"), ("attention", "float16"), ("convolution", "float32"), ("convolution", "float64"),
     ("quantized_matmul", "float32"), ("quantized_matmul", "bfloat16"), ("grouped_matmul", "float32"),
     ("take", "float32"), ("take", "int8"), ("take_along_axis", "float64"), ("gather", "float16"),
     ("put_along_axis", "float32"), ("index_add", "float32"), ("index_add", "int8"),
     ("sort", "float32"), ("sort", "int8"), ("argsort", "float64"), ("argsort", "bfloat16"), ("sort", "int64"),
     ("searchsorted", "float32"), ("cumulative_sum", "float32"), ("fourier", "float32"), ("softmax", "float32")],
)  # fmt: skip
def test_edges(isa, op, dtype):
    edges = [edge for edge in OPS[op].samples(TABLE[dtype]).edges if edge.size <= MOST.get(op, 5000)]
    assert len(edges) >= 3
    with accel.config(cpu_isa=isa, num_threads=3):
        for edge in edges:
            sample = edge.make()
            check(OPS[op], accel.device("cpu"), sample.operands, sample.keywords, sample.period)
