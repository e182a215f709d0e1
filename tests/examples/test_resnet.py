"""examples/resnet.py against float64, with both kinds of blocks."""

from __future__ import annotations

import float64 as exact
import numpy as np
import pytest
from safetensors.numpy import save_file

import accel
from examples import resnet

CONFIGS = {
    "basic": resnet.Config(4, (4, 6), (2, 1), "basic", 2, 5),
    "bottleneck": resnet.Config(4, (8, 12), (1, 2), "bottleneck", 2, 5),
}
IMAGES = np.random.default_rng(0).standard_normal((2, 2, 21, 18)).astype(np.float32)


def unit(x: np.ndarray, w: dict[str, np.ndarray], name: str, stride: int = 1) -> np.ndarray:
    x = exact.convolution(x, w, f"{name}.convolution", stride)
    mean, variance, weight, bias = (
        w[f"{name}.normalization.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / np.sqrt(variance + 1e-5) * weight + bias


def forward(config: resnet.Config, w: dict[str, np.ndarray], images: np.ndarray) -> np.ndarray:
    x = np.maximum(unit(images, w, "resnet.embedder.embedder", 2), 0)
    x = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=-np.inf)
    x = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))[:, :, ::2, ::2].max((-2, -1))
    for stage, depth in enumerate(config.depths):
        for number in range(depth):
            name, stride = f"resnet.encoder.stages.{stage}.layers.{number}", 2 if stage and not number else 1
            strides = (stride, 1) if config.layer_type == "basic" else (1, stride, 1)
            y = x
            for i, step in enumerate(strides):
                y = unit(y if i == 0 else np.maximum(y, 0), w, f"{name}.layer.{i}", step)
            if f"{name}.shortcut.convolution.weight" in w:
                x = unit(x, w, f"{name}.shortcut", stride)
            x = np.maximum(x + y, 0)
    return exact.linear(x.mean((2, 3)), w, "classifier.1")


@pytest.mark.parametrize("kind", CONFIGS)
def test_forward(same_bits, near, kind):
    config = CONFIGS[kind]

    def run(device):
        weights = resnet.seeded(resnet.shapes(config), 1, device)
        return (resnet.forward(config, weights, accel.asarray(IMAGES, device=device)),)

    (scores,) = same_bits(run)
    w, images = exact.wide(resnet.seeded(resnet.shapes(config), 1, "cpu")), IMAGES.astype(np.float64)
    near(scores, forward(config, w, images), forward(config, w, images[:, :, ::-1]))


def test_shapes_of_resnet_18_and_50():
    """The numbers of parameters that are published with these models' checkpoints."""

    def parameters(config: resnet.Config) -> int:
        shapes = resnet.shapes(config)
        return sum(int(np.prod(shape)) for name, shape in shapes.items() if "running" not in name)

    deep = resnet.Config(64, (256, 512, 1024, 2048), (3, 4, 6, 3), "bottleneck", 3, 1000)
    assert parameters(resnet.Config(64, (64, 128, 256, 512), (2, 2, 2, 2), "basic", 3, 1000)) == 11_689_512
    assert parameters(deep) == 25_557_032
    assert resnet.shapes(deep)["resnet.encoder.stages.1.layers.0.shortcut.convolution.weight"] == (512, 256, 1, 1)


def test_a_checkpoint(tmp_path):
    config = CONFIGS["basic"]
    weights = {name: np.asarray(w) for name, w in resnet.seeded(resnet.shapes(config), 1, "cpu").items()}
    name = "resnet.embedder.embedder"
    counted = weights | {f"{name}.normalization.num_batches_tracked": np.asarray(7)}
    save_file(counted, tmp_path / "w.safetensors")
    found = resnet.load(tmp_path / "w.safetensors", resnet.shapes(config), "cpu", ignored=("num_batches_tracked",))
    assert {name: np.asarray(w).tobytes() for name, w in found.items()} == {n: w.tobytes() for n, w in weights.items()}
    save_file(weights | {f"{name}.convolution.weight": np.zeros((4, 2, 3, 3), np.float32)}, tmp_path / "w.safetensors")
    message = rf"tensor {name}\.convolution\.weight: expected shape \(4, 2, 7, 7\), got \(4, 2, 3, 3\)"
    with pytest.raises(accel.FileError, match=message):
        resnet.load(tmp_path / "w.safetensors", resnet.shapes(config), "cpu")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"layer_type": "wide"}, "layer_type: expected 'basic' or 'bottleneck', got 'wide'"),
        ({"depths": (1,)}, r"depths: expected blocks, at least one, for each of \(32, 64\), got \(1,\)"),
        ({"depths": (1, 0)}, r"depths: expected blocks"),
        ({"hidden_sizes": (32, 30)}, r"hidden_sizes: expected multiples of 4, got \(32, 30\)"),
    ],
)
def test_configurations_that_are_none(given, message):
    with pytest.raises(accel.ArgumentError, match=message):
        resnet.Config(**given)
