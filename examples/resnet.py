"""A residual network of convolutions: an image's label from blocks that add to what they were given.

Names of weights and of the configuration's fields are those of Hugging Face's ResNetForImageClassification: "basic"
blocks make ResNet-18 and 34, "bottleneck" blocks ResNet-50 and deeper. Source: He et al. 2015, arXiv:1512.03385.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click

import accel
from accel import Array, nn

from .weights import Shapes, configuration, load, options, seeded, sha256


@dataclass(frozen=True)
class Config:
    """Lengths of a model; the defaults are a small one. ResNet-18: 64, (64, 128, 256, 512), (2, 2, 2, 2), "basic";
    ResNet-50: 64, (256, 512, 1024, 2048), (3, 4, 6, 3), "bottleneck"."""

    embedding_size: int = 16
    hidden_sizes: Sequence[int] = (32, 64)
    depths: Sequence[int] = (1, 2)
    layer_type: str = "bottleneck"
    num_channels: int = 3
    num_labels: int = 10

    def __post_init__(self) -> None:
        if self.layer_type not in ("basic", "bottleneck"):
            raise accel.ArgumentError(f"layer_type: expected 'basic' or 'bottleneck', got {self.layer_type!r}")
        if not self.depths or len(self.hidden_sizes) != len(self.depths) or min(self.depths) < 1:
            raise accel.ArgumentError(
                f"depths: expected blocks, at least one, for each of {self.hidden_sizes}, got {self.depths}"
            )
        if self.layer_type == "bottleneck" and any(size % 4 for size in self.hidden_sizes):
            raise accel.ArgumentError(f"hidden_sizes: expected multiples of 4, got {self.hidden_sizes}")


@dataclass(frozen=True)
class Unit:
    """A convolution and its normalization: outputs, inputs, side of the kernel, stride."""

    name: str
    outputs: int
    inputs: int
    side: int
    stride: int = 1


def blocks(config: Config) -> Iterator[tuple[list[Unit], Unit | None]]:
    """The units of each block one after the other, and the unit that what it was given passes, or None."""
    have = config.embedding_size
    for stage, (wide, depth) in enumerate(zip(config.hidden_sizes, config.depths, strict=True)):
        for number in range(depth):
            stride = 2 if stage and not number else 1
            name = f"resnet.encoder.stages.{stage}.layers.{number}"
            if config.layer_type == "basic":
                its = [(wide, have, 3, stride), (wide, wide, 3, 1)]
            else:
                its = [(wide // 4, have, 1, 1), (wide // 4, wide // 4, 3, stride), (wide, wide // 4, 1, 1)]
            units = [Unit(f"{name}.layer.{i}", *lengths) for i, lengths in enumerate(its)]
            straight = have == wide and stride == 1
            yield units, None if straight else Unit(f"{name}.shortcut", wide, have, 1, stride)
            have = wide


def stem(config: Config) -> Unit:
    """The first convolution."""
    return Unit("resnet.embedder.embedder", config.embedding_size, config.num_channels, 7, 2)


def shapes(config: Config) -> Shapes:
    """Every weight of the model."""
    found: Shapes = {}
    units = [stem(config)]
    for its, shortcut in blocks(config):
        units += its if shortcut is None else [shortcut, *its]
    for unit in units:
        found[f"{unit.name}.convolution.weight"] = (unit.outputs, unit.inputs, unit.side, unit.side)
        for part in ("weight", "bias", "running_mean", "running_var"):
            found[f"{unit.name}.normalization.{part}"] = (unit.outputs,)
    wide = config.hidden_sizes[-1]
    return found | {"classifier.1.weight": (config.num_labels, wide), "classifier.1.bias": (config.num_labels,)}


def forward(config: Config, weights: dict[str, Array], images: Array) -> Array:
    """Scores (batch, labels) of images (batch, channels, height, width)."""

    def passed(x: Array, unit: Unit) -> Array:
        x = nn.conv2d(x, weights[f"{unit.name}.convolution.weight"], None, unit.stride, unit.side // 2)
        names = ("running_mean", "running_var", "weight", "bias")
        return nn.batch_norm(x, *(weights[f"{unit.name}.normalization.{name}"] for name in names))

    x = nn.max_pool2d(nn.relu(passed(images, stem(config))), 3, 2, 1)
    for units, shortcut in blocks(config):
        y = x
        for unit in units[:-1]:
            y = nn.relu(passed(y, unit))
        x = nn.relu(passed(y, units[-1]) + (x if shortcut is None else passed(x, shortcut)))
    return nn.linear(accel.mean(x, axis=(2, 3)), weights["classifier.1.weight"], weights["classifier.1.bias"])


@click.command()
@options
@click.option("--images", "count", type=click.IntRange(1), default=2, show_default=True, help="How many.")
@click.option("--size", type=click.IntRange(1), default=64, show_default=True, help="Height and width of them.")
def main(device: str | None, weights: str | None, config: str | None, seed: int, count: int, size: int) -> None:
    """Prints the labels of random images, and the SHA-256 of their scores."""
    its = configuration(
        Config, config, hidden_act="relu", downsample_in_first_stage=False, downsample_in_bottleneck=False
    )
    ignored = ("num_batches_tracked",)
    theirs = load(weights, shapes(its), device, ignored=ignored) if weights else seeded(shapes(its), seed, device)
    images = accel.random.default_rng(seed + 1, device).normal(0.0, 1.0, (count, its.num_channels, size, size))
    with accel.config(numerics="reproducible"):
        scores = forward(its, theirs, images)
    click.echo(" ".join(str(label) for label in accel.argmax(scores, axis=-1).tolist()))
    click.echo(f"SHA-256 of the scores {scores.shape}: {sha256(scores)}")


if __name__ == "__main__":
    main()
