"""Examples of attention with projections: packed and separate weights, masks of every kind, keys that are added."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import DType
from .draw import Draw
from .factor_family import stacked
from .families import Edge, Sample, Samples


def samples(dtype: DType) -> Samples:
    """Of multi_head_attention."""

    def draw(its: Draw) -> Sample:
        heads = its.choice((1, 2, 3))
        return _sample(
            its.integer(0, 2**32 - 1), dtype, its.choice(((), (2,), (1, 2))), heads, heads * its.choice((1, 4, 5)),
            (its.choice((0, 1, 6)), its.choice((0, 1, 5, 9))), its.once_in(2), its,
        )  # fmt: skip

    edges = [
        Edge(3 * 64 * 64, lambda: _sample(1, dtype, (2,), 4, 64, (7, 70), True, None)),
        Edge(3 * 64 * 64, lambda: _sample(2, dtype, (2,), 4, 64, (70, 70), True, None, is_causal=True)),
    ]
    return Samples(draw, edges)


def _sample(
    seed: int, dtype: DType, batch: tuple[int, ...], heads: int, e: int, lengths: tuple[int, int], packed: bool,
    its: Draw | None, **options: Any,
) -> Sample:  # fmt: skip
    rng = np.random.default_rng(seed)

    def made(*shape: int, by: float = 1.0) -> Any:
        x = (by * rng.standard_normal(shape)).astype(dtype.numpy)
        return x if its is None or x.ndim < 2 else stacked(its, x)

    queries, keys = lengths
    widths = (e + 1,) * 3 if packed or its is None else tuple(its.choice((3, 7)) for _ in range(3))
    operands = [made(*batch, n, w) for n, w in zip((queries, keys, keys), widths, strict=True)]
    keywords: dict[str, Any] = {"num_heads": heads, **options}
    scale = float(np.sqrt(1 / max(widths)))
    if packed:
        keywords["in_proj_weight"] = made(3 * e, e + 1, by=scale)
    else:
        keywords |= {f"{name}_proj_weight": made(e, w, by=scale) for name, w in zip("qkv", widths, strict=True)}
    if its is None:
        keywords |= {"in_proj_bias": made(3 * e), "out_proj_weight": made(e, e, by=scale), "out_proj_bias": made(e)}
        return Sample(tuple(operands), keywords)
    if its.once_in(2):
        keywords["in_proj_bias"] = made(3 * e)
    if its.once_in(2):
        keywords["out_proj_weight"] = made(5, e, by=scale)
        keywords |= {"out_proj_bias": made(5)} if its.once_in(2) else {}
    if its.once_in(3):
        keywords |= {"bias_k": made(e), "bias_v": made(e)}
    for name, choices in (
        ("attn_mask", ((queries, keys), (heads, queries, keys), (int(np.prod(batch)) * heads, queries, keys))),
        ("key_padding_mask", ((*batch, keys),)),
    ):
        if its.once_in(3):
            numbers = rng.standard_normal(its.choice(choices))
            keywords[name] = numbers > 0 if its.once_in(2) else numbers.astype(dtype.numpy)
    for name in ("add_zero_attn", "is_causal", "need_weights"):
        keywords |= {name: True} if its.once_in(3) else {}
    if its.once_in(4):
        keywords |= {"dropout_p": its.choice((0.2, 1.0)), "dropout_key": rng.integers(0, 9, 2, np.uint64)}
    keywords |= {"average_attn_weights": False} if its.once_in(2) else {}
    return Sample(tuple(operands), keywords)
