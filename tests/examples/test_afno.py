"""examples/afno.py against float64, with the transform as a sum of waves."""

from __future__ import annotations

import float64 as exact
import numpy as np

import accel
from examples import afno

CONFIG = afno.Config(embed_dim=8, num_blocks=2, depth=2, mlp_ratio=2)


def forward(config: afno.Config, w: dict[str, np.ndarray], x: np.ndarray, threshold: float) -> np.ndarray:
    parts = config.num_blocks
    for i in range(config.depth):
        y = exact.layer_norm(x, w, f"blocks.{i}.norm1", 1e-6)
        waves = np.fft.fft2(y, axes=(1, 2), norm="ortho")[:, :, : y.shape[2] // 2 + 1]
        z = waves.reshape(*waves.shape[:3], parts, -1)
        for k, act in ((1, lambda v: np.maximum(v, 0)), (2, lambda v: np.sign(v) * np.maximum(abs(v) - threshold, 0))):
            weight, bias = (w[f"blocks.{i}.filter.{name}{k}"] for name in "wb")
            z = np.einsum("bhwpi,pio->bhwpo", z, weight[0] + 1j * weight[1]) + bias[0] + 1j * bias[1]
            z = act(z.real) + 1j * act(z.imag)
        mixed = np.fft.irfft2(z.reshape(waves.shape), s=y.shape[1:3], axes=(1, 2), norm="ortho")
        x = x + mixed + y
        y = exact.layer_norm(x, w, f"blocks.{i}.norm2", 1e-6)
        x = x + exact.linear(exact.gelu(exact.linear(y, w, f"blocks.{i}.mlp.fc1")), w, f"blocks.{i}.mlp.fc2")
    return x


def test_forward(same_bits, near):
    x = np.random.default_rng(0).standard_normal((1, 6, 5, 8)).astype(np.float32)

    def run(device):
        return (afno.forward(CONFIG, afno.seeded(afno.shapes(CONFIG), 1, device), accel.asarray(x, device=device)),)

    (made,) = same_bits(run)
    w = exact.wide(afno.seeded(afno.shapes(CONFIG), 1, "cpu"))
    near(made, forward(CONFIG, w, x.astype(np.float64), 0.01), forward(CONFIG, w, x.astype(np.float64), 0.1))
