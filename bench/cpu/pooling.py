"""Cases of pooling and resampling of float32 images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import nn
from ...ops.composed import exact_grids, exact_pooling, exact_resampling
from .case import Calls, Case, sampled
from .data import Data

REFERENCES = {**vars(exact_pooling), **vars(exact_resampling), **vars(exact_grids)}


def pools() -> list[Case]:
    """Windows of 2x2 and 3x3, and whole images."""
    return [
        *(
            _case(f"{kind}_pool2d", (n, 64, 112, 112), kernel_size=3, stride=2, padding=1)
            for kind in ("max", "avg")
            for n in (1, 8)
        ),
        *(_case(f"{kind}_pool2d", (8, 64, 56, 56), kernel_size=2) for kind in ("max", "avg")),
        _case("max_pool2d", (1, 64, 56, 56), kernel_size=5, stride=1, padding=2),
        _case("avg_pool2d", (1, 64, 56, 56), kernel_size=5, stride=1, padding=2),
        *(_case(f"{kind}_pool3d", (2, 32, 16, 28, 28), kernel_size=3, stride=2, padding=1) for kind in ("max", "avg")),
        _case("adaptive_avg_pool2d", (8, 2048, 7, 7), output_size=1),
        _case("adaptive_avg_pool2d", (8, 512, 14, 14), output_size=6),
    ]


def resampled() -> list[Case]:
    """Twice the height and width, a quarter of them, and steps that are no whole ones."""
    return [
        *(
            _case("interpolate", (2, 320, 32, 32), scale_factor=2.0, mode=mode)
            for mode in ("nearest", "bilinear", "bicubic")
        ),
        _case("interpolate", (2, 64, 64, 64), size=(16, 16), mode="area"),
        _case("interpolate", (2, 320, 32, 32), size=(48, 40), mode="bilinear"),
        _case("interpolate", (2, 32, 16, 16, 16), scale_factor=2.0, mode="trilinear"),
    ]


def antialiased() -> list[Case]:
    """A third of the height and width, by filters as wide as samples are apart."""
    return [
        _case("interpolate", (2, 64, 128, 128), size=(48, 40), mode=mode, antialias=True)
        for mode in ("bilinear", "bicubic")
    ]


def at_places() -> list[Case]:
    """Samples at places of a grid."""
    return [
        _case("grid_sample", (2, 64, 64, 64), (2, 64, 64, 2), mode=mode, align_corners=False)
        for mode in ("nearest", "bilinear", "bicubic")
    ]


def _case(name: str, *shapes: tuple[int, ...], **keywords: Any) -> Case:
    def build(data: Data) -> Calls:
        x = [data.array("float32", shape, values) for shape, values in zip(shapes, ("normal", "unit"), strict=False)]
        given = data.accel(*x)
        ours = getattr(nn, name)
        peers: dict[str, Callable[[], Any]] = {}
        if data.torch is not None:
            torchs, tensors = getattr(data.torch.nn.functional, name), [data.tensor(each) for each in x]
            peers["torch"] = lambda: torchs(*tensors, **keywords)

        def right() -> np.ndarray:
            return sampled(REFERENCES[name](*x, **keywords).astype(np.float32))

        return Calls(lambda: ours(*given, **keywords), peers, right, sampled)

    words = " ".join(f"{key}={value}" for key, value in keywords.items())
    return Case(f"{name} {' '.join('x'.join(map(str, s)) for s in shapes)} {words}", "float32", build)
