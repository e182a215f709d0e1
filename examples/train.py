"""Trains a small convolutional network on handwritten digits: gradients, a seeded order of batches, and AdamW.

    python -m examples.train --device cpu --steps 60

The curve of losses has the same bits on every device, and with any number of threads. Needs scikit-learn's digits
(``pip install ".[demo]"``).
"""

from __future__ import annotations

from collections.abc import Iterator

import click
import numpy as np

import accel
from accel import Array, Device, nn
from accel.demo import data

from .weights import Shapes, seeded, sha256

SHAPES: Shapes = {
    "first.weight": (16, 1, 3, 3),
    "first.bias": (16,),
    "second.weight": (32, 16, 3, 3),
    "second.bias": (32,),
    "head.weight": (10, 32 * 4),
    "head.bias": (10,),
}


def scores(weights: dict[str, Array], images: Array) -> Array:
    """Of each digit (batch, 10), for images (batch, 1, 8, 8)."""
    x = images
    for name in ("first", "second"):
        x = nn.relu(nn.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1))
        x = nn.max_pool2d(x, 2)
    return nn.linear(x.reshape(x.shape[0], -1), weights["head.weight"], weights["head.bias"])


def loss(weights: dict[str, Array], images: Array, labels: Array) -> Array:
    return nn.cross_entropy(scores(weights, images), labels)


def batches(count: int, size: int, seed: int, device: str | Device | None) -> Iterator[tuple[Array, Array]]:
    """Images and labels of the training set, drawn by accel's generator."""
    images, labels, *_ = data.digits()
    images, labels = (accel.asarray(x, device=device) for x in (images.reshape(-1, 1, 8, 8) / 16, labels))
    generator = accel.random.default_rng(seed, device)
    for _ in range(count):
        chosen = generator.integers(0, images.shape[0], (size,))
        yield accel.take(images, chosen, axis=0), accel.take(labels, chosen, axis=0)


def train(steps: int, size: int, seed: int, device: str | Device | None) -> tuple[dict[str, Array], Array]:
    """The weights after so many steps, and the loss of each."""
    weights = seeded(SHAPES, seed, device)
    optimizer, step = accel.optim.AdamW(0.01), accel.value_and_grad(loss)
    state, curve = optimizer.init(weights), []
    for images, labels in batches(steps, size, seed + 1, device):
        value, gradient = step(weights, images, labels)
        gradient, _ = accel.optim.clip_by_global_norm(gradient, 1.0)
        weights, state = optimizer.update(weights, gradient, state)
        curve.append(value)
    return weights, accel.stack(curve)


def accuracy(weights: dict[str, Array]) -> float:
    """The share of the held-out digits that are told right."""
    *_, images, labels = data.digits()
    images = accel.asarray(images.reshape(-1, 1, 8, 8) / 16, device=weights["head.bias"].device)
    told = np.asarray(accel.argmax(scores(weights, images), axis=-1))
    return float((told == labels).mean())


@click.command()
@click.option("--device", default=None, help="Such as cpu or opencl:intel; the default device where left out.")
@click.option("--steps", type=click.IntRange(1), default=60, show_default=True)
@click.option("--size", type=click.IntRange(1), default=64, show_default=True, help="Of a batch.")
@click.option("--seed", default=0, show_default=True, help="Of the weights and the order of batches.")
def main(device: str | None, steps: int, size: int, seed: int) -> None:
    """Prints the first and last loss, how many held-out digits are told right, and the SHA-256 of the losses."""
    with accel.config(numerics="reproducible"):
        weights, curve = train(steps, size, seed, device)
    click.echo(f"loss {float(curve[0]):.3f}, after {steps} steps {float(curve[-1]):.3f}")
    click.echo(f"{100 * accuracy(weights):.1f} % of the held-out digits right")
    click.echo(f"SHA-256 of the losses: {sha256(curve)}")


if __name__ == "__main__":
    main()
