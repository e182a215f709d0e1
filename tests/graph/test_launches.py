"""Which nodes go together: launches of ops, graphs that must not fuse, and groups that kernels refuse."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from reference_kernels import reference_kernels

import accel
from accel import dispatch, recording, registry

X = accel.asarray(np.random.default_rng(0).standard_normal((6, 8)).astype(np.float32), device="cpu")
IMAGE = accel.asarray(np.random.default_rng(1).standard_normal((2, 4, 3, 5)).astype(np.float32), device="cpu")
ROW, CHANNEL = X[0], IMAGE[0, :, 0, 0]
LABELS = accel.asarray(np.arange(6) % 8, device="cpu")

LAUNCHES = {
    "softmax": (1, (X,)),
    "log_softmax": (1, (X,)),
    "softmin": (1, (X,)),
    "logsumexp": (1, (X, 1)),
    "layer_norm": (1, (X, (8,), ROW, ROW)),
    "rms_norm": (1, (X, (8,), ROW)),
    "group_norm": (1, (IMAGE, 2, CHANNEL, CHANNEL)),
    "batch_norm_training": (1, (IMAGE, None, None, CHANNEL, CHANNEL)),
    "instance_norm_training": (1, (IMAGE,)),
    "normalize": (1, (X,)),
    "cosine_similarity": (1, (X, X)),
    "var_mean": (1, (X, 1)),
    "vector_norm": (1, (X,)),
    "cross_entropy": (2, (X, LABELS)),
    "mse_loss": (1, (X, X)),
    "swiglu": (1, (X, X)),
    "linear": (1, (X, accel.asarray(np.ones((3, 8), np.float32), device="cpu"), None)),
}
"""Launches of float32 operands, and the call. The mean of cross entropy is a fold over other axes than its classes."""


def compiled(op: str, *arguments: object) -> recording.Candidate:
    """The composition that a call would run."""
    (*_, (_, found)) = accel.explain(op, *arguments).calls
    return next(c for c in found if c.what == recording.COMPILED)


@pytest.mark.parametrize("op", LAUNCHES)
def test_launches(op):
    launches, arguments = LAUNCHES[op]
    assert len(compiled(op, *arguments).kernels) == launches


def fused(function, *arrays) -> tuple[str, ...]:
    """The groups of a function, as explain prints them."""
    spec = accel.fuse(function)
    with recording.recording(run=False) as recorder:
        spec(*arrays)
    return next(c.more for c in recorder.calls[-1][1] if c.what == recording.COMPILED)


def kinds(lines: tuple[str, ...]) -> list[str]:
    return [line.partition(" by ")[0] for line in lines]


def test_what_goes_together():
    assert kinds(fused(lambda x: accel.tanh(x * 2) / (x * x + 1), X)) == ["pointwise"]
    assert kinds(fused(lambda x: (accel.exp(x), x * 2), X)) == ["pointwise"], "two results"
    assert kinds(fused(lambda x: accel.nn.gelu(x @ x.mT + 1.0) * 3.0 - x[:, :6], X)) == ["matmul"]
    assert kinds(fused(lambda x: x + accel.nn.softmax(x * 2) * accel.max(x, axis=1, keepdims=True), X)) == ["row"]


APART = {
    "a reversed intermediate": lambda x: (lambda z: z + z[::-1])(accel.exp(x)),
    "a shifted intermediate": lambda x: (lambda z: z[1:] - z[:-1])(accel.exp(x)),
    "other axes": lambda x: accel.sum(x * 2, axis=0) @ accel.sum(x * 2, axis=0) + accel.sum(accel.exp(x), axis=1),
    "a product read twice": lambda x: (lambda product: (product * 2, accel.exp(product)))(x @ x.mT),
    "argmax": lambda x: accel.argmax(accel.exp(x), axis=1),
    "the other fold's result": lambda x: accel.sum(x - accel.sum(x, axis=0), axis=1),
}


@pytest.mark.parametrize("name", APART)
def test_what_does_not_go_together(name):
    function = APART[name]
    lines = fused(function, X)
    assert len(lines) > 1
    assert any("[" in line.partition("->")[2].partition("]")[2] for line in lines) or name in ("argmax",), lines
    with accel.config(fusion="off"):
        want = function(X)
    got = accel.fuse(function)(X)
    for a, b in zip(*(x if isinstance(x, tuple) else (x,) for x in (got, want)), strict=True):
        assert np.array_equal(np.asarray(a), np.asarray(b))


@pytest.mark.parametrize("most", [1, 2, 3, 5])
def test_a_group_that_is_refused_is_cut(most, monkeypatch):
    """By a backend whose kernels of rows take programs of few steps only."""
    with reference_kernels(monkeypatch), monkeypatch.context() as patch:
        rows = registry.kernels("cpu")
        limited = [
            replace(k, supports=lambda call: f"more than {most}" if len(call.params.program.steps) > most else None)
            if k.op == "row"
            else k
            for k in rows
        ]
        patch.setattr(registry, "kernels", lambda backend: tuple(limited))
        dispatch.forget()
        found = compiled("layer_norm", X, (8,))
        assert "more than" in " ".join(found.more)
        steps = [len(re.sub(r".*: | ->.*", "", line).split()) for line in found.more]
        assert max(steps) >= min(most, 2), "cut, not dissolved"
        got = accel.nn.layer_norm(X, (8,))
    assert np.array_equal(np.asarray(got), np.asarray(accel.nn.layer_norm(X, (8,))))
