"""examples/bert.py against float64, one head after the other."""

from __future__ import annotations

import float64 as exact
import numpy as np
import pytest

import accel
from examples import bert

CONFIG = bert.Config(17, 8, 12, 2, 2, 6)
TOKENS = np.array([[3, 1, 16, 0, 5], [2, 2, 9, 4, 4]])
THERE = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], bool)
TYPES = np.array([[0, 0, 1, 1, 1], [0, 1, 1, 1, 1]])


def forward(w: dict[str, np.ndarray], there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    tables = [w[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")]
    x = tables[0][TOKENS] + tables[1][: TOKENS.shape[1]] + tables[2][TYPES]
    x = exact.layer_norm(x, w, "embeddings.LayerNorm", 1e-12)
    seen = np.repeat(there[:, None, :], TOKENS.shape[1], axis=1)
    for i in range(CONFIG.num_hidden_layers):
        layer = f"encoder.layer.{i}"
        qkv = (exact.linear(x, w, f"{layer}.attention.self.{name}") for name in ("query", "key", "value"))
        y = exact.linear(exact.attention(*qkv, 2, seen), w, f"{layer}.attention.output.dense")
        x = exact.layer_norm(x + y, w, f"{layer}.attention.output.LayerNorm", 1e-12)
        y = exact.linear(exact.gelu(exact.linear(x, w, f"{layer}.intermediate.dense")), w, f"{layer}.output.dense")
        x = exact.layer_norm(x + y, w, f"{layer}.output.LayerNorm", 1e-12)
    return x, np.tanh(exact.linear(x[:, 0], w, "pooler.dense"))


def test_forward(same_bits, near):
    def run(device):
        weights = bert.seeded(bert.shapes(CONFIG), 1, device)
        tokens, there, types = (accel.asarray(x, device=device) for x in (TOKENS, THERE, TYPES))
        hidden, pooled = bert.forward(CONFIG, weights, tokens, there, types)
        return hidden, pooled, bert.sentences(hidden, there)

    hidden, pooled, sentences = same_bits(run)
    w = exact.wide(bert.seeded(bert.shapes(CONFIG), 1, "cpu"))
    (states, first), (unmasked, other) = forward(w, THERE), forward(w, np.ones_like(THERE))
    near(hidden, states, unmasked)
    near(pooled, first, other)
    means = np.stack([row[kept].mean(0) for row, kept in zip(states, THERE, strict=True)])
    near(sentences, means / np.linalg.norm(means, axis=-1, keepdims=True), means)


def test_heads_that_do_not_divide():
    with pytest.raises(accel.ArgumentError, match=r"num_attention_heads: expected a divisor of 8, got 3"):
        bert.Config(hidden_size=8, num_attention_heads=3)
