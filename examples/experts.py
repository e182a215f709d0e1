"""A mixture of experts: a router sends each token to a few gated feed-forward networks, and weighs what they say.

Names of weights and of the configuration's fields are those of Hugging Face's MixtralForCausalLM, of one layer's
block_sparse_moe. Source: Jiang et al. 2024, arXiv:2401.04088.
"""

from __future__ import annotations

from dataclasses import dataclass

import click

import accel
from accel import Array, nn
from accel.demo.experts import mixed

from .weights import Shapes, configuration, load, options, seeded, sha256


@dataclass(frozen=True)
class Config:
    """Lengths of the experts, how many there are, and how many a token is sent to."""

    hidden_size: int = 32
    intermediate_size: int = 80
    num_local_experts: int = 8
    num_experts_per_tok: int = 2


def shapes(config: Config) -> Shapes:
    """Every weight of the block."""
    wide, inner = config.hidden_size, config.intermediate_size
    found: Shapes = {"gate.weight": (config.num_local_experts, wide)}
    for i in range(config.num_local_experts):
        found |= {
            f"experts.{i}.w1.weight": (inner, wide),
            f"experts.{i}.w2.weight": (wide, inner),
            f"experts.{i}.w3.weight": (inner, wide),
        }
    return found


def stacked(config: Config, weights: dict[str, Array]) -> dict[str, Array]:
    """The router's weight, and those of all experts in one array (experts, in, out) each, which are made once."""
    made = {"gate": weights["gate.weight"]}
    for name in ("w1", "w2", "w3"):
        every = [weights[f"experts.{i}.{name}.weight"] for i in range(config.num_local_experts)]
        made[name] = accel.stack(every).mT
    return made


def forward(config: Config, weights: dict[str, Array], x: Array) -> tuple[Array, Array]:
    """What the experts make of tokens x (n, hidden), and which ones each token was sent to (n, experts per token).

    weights: of `stacked`. Each expert computes its own tokens only, which are brought together for it.
    """
    logits = nn.linear(x, weights["gate"], dtype=accel.float32)

    def answer(its: Array, counts: Array) -> Array:
        gate, value = (nn.grouped_matmul(its, weights[name], counts) for name in ("w1", "w3"))
        return nn.grouped_matmul(nn.swiglu(value, gate), weights["w2"], counts)

    return mixed(x, logits, config.num_experts_per_tok, answer)


@click.command()
@options
@click.option("--prefix", default="model.layers.0.block_sparse_moe.", show_default=True, help="Of the block's weights.")
@click.option("--tokens", type=click.IntRange(1), default=16, show_default=True, help="How many.")
def main(device: str | None, weights: str | None, config: str | None, seed: int, prefix: str, tokens: int) -> None:
    """Prints where random tokens are sent, and the SHA-256 of what the experts make of them."""
    its = configuration(Config, config, hidden_act="silu")
    theirs = load(weights, shapes(its), device, prefix) if weights else seeded(shapes(its), seed, device)
    x = accel.random.default_rng(seed + 1, device).normal(0.0, 1.0, (tokens, its.hidden_size))
    with accel.config(numerics="reproducible"):
        made, chosen = forward(its, stacked(its, theirs), x)
    click.echo(" ".join("+".join(map(str, each)) for each in chosen.tolist()))
    click.echo(f"SHA-256 of {tokens} tokens: {sha256(made)}")


if __name__ == "__main__":
    main()
