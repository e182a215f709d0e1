"""examples/whisper.py against float64."""

from __future__ import annotations

import float64 as exact
import numpy as np
import pytest
from safetensors.numpy import save_file

import accel
from examples import whisper

CONFIG = whisper.Config(5, 8, 1, 2, 12, 7)
SOUND = np.random.default_rng(0).standard_normal((2, 5, 13)).astype(np.float32)


def forward(w: dict[str, np.ndarray], sound: np.ndarray) -> np.ndarray:
    x = exact.gelu(exact.convolution(sound, w, "conv1"))
    x = np.moveaxis(exact.gelu(exact.convolution(x, w, "conv2", 2)), 1, -1)
    n = x.shape[1]
    x = x + w["embed_positions.weight"][:n]
    for i in range(CONFIG.encoder_layers):
        layer = f"layers.{i}"
        y = exact.layer_norm(x, w, f"{layer}.self_attn_layer_norm", 1e-5)
        qkv = (exact.linear(y, w, f"{layer}.self_attn.{part}_proj") for part in "qkv")
        y = exact.attention(*qkv, CONFIG.encoder_attention_heads, np.ones((len(x), n, n), bool))
        x = x + exact.linear(y, w, f"{layer}.self_attn.out_proj")
        y = exact.gelu(exact.linear(exact.layer_norm(x, w, f"{layer}.final_layer_norm", 1e-5), w, f"{layer}.fc1"))
        x = x + exact.linear(y, w, f"{layer}.fc2")
    return exact.layer_norm(x, w, "layer_norm", 1e-5)


def test_forward(same_bits, near):
    def run(device):
        weights = whisper.seeded(whisper.shapes(CONFIG), 1, device)
        return (whisper.forward(CONFIG, weights, accel.asarray(SOUND, device=device)),)

    (states,) = same_bits(run)
    w, sound = exact.wide(whisper.seeded(whisper.shapes(CONFIG), 1, "cpu")), SOUND.astype(np.float64)
    near(states, forward(w, sound), forward(w, np.roll(sound, 1, axis=2)))


def test_too_long_a_spectrogram():
    weights = whisper.seeded(whisper.shapes(CONFIG), 1, "cpu")
    assert whisper.forward(CONFIG, weights, accel.zeros((1, 5, 14), device="cpu")).shape == (1, 7, 8)
    with pytest.raises(accel.ShapeError, match="spectrogram: expected at most 14 frames, got 15"):
        whisper.forward(CONFIG, weights, accel.zeros((1, 5, 15), device="cpu"))


def test_a_checkpoint(tmp_path):
    """Of a whole model: its decoder is left out; keys have no bias."""
    shapes = whisper.shapes(CONFIG)
    theirs = {f"model.encoder.{name}": np.asarray(w) for name, w in whisper.seeded(shapes, 1, "cpu").items()}
    save_file(theirs | {"model.decoder.layer_norm.bias": np.zeros(8, np.float32)}, tmp_path / "w.safetensors")
    assert whisper.load(tmp_path, shapes, "cpu", "model.encoder.").keys() == shapes.keys()
    assert "layers.0.self_attn.k_proj.bias" not in shapes
    assert shapes["layers.0.self_attn.q_proj.bias"] == (8,)
    with pytest.raises(accel.FileError, match=r"tensor conv1\.weight: expected shape \(8, 6, 3\), got \(8, 5, 3\)"):
        whisper.load(tmp_path, whisper.shapes(whisper.Config(6, 8, 1, 2, 12, 7)), "cpu", "model.encoder.")


def test_heads_that_do_not_divide():
    with pytest.raises(accel.ArgumentError, match=r"encoder_attention_heads: expected a divisor of 32, got 5"):
        whisper.Config(encoder_attention_heads=5)
