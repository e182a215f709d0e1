"""Weights and configurations from files as Hugging Face lays them out, and the options of the examples' commands."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import numpy as np

import accel
from accel import Array
from accel.demo.seeded import Shapes, seeded
from accel.receipts.weights import load

__all__ = ["Shapes", "configuration", "load", "options", "seeded", "sha256"]


def configuration(kind: type, path: str | None, **fixed: Any) -> Any:
    """A model's configuration: the fields of a config.json, which must have them all, or the defaults (path None).

    fixed: what other fields must be where they are there, because the model here is no other. Raises FileError.
    """
    if path is None:
        return kind()
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("expected an object")
        for name, want in fixed.items():
            if found.get(name, want) != want:
                raise ValueError(f"{name}: this model is for {want!r} alone, got {accel.errors.shown(found[name])}")
        if missing := [field.name for field in fields(kind) if field.name not in found]:
            raise ValueError(f"missing fields: {', '.join(missing)}")
        return kind(**{field.name: found[field.name] for field in fields(kind)})
    except (ValueError, TypeError) as error:
        raise accel.FileError(f"{path}: not a configuration of this model: {error}") from None


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--device, --weights, --config and --seed."""
    for decorator in (
        click.option("--seed", default=0, show_default=True, help="Of the weights, where none are given."),
        click.option("--config", type=click.Path(exists=True, dir_okay=False), help="The model's config.json."),
        click.option("--weights", type=click.Path(exists=True), help="A .safetensors file, or a folder of them."),
        click.option("--device", default=None, help="Such as cpu or opencl:intel; the default device where left out."),
    ):
        command = decorator(command)
    return command


def sha256(*arrays: Array) -> str:
    """Of the arrays' bytes in row-major order."""
    return hashlib.sha256(b"".join(np.ascontiguousarray(np.asarray(x)).tobytes() for x in arrays)).hexdigest()
