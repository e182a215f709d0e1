"""examples/messages.py against float64, one edge after the other."""

from __future__ import annotations

import float64 as exact
import numpy as np

import accel
from examples import messages

CONFIG = messages.Config(hidden_size=6, steps=2)
SENDERS, RECEIVERS = np.array([0, 1, 2, 3, 0, 4, 4]), np.array([1, 2, 1, 1, 4, 0, 4])
"""The edges of five nodes: node 3 receives nothing, node 1 three times."""


def network(w: dict[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    y = exact.linear(exact.silu(exact.linear(x, w, f"{name}.fc1")), w, f"{name}.fc2")
    return exact.layer_norm(y, w, f"{name}.norm", 1e-5)


def forward(w: dict[str, np.ndarray], nodes: np.ndarray, edges: np.ndarray, receivers: np.ndarray) -> np.ndarray:
    nodes, edges = nodes.astype(np.float64), edges.astype(np.float64)
    for i in range(CONFIG.steps):
        heard, after = np.zeros_like(nodes), edges.copy()
        for n, (a, b) in enumerate(zip(SENDERS, receivers, strict=True)):
            news = network(w, f"steps.{i}.edge", np.concatenate([edges[n], nodes[a], nodes[b]]))
            heard[b] += news
            after[n] += news
        nodes = nodes + network(w, f"steps.{i}.node", np.concatenate([nodes, heard], axis=1))
        edges = after
    return np.concatenate([nodes, edges])


def test_forward(same_bits, near):
    nodes, edges = (np.random.default_rng(n).standard_normal((n, 6)).astype(np.float32) for n in (5, 7))

    def run(device):
        weights = messages.seeded(messages.shapes(CONFIG), 1, device)
        return messages.forward(
            CONFIG, weights, *(accel.asarray(x, device=device) for x in (nodes, edges, SENDERS, RECEIVERS))
        )

    made = np.concatenate(same_bits(run))
    w = exact.wide(messages.seeded(messages.shapes(CONFIG), 1, "cpu"))
    near(made, forward(w, nodes, edges, RECEIVERS), forward(w, nodes, edges, RECEIVERS[::-1]))
