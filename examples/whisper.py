"""Whisper's encoder: two convolutions shorten a spectrogram, and the layers of a transformer mix its places.

Names of weights and of the configuration's fields are those of Hugging Face's WhisperModel. Source: Radford et al.
2022, arXiv:2212.04356.
"""

from __future__ import annotations

from dataclasses import dataclass

import click

import accel
from accel import Array, nn

from .weights import Shapes, configuration, load, options, seeded, sha256


@dataclass(frozen=True)
class Config:
    """Lengths of a model; the defaults are a small one."""

    num_mel_bins: int = 16
    d_model: int = 32
    encoder_layers: int = 2
    encoder_attention_heads: int = 4
    encoder_ffn_dim: int = 64
    max_source_positions: int = 50

    def __post_init__(self) -> None:
        if self.d_model % self.encoder_attention_heads:
            heads = self.encoder_attention_heads
            raise accel.ArgumentError(f"encoder_attention_heads: expected a divisor of {self.d_model}, got {heads}")


def shapes(config: Config) -> Shapes:
    """Every weight of the encoder."""
    wide, inner = config.d_model, config.encoder_ffn_dim
    found: Shapes = {
        "conv1.weight": (wide, config.num_mel_bins, 3),
        "conv1.bias": (wide,),
        "conv2.weight": (wide, wide, 3),
        "conv2.bias": (wide,),
        "embed_positions.weight": (config.max_source_positions, wide),
    }
    for i in range(config.encoder_layers):
        for name, shape in {
            "self_attn.k_proj": (wide, wide),
            "self_attn.v_proj": (wide, wide),
            "self_attn.q_proj": (wide, wide),
            "self_attn.out_proj": (wide, wide),
            "self_attn_layer_norm": (wide,),
            "fc1": (inner, wide),
            "fc2": (wide, inner),
            "final_layer_norm": (wide,),
        }.items():
            found[f"layers.{i}.{name}.weight"] = shape
            if name != "self_attn.k_proj":
                found[f"layers.{i}.{name}.bias"] = shape[:1]
    return found | {"layer_norm.weight": (wide,), "layer_norm.bias": (wide,)}


def forward(config: Config, weights: dict[str, Array], spectrogram: Array) -> Array:
    """States (batch, n, d_model) of a spectrogram (batch, mel bins, frames), with n half the frames, rounded up."""

    def of(name: str) -> tuple[Array, Array | None]:
        return weights[f"{name}.weight"], weights.get(f"{name}.bias")

    def norm(x: Array, name: str) -> Array:
        return nn.layer_norm(x, (config.d_model,), *of(name))

    x = nn.gelu(nn.conv1d(spectrogram, *of("conv1"), padding=1))
    x = nn.gelu(nn.conv1d(x, *of("conv2"), stride=2, padding=1)).swapaxes(1, 2)
    batch, n, wide = x.shape
    if n > config.max_source_positions:
        raise accel.ShapeError(
            f"spectrogram: expected at most {2 * config.max_source_positions} frames, got {spectrogram.shape[2]}"
        )
    x = x + weights["embed_positions.weight"][:n]
    for i in range(config.encoder_layers):
        layer = f"layers.{i}"
        y = norm(x, f"{layer}.self_attn_layer_norm")
        query, key, value = (
            nn.linear(y, *of(f"{layer}.self_attn.{name}_proj"))
            .reshape(batch, n, config.encoder_attention_heads, -1)
            .swapaxes(1, 2)
            for name in "qkv"
        )
        y = nn.scaled_dot_product_attention(query, key, value).swapaxes(1, 2).reshape(batch, n, wide)
        x = x + nn.linear(y, *of(f"{layer}.self_attn.out_proj"))
        y = nn.linear(norm(x, f"{layer}.final_layer_norm"), *of(f"{layer}.fc1"), activation="gelu")
        x = x + nn.linear(y, *of(f"{layer}.fc2"))
    return norm(x, "layer_norm")


@click.command()
@options
@click.option("--prefix", default="model.encoder.", show_default=True, help="Of the names in the file.")
@click.option("--frames", type=click.IntRange(1), default=100, show_default=True, help="Of the spectrogram.")
def main(device: str | None, weights: str | None, config: str | None, seed: int, prefix: str, frames: int) -> None:
    """Prints the SHA-256 of the states of a random spectrogram."""
    its = configuration(Config, config, activation_function="gelu")
    theirs = load(weights, shapes(its), device, prefix) if weights else seeded(shapes(its), seed, device)
    sound = accel.random.default_rng(seed + 1, device).normal(0.0, 1.0, (1, its.num_mel_bins, frames))
    with accel.config(numerics="reproducible"):
        states = forward(its, theirs, sound)
    click.echo(f"SHA-256 of the states {states.shape}: {sha256(states)}")


if __name__ == "__main__":
    main()
