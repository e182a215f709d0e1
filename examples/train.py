"""Trains a small convolutional network on handwritten digits: gradients, a seeded order of batches, and AdamW.

    python -m examples.train --device cpu --steps 60

The curve of losses has the same bits on every device, and with any number of threads. Needs scikit-learn's digits
(``pip install ".[demo]"``). `fit` and `command` serve train_text.py too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

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


Loss = Callable[..., Array]
State = dict[str, Any]


def stepped(loss: Loss) -> tuple[Callable[[dict[str, Array]], State], Callable[..., tuple[Array, Any, State]]]:
    """Makes the state before the first step; and a step, compiled: of weights, state and a batch to the loss, the
    weights and the state after it."""
    optimizer = accel.optim.AdamW(0.01)

    @accel.fuse
    def step(weights: dict[str, Array], state: State, *batch: Array) -> tuple[Array, Any, State]:
        value, gradient = accel.value_and_grad(loss)(weights, *batch)
        gradient, _ = accel.optim.clip_by_global_norm(gradient, 1.0)
        return value, *optimizer.update(weights, gradient, state)

    return optimizer.init, step


def in_half(loss: Loss) -> tuple[Callable[[dict[str, Array]], State], Callable[..., tuple[Array, Any, State]]]:
    """As `stepped`, with weights in float32 of which the loss sees float16, and its gradients scaled."""
    optimizer, scaling = accel.optim.AdamW(0.01), accel.optim.LossScale()

    def init(weights: dict[str, Array]) -> State:
        return {"optimizer": optimizer.init(weights), "scale": scaling.init(weights)}

    @accel.fuse
    def step(weights: dict[str, Array], state: State, *batch: Array) -> tuple[Array, Any, State]:
        def scaled(weights: dict[str, Array]) -> tuple[Array, Array]:
            value = loss({name: accel.astype(w, accel.float16) for name, w in weights.items()}, *batch)
            return scaling.scale(value, state["scale"]), value

        (_, value), gradient = accel.value_and_grad(scaled, has_aux=True)(weights)
        gradient, finite = scaling.unscale(gradient, state["scale"])
        gradient, _ = accel.optim.clip_by_global_norm(gradient, 1.0)
        after = optimizer.update(weights, gradient, state["optimizer"])
        (weights, kept), scale = scaling.update(state["scale"], finite, after, (weights, state["optimizer"]))
        return accel.astype(value, accel.float32), weights, {"optimizer": kept, "scale": scale}

    return init, step


def fit(
    loss: Loss, weights: dict[str, Array], batches: Iterable[tuple[Array, ...]], half: bool = False
) -> tuple[dict[str, Array], Array]:
    """The weights after a step with each batch, and the loss before each step."""
    init, step = (in_half if half else stepped)(loss)
    state, curve = init(weights), []
    for batch in batches:
        value, weights, state = step(weights, state, *batch)
        curve.append(value)
    return weights, accel.stack(curve)


def train(steps: int, size: int, seed: int, device: str | Device | None) -> tuple[dict[str, Array], Array]:
    """The weights after so many steps, and the loss of each."""
    return fit(loss, seeded(SHAPES, seed, device), batches(steps, size, seed + 1, device))


def accuracy(weights: dict[str, Array]) -> float:
    """The share of the held-out digits that are told right."""
    *_, images, labels = data.digits()
    images = accel.asarray(images.reshape(-1, 1, 8, 8) / 16, device=weights["head.bias"].device)
    told = np.asarray(accel.argmax(scores(weights, images), axis=-1))
    return float((told == labels).mean())


def show(curve: Array) -> None:
    """Prints ten losses along the curve, and the SHA-256 of all of them."""
    losses, last = np.asarray(curve), curve.shape[0] - 1
    for i in sorted({round(last * part / 9) for part in range(10)}):
        click.echo(f"step {i + 1:4}  loss {losses[i]:.3f}  {'#' * round(16 * float(np.nan_to_num(losses[i])))}")
    click.echo(f"SHA-256 of the losses: {sha256(curve)}")


@click.command()
@click.option("--device", default=None, help="Such as cpu or opencl:intel; the default device where left out.")
@click.option("--steps", type=click.IntRange(1), default=60, show_default=True)
@click.option("--size", type=click.IntRange(1), default=64, show_default=True, help="Of a batch.")
@click.option("--seed", default=0, show_default=True, help="Of the weights and the order of batches.")
def main(device: str | None, steps: int, size: int, seed: int) -> None:
    """Prints the curve of losses, its SHA-256, and how many held-out digits are told right."""
    with accel.config(numerics="reproducible"):
        weights, curve = train(steps, size, seed, device)
        show(curve)
        click.echo(f"{100 * accuracy(weights):.1f} % of the held-out digits right")


if __name__ == "__main__":
    main()
