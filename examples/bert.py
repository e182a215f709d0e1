"""A BERT encoder: embeds tokens, their places and the segment they are in, and mixes them both ways.

Names of weights and of the configuration's fields are those of Hugging Face's BertModel. Source: Devlin et al. 2018,
arXiv:1810.04805.
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

    vocab_size: int = 256
    hidden_size: int = 64
    intermediate_size: int = 128
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    max_position_embeddings: int = 64
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12

    def __post_init__(self) -> None:
        if self.hidden_size % self.num_attention_heads:
            heads = self.num_attention_heads
            raise accel.ArgumentError(f"num_attention_heads: expected a divisor of {self.hidden_size}, got {heads}")


def shapes(config: Config) -> Shapes:
    """Every weight of the model."""
    wide, inner = config.hidden_size, config.intermediate_size
    found: Shapes = {
        "embeddings.word_embeddings.weight": (config.vocab_size, wide),
        "embeddings.position_embeddings.weight": (config.max_position_embeddings, wide),
        "embeddings.token_type_embeddings.weight": (config.type_vocab_size, wide),
        "embeddings.LayerNorm.weight": (wide,),
        "embeddings.LayerNorm.bias": (wide,),
    }
    for i in range(config.num_hidden_layers):
        for name, shape in {
            "attention.self.query": (wide, wide),
            "attention.self.key": (wide, wide),
            "attention.self.value": (wide, wide),
            "attention.output.dense": (wide, wide),
            "attention.output.LayerNorm": (wide,),
            "intermediate.dense": (inner, wide),
            "output.dense": (wide, inner),
            "output.LayerNorm": (wide,),
        }.items():
            found |= {f"encoder.layer.{i}.{name}.weight": shape, f"encoder.layer.{i}.{name}.bias": shape[:1]}
    return found | {"pooler.dense.weight": (wide, wide), "pooler.dense.bias": (wide,)}


def forward(
    config: Config, weights: dict[str, Array], tokens: Array, there: Array, types: Array | None = None
) -> tuple[Array, Array]:
    """Hidden states (batch, n, hidden) of tokens (batch, n), and the pooled first one (batch, hidden).

    there: bool (batch, n), False where a place is padding. types: the segment of each token; None: 0.
    """
    batch, n = tokens.shape

    def of(name: str) -> tuple[Array, Array]:
        return weights[f"{name}.weight"], weights[f"{name}.bias"]

    def norm(x: Array, name: str) -> Array:
        return nn.layer_norm(x, (config.hidden_size,), *of(name), config.layer_norm_eps)

    words, places, kinds = (
        weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")
    )
    x = accel.take(words, tokens, axis=0) + places[:n]
    x = norm(x + (kinds[0] if types is None else accel.take(kinds, types, axis=0)), "embeddings.LayerNorm")
    for i in range(config.num_hidden_layers):
        layer = f"encoder.layer.{i}"
        query, key, value = (
            nn.linear(x, *of(f"{layer}.attention.self.{name}"))
            .reshape(batch, n, config.num_attention_heads, -1)
            .swapaxes(1, 2)
            for name in ("query", "key", "value")
        )
        y = nn.scaled_dot_product_attention(query, key, value, there[:, None, None, :])
        y = nn.linear(y.swapaxes(1, 2).reshape(batch, n, -1), *of(f"{layer}.attention.output.dense"))
        x = norm(x + y, f"{layer}.attention.output.LayerNorm")
        y = nn.linear(x, *of(f"{layer}.intermediate.dense"), activation="gelu")
        x = norm(x + nn.linear(y, *of(f"{layer}.output.dense")), f"{layer}.output.LayerNorm")
    return x, nn.linear(x[:, 0], *of("pooler.dense"), activation="tanh")


def sentences(hidden: Array, there: Array) -> Array:
    """One vector of length 1 for each row: the mean of the states of its tokens."""
    kept = accel.astype(there, hidden.dtype)[:, :, None]
    return nn.normalize(accel.sum(hidden * kept, axis=1) / accel.sum(kept, axis=1), axis=-1)


@receipts.model(
    "bert",
    config=Config,
    shapes=shapes,
    inputs=("tokens", "there"),
    ignored=lambda config: ("embeddings.position_ids",),
)
def recorded(
    config: Config, weights: dict[str, Array], inputs: dict[str, Array], parameters: receipts.Nothing
) -> Iterator[receipts.Output]:
    """What a receipt has of the model."""
    hidden, pooled = forward(config, weights, inputs["tokens"], inputs["there"])
    yield receipts.Output("hidden", hidden)
    yield receipts.Output("pooled", pooled)


@click.command()
@options
@click.option("--prefix", default="", help='Of the names in the file: "bert." where it has a head too.')
def main(device: str | None, weights: str | None, config: str | None, seed: int, prefix: str) -> None:
    """Embeds two random rows of tokens, one of them padded; prints how near they are, and the SHA-256 of the states."""
    its = configuration(Config, config, hidden_act="gelu", position_embedding_type="absolute")
    ignored = ("embeddings.position_ids",)
    theirs = load(weights, shapes(its), device, prefix, ignored) if weights else seeded(shapes(its), seed, device)
    n = min(12, its.max_position_embeddings)
    tokens = accel.random.default_rng(seed + 1, device).integers(0, its.vocab_size, (2, n))
    there = accel.arange(n, device=tokens.device)[None] < accel.asarray([[n], [n - n // 3]], device=tokens.device)
    with accel.config(numerics="reproducible"):
        hidden, pooled = forward(its, theirs, tokens, there)
        first, second = sentences(hidden, there)
        near = accel.vecdot(first, second)
    click.echo(f"cosine of the two rows: {float(near):.6f}")
    click.echo(f"SHA-256 of the states {hidden.shape} and pooled ones: {sha256(hidden, pooled)}")


if __name__ == "__main__":
    main()
