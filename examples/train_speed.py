"""Times a training step of train.py and train_text.py beside the same network in torch eager, on the CPU.

    python -m examples.train_speed --threads 1

Both take the same batches: loss, gradients, clipping and AdamW, in torch by its defaults. The table is that of
examples.speed; the first losses of both are compared before.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import click
import torch
from torch.nn import functional as F

import accel
from accel.demo import decoder

from . import train, train_text
from .speed import Row, line
from .weights import seeded


class Trained:
    """Weights in torch, and a step: of a batch to the loss before it."""

    def __init__(self, weights: dict[str, torch.Tensor], rate: float = 0.01) -> None:
        self.weights = {name: w.clone().requires_grad_() for name, w in weights.items()}
        self.optimizer = torch.optim.AdamW(self.weights.values(), rate)

    def loss(self, *batch: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def step(self, *batch: torch.Tensor) -> torch.Tensor:
        value = self.loss(*batch)
        self.optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(self.weights.values(), 1.0)
        self.optimizer.step()
        return value.detach()


class TorchDigits(Trained):
    """train.loss with torch.nn.functional."""

    def loss(self, *batch: torch.Tensor) -> torch.Tensor:
        (x, labels), w = batch, self.weights
        for name in ("first", "second"):
            x = F.max_pool2d(F.relu(F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], padding=1)), 2)
        return F.cross_entropy(F.linear(x.flatten(1), w["head.weight"], w["head.bias"]), labels)


class TorchText(Trained):
    """train_text.loss with torch.nn.functional."""

    def __init__(self, config: decoder.Config, weights: dict[str, torch.Tensor], rate: float = 0.01) -> None:
        super().__init__(weights, rate)
        self.config = config

    def loss(self, *batch: torch.Tensor) -> torch.Tensor:
        (tokens, turns), w, config = batch, self.weights, self.config
        cos, sin = (f(turns).repeat(1, 2).to(w["model.norm.weight"].dtype) for f in (torch.cos, torch.sin))

        def rotate(x: torch.Tensor) -> torch.Tensor:
            a, b = x.chunk(2, dim=-1)
            return x * cos + torch.cat([-b, a], dim=-1) * sin

        def norm(x: torch.Tensor, name: str) -> torch.Tensor:
            return F.rms_norm(x, (config.hidden_size,), w[f"{name}.weight"], config.rms_norm_eps)

        x = F.embedding(tokens[:, :-1], w["model.embed_tokens.weight"])
        for i in range(config.num_hidden_layers):
            layer = f"model.layers.{i}"
            y = norm(x, f"{layer}.input_layernorm")
            query, key, value = (
                F.linear(y, w[f"{layer}.self_attn.{name}_proj.weight"])
                .view(*y.shape[:2], -1, config.head_dim)
                .transpose(1, 2)
                for name in "qkv"
            )
            mixed = F.scaled_dot_product_attention(rotate(query), rotate(key), value, is_causal=True, enable_gqa=True)
            x = x + F.linear(mixed.transpose(1, 2).reshape(x.shape), w[f"{layer}.self_attn.o_proj.weight"])
            y = norm(x, f"{layer}.post_attention_layernorm")
            up, gate = (F.linear(y, w[f"{layer}.mlp.{name}_proj.weight"]) for name in ("up", "gate"))
            x = x + F.linear(F.silu(gate) * up, w[f"{layer}.mlp.down_proj.weight"])
        return F.cross_entropy(
            F.linear(norm(x, "model.norm"), w["lm_head.weight"]).flatten(0, 1), tokens[:, 1:].flatten()
        )


class Ours:
    """The same in accel."""

    def __init__(self, loss: train.Loss, weights: dict[str, accel.Array]) -> None:
        init, self._step = train.stepped(loss)
        self._weights, self._state = weights, init(weights)

    def step(self, *batch: accel.Array) -> Any:
        value, self._weights, self._state = self._step(self._weights, self._state, *batch)
        return value


def rows() -> list[Row]:
    made = []
    for name, shapes, loss, theirs, batches in (
        ("digits, 64 images", train.SHAPES, train.loss, TorchDigits, train.batches(1, 64, 1, "cpu")),
        (
            "text, 16 x 64 letters",
            decoder.shapes(train_text.CONFIG),
            partial(train_text.loss, train_text.CONFIG),
            partial(TorchText, train_text.CONFIG),
            train_text.batches(1, 16, 64, 1, "cpu"),
        ),
    ):
        weights, batch = seeded(shapes, 0, "cpu"), next(iter(batches))
        tensors = [torch.from_dlpack(x) for x in batch]
        model = theirs({key: torch.from_dlpack(w) for key, w in weights.items()})
        ours = Ours(loss, weights)
        size = batch[0].shape[0] * (64 if "text" in name else 1)
        made.append(Row(name, size, partial(ours.step, *batch), partial(model.step, *tensors), same=False))
    return made


@click.command()
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Of both libraries.")
@click.option("--seconds", type=click.FloatRange(0), default=5.0, show_default=True, help="Of each row, at least.")
def main(threads: int, seconds: float) -> None:
    """Prints a table, in the form of Markdown."""
    torch.set_num_threads(threads)
    click.echo("| training step | torch ms | accel ms | accel fast ms | ratio | fast ratio | images or letters/s |")
    click.echo("|---|---|---|---|---|---|---|")
    with accel.config(num_threads=threads):
        for row in rows():
            torch.testing.assert_close(torch.from_dlpack(row.accel()), row.torch(), rtol=1e-4, atol=1e-4)
            click.echo(line(row, seconds))


if __name__ == "__main__":
    main()
