"""Weights by name: of safetensors files as Hugging Face lays them out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from ..array import Array
from ..backends.base import Device
from ..creation import asarray
from ..dtypes import as_dtype
from ..errors import AccelError, FileError
from ..packages import remedy


def load(
    path: str | Path,
    shapes: Mapping[str, tuple[int, ...]],
    device: str | Device | None = None,
    prefix: str = "",
    ignored: Iterable[str] = (),
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
                raise FileError(f"{file}: tensor {name} is in another file too")
            found[name] = array
    fit({name: (array.shape, array.dtype) for name, array in found.items()}, shapes, f"{path}: ")
    return {name: asarray(found[name], device=device, copy=True) for name in shapes}


def fit(found: Mapping[str, tuple[tuple[int, ...], object]], shapes: Mapping[str, tuple[int, ...]], where: str) -> None:
    """Raises FileError where tensors, given as shape and dtype, are not those that a model needs. where: begins the
    message."""
    for problem, names in (("missing", shapes.keys() - found.keys()), ("unexpected", found.keys() - shapes.keys())):
        if names:
            raise FileError(f"{where}{_listed(problem, names)}")
    for name, expected in shapes.items():
        shape, dtype = found[name]
        if tuple(shape) != tuple(expected):
            raise FileError(f"{where}tensor {name}: expected shape {tuple(expected)}, got {tuple(shape)}")
        if as_dtype(dtype).kind != "f":
            raise FileError(f"{where}tensor {name}: expected floating elements, got {dtype}")


def _read(file: Path) -> dict[str, np.ndarray]:
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError as error:
        raise AccelError(f"weights are read by safetensors: {remedy('receipts', 'safetensors')} ({error})") from None
    try:
        return load_file(file)
    except SafetensorError as error:
        raise FileError(f"{file}: not a whole safetensors file: {error}") from None


def _listed(problem: str, names: Iterable[str], most: int = 5) -> str:
    names = sorted(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{problem} tensors: {', '.join(names[:most])}{more}"
