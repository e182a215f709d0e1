"""Products of groups of rows, and the router that makes the groups."""

from itertools import pairwise

import ml_dtypes
import numpy as np
import pytest

import accel
from accel import nn
from accel.errors import ArgumentError, DtypeError, ShapeError

DEVICES = [d.name for d in accel.devices() if d.name == "cpu" or d.name.startswith("opencl")]
DEVICES += [d.name for d in accel.devices() if d.name == "triton:interpreter"]
COUNTS = ((5, 0, 14, 1), (0, 14, 1, 5), (0, 0, 20, 0), (3, 4, 6, 7))
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("dtype", "device"), [*((np.float32, d) for d in DEVICES), (ml_dtypes.bfloat16, "cpu"), (np.int8, "cpu")]
)
def test_each_group_is_its_own_product(dtype: type, device: str) -> None:
    x, w = ((4 * RNG.standard_normal(shape)).astype(dtype) for shape in ((20, 300), (4, 33, 300)))
    x, w = accel.asarray(x, device=device), accel.asarray(w, device=device).mT
    asked = "int32" if dtype is np.int8 else None
    for counts in COUNTS if device == "cpu" else COUNTS[:1]:  # each length is compiled
        ends = np.cumsum((0, *counts))
        parts = [accel.matmul(x[a:b], w[g], dtype=asked) for g, (a, b) in enumerate(pairwise(ends))]
        want = np.concatenate([np.asarray(part) for part in parts])
        for given in (counts, accel.asarray(np.array(counts), device=device)):
            got = np.asarray(nn.grouped_matmul(x, w, given, dtype=asked))
            assert got.dtype == want.dtype and np.array_equal(got, want)
        for offs in (ends[1:].tolist(), accel.asarray(ends[1:].astype(np.int32), device=device)):
            assert np.array_equal(np.asarray(nn.grouped_matmul(x, w, offs=offs, dtype=asked)), want)
        wrong = np.asarray(nn.grouped_matmul(x, w, counts[::-1], dtype=asked))
        assert np.any(wrong != want), "and the groups are told apart"


def test_groups_in_a_fused_function() -> None:
    x, w = (accel.asarray(RNG.standard_normal(s).astype(np.float32), device="cpu") for s in ((20, 30), (4, 30, 7)))
    fused = accel.fuse(lambda x, w: nn.grouped_matmul(accel.exp(x), w, (5, 0, 14, 1)))
    assert np.array_equal(np.asarray(fused(x, w)), np.asarray(nn.grouped_matmul(accel.exp(x), w, (5, 0, 14, 1))))


def test_weights_of_no_rows_are_not_read() -> None:
    w = np.full((3, 4, 5), np.nan, np.float32)
    w[1] = 1
    assert np.array_equal(nn.grouped_matmul(np.ones((2, 4), np.float32), w, [0, 2, 0]), np.full((2, 5), 4))
    assert nn.grouped_matmul(np.ones((0, 4), np.float32), w, [0, 0, 0]).shape == (0, 5)


@pytest.mark.parametrize("bits", [None, 8, 4])
def test_packed_weights_are_those_of_linear(bits: int | None) -> None:
    w = RNG.standard_normal((3, 70, 64)).astype(np.float32)
    packed = [nn.PackedWeight(x) if bits is None else nn.PackedWeight.quantized(x, bits=bits, group=32) for x in w]
    x = RNG.standard_normal((9, 64)).astype(np.float32)
    got = nn.grouped_matmul(x, packed, (4, 0, 5))
    assert np.array_equal(got, np.concatenate([nn.linear(x[:4], packed[0]), nn.linear(x[4:], packed[2])]))
    assert nn.grouped_matmul(x[:0], packed, (0, 0, 0)).shape == (0, 70)


def test_a_router_takes_the_first_of_equal_logits_and_weighs_by_scores() -> None:
    logits = np.array([[1, 3, 3, 2], [200, 200, -200, 200]], np.float32)
    weights, chosen = nn.route(logits, 2)
    assert chosen.tolist() == [[1, 2], [0, 1]] and weights.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    weights, chosen = nn.route(logits, 2, scores="sigmoid", normalize=False)
    assert chosen.tolist() == [[1, 2], [0, 1]] and np.all(weights[1] == 1)
    bias = np.array([0, 0, 0, 1], np.float32)
    weights, chosen = nn.route(logits, 1, bias, scores="sigmoid", normalize=False, scale=2.0)
    assert chosen.tolist() == [[3], [3]] and weights[1, 0] == 2
    assert weights[0, 0] == 2 * nn.sigmoid(np.float32([2]))[0], "the bias is in no weight"
    weights, _ = nn.route(np.full((1, 4), -200, np.float32), 2, scores="sigmoid")
    assert weights.tolist() == [[0, 0]]


def test_a_tokens_route_does_not_depend_on_others() -> None:
    logits = RNG.standard_normal((130, 64)).astype(np.float32)
    for scores in ("softmax", "sigmoid"):
        whole = nn.route(logits, 8, scores=scores)
        alone = nn.route(logits[77:78], 8, scores=scores)
        assert all(np.array_equal(a[77:78], b) for a, b in zip(whole, alone, strict=True))
        assert not np.array_equal(whole[0][76], whole[0][77])


X, W = np.ones((3, 4), np.float32), np.ones((2, 4, 5), np.float32)
WRONG = (
    (lambda: nn.grouped_matmul(X[0], W, (3, 0)), ShapeError, "x.*rows, k"),
    (lambda: nn.grouped_matmul(X, W[0, 0], (3, 0)), ShapeError, "weights.*groups, k, n"),
    (lambda: nn.grouped_matmul(X.T, X[:2], (3, 0)), ShapeError, "3 columns meet 2 rows"),
    (lambda: nn.grouped_matmul(X, W), ArgumentError, "counts or offs, got neither"),
    (lambda: nn.grouped_matmul(X, W, (3, 0), offs=(3, 3)), ArgumentError, "counts or offs, got both"),
    (lambda: nn.grouped_matmul(X, W, offs=(3, 2)), ArgumentError, "offs.*ascend from 0 to 3"),
    (lambda: nn.grouped_matmul(X, W, offs=(-1, 3)), ArgumentError, "offs.*ascend from 0 to 3"),
    (lambda: nn.grouped_matmul(X, W[:0], ()), ArgumentError, "counts.*sum to 3"),
    (lambda: nn.grouped_matmul(X, W[:0], np.zeros(0, int)), IndexError, "counts.*sum to 3"),
    (lambda: nn.grouped_matmul(X, W.mT, (3, 0)), ShapeError, "4 columns meet 5 rows"),
    (lambda: nn.grouped_matmul(X, [W[0]], (3,)), ArgumentError, "weights.*PackedWeights"),
    (lambda: nn.grouped_matmul(X, W, (3,)), ShapeError, "counts.*2 groups, got 1"),
    (lambda: nn.grouped_matmul(X, W, (3, 1)), ArgumentError, "counts.*sum to 3"),
    (lambda: nn.grouped_matmul(X, W, (4, -1)), ArgumentError, "counts.*from 0 on"),
    (lambda: nn.grouped_matmul(X, W, (1.5, 1.5)), ArgumentError, "counts.*integers"),
    (lambda: nn.grouped_matmul(X, W, X[0, :2]), DtypeError, "counts.*float32"),
    (lambda: nn.grouped_matmul(X, W, 3), ArgumentError, "counts"),
    (lambda: nn.grouped_matmul(X, W, (1, 2), dtype="int8"), DtypeError, "dtype.*int8"),
    (lambda: nn.route(X, 5), ArgumentError, "k.*1 to 4"),
    (lambda: nn.route(X, 2, X[0, :3]), ShapeError, "bias"),
    (lambda: nn.route(X, 2, scores="relu"), ArgumentError, "scores.*softmax"),
    (lambda: nn.route(X.astype(int), 2), DtypeError, "logits.*int64"),
)


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_wrong_arguments_are_named(number: int) -> None:
    call, error, words = WRONG[number]
    with pytest.raises(error, match=words):
        call()
