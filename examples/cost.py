"""What reproducible text costs on the CPU, beside accel's default mode and torch eager, and what a receipt adds.

    python -m examples.cost --threads 1

Every column writes the same number of tokens behind a prompt, greedily, with the same weights; what is printed is the
median of the rounds, whose columns run in turn.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import click
import numpy as np
import torch

import accel
from accel import receipts
from accel.demo import decoder
from accel.receipts import llama

from . import speed
from .weights import seeded

PROMPT, COUNT = 64, 16
"""Tokens that are read, and that are written."""


def columns(dtype: accel.DType) -> dict[str, Callable[[], Any]]:
    """What is timed, by its title."""
    config = speed.DECODER
    weights = {name: accel.astype(w, dtype) for name, w in seeded(decoder.shapes(config), 0, "cpu").items()}
    theirs = {name: torch.from_dlpack(w) for name, w in weights.items()}
    prompt = np.asarray(accel.random.default_rng(1, "cpu").integers(0, config.vocab_size, PROMPT))
    parameters = llama.Parameters(max_new_tokens=COUNT)
    model = speed.TorchDecoder(theirs, PROMPT + COUNT)

    def eager() -> list[int]:
        model.length, tokens, made = 0, torch.from_numpy(prompt[None]), []
        for _ in range(COUNT):
            tokens = model(tokens)[:, -1].argmax(-1, keepdim=True)
            made.append(int(tokens))
        return made

    def ours(mode: str) -> list[int]:
        with accel.config(numerics=mode):
            return [int(token) for *_, token in llama.generate(config, weights, [prompt], parameters)]

    def recorded() -> receipts.Receipt:
        inputs = {llama.PROMPT.format(0): prompt}
        return receipts.record(
            "llama", config=config, weights=weights, inputs=inputs, parameters=parameters, device="cpu"
        )

    return {
        "torch eager": eager,
        "default": lambda: ours("default"),
        "reproducible": lambda: ours("reproducible"),
        "with a receipt": recorded,
    }


@click.command()
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Of both libraries.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
def main(threads: int, rounds: int) -> None:
    """Prints a table, in the form of Markdown: seconds, and the ratios of reproducible mode to others by round."""
    torch.set_num_threads(threads)
    titles = ("torch eager", "default", "reproducible", "with a receipt")
    click.echo(f"| weights | {' s | '.join(titles)} s | of default | of torch |")
    click.echo("|---|" + "---|" * 6)
    with torch.inference_mode(), accel.config(num_threads=threads):
        for dtype in (accel.float32, accel.bfloat16):
            calls = columns(dtype)
            for call in calls.values():
                call()
            times = [{title: speed.timed(call) for title, call in calls.items()} for _ in range(rounds)]
            seconds = " | ".join(f"{statistics.median(its[title] for its in times):.2f}" for title in titles)
            ratios = " | ".join(
                f"{statistics.median(its['reproducible'] / its[other] for its in times):.2f}"
                for other in ("default", "torch eager")
            )
            click.echo(f"| {dtype.name} | {seconds} | {ratios} |")


if __name__ == "__main__":
    main()
