"""Blocks of FourCastNet: an adaptive Fourier neural operator mixes the places of a field, a small network its channels.

Names of weights are those of FourCastNet's own checkpoints, of its blocks.
Sources: Guibas et al. 2021, arXiv:2111.13587; Pathak et al. 2022, arXiv:2202.11214.
"""

from __future__ import annotations

from dataclasses import dataclass

import click

import accel
from accel import Array, fft, nn

from .weights import Shapes, configuration, load, options, seeded, sha256


@dataclass(frozen=True)
class Config:
    """Lengths of the blocks: channels, parts of the channels that do not mix in the spectrum, and layers."""

    embed_dim: int = 32
    num_blocks: int = 4
    depth: int = 2
    mlp_ratio: int = 4
    sparsity_threshold: float = 0.01

    def __post_init__(self) -> None:
        if self.embed_dim % self.num_blocks:
            raise accel.ArgumentError(f"num_blocks: expected a divisor of {self.embed_dim}, got {self.num_blocks}")


def shapes(config: Config) -> Shapes:
    """Every weight of the blocks."""
    wide, inner, parts = config.embed_dim, config.embed_dim * config.mlp_ratio, config.num_blocks
    size = wide // parts
    found: Shapes = {}
    for i in range(config.depth):
        found |= {
            f"blocks.{i}.norm1.weight": (wide,),
            f"blocks.{i}.norm1.bias": (wide,),
            f"blocks.{i}.filter.w1": (2, parts, size, size),
            f"blocks.{i}.filter.b1": (2, parts, size),
            f"blocks.{i}.filter.w2": (2, parts, size, size),
            f"blocks.{i}.filter.b2": (2, parts, size),
            f"blocks.{i}.norm2.weight": (wide,),
            f"blocks.{i}.norm2.bias": (wide,),
            f"blocks.{i}.mlp.fc1.weight": (inner, wide),
            f"blocks.{i}.mlp.fc1.bias": (inner,),
            f"blocks.{i}.mlp.fc2.weight": (wide, inner),
            f"blocks.{i}.mlp.fc2.bias": (wide,),
        }
    return found


def product(re: Array, im: Array, weight: Array, bias: Array) -> tuple[Array, Array]:
    """Rows (parts, n, size) of complex numbers times a complex matrix (2, parts, size, size) for each part."""
    (a, b), (c, d) = weight, bias[:, :, None, :]
    return re @ a - im @ b + c, im @ a + re @ b + d


def mix(config: Config, x: Array, w1: Array, b1: Array, w2: Array, b2: Array) -> Array:
    """The field x (batch, height, width, channels), with each of its waves passed through a network of two layers."""
    height, width, channels = x.shape[1:]
    parts = config.num_blocks
    waves = fft.rfftn(x, axes=(1, 2), norm="ortho")
    rows = waves.reshape(-1, parts, channels // parts).swapaxes(0, 1)
    re, im = product(rows.real, rows.imag, w1, b1)
    re, im = product(nn.relu(re), nn.relu(im), w2, b2)
    re, im = (nn.softshrink(part, config.sparsity_threshold) for part in (re, im))
    waves = (re + 1j * im).swapaxes(0, 1).reshape(*waves.shape)
    return fft.irfftn(waves, s=(height, width), axes=(1, 2), norm="ortho") + x


def forward(config: Config, weights: dict[str, Array], x: Array) -> Array:
    """The field x (batch, height, width, channels) after all blocks."""
    for i in range(config.depth):
        block = {k.removeprefix(f"blocks.{i}."): w for k, w in weights.items() if k.startswith(f"blocks.{i}.")}
        y = nn.layer_norm(x, (config.embed_dim,), block["norm1.weight"], block["norm1.bias"], 1e-6)
        x = x + mix(config, y, *(block[f"filter.{name}"] for name in ("w1", "b1", "w2", "b2")))
        y = nn.layer_norm(x, (config.embed_dim,), block["norm2.weight"], block["norm2.bias"], 1e-6)
        y = nn.linear(y, block["mlp.fc1.weight"], block["mlp.fc1.bias"], activation="gelu")
        x = x + nn.linear(y, block["mlp.fc2.weight"], block["mlp.fc2.bias"])
    return x


@click.command()
@options
@click.option("--height", type=click.IntRange(1), default=18, show_default=True, help="Of the field.")
@click.option("--width", type=click.IntRange(1), default=36, show_default=True, help="Of the field.")
def main(device: str | None, weights: str | None, config: str | None, seed: int, height: int, width: int) -> None:
    """Prints the SHA-256 of a random field after the blocks."""
    its = configuration(Config, config)
    theirs = load(weights, shapes(its), device) if weights else seeded(shapes(its), seed, device)
    field = accel.random.default_rng(seed + 1, device).normal(0.0, 1.0, (1, height, width, its.embed_dim))
    with accel.config(numerics="reproducible"):
        made = forward(its, theirs, field)
    click.echo(f"SHA-256 of the field {made.shape}: {sha256(made)}")


if __name__ == "__main__":
    main()
