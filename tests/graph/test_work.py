"""Operations that calls need: counted by hand, by a row's own count, and by the composition's."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import accel
from accel import linalg, nn, registry, work
from accel.bench.cases import cost, workload
from accel.fuse import graph_of
from accel.work import of_function

EXP, GELU = of_function("exp", "float32"), of_function("gelu", "float32")


def graph(function, *arrays):
    return graph_of(function, "f", tuple(accel.asarray(x).layout for x in arrays))


def ones(*shape, dtype="float32"):
    return np.ones(shape, dtype)


COUNTED = {
    "a sum": (lambda x: accel.sum(x, axis=1), (ones(3, 5),), 15),
    "mean": (lambda x: accel.mean(x, axis=1), (ones(3, 5),), 15 + 3),
    "softmax": (lambda x: nn.softmax(x, axis=1), (ones(3, 5),), 15 + 15 + 15 * EXP + 15 + 15),
    "an activation": (lambda x, w, b: nn.linear(x, w, b, activation="gelu"), (ones(2, 3), ones(5, 3), ones(5)),
                      2 * 2 * 3 * 5 + 10 + 10 * GELU),
    "a user's": (lambda a, b: accel.exp(a @ b) + 1.0, (ones(2, 3), ones(3, 5)), 2 * 2 * 3 * 5 + 10 * EXP + 10),
    "an operand that is seen often": (lambda x: accel.sum(accel.broadcast_to(x, (7, 5)) * x), (ones(5),), 35 + 35),
    "16 bits": (lambda x: accel.mean(x, axis=1), (ones(3, 5, dtype="float16"),), 15 + 3),
    "comparisons": (lambda x: accel.where(x > 0.0, x, 2.0 * x), (ones(3, 5),), 15),
    "what moves": (lambda x: accel.concat([x, x[::-1]]), (ones(3, 5),), 0),
    "nothing that is returned": (lambda x: (accel.exp(x), x * x)[1], (ones(3, 5),), 15),
}  # fmt: skip


@pytest.mark.parametrize("name", COUNTED)
def test_counted_by_hand(name):
    function, arrays, count = COUNTED[name]
    assert work.of_graph(graph(function, *arrays)) == count
    assert work.of_graph(graph(lambda *its: function(*its) * 2.0, *arrays)) > count


TAKEN = (((4, 5), "float32"), ((3,), "int64"))


def test_a_check_of_indices_counts_nothing():
    """Its steps are in the graph, and no result comes from them."""
    made = graph(lambda x, i: accel.take(x, i, axis=0), *(accel.empty(n, dtype=d, device="null") for n, d in TAKEN))
    assert work.of_graph(made) == 0 and made.checks
    assert {"max", "subtract"} <= {node.spec.name for node in made.nodes}


def test_scalar_functions():
    assert of_function("add", "float32") == 1 and of_function("positive", "float32") == 0
    assert of_function("add", "int8") == 1 and of_function("less", "float32") == 0
    assert of_function("bitwise_and", "int32") == of_function("abs", "float32") == of_function("cast", "int8") == 0
    assert of_function("log", "float32") < 30, "what only subnormals need is not counted"
    assert of_function("exp", "bfloat16") == of_function("exp", "float32") < of_function("exp", "float64")


BOTH = {
    "linear": (nn.linear, (ones(2, 3, 4), ones(5, 4))),
    "conv1d": (nn.conv1d, (ones(2, 3, 9), ones(5, 3, 3))),
    "conv2d": (lambda x, w: nn.conv2d(x, w, stride=2, padding=1, groups=3), (ones(2, 6, 8, 8), ones(9, 2, 3, 3))),
    "conv3d": (nn.conv3d, (ones(1, 2, 5, 5, 5), ones(3, 2, 2, 2, 2))),
    "int8_matmul": (registry.OPS["int8_matmul"].function, (ones(3, 5, dtype="int8"), ones(5, 7, dtype="int8"))),
}  # fmt: skip


@pytest.mark.parametrize("name", BOTH)
def test_a_rows_own_count_is_that_of_its_composition(name):
    function, arrays = BOTH[name]
    made, spec = graph(function, *arrays), registry.OPS[name]
    assert spec.flops is not None and spec.decompose is not None
    assert spec.flops(made.inputs, made.outputs, None) == work.of_graph(made) > 0


AT_LEAST = {
    "cholesky": (linalg.cholesky, (ones(40, 40),)),
    "solve": (linalg.solve, (ones(40, 40), ones(40, 3))),
    "inv": (linalg.inv, (ones(40, 40),)),
    "det": (linalg.det, (ones(40, 40),)),
    "slogdet": (linalg.slogdet, (ones(40, 40),)),
    "qr": (linalg.qr, (ones(40, 40),)),
    "conv_transpose1d": (lambda x, w: nn.conv_transpose1d(x, w, stride=2), (ones(2, 3, 9), ones(3, 5, 3))),
    "conv_transpose2d": (nn.conv_transpose2d, (ones(2, 3, 8, 8), ones(3, 5, 3, 3))),
    "conv_transpose3d": (nn.conv_transpose3d, (ones(1, 2, 5, 5, 5), ones(2, 3, 2, 2, 2))),
    "scaled_int8_matmul": (registry.OPS["scaled_int8_matmul"].function,
                           (ones(3, 5, dtype="int8"), ones(5, 7, dtype="int8"), ones(1), ones(1))),
}  # fmt: skip

SWEEPS = {"svd", "svdvals", "eigh", "eigvalsh", "pinv"}
"""Whose rows count the sweeps that matrices need, of which kernels alone know."""


@pytest.mark.parametrize("name", AT_LEAST)
def test_a_composition_does_no_less_than_its_row_counts(name):
    """Blocks of factors whose other halves are zeros, zeros between elements, scales: they are of the way it is
    computed, and the row leaves them out."""
    function, arrays = AT_LEAST[name]
    made, spec = graph(function, *arrays), registry.OPS[name]
    its = spec.flops(made.inputs, made.outputs, None)
    assert 0 < its < work.of_graph(made) < 8 * its


def test_every_row_of_both_is_compared():
    both = {op.name for op in registry.OPS.values() if op.decompose is not None and op.flops is not None}
    assert both == {*BOTH, *AT_LEAST, *SWEEPS}


@pytest.mark.parametrize("alignment", ["upper_left", "lower_right"])
@pytest.mark.parametrize("window", [None, (0, 0), (2, 1), (None, 3)])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("queries", "keys"), [(4, 7), (7, 4)])
def test_attention_counts_the_pairs_that_its_window_has(alignment, window, causal, queries, keys):
    attention = partial(
        nn.scaled_dot_product_attention, is_causal=causal, causal_alignment=alignment, window_size=window
    )
    made = graph(attention, ones(2, 3, queries, 8), ones(2, 3, keys, 8), ones(2, 3, keys, 6))
    behind, ahead = window or (None, None)
    behind, ahead = keys + queries if behind is None else behind, keys + queries if ahead is None else ahead
    first = keys - queries if alignment == "lower_right" else 0
    distances = np.arange(keys) - (np.arange(queries)[:, None] + first)
    pairs = ((distances >= -behind) & (distances <= (0 if causal else ahead))).sum()
    assert work.of_graph(made) == 2 * (2 * 3) * pairs * (8 + 6)


MOVES = {
    "copy", "astype", "roll", "pad", "take", "take_along_axis", "sort", "argsort", "searchsorted", "topk", "concat",
}  # fmt: skip


def test_cases_of_the_suites_count_what_they_compute():
    """Of composed ops: none but those that move and compare alone counts nothing."""
    cases = {w.op: w for w in workload.select("core", dtypes=["float32"])}
    composed = {op: w for op, w in cases.items() if workload.known(w).decompose and not workload.known(w).flops}
    assert len(composed) > 40
    none = {op for op, w in composed.items() if not cost.flops(w)}
    assert none < MOVES | {"isin", "threshold", "relu6", "hardtanh", "hardshrink"}, none
    assert cost.flops(composed["rms_norm"]) > 4 * 1000 * 1000
    summed = composed["segment_sum"]
    assert cost.flops(summed) == np.prod(summed.operands[0].shape) > 0  # each element is added once
