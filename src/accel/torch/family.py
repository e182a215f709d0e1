"""A decoder's configuration from a torch model: from its own configuration, and from what weights it has."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import torch

from ..demo import decoder
from ..errors import AccelError, UnsupportedError, shown
from ..receipts import models

OTHERWISE = {"clip_qkv": None, "use_bidirectional_attention": False}
"""What other fields of a configuration have to be, or None, where they are there: the decoder here is no other."""

RENAMED = {"hidden_activation": "hidden_act", "num_local_experts": "num_experts"}
"""Names that some families have for a field."""


def configuration(model: torch.nn.Module, weights: Mapping[str, Any]) -> decoder.Config:
    """The decoder's, from the model's own; which of its parts there are is told by the names of its weights.

    Raises UnsupportedError, which names the field.
    """
    its = getattr(model, "config", None)
    fields = its.to_dict() if hasattr(its, "to_dict") else its if isinstance(its, Mapping) else vars(its) if its else {}
    told = {RENAMED.get(name, name): value for name, value in fields.items() if value is not None}
    layer = "model.layers.0"
    told |= {
        "fused": f"{layer}.self_attn.qkv_proj.weight" in weights,
        "qk_norm": f"{layer}.self_attn.q_norm.weight" in weights,
        "sandwich_norms": f"{layer}.pre_feedforward_layernorm.weight" in weights,
        "o_bias": f"{layer}.self_attn.o_proj.bias" in weights,
        "qkv_bias": any(f"{layer}.self_attn.{name}_proj.bias" in weights for name in ("q", "qkv")),
        "mlp_bias": f"{layer}.mlp.down_proj.bias" in weights,
    }
    if f"{layer}.mlp.experts.gate_up_proj" in weights:
        told.setdefault("moe_intermediate_size", told.get("intermediate_size"))
    else:
        told["num_experts"] = 0
    turning, local = _rotary(told)
    told |= turning
    names = [field.name for field in dataclasses.fields(decoder.Config) if not field.metadata.get("optional")]
    if missing := [name for name in names if name not in told]:
        raise UnsupportedError(f"reproducible: model.config has no {missing[0]}: it is not of the Llama family")
    for name, want in OTHERWISE.items():
        if fields.get(name) not in (None, want):
            raise UnsupportedError(f"reproducible: model.config.{name}: expected {want!r}, got {shown(fields[name])}")
    told["windows"] = _windows(told)
    told["rope_local_theta"] = local if any(told["windows"]) else 0.0
    if "query_pre_attn_scalar" in told:
        told["attention_scale"] = float(told["query_pre_attn_scalar"]) ** -0.5
    told |= _measured(model)
    known = {field.name for field in dataclasses.fields(decoder.Config)}
    try:
        return models.from_json(decoder.Config, {k: v for k, v in told.items() if k in known}, "model.config")
    except AccelError as error:
        raise UnsupportedError(f"reproducible: {error}") from None


def _windows(told: Mapping[str, Any]) -> tuple[int, ...]:
    """The keys that a token sees, by layer."""
    window = told.get("sliding_window") or 0
    kinds = told.get("layer_types") or ["sliding_attention"] * told["num_hidden_layers"]
    if unknown := sorted({*kinds} - {"sliding_attention", "full_attention"}):
        raise UnsupportedError(
            f"reproducible: model.config.layer_types: expected sliding_attention or full_attention, got {unknown[0]!r}"
        )
    if told.get("use_sliding_window") is False:
        return ()
    windows = tuple(window if kind == "sliding_attention" else 0 for kind in kinds)
    return windows if any(windows) else ()


def _measured(model: torch.nn.Module) -> dict[str, float]:
    """What the model's own modules add to the weights of norms, and multiply embeddings by: no field says so."""
    try:
        norm, table = (model.get_submodule(f"model.{name}") for name in ("norm", "embed_tokens"))
        weight, rows = norm.weight.detach(), table.weight.detach()
    except AttributeError:  # what is missing is named where weights are looked at
        return {}
    with torch.no_grad():
        offset = float((norm(torch.ones_like(weight)[None])[0].double() - weight.double()).mean())
        row, place = divmod(int(rows.abs().argmax()), rows.shape[1])
        scale = float(table(torch.tensor([row], device=rows.device))[0, place].double() / rows[row, place].double())
    known = (1.0, math.sqrt(weight.numel()))  # one that the dtype of the weights has rounded
    return {
        "norm_offset": 1.0 if abs(offset - 1.0) < 0.1 else 0.0,
        "embed_scale": next((x for x in known if abs(scale / x - 1.0) < 0.02), scale),
    }


def _rotary(told: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
    """Fields of how places turn, and the base of layers with a window that turn by themselves, or 0."""
    every = told.get("rope_parameters") or {}
    nested = "full_attention" in every
    its = every["full_attention"] if nested else {**every, **(told.get("rope_scaling") or {})}
    local = dict(every.get("sliding_attention") or {}) if nested else {}
    if local and local.get("rope_type", "default") != "default":
        raise UnsupportedError(
            "reproducible: model.config.rope_parameters.sliding_attention.rope_type: expected 'default', got "
            f"{shown(local['rope_type'])}"
        )
    kind = its.get("rope_type", its.get("type", "default"))
    if kind not in decoder.STRETCHED:
        raise UnsupportedError(
            f"reproducible: model.config.rope_parameters.rope_type: expected one of {', '.join(decoder.STRETCHED)}, "
            f"got {shown(kind)}"
        )
    found: dict[str, Any] = {"rope_type": kind}
    theta = its.get("rope_theta", told.get("rope_theta"))
    if theta is not None:
        found["rope_theta"] = float(theta)
    heads = told.get("num_attention_heads") or 1
    each = told.get("head_dim") or told.get("hidden_size", 0) // heads
    share = its.get("partial_rotary_factor", told.get("partial_rotary_factor", 1.0))
    turned = int(each * share)
    if turned != each:
        found["rotary_dim"] = turned
    if kind != "default":
        found["rope_factor"] = _number(its, "factor")
    length = int(its.get("original_max_position_embeddings") or told.get("max_position_embeddings") or 0)
    if kind == "llama3":
        low, high = (_number(its, f"{name}_freq_factor") for name in ("low", "high"))
        found |= {"rope_length": length, "rope_low": low, "rope_high": high}
    if kind == "yarn":
        found |= _yarn(its, turned, float(theta or 10000.0), length)
    return found, float(local.get("rope_theta", 0.0))


def _number(its: Mapping[str, Any], name: str) -> float:
    """A field of rope_parameters."""
    if type(its.get(name)) not in (int, float):
        raise UnsupportedError(
            f"reproducible: model.config.rope_parameters.{name}: expected a number, got {shown(its.get(name))}"
        )
    return float(its[name])


def _yarn(its: Mapping[str, Any], turned: int, theta: float, length: int) -> dict[str, float]:
    """The pairs of features between which stretching sets in, and the factor of cosines and sines (arXiv:2309.00071,
    section 3.2 and 3.4)."""

    def pair(turns: float) -> float:
        """The one that turns so often within the length."""
        return turned * math.log(length / (turns * 2 * math.pi)) / (2 * math.log(theta))

    low, high = pair(its.get("beta_fast") or 32), pair(its.get("beta_slow") or 1)
    if its.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, turned - 1)

    def scale(weight: float) -> float:
        factor = _number(its, "factor")
        return 0.1 * weight * math.log(factor) + 1.0 if factor > 1 else 1.0

    factor = its.get("attention_factor")
    if factor is None:
        two = its.get("mscale"), its.get("mscale_all_dim")
        factor = scale(two[0]) / scale(two[1]) if all(two) else scale(1.0)
    return {"rope_low": float(low), "rope_high": float(high + 0.001 * (low == high)), "rope_attention": float(factor)}
