"""Times models beside themselves after `accel.torch.optimize`, on the CPU.

    python -m examples.optimized --threads 1
    python -m examples.optimized --threads 1 --inductor

Each row times torch eager and the optimised model in turn; what is printed is the median of the rounds in milliseconds
and of eager's time over the other's (above 1: accel is faster). With --inductor torch's own torch.compile(model) takes
turns with them, which needs a C++ compiler and some minutes. Models are built from configurations of transformers and
of torch alone, with drawn weights.
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
    """One model at one work. same: whether accel's weights are eager's, whose result its own is then compared with."""

    name: str
    eager: Callable[[], Any]
    optimised: Callable[[], Any]
    inductor: Callable[[], Any]
    same: bool


def rows_of(
    name: str, model: nn.Module, call: Callable[[nn.Module], Any], weights: Any = None, train: bool = False
) -> Iterator[Row]:
    ours, compiled = copy.deepcopy(model), copy.deepcopy(model)
    accel.torch.optimize(ours, weights=weights)
    compiled.compile()  # when it is first called

    def step(model: nn.Module) -> torch.Tensor:
        if not train:
            with torch.no_grad():
                return call(model)
        model.zero_grad()
        y = call(model)
        y.square().mean().backward()
        return y.detach()

    yield Row(name, lambda: step(model), lambda: step(ours), lambda: step(compiled), weights is None)


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


def measured(row: Row, seconds: float, inductor: bool) -> tuple[list[float], list[float]]:
    """Median seconds of eager, optimised and, if asked for, inductor; and of the rounds' ratios of the first and the
    last to optimised."""
    calls = [row.eager, row.optimised, *([row.inductor] if inductor else [])]
    expected, result, *others = [call() for call in calls]
    for each in [result, *others] if row.same else others:
        torch.testing.assert_close(each, expected, rtol=1e-3, atol=1e-3)
    rounds: list[list[float]] = []
    end = time.perf_counter() + seconds
    while len(rounds) < 5 or time.perf_counter() < end:
        rounds.append([timed(call) for call in calls])
    peers = [k for k in range(len(calls)) if k != 1]
    medians = [statistics.median(each) for each in zip(*rounds, strict=True)]
    return medians, [statistics.median(each[k] / each[1] for each in rounds) for k in peers]


@click.command()
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Of all.")
@click.option("--seconds", type=click.FloatRange(0), default=3.0, show_default=True, help="Of each row, at least.")
@click.option("--inductor", is_flag=True, help="Time torch.compile(model) too.")
def main(threads: int, seconds: float, inductor: bool) -> None:
    """Prints a table, in the form of Markdown."""
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    head = ["model", "eager ms", "optimised ms", *(["inductor ms"] if inductor else []), "of eager"]
    head += ["of inductor"] if inductor else []
    click.echo(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    with accel.config(num_threads=threads, device="cpu"):
        for rows in (itertools.chain(bert(), llama(), resnet()), decode()):
            of_all = []
            for row in rows:
                medians, ratios = measured(row, seconds, inductor)
                of_all.append(ratios)
                cells = [row.name, *(f"{1e3 * each:.2f}" for each in medians), *(f"{each:.2f}" for each in ratios)]
                click.echo(f"| {' | '.join(cells)} |")
            means = [f"{statistics.geometric_mean(each):.2f}" for each in zip(*of_all, strict=True)]
            click.echo(f"| geometric mean {'| ' * (len(head) - len(means))}{' | '.join(means)} |")


if __name__ == "__main__":
    main()
