"""Text by a small decoder with seeded weights: bytes that follow the first ones of the digits' description."""

from __future__ import annotations

import numpy as np

import accel
from accel import Device

from . import data, decoder
from .result import Result
from .seeded import seeded

PROMPT = 48
"""Bytes that the decoder reads."""

COUNT = 24
"""Bytes that it writes, half of them the most likely ones and half drawn."""


def write(device: Device) -> Result:
    """What the decoder writes on a device."""
    config = decoder.Config()
    weights = seeded(decoder.shapes(config), 0, device)
    tokens = accel.asarray(np.frombuffer(data.description()[:PROMPT], np.uint8).astype(np.int64)[None], device=device)
    likely, first = decoder.generate(config, weights, tokens, COUNT // 2)
    tokens = accel.concat([tokens, likely], axis=1)
    drawn, then = decoder.generate(config, weights, tokens, COUNT // 2, 0.8, accel.random.default_rng(1, device))
    written = np.asarray(accel.concat([likely, drawn], axis=1))
    return Result(
        f"{COUNT} tokens written, {len(np.unique(written))} of them different",
        {"tokens": COUNT, "different": len(np.unique(written))},
        {"tokens": written, "logits": np.asarray(accel.concat([first, then], axis=1))},
    )
