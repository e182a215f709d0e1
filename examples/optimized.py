"""Times models beside themselves after `accel.torch.optimize`, on the CPU.

    python -m examples.optimized --threads 1

Each row times torch eager and the optimised model in turn; what is printed is the median of the rounds in milliseconds
and of eager's time over the other's (above 1: accel is faster). Models are built from configurations of transformers
and of torch alone, with drawn weights.
"""

from __future__ import annotations

import copy
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import click
import torch
from torch import nn

import accel
import accel.torch


class Row(NamedTuple):
    """One model at one work. tolerance: how far the results of both may be apart; None: the weights are others."""

    name: str
    eager: Callable[[], Any]
    optimised: Callable[[], Any]
    tolerance: float | None = 1e-3


def rows_of(
    name: str, model: nn.Module, call: Callable[[nn.Module], Any], weights: Any = None, train: bool = False
) -> Iterator[Row]:
    ours = copy.deepcopy(model)
    accel.torch.optimize(ours, weights=weights)

    def step(model: nn.Module) -> torch.Tensor:
        if not train:
            with torch.no_grad():
                return call(model)
        model.zero_grad()
        y = call(model)
        y.square().mean().backward()
        return y.detach()

    yield Row(name, lambda: step(model), lambda: step(ours), None if weights else 1e-3)


def bert() -> Iterator[Row]:
    from transformers import BertConfig
    from transformers.models.bert.modeling_bert import BertLayer

    layer = BertLayer(BertConfig(attn_implementation="sdpa")).eval()
    for batch, n in ((1, 128), (8, 128)):
        x = torch.randn(batch, n, 768)
        yield from rows_of(f"BERT-base layer, {batch} x {n}", layer, lambda m, x=x: first(m(x)))
    x = torch.randn(1, 128, 768)
    yield from rows_of("BERT-base layer, 1 x 128, training step", layer, lambda m: first(m(x)), train=True)


def llama() -> Iterator[Row]:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=4096, hidden_size=1024, intermediate_size=2816, num_hidden_layers=1, num_attention_heads=16,
        num_key_value_heads=4,
    )  # fmt: skip
    layer = LlamaForCausalLM(config).eval().model
    for n in (128, 1024):
        x = torch.randn(1, n, 1024)
        yield from rows_of(f"Llama-style layer, 1 x {n}", layer, lambda m, x=x: m(inputs_embeds=x)[0])
    x = torch.randn(1, 128, 1024)
    yield from rows_of("Llama-style layer, 1 x 128, training step", layer, lambda m: m(inputs_embeds=x)[0], train=True)


def decode() -> Iterator[Row]:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=4096, hidden_size=1024, intermediate_size=2816, num_hidden_layers=8, num_attention_heads=16,
        num_key_value_heads=4, eos_token_id=None,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    ids = torch.randint(0, 4096, (1, 129))

    def token(model: nn.Module, caches: dict[int, Any] = {}) -> torch.Tensor:  # noqa: B006
        cache = caches.get(id(model))
        if cache is None:
            cache = caches[id(model)] = model(ids[:, :128], use_cache=True).past_key_values
        y = model(ids[:, 128:], past_key_values=cache).logits
        cache.crop(-1)
        return y

    for weights in (None, "int8", "int4"):
        yield from rows_of(f"Llama-style model, a token behind 128, {weights or 'float32'}", model, token, weights)


class Block(nn.Module):
    """A bottleneck of ResNet-50: three convolutions, each with a batch norm, beside what goes around them."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, inner, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv2, self.bn2 = nn.Conv2d(inner, inner, 3, padding=1, bias=False), nn.BatchNorm2d(inner)
        self.conv3, self.bn3 = nn.Conv2d(inner, channels, 1, bias=False), nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.relu(self.bn3(self.conv3(y)) + x)


def resnet() -> Iterator[Row]:
    for channels, inner, size in ((256, 64, 56), (1024, 256, 14)):
        block, x = Block(channels, inner).eval(), torch.randn(1, channels, size, size)
        yield from rows_of(f"ResNet block, {channels} x {size} x {size}", block, lambda m, x=x: m(x))


def first(result: Any) -> torch.Tensor:
    return result[0] if isinstance(result, tuple) else result


def timed(call: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def measured(row: Row, seconds: float) -> tuple[float, float, float]:
    """Medians of eager and optimised, in seconds, and of the rounds' ratios."""
    expected, result = row.eager(), row.optimised()
    if row.tolerance is not None:
        torch.testing.assert_close(result, expected, rtol=row.tolerance, atol=row.tolerance)
    rounds: list[tuple[float, float]] = []
    end = time.perf_counter() + seconds
    while len(rounds) < 5 or time.perf_counter() < end:
        rounds.append((timed(row.eager), timed(row.optimised)))
    eager, optimised = zip(*rounds, strict=True)
    return statistics.median(eager), statistics.median(optimised), statistics.median(a / b for a, b in rounds)


@click.command()
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Of both.")
@click.option("--seconds", type=click.FloatRange(0), default=3.0, show_default=True, help="Of each row, at least.")
def main(threads: int, seconds: float) -> None:
    """Prints a table, in the form of Markdown."""
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    click.echo("| model | eager ms | optimised ms | ratio |")
    click.echo("|---|---|---|---|")
    with accel.config(num_threads=threads, device="cpu"):
        for row in itertools.chain(bert(), llama(), resnet(), decode()):
            eager, ours, ratio = measured(row, seconds)
            click.echo(f"| {row.name} | {1e3 * eager:.2f} | {1e3 * ours:.2f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
