"""Weights and configurations from files as Hugging Face lays them out, and the options of the examples' commands."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import numpy as np

import accel
from accel import Array, Device
from accel.demo.seeded import Shapes, seeded

__all__ = ["Shapes", "configuration", "load", "options", "seeded", "sha256"]


def load(
    path: str | Path, shapes: Shapes, device: str | Device | None = None, prefix: str = "", ignored: Iterable[str] = ()
) -> dict[str, Array]:
    """The tensors of a .safetensors file, or of all such files of a folder, on a device and in the files' dtypes.

    shapes: what the model needs. prefix: of the names in the files; tensors without it belong to another model and are
    left out. ignored: ends of names that are read over. Raises FileError, which names the file or the tensor, where a
    file is not whole, or a tensor is missing, unexpected, there twice, of another shape or not floating; OSError.
    """
    found: dict[str, np.ndarray] = {}
    path = Path(path)
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    for file in files:
        for name, array in _read(file).items():
            if not name.startswith(prefix) or name.endswith(tuple(ignored)):
                continue
            name = name.removeprefix(prefix)
            if name in found:
                raise accel.FileError(f"{file}: tensor {name} is in another file too")
            found[name] = array
    for problem, names in (("missing", shapes.keys() - found.keys()), ("unexpected", found.keys() - shapes.keys())):
        if names:
            raise accel.FileError(f"{path}: {_listed(problem, names)}")
    for name, shape in shapes.items():
        if found[name].shape != shape:
            raise accel.FileError(f"{path}: tensor {name}: expected shape {shape}, got {found[name].shape}")
        if accel.asarray(found[name][:0]).dtype not in (accel.float16, accel.bfloat16, accel.float32, accel.float64):
            raise accel.FileError(f"{path}: tensor {name}: expected floating elements, got {found[name].dtype}")
    return {name: accel.asarray(found[name], device=device, copy=True) for name in shapes}


def _read(file: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(file)
    except SafetensorError as error:
        raise accel.FileError(f"{file}: not a whole safetensors file: {error}") from None


def _listed(problem: str, names: Iterable[str], most: int = 5) -> str:
    names = sorted(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{problem} tensors: {', '.join(names[:most])}{more}"


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
