"""examples/vit.py against float64, one patch and one head after the other."""

from __future__ import annotations

import float64 as exact
import numpy as np
import pytest

import accel
from examples import vit

CONFIG = vit.Config(8, 12, 2, 2, 6, 3, 2, 5)
IMAGES = np.random.default_rng(0).standard_normal((2, 2, 6, 6)).astype(np.float32)


def forward(w: dict[str, np.ndarray], images: np.ndarray) -> np.ndarray:
    name = "vit.embeddings.patch_embeddings.projection"
    cuts = [images[:, :, i : i + 3, j : j + 3] for i in (0, 3) for j in (0, 3)]
    rows = [np.einsum("bcij,ocij->bo", cut, w[f"{name}.weight"]) + w[f"{name}.bias"] for cut in cuts]
    first = np.repeat(w["vit.embeddings.cls_token"][0], len(images), axis=0)
    x = np.stack([first, *rows], axis=1) + w["vit.embeddings.position_embeddings"]
    seen = np.ones((len(images), 5, 5), bool)
    for i in range(CONFIG.num_hidden_layers):
        layer = f"vit.encoder.layer.{i}"
        y = exact.layer_norm(x, w, f"{layer}.layernorm_before", 1e-12)
        qkv = (exact.linear(y, w, f"{layer}.attention.attention.{part}") for part in ("query", "key", "value"))
        x = x + exact.linear(exact.attention(*qkv, 2, seen), w, f"{layer}.attention.output.dense")
        y = exact.layer_norm(x, w, f"{layer}.layernorm_after", 1e-12)
        x = x + exact.linear(exact.gelu(exact.linear(y, w, f"{layer}.intermediate.dense")), w, f"{layer}.output.dense")
    return exact.linear(exact.layer_norm(x, w, "vit.layernorm", 1e-12)[:, 0], w, "classifier")


def test_forward(same_bits, near):
    def run(device):
        return (vit.forward(CONFIG, vit.seeded(vit.shapes(CONFIG), 1, device), accel.asarray(IMAGES, device=device)),)

    (scores,) = same_bits(run)
    w, images = exact.wide(vit.seeded(vit.shapes(CONFIG), 1, "cpu")), IMAGES.astype(np.float64)
    near(scores, forward(w, images), forward(w, images.swapaxes(2, 3)))


def test_patches_that_do_not_fill_the_image():
    with pytest.raises(accel.ArgumentError, match=r"patch_size: expected a divisor of 32, got 7"):
        vit.Config(patch_size=7)
