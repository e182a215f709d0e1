"""Cases of pooling and resampling of float32 images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import nn
from ...ops.composed import exact_pooling, exact_resampling
from .case import Calls, Case, sampled
from .data import Data

REFERENCES = {**vars(exact_pooling), **vars(exact_resampling)}


def pools() -> list[Case]:
    """Windows of 2x2 and 3x3, and whole images."""
    return [
        *(
            _case(f"{kind}_pool2d", (n, 64, 112, 112), kernel_size=3, stride=2, padding=1)
            for kind in ("max", "avg")
            for n in (1, 8)
        ),
        *(_case(f"{kind}_pool2d", (8, 64, 56, 56), kernel_size=2) for kind in ("max", "avg")),
        _case("adaptive_avg_pool2d", (8, 2048, 7, 7), output_size=1),
        _case("adaptive_avg_pool2d", (8, 512, 14, 14), output_size=6),
    ]


def resampled() -> list[Case]:
    """Twice the height and width."""
    return [
        _case("interpolate", (2, 320, 32, 32), scale_factor=2.0, mode=mode)
        for mode in ("nearest", "bilinear", "bicubic")
    ]


def _case(name: str, shape: tuple[int, ...], **keywords: Any) -> Case:
    def build(data: Data) -> Calls:
        x = data.array("float32", shape)
        (a,) = data.accel(x)
        ours = getattr(nn, name)
        peers: dict[str, Callable[[], Any]] = {}
        if data.torch is not None:
            torchs, tensor = getattr(data.torch.nn.functional, name), data.tensor(x)
            peers["torch"] = lambda: torchs(tensor, **keywords)

        def right() -> np.ndarray:
            return sampled(REFERENCES[name](x, **keywords).astype(np.float32))

        return Calls(lambda: ours(a, **keywords), peers, right, sampled)

    words = " ".join(f"{key}={value}" for key, value in keywords.items())
    return Case(f"{name} {'x'.join(map(str, shape))} {words}", "float32", build)
