"""Times the decoder, BERT and the vision transformer beside the same models in torch eager, on the CPU.

    python -m examples.speed --threads 1

Each row times torch, and accel in reproducible mode and in the fast one, in turn; what is printed is the median of the
rounds in milliseconds, and torch's time over accel's (above 1: accel is faster). What the same bits everywhere cost is
the difference of accel's two columns.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import click
import torch
from torch.nn import functional as F

import accel
from accel.demo import decoder

from . import bert, vit
from .weights import seeded

DECODER = decoder.Config(4096, 1024, 2816, 8, 16, 4)
BERT = bert.Config(8192, 768, 3072, 6, 12, 512)
VIT = vit.Config(384, 1536, 12, 6, 224, 16, 3, 1000)
"""Lengths of real models (a small Llama's, half of BERT-base's layers, ViT-small's) that measure within a minute."""


class Row(NamedTuple):
    """One model at one work, as it is called in both libraries; `tokens` is how many a call makes or reads."""

    name: str
    tokens: int
    accel: Callable[[], Any]
    torch: Callable[[], Any]
    same: bool = True
    """Whether both have the same weights (accel's are float32 too)."""


class TorchDecoder:
    """decoder.logits with torch.nn.functional."""

    def __init__(self, weights: dict[str, torch.Tensor], capacity: int) -> None:
        shape = (1, DECODER.num_key_value_heads, capacity, DECODER.head_dim)
        self.weights = weights
        dtype = weights["model.embed_tokens.weight"].dtype
        self.layers = [[torch.zeros(shape, dtype=dtype) for _ in range(2)] for _ in range(DECODER.num_hidden_layers)]
        self.length = 0

    def __call__(self, tokens: torch.Tensor) -> torch.Tensor:
        n, w, size = tokens.shape[1], self.weights, DECODER.head_dim
        end = self.length + n
        places = torch.arange(self.length, end, dtype=torch.float32)
        angles = places[:, None] * DECODER.rope_theta ** (torch.arange(0, size, 2) * (-1 / size))
        cos, sin = (f(angles).repeat(1, 2).to(self.layers[0][0].dtype) for f in (torch.cos, torch.sin))

        def rotate(x: torch.Tensor) -> torch.Tensor:
            a, b = x.chunk(2, dim=-1)
            return x * cos + torch.cat([-b, a], dim=-1) * sin

        def norm(x: torch.Tensor, name: str) -> torch.Tensor:
            return F.rms_norm(x, (DECODER.hidden_size,), w[f"{name}.weight"], DECODER.rms_norm_eps)

        x = F.embedding(tokens, w["model.embed_tokens.weight"])
        for i in range(DECODER.num_hidden_layers):
            layer = f"model.layers.{i}"
            y = norm(x, f"{layer}.input_layernorm")
            query, key, value = (
                F.linear(y, w[f"{layer}.self_attn.{name}_proj.weight"]).view(1, n, -1, size).transpose(1, 2)
                for name in "qkv"
            )
            for kept, new in zip(self.layers[i], (rotate(key), value), strict=True):
                kept[:, :, self.length : end] = new
            key, value = (kept[:, :, :end] for kept in self.layers[i])
            mixed = F.scaled_dot_product_attention(rotate(query), key, value, is_causal=n > 1, enable_gqa=True)
            x = x + F.linear(mixed.transpose(1, 2).reshape(x.shape), w[f"{layer}.self_attn.o_proj.weight"])
            y = norm(x, f"{layer}.post_attention_layernorm")
            up, gate = (F.linear(y, w[f"{layer}.mlp.{name}_proj.weight"]) for name in ("up", "gate"))
            x = x + F.linear(F.silu(gate) * up, w[f"{layer}.mlp.down_proj.weight"])
        self.length = end
        return F.linear(norm(x, "model.norm"), w["lm_head.weight"])


def decoders(prompt: int, bits: int | None) -> Iterator[Row]:
    """Reading a prompt, and one more token behind it."""
    weights = seeded(decoder.shapes(DECODER), 0, "cpu")
    theirs = {name: torch.from_dlpack(w) for name, w in weights.items()}
    if bits:
        for name, w in weights.items():
            if w.ndim == 2 and "embed" not in name:
                weights[name] = accel.nn.PackedWeight.quantized(w, bits=bits, group=64)
    tokens = accel.random.default_rng(1, "cpu").integers(0, DECODER.vocab_size, (1, prompt + 1))
    their_tokens = torch.from_dlpack(tokens)
    table = weights["model.embed_tokens.weight"]
    cache = decoder.Cache(DECODER, 1, prompt + 1, table)
    model = TorchDecoder(theirs, prompt + 1)

    def ours(begin: int, end: int) -> Any:
        cache.length = begin
        return decoder.logits(DECODER, weights, tokens[:, begin:end], cache)

    def torchs(begin: int, end: int) -> Any:
        model.length = begin
        return model(their_tokens[:, begin:end])

    kind = f"int{bits}" if bits else "float32"
    for name, begin, end in ((f"prompt of {prompt}", 0, prompt), (f"a token behind {prompt}", prompt, prompt + 1)):
        yield Row(
            f"decoder {kind}, {name}",
            end - begin,
            lambda begin=begin, end=end: ours(begin, end),
            lambda begin=begin, end=end: torchs(begin, end),
            same=not bits,
        )


BERT_PARTS = (
    *(f"attention.self.{part}" for part in ("query", "key", "value")),
    *("attention.output.dense", "intermediate.dense", "output.dense"),
    *("attention.output.LayerNorm", "output.LayerNorm"),
)
VIT_PARTS = (
    *(f"attention.attention.{part}" for part in ("query", "key", "value")),
    *("attention.output.dense", "intermediate.dense", "output.dense"),
    *("layernorm_before", "layernorm_after"),
)


def encoder(
    w: dict[str, torch.Tensor], x: torch.Tensor, layer: str, parts: tuple[str, ...], heads: int, before: bool
) -> torch.Tensor:
    """A block of BERT (norms behind) or of the vision transformer (norms before) with torch.nn.functional."""
    query, key, value, mixed, inner, outer, first, second = (f"{layer}.{name}" for name in parts)

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], 1e-12)

    def attention(x: torch.Tensor) -> torch.Tensor:
        projected = (linear(x, name).view(*x.shape[:2], heads, -1).transpose(1, 2) for name in (query, key, value))
        return linear(F.scaled_dot_product_attention(*projected).transpose(1, 2).reshape(x.shape), mixed)

    def gated(x: torch.Tensor) -> torch.Tensor:
        return linear(F.gelu(linear(x, inner)), outer)

    if before:
        x = x + attention(norm(x, first))
        return x + gated(norm(x, second))
    x = norm(x + attention(x), first)
    return norm(x + gated(x), second)


def berts(batch: int, n: int) -> Iterator[Row]:
    weights = seeded(bert.shapes(BERT), 0, "cpu")
    w = {name: torch.from_dlpack(x) for name, x in weights.items()}
    tokens = accel.random.default_rng(1, "cpu").integers(0, BERT.vocab_size, (batch, n))
    there = accel.ones((batch, n), dtype=accel.bool, device="cpu")
    theirs = torch.from_dlpack(tokens)

    def torchs() -> torch.Tensor:
        embeddings = (f"embeddings.{part}_embeddings.weight" for part in ("word", "position", "token_type"))
        words, places, kinds = (w[name] for name in embeddings)
        x = F.embedding(theirs, words) + places[:n] + kinds[0]
        x = F.layer_norm(x, x.shape[-1:], w["embeddings.LayerNorm.weight"], w["embeddings.LayerNorm.bias"], 1e-12)
        for i in range(BERT.num_hidden_layers):
            x = encoder(w, x, f"encoder.layer.{i}", BERT_PARTS, BERT.num_attention_heads, before=False)
        return x

    yield Row(
        f"BERT, {batch} x {n} tokens",
        batch * n,
        lambda: bert.forward(BERT, weights, tokens, there)[0],
        torchs,
    )


def vits(batch: int) -> Iterator[Row]:
    weights = seeded(vit.shapes(VIT), 0, "cpu")
    w = {name: torch.from_dlpack(x) for name, x in weights.items()}
    images = accel.random.default_rng(1, "cpu").normal(0.0, 1.0, (batch, 3, VIT.image_size, VIT.image_size))
    theirs = torch.from_dlpack(images)

    def torchs() -> torch.Tensor:
        kernel, bias = (w[f"vit.embeddings.patch_embeddings.projection.{part}"] for part in ("weight", "bias"))
        x = F.conv2d(theirs, kernel, bias, stride=VIT.patch_size).flatten(2).transpose(1, 2)
        first = w["vit.embeddings.cls_token"].expand(batch, 1, -1)
        x = torch.cat([first, x], dim=1) + w["vit.embeddings.position_embeddings"]
        for i in range(VIT.num_hidden_layers):
            x = encoder(w, x, f"vit.encoder.layer.{i}", VIT_PARTS, VIT.num_attention_heads, before=True)
        x = F.layer_norm(x, x.shape[-1:], w["vit.layernorm.weight"], w["vit.layernorm.bias"], 1e-12)
        return F.linear(x[:, 0], w["classifier.weight"], w["classifier.bias"])

    yield Row(f"ViT, {batch} images", batch, lambda: vit.forward(VIT, weights, images), torchs)


def timed(call: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def measured(row: Row, seconds: float) -> tuple[list[float], list[float]]:
    """Medians of torch, accel reproducible and accel fast, in seconds; and the ratios of torch to each, by round."""
    modes = ("reproducible", "fast")
    expected = row.torch()
    for mode in modes:
        with accel.config(numerics=mode):
            result = torch.from_dlpack(row.accel())
        if row.same:
            torch.testing.assert_close(result, expected, rtol=1e-2, atol=1e-3)
    rounds: list[tuple[float, ...]] = []
    end = time.perf_counter() + seconds
    while len(rounds) < 5 or time.perf_counter() < end:
        times = [timed(row.torch)]
        for mode in modes:
            with accel.config(numerics=mode):
                times.append(timed(row.accel))
        rounds.append(tuple(times))
    columns = list(zip(*rounds, strict=True))
    ratios = [statistics.median(t / a for t, a in zip(columns[0], ours, strict=True)) for ours in columns[1:]]
    return [statistics.median(column) for column in columns], ratios


def line(row: Row, seconds: float) -> str:
    """A row's line of a table, in the form of Markdown."""
    (theirs, ours, fast), ratios = measured(row, seconds)
    times = " | ".join(f"{1e3 * t:.2f}" for t in (theirs, ours, fast))
    each = " | ".join(f"{ratio:.2f}" for ratio in ratios)
    return f"| {row.name} | {times} | {each} | {row.tokens / ours:.0f} |"


@click.command()
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Of both libraries.")
@click.option("--seconds", type=click.FloatRange(0), default=5.0, show_default=True, help="Of each row, at least.")
def main(threads: int, seconds: float) -> None:
    """Prints a table, in the form of Markdown."""
    torch.set_num_threads(threads)
    click.echo("| model | torch ms | accel ms | accel fast ms | ratio | fast ratio | accel tokens or images/s |")
    click.echo("|---|---|---|---|---|---|---|")
    with torch.inference_mode(), accel.config(num_threads=threads):
        every = (decoders(128, None), decoders(128, 4), decoders(2048, None), berts(1, 128), berts(8, 128), vits(1))
        for row in itertools.chain(*every):
            click.echo(line(row, seconds))


if __name__ == "__main__":
    main()
