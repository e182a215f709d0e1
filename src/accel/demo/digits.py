"""Nearest-neighbour classification: which training image is closest to each held-out one, by one matmul."""

from __future__ import annotations

import numpy as np

import accel
from accel import Array, Device

from . import data
from .result import Result


def unit_length(images: Array) -> Array:
    """Rows scaled to length 1, so that thick and thin pens compare."""
    return images / accel.sqrt(accel.sum(images * images, axis=1, keepdims=True))


def squared_distances(a: Array, b: Array) -> Array:
    """|a_i - b_j|^2 = |a_i|^2 - 2 a_i.b_j + |b_j|^2, of rows of a (m, k) and b (n, k): shape (m, n)."""
    ours = accel.sum(a * a, axis=1, keepdims=True)
    theirs = accel.sum(b * b, axis=1)
    return ours - 2.0 * accel.matmul(a, b.T) + theirs


def classify(device: Device) -> Result:
    """Labels of the held-out digits on a device."""
    train, labels, held_out, truth = data.digits()
    known, asked = (unit_length(accel.asarray(x, device=device)) for x in (train, held_out))
    distances = squared_distances(asked, known)
    nearest = np.asarray(accel.argmin(distances, axis=1))
    predictions = accel.asarray(labels[nearest], device=device)
    right = int(accel.sum(accel.equal(predictions, accel.asarray(truth, device=device))))
    accuracy = right / len(truth)
    return Result(
        f"{100 * accuracy:.2f} % of {len(truth)} digits right",
        {"accuracy": accuracy, "right": right, "held_out": len(truth)},
        {"predictions": np.asarray(predictions), "distances": np.asarray(distances)},
    )
