"""Text from a decoder of the Llama family (the model itself: src/accel/demo/decoder.py, which `accel demo` runs too).

    python -m examples.decoder --device cpu --prompt "1 2 3" --count 16
    python -m examples.decoder --config folder/config.json --weights folder --temperature 0.8

Tokens are numbers; there is no tokenizer here.
"""

from __future__ import annotations

import click

import accel
from accel.demo.decoder import Config, generate, shapes

from .weights import configuration, load, options, seeded, sha256


@click.command()
@options
@click.option("--prompt", default="1 2 3", show_default=True, help="Tokens to begin with.")
@click.option("--count", type=click.IntRange(1), default=16, show_default=True, help="Tokens to write.")
@click.option("--temperature", type=click.FloatRange(0), default=0.0, help="0: the most likely token; above it, drawn.")
@click.option("--draw-seed", default=0, help="Of the generator that draws.")
def main(
    device: str | None,
    weights: str | None,
    config: str | None,
    seed: int,
    prompt: str,
    count: int,
    temperature: float,
    draw_seed: int,
) -> None:
    """Prints the tokens that follow a prompt, and the SHA-256 of their scores."""
    its = configuration(
        Config, config, hidden_act="silu", rope_scaling=None, rope_parameters=None, attention_bias=False, mlp_bias=False
    )
    try:
        begin = [int(word) for word in prompt.split()]
    except ValueError:
        raise click.BadParameter("expected whole numbers", param_hint="--prompt") from None
    if not begin or not all(0 <= token < its.vocab_size for token in begin):
        raise click.BadParameter(f"expected tokens from 0 to {its.vocab_size - 1}", param_hint="--prompt")
    ignored = ("rotary_emb.inv_freq", *(("lm_head.weight",) if its.tie_word_embeddings else ()))
    theirs = load(weights, shapes(its), device, ignored=ignored) if weights else seeded(shapes(its), seed, device)
    tokens = accel.asarray([begin], device=device)
    generator = accel.random.default_rng(draw_seed, device)
    with accel.config(numerics="reproducible"):
        written, scores = generate(its, theirs, tokens, count, temperature, generator)
    click.echo(" ".join(str(token) for token in written[0].tolist()))
    click.echo(f"SHA-256 of the scores: {sha256(scores)}")


if __name__ == "__main__":
    main()
