"""Attention of Hugging Face's models by accel, through the interface that `transformers` has for it.

transformers is never imported here but for a model of its own, which has imported it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch

from accel import nn

from . import rotary
from .changes import Change
from .losses import model_loss
from .replacement import FLOATING, Left, Replacement, forward_of

NAME = "accel"
"""Of the attention, in a model's configuration."""

KEY = "accel_attention"
"""Where a module has its `Attention`."""

INTERFACE = "ALL_ATTENTION_FUNCTIONS"
"""The name by which the forward of an attention looks its function up."""


def is_attention(module: torch.nn.Module) -> bool:
    """Whether a module's forward takes its attention from transformers' interface: whether its code reads that name."""
    code = getattr(inspect.unwrap(forward_of(module)), "__code__", None)
    return code is not None and INTERFACE in code.co_names and hasattr(module, "config")


class Attention(Replacement):
    """An attention by accel: queries (batch, heads, length, d), keys and values with as many heads or with a part."""

    kind = "attention"

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        register()  # a model that is loaded may be the first that needs it

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return super().__call__(self.module, *args, **keywords)

    def original(self, module: Any, *args: Any, **keywords: Any) -> Any:
        return _sdpa()(module, *args, **keywords)

    def computed(
        self,
        module: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        dropout: float = 0.0,
        scaling: float | None = None,
        is_causal: bool | None = None,
        softcap: float | None = None,
        position_bias: torch.Tensor | None = None,
        cache: Any = None,
        s_aux: torch.Tensor | None = None,
        **keywords: Any,
    ) -> tuple[torch.Tensor, None]:
        if cache is not None:
            raise Left("a paged cache")
        if dropout:
            raise Left("random numbers are torch's")
        if query.dtype not in FLOATING:
            raise Left(f"{query.dtype} is computed by torch")
        n, keys = query.shape[-2], key.shape[-2]
        causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
        causal = bool(n > 1 and attention_mask is None and causal)
        if causal and keys > n:  # an empty static cache: places behind the queries are not written yet
            key, value = key[..., :n, :], value[..., :n, :]
            keys = n
            position_bias = None if position_bias is None else position_bias[..., :n]
        mask = None if attention_mask is None else attention_mask[..., :keys]
        if position_bias is not None:
            if mask is not None and mask.dtype == torch.bool:
                mask = torch.where(mask, position_bias, -torch.inf)
            else:
                mask = position_bias if mask is None else mask + position_bias
        if mask is not None and mask.dtype not in (torch.bool, query.dtype):
            mask = mask.to(query.dtype)
        tensors = [query, key, value, *(x for x in (mask, s_aux) if x is not None)]
        if query.shape[0] != key.shape[0]:
            tensors[0] = query.expand(key.shape[0], *query.shape[1:])
        y = self.run(
            attention,
            tuple(tensors),
            masked=mask is not None,
            sunk=s_aux is not None,
            causal=causal,
            scale=scaling,
            softcap=float(softcap or 0.0),
        )
        return y.transpose(1, 2).contiguous(), None


def attention(
    query: Any, key: Any, value: Any, *more: Any, masked: bool, sunk: bool, causal: bool, scale: Any, softcap: float
) -> Any:
    left = list(more)
    mask = left.pop(0) if masked else None
    return nn.scaled_dot_product_attention(
        query, key, value, mask, is_causal=causal, scale=scale, enable_gqa=query.shape[1] != key.shape[1],
        softcap=softcap, sinks=left.pop(0) if sunk else None,
    )  # fmt: skip


def attention_forward(module: torch.nn.Module, *args: Any, **keywords: Any) -> Any:
    """What transformers calls for the attention "accel". Of a module that `optimize` has not seen it is torch's."""
    its = vars(module).get(KEY)
    return _sdpa()(module, *args, **keywords) if its is None else its(*args, **keywords)


def _sdpa() -> Any:
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    return sdpa_attention_forward


def register() -> None:
    """Makes "accel" known to transformers as an attention, with the masks of "sdpa"."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, attention_forward)
    AttentionMaskInterface.register(NAME, sdpa_mask)


def is_pretrained(module: Any) -> bool:
    """Whether a module is a model of transformers."""
    library = sys.modules.get("transformers.modeling_utils")
    return library is not None and isinstance(module, library.PreTrainedModel)


class Entry(NamedTuple):
    """What of a module is replaced: the changes that do it, or the reason against it. beside: whether the module's
    forward is looked at as any other's."""

    module: torch.nn.Module
    kind: str
    changes: list[Change] | str
    beside: bool = False


def changes(model: torch.nn.Module, numerics: str | None) -> Iterator[Entry]:
    """The attentions, rotations and losses of a model of transformers, or of models in it."""
    configs: set[int] = set()
    for name, module in model.named_modules():
        if is_attention(module):
            yield Entry(module, Attention.kind, _attention(module, name, numerics, configs))
            function = rotary.found(module)
            if function is not None:
                rotated = rotary.Rotated(module, name, numerics, function)
                yield Entry(module, rotary.Rotated.kind, [Change(module, "forward", rotated, name)])
        elif is_pretrained(module) and (loss := model_loss(module, name, numerics)) is not None:
            its = loss if isinstance(loss, str) else [Change(module, "_loss_function", loss, name)]
            yield Entry(module, "loss", its, beside=True)


def _attention(module: Any, name: str, numerics: str | None, configs: set[int]) -> list[Change] | str:
    """configs: those that were seen in the model before, to which this one's is added."""
    kind = getattr(module.config, "_attn_implementation", None)
    if kind == NAME:
        return "its configuration is shared with a model that is optimised"
    if kind not in ("sdpa", "eager"):
        return f"its attention is {kind!r}; sdpa and eager are replaced"
    changes = [Change(module, KEY, Attention(module, name, numerics), name)]
    if id(module.config) not in configs:
        configs.add(id(module.config))
        changes.append(Change(module.config, "_attn_implementation_internal", NAME, f"{name}.config"))
    return changes
