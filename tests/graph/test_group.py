"""Which nodes are one launch."""

from __future__ import annotations

import numpy as np
import pytest
import reference_kernels
from tracing import staged

import accel
from accel import dispatch, registry
from accel.backends.base import Kernel

nn = accel.nn
X, W = accel.ones((8, 16), dtype="float32"), accel.ones((16,), dtype="float32")
M, IMAGE = accel.ones((16, 16), dtype="float32"), accel.ones((4, 6, 5), dtype="float32")
HALVES, IMAGE16 = accel.ones((8, 16), dtype="float16"), accel.ones((4, 6, 5), dtype="float16")
CHANNELS16 = accel.ones((6,), dtype="bfloat16")
BATCH, CUBE = accel.ones((2, 4, 16), dtype="float32"), accel.ones((16, 3, 4), dtype="float32")
PICTURE, KERNELS = accel.ones((2, 6, 9, 7), dtype="float32"), accel.ones((6, 6, 3, 3), dtype="float32")
CHANNELS, CLASSES = accel.ones((6,), dtype="float32"), accel.zeros((8,), dtype="int64")
BAGS = accel.zeros((3, 5), dtype="int64")

LAUNCHES = {
    "softmax": (lambda x: nn.softmax(x, axis=-1), (X,), ["row"]),
    "log_softmax": (lambda x: nn.log_softmax(x, axis=-1), (X,), ["row"]),
    "logsumexp": (lambda x: registry.OPS["logsumexp"].function(x, axis=-1), (X,), ["row"]),
    "layer_norm": (lambda x, w, b: nn.layer_norm(x, (16,), w, b), (X, W, W), ["row"]),
    "rms_norm": (lambda x, w: nn.rms_norm(x, (16,), w), (X, W), ["row"]),
    "residual": (lambda x, y: nn.layer_norm(x + y, (16,)), (X, X), ["row"]),
    "group_norm": (lambda x, w, b: nn.group_norm(x, 2, w, b), (IMAGE, CHANNELS, CHANNELS), ["row"]),
    "batch_norm_training": (nn.batch_norm_training, (IMAGE,), ["row"]),
    "cross_entropy": (nn.cross_entropy, (X, CLASSES), ["row", "row"]),
    "cross_entropy of rows": (  # and how many classes are none, for the error
        lambda x, c: nn.cross_entropy(x, c, reduction="none"),
        (X, CLASSES),
        ["row", "reduce"],
    ),
    "var": (lambda x: accel.var(x, axis=-1), (X,), ["row"]),
    "gelu of linear": (lambda x, w, b: nn.gelu(x @ w + b), (X, M, W), ["matmul"]),
    "gated product": (lambda x, w, y: (x @ w) * nn.sigmoid(y), (X, M, X), ["matmul"]),
    "a gate with steps before its product": (
        lambda x, w, y, b: on(accel.exp(nn.sigmoid(y) * 2.0), lambda gate: nn.relu((x @ w + b) * gate * y)),
        (X, M, X, W),
        ["matmul"],
    ),
    "a gate that is transposed": (
        lambda x, w, y: (x @ w) * accel.exp(y).mT,
        (X, M, accel.ones((16, 8), dtype="float32")),
        ["matmul"],
    ),
    "a bias with cheap steps": (lambda x, w, b: x @ w + -accel.astype(b, "float16") * 2.0, (X, M, W), ["matmul"]),
    "two products": (lambda x, w, v: nn.silu(x @ w) * (x @ v), (X, M, M), ["matmul", "matmul"]),
    "norm of a product": (lambda x, w, b: nn.rms_norm(x @ w + b, (16,)), (X, M, W), ["matmul", "row"]),
    "norm of a gated product": (
        lambda x, w, y: nn.rms_norm((x @ w) * nn.sigmoid(y), (16,)),
        (X, M, X),
        ["matmul", "row"],
    ),
    "steps of linear": (lambda x, w, y: nn.gelu(nn.linear(x, w) + y) * 2.0, (BATCH, M, BATCH), ["matmul"]),
    "silu of linear": (lambda x, w: on(nn.linear(x, w), lambda p: p * nn.sigmoid(p)), (BATCH, M), ["matmul"]),
    "gated linear": (lambda x, w, y: nn.linear(x, w) * nn.sigmoid(y), (BATCH, M, BATCH), ["matmul"]),
    "linear scaled by rows": (lambda x, w, y: nn.linear(x, w) * (y[..., :1] + 1.0), (BATCH, M, BATCH), ["matmul"]),
    "norm of linear": (
        lambda x, w, v: nn.rms_norm(x + nn.linear(nn.gelu(nn.linear(x, w)), v), (16,)),
        (BATCH, M, M),
        ["matmul", "matmul", "row"],
    ),
    "softmax of linear": (lambda x, w: nn.softmax(nn.linear(x, w) * 0.3), (BATCH, M), ["matmul", "row"]),
    "tensordot": (lambda x, w: accel.exp(accel.tensordot(x, w, axes=1)), (BATCH, CUBE), ["matmul"]),
    "product of a vector": (lambda x, w, b: accel.tanh(x @ w) + b, (W, M, W), ["matmul"]),
    "product of vectors": (lambda x, y: accel.exp(x @ y) * 2.0, (W, W), ["matmul"]),
    "a convolution's activation": (
        lambda x, w, b: nn.conv2d(x, w, b, padding=1, activation="silu"),
        (PICTURE, KERNELS, CHANNELS),
        ["convolution"],
    ),
    "a residual block": (
        lambda x, w, v, b: nn.relu(
            nn.conv2d(nn.relu(nn.batch_norm(nn.conv2d(x, w, padding=1), b, b, b, b)), v, b, padding=1) + x
        ),
        (PICTURE, KERNELS, KERNELS, CHANNELS),
        ["pointwise", "convolution", "convolution"],
    ),
    "two convolutions": (
        lambda x, w, v: nn.relu(nn.conv2d(x, w) + nn.conv2d(x, v)),
        (PICTURE, KERNELS, KERNELS),
        ["convolution", "convolution"],
    ),
    "the mean of a convolution": (
        lambda x, w: accel.mean(nn.relu(nn.conv2d(x, w)), axis=(2, 3)),
        (PICTURE, KERNELS),
        ["convolution", "row"],
    ),
    "glu": (nn.glu, (HALVES,), ["pointwise"]),
    "glu along rows": (lambda x: nn.glu(x, axis=0), (HALVES,), ["pointwise"]),
    "group_norm of 16 bits": (
        lambda x, y, w, b: nn.group_norm(x, 2, w, b, residual=y),
        (IMAGE16, IMAGE16, CHANNELS16, CHANNELS16),
        ["row"],
    ),
    "group_norm of channels that lie last": (
        lambda x, w: nn.group_norm(x, 2, w),
        (accel.ones((4, 5, 6), dtype="float16").permute((0, 2, 1)), CHANNELS16),
        ["row"],
    ),
    "a cast, turned and cut": (lambda x: accel.astype(x, "float32")[::-1, 1:] * 2.0, (HALVES,), ["pointwise"]),
    "a cast, shifted": (
        lambda x: on(accel.astype(x, "float64"), lambda z: z[1:] - z[:-1]),
        (X,),
        ["pointwise"],
    ),
    "halves of a chain": (lambda x: on(accel.exp(-x * 2.0), lambda z: z[4:] - z[:4]), (X,), ["pointwise"]),
    "a cast, reshaped and folded": (
        lambda x: accel.sum(accel.reshape(accel.astype(x, "float32"), (2, 4, 16)), axis=1),
        (HALVES,),
        ["row"],
    ),
    "a diagonal": (lambda x: accel.exp(accel.diagonal(accel.astype(x, "float64"))), (M,), ["pointwise"]),
    "chain": (lambda x, y: accel.exp(x * y + x) / (1 + y * y) - x, (X, X), ["pointwise"]),
    "segments of rows that are taken": (
        lambda x, i, s: nn.segment_sum(accel.take(x, i, axis=0), s, 3),
        (X, CLASSES, CLASSES),
        ["scatter"],
    ),
    "segments of columns that are taken": (
        lambda x, i, s: nn.segment_max(accel.take(x, i, axis=1).mT, s, 3),
        (X, CLASSES, CLASSES),
        ["gather", "scatter"],
    ),
    "rows that are taken for a sum beside": (
        lambda x, i, s: on(accel.take(x, i, axis=0), lambda rows: (nn.segment_sum(rows, s, 3), accel.exp(rows))),
        (X, CLASSES, CLASSES),
        ["gather", "scatter", "pointwise"],
    ),
    "bags": (lambda x, i: nn.embedding_bag(i, x, mode="sum"), (X, BAGS), ["scatter"]),
    "bags by offsets": (  # and whether these ascend, for the error
        lambda x, i, o: nn.embedding_bag(i, x, o, mode="sum"),
        (X, CLASSES, CLASSES),
        ["pointwise", "search", "pointwise", "scatter"],
    ),
}


@pytest.mark.parametrize("name", LAUNCHES)
def test_launches_of_an_op(name):
    function, arrays, want = LAUNCHES[name]
    assert [stage.work.primitive for stage in staged(function, *arrays)] == want


def on(value, function):
    return function(value)


APART = {
    "reversed": (lambda x: on(accel.exp(x), lambda z: z + z[::-1]), (X,), 2, "reads a part"),
    "shifted": (lambda x: on(accel.exp(x), lambda z: z[1:] * z[:-1]), (X,), 2, "reads a part"),
    "shifted, and costs": (lambda x: on(accel.exp(x), lambda z: z[1:] - z[:-1]), (X,), 2, "reads a part"),
    "a cast that is read as it is too": (
        lambda x: on(accel.astype(x, "float64"), lambda z: z + z[::-1]),
        (X,),
        2,
        "reads a part",
    ),
    "other axes": (lambda x: (accel.sum(x, axis=0), accel.sum(x, axis=1)), (X,), 2, "folds other axes"),
    "product twice": (lambda x, w: on(x @ w, lambda p: (accel.exp(p), accel.tanh(p))), (X, M), 2, "one result"),
    "a bias that costs": (lambda x, w, b: x @ w + accel.exp(b), (X, M, W), 2, "computed again and again"),
    "gate and result": (
        lambda x, w, y: on(nn.sigmoid(y), lambda gate: ((x @ w) * gate, gate)),
        (X, M, X),
        2,
        "one of its values is a result",
    ),
    "a product of its gate": (
        lambda x, w: on(accel.exp(x), lambda z: z @ w + z),
        (X, M),
        2,
        "the product itself reads",
    ),
    "a product and a softmax": (lambda x, w, y: x @ w + nn.softmax(y), (X, M, X), 2, "a fold is not computed beside"),
    "linear twice": (lambda x, w, y: on(nn.linear(x, w), lambda p: (p, p + y)), (BATCH, M, BATCH), 2, "another shape"),
    "linear and strides that have no two axes": (
        lambda x, w, y: nn.linear(x, w) * nn.sigmoid(y),
        (BATCH, M, accel.ones((4, 2, 16), dtype="float32").permute((1, 0, 2))),
        2,
        "under another shape",
    ),
    "argmax": (lambda x: accel.argmax(x * 2.0, axis=1), (X,), 2, ""),
}


@pytest.mark.parametrize("name", APART)
def test_what_must_not_be_one_launch(name):
    function, arrays, count, why = APART[name]
    made = staged(function, *arrays)
    assert len(made) == count
    assert why in "; ".join(stage.why for stage in made)


def test_explain_says_why_a_group_ended():
    text = str(accel.explain("cross_entropy", X, CLASSES))
    assert "it folds other axes" in text


def long(x):
    for _ in range(8):
        x = accel.exp(x) * x
    return x


def test_a_refused_group_is_cut_in_two_and_again(monkeypatch):
    def few(call):
        return f"{len(call.params.steps)} steps, at most 5" if len(call.params.steps) > 5 else None

    x = accel.asarray(np.linspace(-1, 0.5, 24, dtype=np.float32))
    want = np.asarray(accel.fuse(long)(x))
    kernel = Kernel("pointwise", "reference.few", "", few, reference_kernels._pointwise)
    monkeypatch.setattr(registry, "kernels", lambda name: (kernel,))
    dispatch.forget()
    try:
        made = staged(long, x)
        assert [len(stage.group.members) for stage in made] == [4, 4, 4, 4]
        assert {stage.kernel.name for stage in made} == {"reference.few"}
        assert "at most 5" in made[0].why
        got = np.asarray(accel.fuse(long)(x))
    finally:
        monkeypatch.undo()
        dispatch.forget()
    assert got.tobytes() == want.tobytes()
