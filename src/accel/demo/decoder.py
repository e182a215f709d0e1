"""A decoder of the Llama family: grouped-query attention, rotary places, a gated feed-forward block, a cache of keys.

Names of weights and of the configuration's fields are those of Hugging Face's LlamaForCausalLM, and of what other
families have besides, theirs: Mistral, Qwen, Phi-3 and Gemma differ in what the fields behind the first say.
Sources: Touvron et al. 2023, arXiv:2302.13971; Ainslie et al. 2023, arXiv:2305.13245; Su et al. 2021, arXiv:2104.09864;
of windows Jiang et al. 2023, arXiv:2310.06825; of Gemma's norms and scores Gemma Team 2024, arXiv:2408.00118; of
stretched places Peng et al. 2023, arXiv:2309.00071.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import accel
from accel import Array, Device, nn

from .experts import mixed
from .seeded import Shapes

GATED = {
    "silu": nn.swiglu,
    "gelu": nn.geglu,
    "gelu_pytorch_tanh": partial(nn.geglu, approximate="tanh"),
}
"""By hidden_act: the gated activation."""

STRETCHED = ("default", "linear", "llama3", "yarn")
"""The ways to turn by places: as they are, or more slowly, so that more of them are told apart."""


def optional(default: Any) -> Any:
    """A field that a stored configuration need not have."""
    return field(default=default, metadata={"optional": True})


@dataclass(frozen=True)
class Config:
    """Lengths of a model; the defaults are a small one whose tokens are bytes.

    head_dim: of a head, 0 for hidden_size / num_attention_heads. rotary_dim: how many features of it are turned, 0 for
    all. windows: how many keys a token sees, its own with them, by layer; 0, and none at all: all before it.
    qkv_bias, o_bias, mlp_bias: which products add one. qk_norm: queries and keys are normed, each head by itself.
    sandwich_norms: what attention and the feed-forward block give is normed as well. fused: one weight for queries,
    keys and values, and one for gate and up. norm_offset: added to the weights of norms. embed_scale: of embeddings.
    attention_scale: of scores, 0 for 1 / sqrt(head_dim). attn_logit_softcapping, final_logit_softcapping: bounds that
    scores bend to, 0 for none. rope_local_theta: of layers with a window, which turn without stretching, 0 for the same
    as others. num_experts: of a mixture in the place of the feed-forward block, with moe_intermediate_size for its
    intermediate_size, of which num_experts_per_tok answer a token; norm_topk_prob: their weights add to 1.
    rope_type: "linear" turns rope_factor times as slowly; "llama3" so where a turn takes more than rope_length /
    rope_low places, not where it takes less than rope_length / rope_high, and in between partly; "yarn" so from the
    pair of features rope_high on, not up to rope_low. rope_attention: a factor of cosines and sines.
    """

    vocab_size: int = 256
    hidden_size: int = 64
    intermediate_size: int = 160
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    rms_norm_eps: float = 1e-5
    rope_theta: float = 10000.0
    tie_word_embeddings: bool = False
    head_dim: int = optional(0)
    rotary_dim: int = optional(0)
    hidden_act: str = optional("silu")
    windows: tuple[int, ...] = optional(())
    qkv_bias: bool = optional(False)
    o_bias: bool = optional(False)
    mlp_bias: bool = optional(False)
    qk_norm: bool = optional(False)
    sandwich_norms: bool = optional(False)
    fused: bool = optional(False)
    norm_offset: float = optional(0.0)
    embed_scale: float = optional(1.0)
    attention_scale: float = optional(0.0)
    attn_logit_softcapping: float = optional(0.0)
    final_logit_softcapping: float = optional(0.0)
    rope_local_theta: float = optional(0.0)
    num_experts: int = optional(0)
    num_experts_per_tok: int = optional(0)
    moe_intermediate_size: int = optional(0)
    norm_topk_prob: bool = optional(True)
    rope_type: str = optional("default")
    rope_factor: float = optional(1.0)
    rope_length: int = optional(0)
    rope_low: float = optional(0.0)
    rope_high: float = optional(0.0)
    rope_attention: float = optional(1.0)

    def __post_init__(self) -> None:
        heads = self.num_attention_heads
        if not self.head_dim and heads > 0 and self.hidden_size % heads == 0:
            object.__setattr__(self, "head_dim", self.hidden_size // heads)
        for name, whole, parts in (
            ("num_attention_heads", heads * self.head_dim or self.hidden_size, heads),
            ("num_key_value_heads", heads, self.num_key_value_heads),
            ("head_dim", self.head_dim, 2),
            ("rotary_dim", self.rotary_dim, 2),
        ):
            if parts < 1 or whole % parts:
                raise accel.ArgumentError(f"{name}: expected {parts} to divide {whole}")
        if self.rotary_dim > self.head_dim:
            raise accel.ArgumentError(f"rotary_dim: expected at most {self.head_dim}, got {self.rotary_dim}")
        if self.num_experts and not 1 <= self.num_experts_per_tok <= self.num_experts:
            least, most = self.num_experts_per_tok, self.num_experts
            raise accel.ArgumentError(f"num_experts_per_tok: expected 1 to {most}, got {least}")
        if self.windows and (len(self.windows) != self.num_hidden_layers or min(self.windows) < 0):
            number = self.num_hidden_layers
            raise accel.ArgumentError(f"windows: expected {number} numbers from 0 on, got {self.windows}")
        for name, value, known in (("hidden_act", self.hidden_act, GATED), ("rope_type", self.rope_type, STRETCHED)):
            if value not in known:
                raise accel.ArgumentError(f"{name}: expected one of {', '.join(known)}, got {value!r}")


def shapes(config: Config) -> Shapes:
    """Every weight of the model."""
    wide, inner = config.hidden_size, config.intermediate_size
    heads, kept = (n * config.head_dim for n in (config.num_attention_heads, config.num_key_value_heads))
    mixing = {"qkv": heads + 2 * kept} if config.fused else {"q": heads, "k": kept, "v": kept}
    gates = {"gate_up": 2 * inner} if config.fused else {"gate": inner, "up": inner}
    found: Shapes = {"model.embed_tokens.weight": (config.vocab_size, wide)}

    def product(name: str, rows: int, columns: int, bias: bool) -> None:
        found[f"{name}_proj.weight"] = (rows, columns)
        if bias:
            found[f"{name}_proj.bias"] = (rows,)

    for i in range(config.num_hidden_layers):
        layer = f"model.layers.{i}"
        found[f"{layer}.input_layernorm.weight"] = (wide,)
        for name, rows in mixing.items():
            product(f"{layer}.self_attn.{name}", rows, wide, config.qkv_bias)
        product(f"{layer}.self_attn.o", wide, heads, config.o_bias)
        if config.qk_norm:
            found |= {f"{layer}.self_attn.{name}_norm.weight": (config.head_dim,) for name in "qk"}
        found[f"{layer}.post_attention_layernorm.weight"] = (wide,)
        if config.sandwich_norms:
            found |= {f"{layer}.{name}_feedforward_layernorm.weight": (wide,) for name in ("pre", "post")}
        if config.num_experts:
            each = config.moe_intermediate_size
            found[f"{layer}.mlp.gate.weight"] = (config.num_experts, wide)
            found[f"{layer}.mlp.experts.gate_up_proj"] = (config.num_experts, 2 * each, wide)
            found[f"{layer}.mlp.experts.down_proj"] = (config.num_experts, wide, each)
            continue
        for name, rows in gates.items():
            product(f"{layer}.mlp.{name}", rows, wide, config.mlp_bias)
        product(f"{layer}.mlp.down", wide, inner, config.mlp_bias)
    found["model.norm.weight"] = (wide,)
    if not config.tie_word_embeddings:
        found["lm_head.weight"] = (config.vocab_size, wide)
    return found


class Cache:
    """Keys and values of the tokens so far, of every layer: arrays (batch, key heads, capacity, head_dim)."""

    def __init__(self, config: Config, batch: int, capacity: int, like: Array) -> None:
        shape = (batch, config.num_key_value_heads, capacity, config.head_dim)
        self.layers = [
            [accel.zeros(shape, dtype=like.dtype, device=like.device) for _ in range(2)]
            for _ in range(config.num_hidden_layers)
        ]
        self.length = 0

    def extend(self, layer: int, *new: Array) -> list[Array]:
        """Keys and values with new ones (batch, key heads, n, head_dim) behind them."""
        end = self.length + new[0].shape[2]
        for kept, x in zip(self.layers[layer], new, strict=True):
            kept[:, :, self.length : end] = x
        return [kept[:, :, :end] for kept in self.layers[layer]]


def frequencies(config: Config, device: Device, local: bool = False) -> Array:
    """By what each pair of features turns from a place to the next: float32 (pairs,). local: in layers with a window
    that turn by themselves."""
    wide = config.rotary_dim or config.head_dim
    pairs = accel.arange(0, wide, 2, dtype=accel.float32, device=device)
    turning = (config.rope_local_theta if local else config.rope_theta) ** (pairs * (-1 / wide))
    if local or config.rope_type == "default":
        return turning
    low, high = config.rope_low, config.rope_high
    kept: Any = 0.0  # the share that turns as before
    if config.rope_type == "llama3":
        kept = accel.clip((turning * (config.rope_length / (2 * math.pi)) - low) / (high - low), 0.0, 1.0)
    elif config.rope_type == "yarn":
        kept = 1.0 - accel.clip((pairs * 0.5 - low) / (high - low), 0.0, 1.0)
    return turning * (kept + (1.0 - kept) / config.rope_factor)


def angles(
    config: Config, begin: int, n: int, device: Device, starts: Array | None = None, local: bool = False
) -> Array:
    """By what n places from begin turn: (n, pairs), and with starts, as in `logits`, (batch, 1, n, pairs). local: as in
    `frequencies`."""
    places = accel.arange(begin, begin + n, dtype=accel.float32, device=device)
    if starts is not None:
        places = accel.maximum(places - accel.astype(starts, accel.float32)[:, None, None], 0.0)  # (batch, 1, n)
    return places[..., None] * frequencies(config, device, local)


def linear(weights: dict[str, Array], x: Array, name: str) -> Array:
    """A product that the model names so."""
    return nn.linear(x, weights[f"{name}_proj.weight"], weights.get(f"{name}_proj.bias"))


def feed_forward(config: Config, weights: dict[str, Array], x: Array, name: str) -> Array:
    """The block, or mixture of experts, that the model names so."""
    gated = GATED[config.hidden_act]
    if not config.num_experts:
        if config.fused:
            gate, up = accel.split(linear(weights, x, f"{name}.gate_up"), 2, axis=-1)
        else:
            up, gate = (linear(weights, x, f"{name}.{part}") for part in ("up", "gate"))
        return linear(weights, gated(up, gate), f"{name}.down")

    def answer(rows: Array, counts: Array) -> Array:
        both = nn.grouped_matmul(rows, weights[f"{name}.experts.gate_up_proj"].mT, counts)
        gate, up = accel.split(both, 2, axis=-1)
        return nn.grouped_matmul(gated(up, gate), weights[f"{name}.experts.down_proj"].mT, counts)

    tokens = x.reshape(-1, x.shape[-1])
    routed = nn.linear(tokens, weights[f"{name}.gate.weight"])
    return mixed(tokens, routed, config.num_experts_per_tok, answer, config.norm_topk_prob)[0].reshape(*x.shape)


def logits(
    config: Config,
    weights: dict[str, Array],
    tokens: Array,
    cache: Cache,
    starts: Array | None = None,
    turns: Array | None = None,
) -> Array:
    """Scores (batch, n, vocabulary) of what follows each token of tokens (batch, n), which come behind the cache's.

    The cache grows by them. starts: int64 (batch,), the place in cache and tokens at which each sequence begins, None
    for 0: what is before it is padding, has no part in any sequence, and gets scores that say nothing. turns: what
    `angles` gives for all this, which a function that is traced cannot make, for a model whose layers all turn alike;
    None to make it here.
    """
    batch, n = tokens.shape
    table = weights["model.embed_tokens.weight"]
    windows = config.windows or (0,) * config.num_hidden_layers

    def norm(x: Array, name: str) -> Array:
        weight = weights[f"{name}.weight"]
        if not config.norm_offset:
            return nn.rms_norm(x, weight.shape, weight, config.rms_norm_eps)
        weight = accel.astype(weight, accel.float32) + config.norm_offset
        return accel.astype(nn.rms_norm(x, weight.shape, weight, config.rms_norm_eps), x.dtype)

    def turning(local: bool) -> list[Array]:
        its = angles(config, cache.length, n, tokens.device, starts, local) if turns is None else turns
        both = (accel.cos(its), accel.sin(its))
        scaled = both if config.rope_attention == 1.0 or local else [x * config.rope_attention for x in both]
        return [accel.astype(x, table.dtype) for x in scaled]

    alone = [window > 0 and config.rope_local_theta > 0 for window in windows]  # turns by itself
    rotary = {local: turning(local) for local in sorted(set(alone))}
    heads, kept = (count * config.head_dim for count in (config.num_attention_heads, config.num_key_value_heads))
    x = nn.embedding(tokens, table)
    x = x if config.embed_scale == 1.0 else x * config.embed_scale
    for i, window in enumerate(windows):
        layer = f"model.layers.{i}"
        y = norm(x, f"{layer}.input_layernorm")
        if config.fused:
            projected = accel.split(linear(weights, y, f"{layer}.self_attn.qkv"), [heads, heads + kept], axis=-1)
        else:
            projected = [linear(weights, y, f"{layer}.self_attn.{name}") for name in "qkv"]
        query, key, value = (z.reshape(batch, n, -1, config.head_dim) for z in projected)
        if config.qk_norm:
            query, key = norm(query, f"{layer}.self_attn.q_norm"), norm(key, f"{layer}.self_attn.k_norm")
        query, key, value = (z.swapaxes(1, 2) for z in (query, key, value))
        key, value = cache.extend(i, nn.rotary_embedding(key, *rotary[alone[i]]), value)
        seen = nn.scaled_dot_product_attention(
            nn.rotary_embedding(query, *rotary[alone[i]]),
            key,
            value,
            is_causal=True,
            scale=config.attention_scale or None,
            enable_gqa=True,
            causal_alignment="lower_right",
            window_size=(window - 1, 0) if window else None,
            softcap=config.attn_logit_softcapping,
            key_starts=starts,
        )
        y = linear(weights, seen.swapaxes(1, 2).reshape(batch, n, heads), f"{layer}.self_attn.o")
        before = "post_attention_layernorm"
        if config.sandwich_norms:
            y, before = norm(y, f"{layer}.{before}"), "pre_feedforward_layernorm"
        x = x + y

        y = norm(x, f"{layer}.{before}")
        y = feed_forward(config, weights, y, f"{layer}.mlp")
        x = x + (norm(y, f"{layer}.post_feedforward_layernorm") if config.sandwich_norms else y)
    cache.length += n
    scores = nn.linear(norm(x, "model.norm"), table if config.tie_word_embeddings else weights["lm_head.weight"])
    return nn.softcap(scores, config.final_logit_softcapping) if config.final_logit_softcapping else scores


def generate(
    config: Config,
    weights: dict[str, Array],
    tokens: Array,
    count: int,
    temperature: float = 0.0,
    generator: accel.random.Generator | None = None,
) -> tuple[Array, Array]:
    """count tokens (batch, count) that follow tokens (batch, n), and the scores (batch, count, vocabulary) of each.

    temperature: 0 takes the largest score. Above it a token is drawn with probabilities softmax(scores / temperature)
    by the generator: the largest of scores / temperature + Gumbel noise (Maddison et al. 2014, arXiv:1411.0030).
    """
    cache = Cache(config, tokens.shape[0], tokens.shape[1] + count, weights["model.embed_tokens.weight"])
    made, scores = [], []
    for _ in range(count):
        last = accel.astype(logits(config, weights, tokens, cache)[:, -1], accel.float32)
        scores.append(last)
        if temperature:
            last = last / temperature - accel.log(generator.exponential(1.0, last.shape))
        tokens = accel.argmax(last, axis=-1)[:, None]
        made.append(tokens)
    return accel.concat(made, axis=1), accel.stack(scores, axis=1)
