"""The kind "llama": text by a decoder of the Llama family (src/accel/demo/decoder.py), greedy or drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

import accel
from accel import Array
from accel.demo import decoder
from accel.errors import ArgumentError, shown

from .models import Output, model
from .sampling import Sampler

PROMPT = "prompt.{}"
"""The name of a sequence's input, by its number from 0."""


@dataclass(frozen=True)
class Parameters(Sampler):
    """Of a generation: those of `Sampler`, how many tokens are written at most, and those after which a sequence ends,
    which is the last that it writes."""

    max_new_tokens: int = 16
    stop_tokens: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.max_new_tokens) is not int or self.max_new_tokens < 1:
            raise ArgumentError(f"max_new_tokens: expected 1 or more, got {shown(self.max_new_tokens)}")
        if not isinstance(self.stop_tokens, tuple) or not all(type(x) is int for x in self.stop_tokens):
            raise ArgumentError(f"stop_tokens: expected a tuple of integers, got {shown(self.stop_tokens)}")


def generate(
    config: decoder.Config,
    weights: dict[str, Array],
    prompts: Sequence[np.ndarray],
    parameters: Parameters,
    piece: int | None = None,
) -> Iterator[tuple[int, int, Array, Array]]:
    """(sequence, step, scores (vocabulary,), token ()) of every sequence that has not ended, step by step.

    prompts: the tokens of each sequence, integers (n,), of any lengths. piece: of how many tokens a prompt is read at a
    time, None for all. Neither the other prompts nor piece change a bit of a sequence's scores and tokens: shorter
    prompts stand at the right, and attention counts keys and places from the sequence's own first token.
    """
    longest = max(len(prompt) for prompt in prompts)
    table = weights["model.embed_tokens.weight"]
    generators = parameters.generators(len(prompts), table.device)
    padded = np.zeros((len(prompts), longest), np.int64)
    for row, prompt in zip(padded, prompts, strict=True):
        row[longest - len(prompt) :] = prompt
    starts = accel.asarray(np.array([longest - len(prompt) for prompt in prompts]), device=table.device)
    tokens = accel.asarray(padded, device=table.device)
    cache = decoder.Cache(config, len(prompts), longest + parameters.max_new_tokens, table)
    going = list(range(len(prompts)))
    for step in range(parameters.max_new_tokens):
        for begin in range(0, tokens.shape[1], piece or longest):
            scores = decoder.logits(config, weights, tokens[:, begin : begin + (piece or longest)], cache, starts)
        last = accel.astype(scores[:, -1], accel.float32)
        chosen = parameters.choose(last, generators)
        for i in going:
            yield i, step, last[i], chosen[i]
        ended = np.isin(np.asarray(chosen), parameters.stop_tokens)
        going = [i for i in going if not ended[i]]
        if not going:
            return
        tokens = chosen[:, None]


def tokens_of(prompt: object, name: str, vocabulary: int) -> np.ndarray:
    """The tokens of a prompt. Raises ArgumentError, which names it."""
    found = np.asarray(prompt)
    if found.ndim != 1 or found.dtype.kind not in "iu" or not found.size:
        raise ArgumentError(f"{name}: expected integers of shape (n,), one at least, got {shown(prompt)}")
    if found.min() < 0 or found.max() >= vocabulary:
        wrong = int(found.min()) if found.min() < 0 else int(found.max())
        raise ArgumentError(f"{name}: expected tokens from 0 to {vocabulary - 1}, got {wrong}")
    return found


@model(
    "llama",
    config=decoder.Config,
    shapes=decoder.shapes,
    parameters=Parameters,
    ignored=lambda config: ("rotary_emb.inv_freq", *(("lm_head.weight",) if config.tie_word_embeddings else ())),
)
def run(
    config: decoder.Config, weights: dict[str, Array], inputs: dict[str, Array], parameters: Parameters
) -> Iterator[Output]:
    """The scores and the token of every step of every sequence. inputs: prompt.0, prompt.1, …, integers (n,)."""
    names = [PROMPT.format(i) for i in range(len(inputs))]
    if not inputs or set(names) != set(inputs):
        raise ArgumentError(f"inputs: expected {PROMPT.format(0)}, {PROMPT.format(1)}, …, got {', '.join(inputs)}")
    prompts = [tokens_of(inputs[name], f"inputs.{name}", config.vocab_size) for name in names]
    for sequence, step, scores, token in generate(config, weights, prompts, parameters):
        yield Output("logits", scores, sequence, step)
        yield Output("token", token, sequence, step)
