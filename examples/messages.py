"""Message passing as in GraphCast's processor: an edge reads its two nodes, a node the sum of its edges.

Source: Lam et al. 2022, arXiv:2212.12794. GraphCast has no names at Hugging Face; those
here are this file's.
"""

from __future__ import annotations

from dataclasses import dataclass

import click

import accel
from accel import Array, nn

from .weights import Shapes, configuration, load, options, seeded, sha256


@dataclass(frozen=True)
class Config:
    """Features of a node and of an edge, and steps of message passing, each with weights of its own."""

    hidden_size: int = 32
    steps: int = 2


def shapes(config: Config) -> Shapes:
    """Every weight of the steps."""
    wide = config.hidden_size
    found: Shapes = {}
    for i in range(config.steps):
        for name, inputs in (("edge", 3 * wide), ("node", 2 * wide)):
            found |= {
                f"steps.{i}.{name}.fc1.weight": (wide, inputs),
                f"steps.{i}.{name}.fc1.bias": (wide,),
                f"steps.{i}.{name}.fc2.weight": (wide, wide),
                f"steps.{i}.{name}.fc2.bias": (wide,),
                f"steps.{i}.{name}.norm.weight": (wide,),
                f"steps.{i}.{name}.norm.bias": (wide,),
            }
    return found


def network(weights: dict[str, Array], name: str, x: Array) -> Array:
    """Two layers with silu between them, and a norm behind."""
    fc1, fc2, norm = (
        (weights[f"{name}.{part}.weight"], weights[f"{name}.{part}.bias"]) for part in ("fc1", "fc2", "norm")
    )
    return nn.layer_norm(nn.linear(nn.linear(x, *fc1, activation="silu"), *fc2), fc2[1].shape, *norm)


def forward(
    config: Config, weights: dict[str, Array], nodes: Array, edges: Array, senders: Array, receivers: Array
) -> tuple[Array, Array]:
    """nodes (n, features) and edges (m, features) after all steps. senders, receivers: (m,), the nodes of each edge."""
    for i in range(config.steps):
        ends = accel.take(nodes, senders, axis=0), accel.take(nodes, receivers, axis=0)
        news = network(weights, f"steps.{i}.edge", accel.concat([edges, *ends], axis=1))
        heard = accel.index_add(accel.zeros_like(nodes), 0, receivers, news)
        nodes = nodes + network(weights, f"steps.{i}.node", accel.concat([nodes, heard], axis=1))
        edges = edges + news
    return nodes, edges


@click.command()
@options
@click.option("--nodes", "count", type=click.IntRange(1), default=162, show_default=True, help="Nodes of the graph.")
@click.option("--edges", "links", type=click.IntRange(1), default=960, show_default=True, help="Edges of the graph.")
def main(device: str | None, weights: str | None, config: str | None, seed: int, count: int, links: int) -> None:
    """Prints the SHA-256 of a random graph's nodes and edges after the steps."""
    its = configuration(Config, config)
    theirs = load(weights, shapes(its), device) if weights else seeded(shapes(its), seed, device)
    generator = accel.random.default_rng(seed + 1, device)
    nodes, edges = (generator.normal(0.0, 1.0, (n, its.hidden_size)) for n in (count, links))
    senders, receivers = (generator.integers(0, count, (links,)) for _ in range(2))
    with accel.config(numerics="reproducible"):
        made = forward(its, theirs, nodes, edges, senders, receivers)
    click.echo(f"SHA-256 of {count} nodes and {links} edges: {sha256(*made)}")


if __name__ == "__main__":
    main()
