"""Weights for a model that none are given for: the same numbers on every device."""

from __future__ import annotations

import math

import accel
from accel import Array, Device

Shapes = dict[str, tuple[int, ...]]
"""The shape of each tensor of a model, by its name in a file of weights."""


def seeded(shapes: Shapes, seed: int, device: str | Device | None = None) -> dict[str, Array]:
    """float32 weights of these names and shapes, drawn one after the other.

    Matrices and larger: normal, with variance 1 over the elements of one output. Vectors: normal with deviation 0.1,
    about 1 where they scale (``weight``, ``running_var``), else about 0.
    """
    generator = accel.random.default_rng(seed, device)
    made = {}
    for name, shape in shapes.items():
        vector = len(shape) == 1
        mean = 1.0 if vector and name.endswith(("weight", "running_var")) else 0.0
        deviation = 0.1 if vector else 1 / math.sqrt(math.prod(shape[1:]))
        made[name] = generator.normal(mean, deviation, shape)
    return made
