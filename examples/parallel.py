"""Trains the decoder (decoder.py) as a torch module on several processes, with the same bits on any number of them.

    python -m examples.parallel
    torchrun --nproc-per-node 4 -m examples.parallel --tensor 2

Of 4 processes with --tensor 2, two have half of each layer each, and two others the same halves and the other half of
each batch. What is printed, by rank 0, is the same for all of these commands.
"""

from __future__ import annotations

import datetime
import os
from typing import Any

import click
import numpy as np
import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh

import accel
import accel.torch
import accel.torch.distributed as parallel
from accel.demo.decoder import Config, angles, shapes

from .weights import seeded, sha256

add = accel.torch.function(lambda a, b: a + b)
swiglu = accel.torch.function(accel.nn.swiglu)
rotary = accel.torch.function(accel.nn.rotary_embedding)


class Attention(nn.Module):
    """Of the heads whose features its projections give."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        wide, kept, self.features = config.hidden_size, config.num_key_value_heads * config.head_dim, config.head_dim
        for name, n in (("q", wide), ("k", kept), ("v", kept), ("o", wide)):
            self.add_module(f"{name}_proj", nn.Linear(wide, n, bias=False))

    def forward(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        batch, n, _ = x.shape
        query, key, value = (self._heads(layer(x)) for layer in (self.q_proj, self.k_proj, self.v_proj))
        mixed = parallel.attention(rotary(query, cos, sin), rotary(key, cos, sin), value, is_causal=True)
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, n, mixed.shape[1] * self.features))

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(2, (x.shape[2] // self.features, self.features)).transpose(1, 2)


class Feed(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        wide, inner = config.hidden_size, config.intermediate_size
        self.gate_proj, self.up_proj = (nn.Linear(wide, inner, bias=False) for _ in range(2))
        self.down_proj = nn.Linear(inner, wide, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down_proj(swiglu(self.up_proj(x), self.gate_proj(x)))


class Layer(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = (
            nn.RMSNorm(config.hidden_size, config.rms_norm_eps) for _ in range(2)
        )
        self.self_attn, self.mlp = Attention(config), Feed(config)

    def forward(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        x = add(x, self.self_attn(self.input_layernorm(x), cos, sin))
        return add(x, self.mlp(self.post_attention_layernorm(x)))


class Decoder(nn.Module):
    """Scores (batch, n, vocabulary) of tokens (batch, n). Names of parameters are LlamaForCausalLM's."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.model.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.model.norm = nn.RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        turns = angles(self.config, 0, tokens.shape[1], accel.device("cpu"))
        cos, sin = (torch.from_numpy(np.asarray(f(turns))).to(tokens.device) for f in (accel.cos, accel.sin))
        x = self.model.embed_tokens(tokens)
        for layer in self.model.layers:
            x = layer(x, cos, sin)
        return self.lm_head(self.model.norm(x))


def plan(config: Config) -> dict[str, Any]:
    """Who has what: heads of keys with the heads of queries that belong to them, inner features, and words."""
    heads = {"parts": config.num_key_value_heads, "width": config.hidden_size // config.num_key_value_heads}
    return {
        "model.embed_tokens": parallel.RowwiseParallel(),
        "*.[qkv]_proj": parallel.ColwiseParallel(**heads),
        "*.o_proj": parallel.RowwiseParallel(**heads),
        "*.gate_proj": parallel.ColwiseParallel(),
        "*.up_proj": parallel.ColwiseParallel(),
        "*.down_proj": parallel.RowwiseParallel(),
        "lm_head": parallel.ColwiseParallel(),
    }


def made(config: Config, seed: int, group: Any, batch: Any) -> nn.Module:
    """The decoder with drawn weights, on the ranks of two groups: by layers' parts, and by rows of a batch."""
    model = Decoder(config)
    weights = seeded(shapes(config), seed, "cpu")
    model.load_state_dict({name: torch.from_numpy(np.asarray(x).copy()) for name, x in weights.items()}, strict=False)
    return parallel.parallelize(model, group, plan(config), batch=batch)


def train(model: nn.Module, batches: Any, group: Any, batch: Any, optimizer: Any = None) -> list[torch.Tensor]:
    """The losses before each step. batches: of this rank's rows, tokens (rows, n). optimizer: of `accel.optim`; None:
    AdamW."""
    optimizer = accel.optim.AdamW(0.01) if optimizer is None else optimizer
    parameters = dict(model.named_parameters())
    state = optimizer.init({name: p.detach() for name, p in parameters.items()})
    losses = []
    for tokens in batches:
        model.zero_grad()
        scores = model(tokens[:, :-1])
        loss = parallel.cross_entropy(scores, tokens[:, 1:], group=group, batch=batch)
        loss.backward()
        before = {name: p.detach() for name, p in parameters.items()}
        after, state = optimizer.update(before, {name: p.grad for name, p in parameters.items()}, state)
        with torch.no_grad():
            for name, p in parameters.items():
                p.copy_(after[name])
        losses.append(loss.detach())
    return losses


def drawn(config: Config, steps: int, rows: int, n: int, seed: int) -> torch.Tensor:
    """Tokens (steps, rows, n + 1)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, config.vocab_size, (steps, rows, n + 1), generator=generator)


@click.command()
@click.option("--tensor", type=click.IntRange(1), default=1, show_default=True, help="Processes that share a layer.")
@click.option("--steps", type=click.IntRange(1), default=3, show_default=True)
@click.option("--rows", type=click.IntRange(1), default=8, show_default=True, help="Sequences of a batch.")
@click.option("--length", type=click.IntRange(1), default=48, show_default=True, help="Tokens of a sequence.")
@click.option("--seed", default=0, show_default=True)
@click.option("--backend", default="gloo", show_default=True, help="Of torch.distributed.")
def main(tensor: int, steps: int, rows: int, length: int, seed: int, backend: str) -> None:
    """Prints the losses, and the SHA-256 of losses and of all weights behind the last step."""
    group = batch = None
    rank, size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if size % tensor or rows % (size // tensor):
        raise click.BadParameter(f"{size} processes, and {rows} rows, are not shared out evenly", param_hint="--tensor")
    if size > 1:
        distributed.init_process_group(backend, timeout=datetime.timedelta(minutes=2))
        mesh = init_device_mesh("cpu", (size // tensor, tensor), mesh_dim_names=("batch", "tensor"))
        group, batch = mesh["tensor"], mesh["batch"]
    config = Config()
    model = made(config, seed, group, batch)
    parts = drawn(config, steps, rows, length, seed).chunk(size // tensor, 1)
    losses = train(model, parts[rank // tensor], group, batch)
    weights = parallel.whole(model)
    if rank == 0:
        for step, loss in enumerate(losses, 1):
            click.echo(f"step {step}  loss {float(loss):.6f}")
        click.echo(f"SHA-256 of the losses: {sha256(*losses)}")
        click.echo(f"SHA-256 of the weights: {sha256(*(weights[name] for name in sorted(weights)))}")
    if size > 1:
        distributed.destroy_process_group()


if __name__ == "__main__":
    main()
