"""What recording and verifying share: the operands on a device, and the settings that a model runs under."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..array import Array
from ..backends.base import Device
from ..config import config
from ..creation import asarray
from ..demo.seeded import seeded
from ..errors import ArgumentError, FileError, shown
from ..interop import is_array
from .models import Model, from_json
from .weights import fit, load

NUMERICS = "reproducible"
"""The mode that all receipts are made and verified in."""

Weights = Mapping[str, Any] | str | Path | int
"""Arrays by name, a safetensors file or a folder of them, or the seed that they are drawn from."""


@contextmanager
def settings(device: Device) -> Iterator[None]:
    """Everything runs on the device itself: what it has no kernel for is an error, so that a verdict is about it."""
    with config(device=str(device), numerics=NUMERICS, fallback="error", override=None):
        yield


def weights_on(device: Device, kind: Model, its: Any, given: Weights) -> dict[str, Array]:
    """The weights of a model with a configuration. Raises FileError, ArgumentError."""
    shapes = kind.shapes(its)
    if isinstance(given, int) and not isinstance(given, bool):
        with settings(device):
            return seeded(dict(shapes), given, device)
    if isinstance(given, str | Path):
        try:
            return load(given, shapes, device, ignored=kind.ignored(its))
        except OSError as error:
            raise ArgumentError(f"weights: {given} cannot be read: {error.strerror or error}") from None
    if not isinstance(given, Mapping):
        raise ArgumentError(f"weights: expected arrays by name, a file, or a seed, got {shown(given)}")
    there = {name: x for name, x in given.items() if not name.endswith(kind.ignored(its))}
    if wrong := [name for name, x in there.items() if not is_array(x)]:
        raise ArgumentError(f"weights: {wrong[0]}: expected an array, got {shown(there[wrong[0]])}")
    arrays = {name: on(device, x) for name, x in there.items()}
    fit({name: (x.shape, x.dtype) for name, x in arrays.items()}, shapes, "weights: ")
    return arrays


def on(device: Device, x: Any) -> Array:
    """An array on a device; itself, or its memory, where it is there."""
    made = asarray(x)
    return made if made.device is device else asarray(host(made), device=device, copy=True)


def host(x: Array) -> np.ndarray:
    """An array's elements."""
    return np.asarray(x)


def typed(kind: type, value: Any, where: str) -> Any:
    """An object of a dataclass, from itself or from its fields."""
    if isinstance(value, kind):
        return value
    if not isinstance(value, Mapping):
        raise ArgumentError(f"{where}: expected a {kind.__name__}, or its fields, got {shown(value)}")
    defaults = {
        field.name: getattr(kind, field.name) for field in dataclasses.fields(kind) if hasattr(kind, field.name)
    }
    try:
        return from_json(kind, {**defaults, **value}, where)
    except FileError as error:
        raise ArgumentError(str(error)) from None
