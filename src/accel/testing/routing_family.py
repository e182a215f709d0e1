"""Examples of a router's choices."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import DType
from .draw import Draw, array
from .families import Edge, Sample, Samples
from .values import values


def routes(dtype: DType) -> Samples:
    """Few and many experts, of equal logits at times; one, some and all of them chosen."""

    def draw(its: Draw) -> Sample:
        lead, experts = its.choice(((), (1,), (7,), (0,), (2, 3))), its.choice((1, 2, 8, 64, 65))
        keywords: dict[str, Any] = {"k": its.choice((1, min(2, experts), experts))}
        if its.integer(0, 1):
            keywords["scores"] = "sigmoid"
        if its.once_in(3):
            keywords["normalize"] = False
        if its.once_in(3):
            keywords["scale"] = 2.5
        return Sample((array(its, dtype, (*lead, experts), ("normal", "few", "integers")),), keywords)

    def edge(tokens: int, experts: int, k: int, scores: str) -> Edge:
        def make() -> Sample:
            rng = np.random.default_rng((tokens, experts))
            logits = values(rng, dtype, (tokens, experts), "normal")
            return Sample((logits,), {"k": k, "scores": scores})

        return Edge(tokens * experts, make)

    return Samples(draw, [edge(523, 8, 2, "softmax"), edge(65, 256, 8, "sigmoid"), edge(3, 4099, 3, "softmax")])
