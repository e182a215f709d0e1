"""Trains a small transformer, `accel.demo.decoder`, to write the licence of this repository, letter by letter.

    python -m examples.train_text --device cpu --steps 150
    python -m examples.train_text --half

The curve of losses has the same bits on every device, and with any number of threads. --half computes in float16, with
weights in float32 and scaled gradients.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click
import numpy as np

import accel
from accel import Array, Device, nn
from accel.demo import decoder

from .train import fit, show
from .weights import seeded

TEXT = " ".join((Path(__file__).parents[1] / "LICENSE").read_text(encoding="utf-8").split())
LETTERS = sorted(set(TEXT))
CONFIG = decoder.Config(len(LETTERS), 64, 160, 2, 4, 2)


class Whole(decoder.Cache):
    """For sequences that are read at once: nothing is kept, so that a gradient can be taken."""

    def __init__(self) -> None:
        self.length = 0

    def extend(self, layer: int, *new: Array) -> list[Array]:
        return list(new)


def loss(config: decoder.Config, weights: dict[str, Array], tokens: Array, turns: Array) -> Array:
    """Of the letter behind each of tokens (batch, n + 1) but the last. turns: of `decoder.angles`."""
    scores = decoder.logits(config, weights, tokens[:, :-1], Whole(), turns=turns)
    return nn.cross_entropy(scores.reshape(-1, scores.shape[-1]), tokens[:, 1:].reshape(-1))


def encoded(text: str, device: str | Device | None) -> Array:
    return accel.asarray(np.array([LETTERS.index(letter) for letter in text]), device=device)


def batches(
    count: int, size: int, length: int, seed: int, device: str | Device | None
) -> Iterator[tuple[Array, Array]]:
    """Pieces (size, length + 1) of the text, drawn by accel's generator; and the angles of their places."""
    text, generator = encoded(TEXT, device), accel.random.default_rng(seed, device)
    within, turns = accel.arange(length + 1, device=device), decoder.angles(CONFIG, 0, length, text.device)
    for _ in range(count):
        begin = generator.integers(0, len(TEXT) - length, (size, 1))
        yield accel.take(text, (begin + within).reshape(-1), axis=0).reshape(size, length + 1), turns


def train(
    steps: int, size: int, length: int, seed: int, device: str | Device | None, half: bool = False
) -> tuple[dict[str, Array], Array]:
    """The weights after so many steps, and the loss of each."""
    weights = seeded(decoder.shapes(CONFIG), seed, device)
    return fit(partial(loss, CONFIG), weights, batches(steps, size, length, seed + 1, device), half)


@click.command()
@click.option("--device", default=None, help="Such as cpu or opencl:intel; the default device where left out.")
@click.option("--steps", type=click.IntRange(1), default=150, show_default=True)
@click.option("--size", type=click.IntRange(1), default=16, show_default=True, help="Of a batch.")
@click.option("--length", type=click.IntRange(1, 4096), default=64, show_default=True, help="Letters in a sequence.")
@click.option("--seed", default=0, show_default=True, help="Of the weights and the order of batches.")
@click.option("--half", is_flag=True, help="Compute in float16.")
def main(device: str | None, steps: int, size: int, length: int, seed: int, half: bool) -> None:
    """Prints the curve of losses, its SHA-256, and what the model writes then."""
    with accel.config(numerics="reproducible"):
        weights, curve = train(steps, size, length, seed, device, half)
        show(curve)
        begin = "You may "
        written, _ = decoder.generate(CONFIG, weights, encoded(begin, device)[None], 60)
    click.echo(begin + "".join(LETTERS[i] for i in written[0].tolist()))


if __name__ == "__main__":
    main()
