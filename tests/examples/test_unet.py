"""examples/unet.py against float64: a block between smaller ones and the last one."""

from __future__ import annotations

import float64 as exact
import numpy as np
import pytest
from safetensors.numpy import save_file

import accel
from examples import unet

CONFIG = unet.Config((8, 12), (2, 1), (2, 3), 1, 10, 4)
RNG = np.random.default_rng(0)
STEPS = np.array([981, 3])
TEXT = RNG.standard_normal((2, 5, 10)).astype(np.float32)
IMAGES = RNG.standard_normal((2, 8, 5, 6)).astype(np.float32)


def embedding(w: dict[str, np.ndarray], steps: np.ndarray) -> np.ndarray:
    first = w["linear_1.weight"].shape[1]
    angles = steps[:, None] * 10000.0 ** (-np.arange(first // 2) / (first // 2))
    x = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
    return exact.linear(exact.silu(exact.linear(x, w, "linear_1")), w, "linear_2")


def residual(w: dict[str, np.ndarray], x: np.ndarray, time: np.ndarray, name: str) -> np.ndarray:
    y = exact.convolution(exact.silu(exact.group_norm(x, w, f"{name}.norm1", 4, 1e-5)), w, f"{name}.conv1")
    y = y + exact.linear(exact.silu(time), w, f"{name}.time_emb_proj")[:, :, None, None]
    y = exact.convolution(exact.silu(exact.group_norm(y, w, f"{name}.norm2", 4, 1e-5)), w, f"{name}.conv2")
    shortcut = f"{name}.conv_shortcut"
    return y + (exact.convolution(x, w, shortcut) if f"{shortcut}.weight" in w else x)


def attention(w: dict[str, np.ndarray], x: np.ndarray, source: np.ndarray, name: str, heads: int) -> np.ndarray:
    q = exact.linear(x, w, f"{name}.to_q")
    k, v = (exact.linear(source, w, f"{name}.{part}") for part in ("to_k", "to_v"))
    seen = np.ones((len(x), x.shape[1], source.shape[1]), bool)
    return exact.linear(exact.attention(q, k, v, heads, seen), w, f"{name}.to_out.0")


def forward(
    block: int, w: dict[str, np.ndarray], x: np.ndarray, time: np.ndarray, text: np.ndarray
) -> list[np.ndarray]:
    made, heads = [], CONFIG.attention_head_dim[block]
    for i in range(CONFIG.layers_per_block):
        x = residual(w, x, time, f"resnets.{i}")
        name = f"attentions.{i}"
        y = np.moveaxis(exact.group_norm(x, w, f"{name}.norm", 4, 1e-6), 1, -1)
        y = exact.linear(y.reshape(len(x), -1, x.shape[1]), w, f"{name}.proj_in")
        for j in range(CONFIG.transformer_layers_per_block[block]):
            layer = f"{name}.transformer_blocks.{j}"
            z = exact.layer_norm(y, w, f"{layer}.norm1", 1e-5)
            y = y + attention(w, z, z, f"{layer}.attn1", heads)
            y = y + attention(w, exact.layer_norm(y, w, f"{layer}.norm2", 1e-5), text, f"{layer}.attn2", heads)
            z = exact.linear(exact.layer_norm(y, w, f"{layer}.norm3", 1e-5), w, f"{layer}.ff.net.0.proj")
            values, gates = np.split(z, 2, axis=-1)
            y = y + exact.linear(values * exact.gelu(gates), w, f"{layer}.ff.net.2")
        y = exact.linear(y, w, f"{name}.proj_out")
        x = x + np.moveaxis(y.reshape(len(x), *x.shape[2:], -1), -1, 1)
        made.append(x)
    if block == 0:
        made.append(exact.convolution(x, w, "downsamplers.0.conv", 2))
    return made


@pytest.mark.parametrize("block", [0, 1])
def test_forward(same_bits, near, block):
    def weights(device):
        shapes = unet.shapes(CONFIG, block), unet.time_shapes(CONFIG)
        return [unet.seeded(its, seed, device) for seed, its in enumerate(shapes)]

    def run(device):
        its, times = weights(device)
        images, steps, text = (accel.asarray(x, device=device) for x in (IMAGES, STEPS, TEXT))
        time = unet.embedding(times, steps)
        return (time, *unet.forward(CONFIG, block, its, images, time, text))

    time, *made = same_bits(run)
    w, times = map(exact.wide, weights("cpu"))
    images, text = IMAGES.astype(np.float64), TEXT.astype(np.float64)
    near(time, embedding(times, STEPS), embedding(times, STEPS + 1))
    want = forward(block, w, images, embedding(times, STEPS), text)
    other_text = forward(block, w, images, embedding(times, STEPS), text[::-1])
    other_time = forward(block, w, images, embedding(times, STEPS[::-1]), text)
    assert len(made) == len(want) == 2 - block
    for got, its, *wrong in zip(made, want, other_text, other_time, strict=True):
        for other in wrong:
            near(got, its, other)


def test_a_block_of_a_whole_model(tmp_path):
    theirs = {f"down_blocks.1.{name}": np.asarray(w) for name, w in unet.seeded(unet.shapes(CONFIG, 1), 1).items()}
    theirs |= {f"time_embedding.{name}": np.asarray(w) for name, w in unet.seeded(unet.time_shapes(CONFIG), 1).items()}
    theirs |= {"conv_in.weight": np.zeros((8, 4, 3, 3), np.float32)}
    save_file(theirs, tmp_path / "w.safetensors")
    assert unet.load(tmp_path, unet.shapes(CONFIG, 1), "cpu", "down_blocks.1.").keys() == unet.shapes(CONFIG, 1).keys()
    assert unet.load(tmp_path, unet.time_shapes(CONFIG), "cpu", "time_embedding.")
    message = (
        r"tensor attentions\.0\.transformer_blocks\.0\.attn2\.to_k\.weight: expected shape \(12, 9\), got \(12, 10\)"
    )
    with pytest.raises(accel.FileError, match=message):
        narrow = unet.Config((8, 12), (2, 1), (2, 3), 1, 9, 4)
        unet.load(tmp_path, unet.shapes(narrow, 1), "cpu", "down_blocks.1.")


def test_shapes_of_sdxl():
    """The second of SDXL's down_blocks, by its published lengths."""
    config = unet.Config((320, 640, 1280), (1, 2, 10), (5, 10, 20), 2, 2048, 32)
    shapes = unet.shapes(config, 1)
    assert shapes["resnets.0.conv_shortcut.weight"] == (640, 320, 1, 1)
    assert shapes["attentions.1.transformer_blocks.1.attn2.to_v.weight"] == (640, 2048)
    assert shapes["attentions.0.transformer_blocks.0.ff.net.0.proj.weight"] == (5120, 640)
    assert shapes["downsamplers.0.conv.weight"] == (640, 640, 3, 3)
    assert "downsamplers.0.conv.weight" not in unet.shapes(config, 2)
    assert unet.time_shapes(config)["linear_1.weight"] == (1280, 320)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"attention_head_dim": (2, 5)}, "attention_head_dim: expected a divisor of 64, got 5"),
        ({"norm_num_groups": 6}, "norm_num_groups: expected a divisor of 32, got 6"),
        ({"attention_head_dim": (2,)}, "attention_head_dim: expected a number for each of 2 blocks"),
    ],
)
def test_configurations_that_are_none(given, message):
    with pytest.raises(accel.ArgumentError, match=message):
        unet.Config(**given)
