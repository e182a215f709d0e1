"""A vision transformer: patches of an image are its tokens, and one token more is what the image is classified by.

Names of weights and of the configuration's fields are those of Hugging Face's ViTForImageClassification. Source:
Dosovitskiy et al. 2020, arXiv:2010.11929.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import click

import accel
from accel import Array, nn, receipts

from .weights import Shapes, configuration, load, options, seeded, sha256


@dataclass(frozen=True)
class Config:
    """Lengths of a model; the defaults are a small one."""

    hidden_size: int = 48
    intermediate_size: int = 96
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    image_size: int = 32
    patch_size: int = 8
    num_channels: int = 3
    num_labels: int = 10
    layer_norm_eps: float = 1e-12

    def __post_init__(self) -> None:
        for name, whole in (("num_attention_heads", self.hidden_size), ("patch_size", self.image_size)):
            if whole % getattr(self, name):
                raise accel.ArgumentError(f"{name}: expected a divisor of {whole}, got {getattr(self, name)}")


def shapes(config: Config) -> Shapes:
    """Every weight of the model."""
    wide, inner, patch = config.hidden_size, config.intermediate_size, config.patch_size
    found: Shapes = {
        "vit.embeddings.cls_token": (1, 1, wide),
        "vit.embeddings.position_embeddings": (1, (config.image_size // patch) ** 2 + 1, wide),
        "vit.embeddings.patch_embeddings.projection.weight": (wide, config.num_channels, patch, patch),
        "vit.embeddings.patch_embeddings.projection.bias": (wide,),
    }
    for i in range(config.num_hidden_layers):
        for name, shape in {
            "layernorm_before": (wide,),
            "attention.attention.query": (wide, wide),
            "attention.attention.key": (wide, wide),
            "attention.attention.value": (wide, wide),
            "attention.output.dense": (wide, wide),
            "layernorm_after": (wide,),
            "intermediate.dense": (inner, wide),
            "output.dense": (wide, inner),
        }.items():
            found |= {f"vit.encoder.layer.{i}.{name}.weight": shape, f"vit.encoder.layer.{i}.{name}.bias": shape[:1]}
    for name, shape in {"vit.layernorm": (wide,), "classifier": (config.num_labels, wide)}.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return found


def patches(config: Config, images: Array) -> Array:
    """Images (batch, channels, size, size) as rows (batch, patches, channels * patch * patch)."""
    batch, side, patch = images.shape[0], config.image_size // config.patch_size, config.patch_size
    cut = images.reshape(batch, config.num_channels, side, patch, side, patch)
    return accel.permute_dims(cut, (0, 2, 4, 1, 3, 5)).reshape(batch, side * side, -1)


def forward(config: Config, weights: dict[str, Array], images: Array) -> Array:
    """Scores (batch, labels) of images (batch, channels, size, size)."""
    batch, wide = images.shape[0], config.hidden_size

    def of(name: str) -> tuple[Array, Array]:
        return weights[f"{name}.weight"], weights[f"{name}.bias"]

    def norm(x: Array, name: str) -> Array:
        return nn.layer_norm(x, (wide,), *of(name), config.layer_norm_eps)

    kernel, bias = of("vit.embeddings.patch_embeddings.projection")
    x = nn.linear(patches(config, images), kernel.reshape(wide, -1), bias)
    first = accel.broadcast_to(weights["vit.embeddings.cls_token"], (batch, 1, wide))
    x = accel.concat([first, x], axis=1) + weights["vit.embeddings.position_embeddings"]
    for i in range(config.num_hidden_layers):
        layer = f"vit.encoder.layer.{i}"
        y = norm(x, f"{layer}.layernorm_before")
        query, key, value = (
            nn.linear(y, *of(f"{layer}.attention.attention.{name}"))
            .reshape(batch, -1, config.num_attention_heads, wide // config.num_attention_heads)
            .swapaxes(1, 2)
            for name in ("query", "key", "value")
        )
        y = nn.scaled_dot_product_attention(query, key, value).swapaxes(1, 2).reshape(*x.shape)
        x = x + nn.linear(y, *of(f"{layer}.attention.output.dense"))
        y = nn.linear(norm(x, f"{layer}.layernorm_after"), *of(f"{layer}.intermediate.dense"), activation="gelu")
        x = x + nn.linear(y, *of(f"{layer}.output.dense"))
    return nn.linear(norm(x, "vit.layernorm")[:, 0], *of("classifier"))


@receipts.model("vit", config=Config, shapes=shapes, inputs=("images",))
def recorded(
    config: Config, weights: dict[str, Array], inputs: dict[str, Array], parameters: receipts.Nothing
) -> Iterator[receipts.Output]:
    """What a receipt has of the model."""
    yield receipts.Output("scores", forward(config, weights, inputs["images"]))


@click.command()
@options
@click.option("--images", "count", type=click.IntRange(1), default=2, show_default=True, help="How many.")
def main(device: str | None, weights: str | None, config: str | None, seed: int, count: int) -> None:
    """Prints the labels of random images, and the SHA-256 of their scores."""
    its = configuration(Config, config, hidden_act="gelu", qkv_bias=True)
    theirs = load(weights, shapes(its), device) if weights else seeded(shapes(its), seed, device)
    shape = (count, its.num_channels, its.image_size, its.image_size)
    images = accel.random.default_rng(seed + 1, device).normal(0.0, 1.0, shape)
    with accel.config(numerics="reproducible"):
        scores = forward(its, theirs, images)
    click.echo(" ".join(str(label) for label in accel.argmax(scores, axis=-1).tolist()))
    click.echo(f"SHA-256 of the scores {scores.shape}: {sha256(scores)}")


if __name__ == "__main__":
    main()
