"""examples/experts.py against float64, every expert computed for every token."""

from __future__ import annotations

import float64 as exact
import numpy as np

import accel
from examples import experts

CONFIG = experts.Config(hidden_size=6, intermediate_size=10, num_local_experts=4, num_experts_per_tok=2)
X = np.random.default_rng(0).standard_normal((5, 6)).astype(np.float32)


def forward(w: dict[str, np.ndarray], x: np.ndarray, rank: int) -> np.ndarray:
    """With the `rank` most likely experts of each token."""
    shares = exact.softmax(exact.linear(x, w, "gate"))
    shares = np.where(shares >= np.sort(shares, axis=-1)[:, -rank:].min(-1, keepdims=True), shares, 0)
    shares /= shares.sum(-1, keepdims=True)
    made = np.zeros_like(x)
    for i in range(CONFIG.num_local_experts):
        inner = exact.silu(exact.linear(x, w, f"experts.{i}.w1")) * exact.linear(x, w, f"experts.{i}.w3")
        made += shares[:, i : i + 1] * exact.linear(inner, w, f"experts.{i}.w2")
    return made


def test_forward(same_bits, near):
    def run(device):
        weights = experts.stacked(CONFIG, experts.seeded(experts.shapes(CONFIG), 1, device))
        return experts.forward(CONFIG, weights, accel.asarray(X, device=device))

    made, chosen = same_bits(run)
    w = exact.wide(experts.seeded(experts.shapes(CONFIG), 1, "cpu"))
    near(made, forward(w, X.astype(np.float64), 2), forward(w, X.astype(np.float64), 3))
    assert chosen.shape == (5, 2)
    assert len(np.unique(chosen)) > 2, "tokens go to different experts"


def test_a_token_does_not_depend_on_the_others():
    weights = experts.stacked(CONFIG, experts.seeded(experts.shapes(CONFIG), 1, "cpu"))
    with accel.config(numerics="reproducible"):
        whole, _ = experts.forward(CONFIG, weights, accel.asarray(X, device="cpu"))
        alone, _ = experts.forward(CONFIG, weights, accel.asarray(X[3:4], device="cpu"))
        other, _ = experts.forward(CONFIG, weights, accel.asarray(X[2:3], device="cpu"))
    assert np.asarray(whole)[3].tobytes() == np.asarray(alone).tobytes()
    assert np.asarray(whole)[3].tobytes() != np.asarray(other).tobytes()
