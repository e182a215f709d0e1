"""A decoder of the Llama family: grouped-query attention, rotary places, a gated feed-forward block, a cache of keys.

Names of weights and of the configuration's fields are those of Hugging Face's LlamaForCausalLM.
Sources: Touvron et al. 2023, arXiv:2302.13971; Ainslie et al. 2023, arXiv:2305.13245; Su et al. 2021, arXiv:2104.09864.
"""

from __future__ import annotations

from dataclasses import dataclass

import accel
from accel import Array, Device, nn

from .seeded import Shapes


@dataclass(frozen=True)
class Config:
    """Lengths of a model; the defaults are a small one whose tokens are bytes."""

    vocab_size: int = 256
    hidden_size: int = 64
    intermediate_size: int = 160
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    rms_norm_eps: float = 1e-5
    rope_theta: float = 10000.0
    tie_word_embeddings: bool = False

    def __post_init__(self) -> None:
        heads = self.num_attention_heads
        for name, whole, parts in (
            ("num_attention_heads", self.hidden_size, heads),
            ("num_key_value_heads", heads, self.num_key_value_heads),
            ("hidden_size / num_attention_heads", self.hidden_size // max(heads, 1), 2),
        ):
            if parts < 1 or whole % parts:
                raise accel.ArgumentError(f"{name}: expected {parts} to divide {whole}")

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads


def shapes(config: Config) -> Shapes:
    """Every weight of the model."""
    wide, inner, kept = config.hidden_size, config.intermediate_size, config.num_key_value_heads * config.head_dim
    found: Shapes = {"model.embed_tokens.weight": (config.vocab_size, wide)}
    for i in range(config.num_hidden_layers):
        found |= {
            f"model.layers.{i}.input_layernorm.weight": (wide,),
            f"model.layers.{i}.self_attn.q_proj.weight": (wide, wide),
            f"model.layers.{i}.self_attn.k_proj.weight": (kept, wide),
            f"model.layers.{i}.self_attn.v_proj.weight": (kept, wide),
            f"model.layers.{i}.self_attn.o_proj.weight": (wide, wide),
            f"model.layers.{i}.post_attention_layernorm.weight": (wide,),
            f"model.layers.{i}.mlp.gate_proj.weight": (inner, wide),
            f"model.layers.{i}.mlp.up_proj.weight": (inner, wide),
            f"model.layers.{i}.mlp.down_proj.weight": (wide, inner),
        }
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


def angles(config: Config, begin: int, n: int, device: Device, starts: Array | None = None) -> Array:
    """By what n places from begin turn: (n, head_dim / 2), and with starts, as in `logits`, (batch, 1, n, that)."""
    pairs = accel.arange(0, config.head_dim, 2, dtype=accel.float32, device=device)
    places = accel.arange(begin, begin + n, dtype=accel.float32, device=device)
    if starts is not None:
        places = accel.maximum(places - accel.astype(starts, accel.float32)[:, None, None], 0.0)  # (batch, 1, n)
    return places[..., None] * config.rope_theta ** (pairs * (-1 / config.head_dim))


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
    `angles` gives for all this, which a function that is traced cannot make; None to make it here.
    """
    batch, n = tokens.shape
    table = weights["model.embed_tokens.weight"]
    turns = angles(config, cache.length, n, tokens.device, starts) if turns is None else turns
    cos, sin = (accel.astype(f(turns), table.dtype) for f in (accel.cos, accel.sin))

    def norm(x: Array, name: str) -> Array:
        return nn.rms_norm(x, (config.hidden_size,), weights[f"{name}.weight"], config.rms_norm_eps)

    x = nn.embedding(tokens, table)
    for i in range(config.num_hidden_layers):
        layer = f"model.layers.{i}"
        y = norm(x, f"{layer}.input_layernorm")
        query, key, value = (
            nn.linear(y, weights[f"{layer}.self_attn.{name}_proj.weight"])
            .reshape(batch, n, -1, config.head_dim)
            .swapaxes(1, 2)
            for name in "qkv"
        )
        key, value = cache.extend(i, nn.rotary_embedding(key, cos, sin), value)
        mixed = nn.scaled_dot_product_attention(
            nn.rotary_embedding(query, cos, sin),
            key,
            value,
            is_causal=True,
            enable_gqa=True,
            causal_alignment="lower_right",
            key_starts=starts,
        )
        mixed = mixed.swapaxes(1, 2).reshape(batch, n, config.hidden_size)
        x = x + nn.linear(mixed, weights[f"{layer}.self_attn.o_proj.weight"])

        y = norm(x, f"{layer}.post_attention_layernorm")
        up, gate = (nn.linear(y, weights[f"{layer}.mlp.{name}_proj.weight"]) for name in ("up", "gate"))
        x = x + nn.linear(nn.swiglu(up, gate), weights[f"{layer}.mlp.down_proj.weight"])
    cache.length += n
    x = norm(x, "model.norm")
    return nn.linear(x, table if config.tie_word_embeddings else weights["lm_head.weight"])


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
