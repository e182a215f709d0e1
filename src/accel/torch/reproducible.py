"""Text of a torch model with the same bits on every device: its weights, computed by accel's own decoder."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..array import Array
from ..backends.base import Device
from ..creation import asarray, device_of
from ..demo import decoder
from ..errors import ArgumentError, FileError, UnsupportedError, shown
from ..receipts import llama, models, recorded, running
from ..receipts.sampling import Sampler
from ..receipts.weights import fit
from .family import configuration

NEAR = {torch.float32: 1e-3, torch.float64: 1e-3, torch.float16: 3e-2, torch.bfloat16: 2e-1}
"""How far scores may be from the model's own, relative to them in the Euclidean norm, to be taken for the same
function. A wrong factor or activation is far beyond; what is left is the model's own rounding."""

TOKENS, WINDOW = 8, 64
"""How many tokens' scores are compared, and up to which window so many behind it."""


@dataclass(frozen=True)
class Generation:
    """What was written, by sequence. tokens: int64 (steps,). logits: float32 (steps, vocabulary), the scores that each
    token was taken by."""

    tokens: list[torch.Tensor]
    logits: list[torch.Tensor]


class Reproducible:
    """A decoder with a torch model's weights, as they were when it was made; see `reproducible`."""

    def __init__(self, config: decoder.Config, weights: dict[str, Array], stop_tokens: tuple[int, ...]) -> None:
        self.config = config
        self.device = next(iter(weights.values())).device
        self._weights, self._stop = weights, stop_tokens

    def generate(
        self,
        prompts: Sequence[Any],
        max_new_tokens: int = 16,
        sampler: Sampler | None = None,
        *,
        stop_tokens: Sequence[int] | None = None,
        receipt: str | Path | None = None,
        values: bool = False,
    ) -> Generation:
        """Tokens that follow each prompt, and their scores.

        prompts: the tokens of each, integers (n,) of any lengths, without padding. max_new_tokens: how many are written
        at most. sampler: how a token is taken, None for the largest score. stop_tokens: a sequence ends with the first
        of them; None for those of the model's generation_config. receipt: of a file to write, which `accel verify`
        computes again. values: whether the scores are stored in it, and not their hashes alone.
        A sequence's tokens and scores have the bits that they have alone, on every device. Raises ArgumentError.
        """
        if sampler is not None and not isinstance(sampler, Sampler):
            raise ArgumentError(f"sampler: expected a Sampler, got {shown(sampler)}")
        if isinstance(prompts, str) or not isinstance(prompts, Sequence) or not prompts:
            raise ArgumentError(f"prompts: expected a list of token lists, one at least, got {shown(prompts)}")
        parameters = llama.Parameters(
            **dataclasses.asdict(sampler or Sampler()),
            max_new_tokens=max_new_tokens,
            stop_tokens=self._stop if stop_tokens is None else tuple(stop_tokens),
        )
        inputs = {
            llama.PROMPT.format(i): llama.tokens_of(prompt, f"prompts[{i}]", self.config.vocab_size)
            for i, prompt in enumerate(prompts)
        }
        found: dict[str, list[list[np.ndarray]]] = {name: [[] for _ in prompts] for name in ("logits", "token")}

        def keep(output: models.Output, array: np.ndarray) -> None:
            found[output.name][output.sequence or 0].append(array)

        if receipt is None:
            with running.settings(self.device):
                placed = {name: running.on(self.device, prompt) for name, prompt in inputs.items()}
                for output in llama.run(self.config, self._weights, placed, parameters):
                    keep(output, running.host(output.array))
        else:
            recorded.record(
                "llama",
                config=self.config,
                weights=self._weights,
                inputs=inputs,
                parameters=parameters,
                device=self.device,
                values=values,
                path=receipt,
                on_output=keep,
            )
        tensors = {name: [torch.from_numpy(np.stack(x)) for x in rows] for name, rows in found.items()}
        return Generation(tensors["token"], tensors["logits"])


def reproducible(model: torch.nn.Module, device: str | Device | None = None) -> Reproducible:
    """A causal language model of the Llama family as a decoder whose tokens and scores have the same bits everywhere.

    model: with Hugging Face's names of weights and of the configuration's fields, in evaluation mode: Llama, Mistral,
    Mixtral, Qwen2, Qwen3 (-MoE), Phi-3, Gemma, Gemma 2, the text models of Gemma 3, and what else is one of these
    functions; places may be stretched ("linear", "llama3", "yarn"). It is recognised by these names, and by the scores
    of a few tokens, which have to be near its own; it is left as it is, and what is done to it later changes nothing
    here. device: where accel computes, None for the default device; the weights are copied there.
    Sequences of a batch are given by where they begin, not by masked keys, and each is computed as it is alone.
    Raises ArgumentError for what is no such model in evaluation mode, UnsupportedError, which names the field of the
    configuration or the weight, where it is another function.
    """
    if not isinstance(model, torch.nn.Module):
        raise ArgumentError(f"model: expected a torch.nn.Module, got {shown(model)}")
    if model.training:
        raise ArgumentError("model: it is in training mode; call model.eval() first")
    where = device_of(device)
    tensors = model.state_dict()
    for name, x in tensors.items():
        if x.is_meta or x.layout is not torch.strided or x.is_quantized:
            raise UnsupportedError(f"reproducible: model.{name}: expected a tensor with plain elements, got {_kind(x)}")
    config = configuration(model, tensors)
    ignored = models.find("llama").ignored(config)
    tensors = {name: x for name, x in tensors.items() if not name.endswith(ignored)}
    arrays = {name: asarray(x.detach()) for name, x in tensors.items()}
    try:
        fit({name: (x.shape, x.dtype) for name, x in arrays.items()}, decoder.shapes(config), "reproducible: model: ")
    except FileError as error:
        raise UnsupportedError(str(error)) from None
    weights = {name: asarray(running.host(x), device=where, copy=True) for name, x in arrays.items()}
    made = Reproducible(config, weights, _stop(model))
    _recognise(model, made)
    return made


def _stop(model: torch.nn.Module) -> tuple[int, ...]:
    found = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    return tuple(found) if isinstance(found, list | tuple) else () if found is None else (int(found),)


def _kind(x: torch.Tensor) -> str:
    return "one on the meta device" if x.is_meta else f"a {x.dtype} of layout {x.layout}"


def _recognise(model: torch.nn.Module, made: Reproducible) -> None:
    """Raises UnsupportedError where the model's own scores of a few tokens are not those of the decoder."""
    count = max([TOKENS, *(n + TOKENS for n in made.config.windows if n <= WINDOW)])
    tokens = np.arange(count) * max(made.config.vocab_size // count, 1) % made.config.vocab_size
    first = next(model.parameters())
    with torch.no_grad():
        theirs = model(torch.from_numpy(tokens[None]).to(first.device))
    theirs = getattr(theirs, "logits", theirs)[0].float().cpu()
    table = made._weights["model.embed_tokens.weight"]
    with running.settings(made.device):
        cache = decoder.Cache(made.config, 1, count, table)
        scores = decoder.logits(made.config, made._weights, asarray(tokens[None], device=made.device), cache)
    ours = torch.from_numpy(running.host(scores)[0].astype(np.float32))
    far = float((ours - theirs).norm() / theirs.norm())
    if not far < NEAR[first.dtype]:
        raise UnsupportedError(
            f"reproducible: model: its scores of {count} tokens are {far:.2g} of their norm away from this "
            "decoder's with its weights: it computes something else"
        )
