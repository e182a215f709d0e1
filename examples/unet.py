"""A block of the UNet of Stable Diffusion XL: what is to be made less noisy meets the time step and a text.

Convolutions between group norms are given the time step's embedding, and transformers with cross attention look at the
text's states. Names of weights and of the configuration's fields are those of Hugging Face's UNet2DConditionModel, of
one of its down_blocks with cross attention and of its time_embedding. What SDXL adds to the embedding of the time step
from the text's pooled state and the image's size (add_embedding) is for the caller to add.
Sources: Podell et al. 2023, arXiv:2307.01952; Rombach et al. 2021, arXiv:2112.10752.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import click

import accel
from accel import Array, nn

from .weights import Shapes, configuration, load, options, seeded, sha256


@dataclass(frozen=True)
class Config:
    """Lengths of a model, by block where there are several; the defaults are a small one. attention_head_dim is the
    number of heads, as in SDXL's own files."""

    block_out_channels: Sequence[int] = (32, 64)
    transformer_layers_per_block: Sequence[int] = (1, 2)
    attention_head_dim: Sequence[int] = (2, 4)
    layers_per_block: int = 2
    cross_attention_dim: int = 48
    norm_num_groups: int = 8
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        count = len(self.block_out_channels)
        for name in ("transformer_layers_per_block", "attention_head_dim"):
            if not count or len(getattr(self, name)) != count:
                raise accel.ArgumentError(f"{name}: expected a number for each of {count} blocks")
        for wide, heads in zip(self.block_out_channels, self.attention_head_dim, strict=True):
            for name, by in (("attention_head_dim", heads), ("norm_num_groups", self.norm_num_groups)):
                if wide % by:
                    raise accel.ArgumentError(f"{name}: expected a divisor of {wide}, got {by}")


def time_shapes(config: Config) -> Shapes:
    """The weights of the time step's embedding."""
    first = config.block_out_channels[0]
    return {
        "linear_1.weight": (4 * first, first),
        "linear_1.bias": (4 * first,),
        "linear_2.weight": (4 * first, 4 * first),
        "linear_2.bias": (4 * first,),
    }


def shapes(config: Config, block: int) -> Shapes:
    """Every weight of a block with cross attention."""
    channels = config.block_out_channels
    wide, given, text = channels[block], channels[max(block - 1, 0)], config.cross_attention_dim
    found: Shapes = {}

    def both(name: str, *shape: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = shape, shape[:1]

    for i in range(config.layers_per_block):
        have = wide if i else given
        both(f"resnets.{i}.norm1", have)
        both(f"resnets.{i}.conv1", wide, have, 3, 3)
        both(f"resnets.{i}.time_emb_proj", wide, 4 * channels[0])
        both(f"resnets.{i}.norm2", wide)
        both(f"resnets.{i}.conv2", wide, wide, 3, 3)
        if have != wide:
            both(f"resnets.{i}.conv_shortcut", wide, have, 1, 1)
        both(f"attentions.{i}.norm", wide)
        both(f"attentions.{i}.proj_in", wide, wide)
        for j in range(config.transformer_layers_per_block[block]):
            layer = f"attentions.{i}.transformer_blocks.{j}"
            for number, source in ((1, wide), (2, text)):
                both(f"{layer}.norm{number}", wide)
                for part, length in (("to_q", wide), ("to_k", source), ("to_v", source)):
                    found[f"{layer}.attn{number}.{part}.weight"] = (wide, length)
                both(f"{layer}.attn{number}.to_out.0", wide, wide)
            both(f"{layer}.norm3", wide)
            both(f"{layer}.ff.net.0.proj", 8 * wide, wide)
            both(f"{layer}.ff.net.2", wide, 4 * wide)
        both(f"attentions.{i}.proj_out", wide, wide)
    if block < len(channels) - 1:
        both("downsamplers.0.conv", wide, wide, 3, 3)
    return found


def embedding(weights: dict[str, Array], steps: Array) -> Array:
    """The embedding (batch, 4 first) of time steps (batch,): waves of slower and slower frequencies, and two layers."""
    first = weights["linear_1.weight"].shape[1]
    halves = accel.arange(first // 2, dtype="float32", device=steps.device)
    angles = accel.astype(steps, "float32")[:, None] * accel.exp(halves * (-math.log(10000) / (first // 2)))
    x = accel.concat([accel.cos(angles), accel.sin(angles)], axis=1)
    x = nn.linear(x, weights["linear_1.weight"], weights["linear_1.bias"], activation="silu")
    return nn.linear(x, weights["linear_2.weight"], weights["linear_2.bias"])


class Block:
    """The functions of a block, with its weights."""

    def __init__(self, config: Config, block: int, weights: dict[str, Array]) -> None:
        self.config, self.weights = config, weights
        self.heads, self.layers = config.attention_head_dim[block], config.transformer_layers_per_block[block]

    def of(self, name: str) -> tuple[Array, Array | None]:
        """A weight, and its bias where it has one."""
        return self.weights[f"{name}.weight"], self.weights.get(f"{name}.bias")

    def group_norm(self, x: Array, name: str, eps: float) -> Array:
        """Of channels in groups."""
        return nn.group_norm(x, self.config.norm_num_groups, *self.of(name), eps)

    def residual(self, x: Array, time: Array, name: str) -> Array:
        """Two convolutions, the time step's embedding added between them, and what they were given."""
        y = nn.conv2d(
            nn.silu(self.group_norm(x, f"{name}.norm1", self.config.norm_eps)), *self.of(f"{name}.conv1"), 1, 1
        )
        y = y + nn.linear(nn.silu(time), *self.of(f"{name}.time_emb_proj"))[:, :, None, None]
        y = nn.conv2d(
            nn.silu(self.group_norm(y, f"{name}.norm2", self.config.norm_eps)), *self.of(f"{name}.conv2"), 1, 1
        )
        if f"{name}.conv_shortcut.weight" in self.weights:
            x = nn.conv2d(x, *self.of(f"{name}.conv_shortcut"))
        return x + y

    def attention(self, x: Array, source: Array, name: str) -> Array:
        """Each place of x (batch, n, channels) looks at the places of a source."""
        given = {"to_q": x, "to_k": source, "to_v": source}
        query, key, value = (
            nn.linear(its, *self.of(f"{name}.{part}")).reshape(*its.shape[:2], self.heads, -1).swapaxes(1, 2)
            for part, its in given.items()
        )
        y = nn.scaled_dot_product_attention(query, key, value).swapaxes(1, 2).reshape(*x.shape)
        return nn.linear(y, *self.of(f"{name}.to_out.0"))

    def transformer(self, x: Array, text: Array, name: str) -> Array:
        """Layers over the places of x (batch, channels, height, width), added to it."""
        batch, channels, height, width = x.shape
        y = self.group_norm(x, f"{name}.norm", 1e-6).reshape(batch, channels, height * width).swapaxes(1, 2)
        y = nn.linear(y, *self.of(f"{name}.proj_in"))
        for j in range(self.layers):
            layer = f"{name}.transformer_blocks.{j}"
            z = nn.layer_norm(y, (channels,), *self.of(f"{layer}.norm1"))
            y = y + self.attention(z, z, f"{layer}.attn1")
            z = nn.layer_norm(y, (channels,), *self.of(f"{layer}.norm2"))
            y = y + self.attention(z, text, f"{layer}.attn2")
            z = nn.layer_norm(y, (channels,), *self.of(f"{layer}.norm3"))
            z = nn.geglu(nn.linear(z, *self.of(f"{layer}.ff.net.0.proj")))
            y = y + nn.linear(z, *self.of(f"{layer}.ff.net.2"))
        y = nn.linear(y, *self.of(f"{name}.proj_out"))
        return x + y.swapaxes(1, 2).reshape(*x.shape)


def forward(
    config: Config, block: int, weights: dict[str, Array], x: Array, time: Array, text: Array
) -> tuple[Array, ...]:
    """What a block makes of x (batch, channels, height, width): the result of each of its layers, and of the smaller
    image behind them where it is not the last one. time: (batch, 4 first). text: (batch, tokens, cross_attention_dim).
    """
    its, made = Block(config, block, weights), []
    for i in range(config.layers_per_block):
        x = its.transformer(its.residual(x, time, f"resnets.{i}"), text, f"attentions.{i}")
        made.append(x)
    if "downsamplers.0.conv.weight" in weights:
        made.append(nn.conv2d(x, *its.of("downsamplers.0.conv"), 2, 1))
    return tuple(made)


@click.command()
@options
@click.option("--block", type=click.IntRange(0), default=1, show_default=True, help="Which of the down_blocks.")
@click.option("--size", type=click.IntRange(1), default=16, show_default=True, help="Height and width of the image.")
@click.option("--tokens", type=click.IntRange(1), default=7, show_default=True, help="Of the text.")
def main(
    device: str | None, weights: str | None, config: str | None, seed: int, block: int, size: int, tokens: int
) -> None:
    """Prints the SHA-256 of what the block makes of a random image and text."""
    its = configuration(Config, config, act_fn="silu", use_linear_projection=True, flip_sin_to_cos=True, freq_shift=0)
    if block >= len(its.block_out_channels):
        raise click.BadParameter(f"expected one of {len(its.block_out_channels)} blocks", param_hint="--block")
    if weights:
        theirs = load(weights, shapes(its, block), device, f"down_blocks.{block}.")
        times = load(weights, time_shapes(its), device, "time_embedding.")
    else:
        theirs, times = seeded(shapes(its, block), seed, device), seeded(time_shapes(its), seed + 1, device)
    generator = accel.random.default_rng(seed + 2, device)
    x = generator.normal(0.0, 1.0, (1, its.block_out_channels[max(block - 1, 0)], size, size))
    text = generator.normal(0.0, 1.0, (1, tokens, its.cross_attention_dim))
    with accel.config(numerics="reproducible"):
        time = embedding(times, accel.asarray([981], device=x.device))
        made = forward(its, block, theirs, x, time, text)
    click.echo(f"SHA-256 of the results {', '.join(str(y.shape) for y in made)}: {sha256(*made)}")


if __name__ == "__main__":
    main()
