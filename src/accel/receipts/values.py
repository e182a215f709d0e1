"""Arrays in a receipt: {"dtype", "shape", "sha256"} and, where they are stored, "values", or a "path" beside it."""

from __future__ import annotations

import base64
import binascii
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ..dtypes import DTYPES, as_dtype
from ..errors import FileError
from .digest import content, sha256

Entry = dict[str, Any]
"""An array as JSON has it."""


def described(x: np.ndarray) -> Entry:
    """Dtype, shape and hash."""
    return {"dtype": as_dtype(x.dtype).name, "shape": list(x.shape), "sha256": sha256(x)}


def stored(x: np.ndarray) -> Entry:
    """The same with the values: a flat list of integers or booleans; of others their bytes in base64."""
    exact = as_dtype(x.dtype).kind in "biu"
    return {**described(x), "values": x.reshape(-1).tolist() if exact else base64.b64encode(content(x)).decode()}


def read(entry: Entry, where: str, folder: Path | None = None) -> np.ndarray | None:
    """The values of an entry, whose hash was compared; None where there are none.

    where: its place in the document. folder: that of the receipt, in which a file of "path" has to be.
    Raises FileError.
    """
    if "values" in entry:
        made, field = _decoded(entry, where), "values"
    elif "path" in entry:
        made, field = _shaped(_file(entry["path"], f"{where}.path", folder), entry, f"{where}.path"), "path"
    else:
        return None
    if (found := sha256(made)) != entry["sha256"]:
        raise FileError(f"{where}.{field}: their SHA-256 is {found}, and {where}.sha256 says {entry['sha256']}")
    return made


def _decoded(entry: Entry, where: str) -> np.ndarray:
    values, dtype, where = entry["values"], DTYPES[entry["dtype"]], f"{where}.values"
    if isinstance(values, str) != (dtype.kind not in "biu"):
        raise FileError(f"{where}: {entry['dtype']} is written as {'a list' if dtype.kind in 'biu' else 'base64'}")
    if isinstance(values, str):
        try:
            return _shaped(base64.b64decode(values, validate=True), entry, where)
        except binascii.Error as error:
            raise FileError(f"{where}: not base64: {error}") from None
    if len(values) != math.prod(entry["shape"]):
        raise FileError(f"{where}: {len(values)} elements for the shape {tuple(entry['shape'])}")
    kind = bool if dtype.kind == "b" else int
    if wrong := [x for x in values if type(x) is not kind]:
        raise FileError(f"{where}: expected {entry['dtype']}, got {wrong[0]!r}")
    try:
        return np.array(values, dtype.numpy).reshape(entry["shape"])
    except OverflowError as error:
        raise FileError(f"{where}: {error}") from None


def _shaped(raw: bytes, entry: Entry, where: str) -> np.ndarray:
    dtype = DTYPES[entry["dtype"]]
    if len(raw) != math.prod(entry["shape"]) * dtype.itemsize:
        raise FileError(f"{where}: {len(raw)} bytes for {entry['dtype']} of shape {tuple(entry['shape'])}")
    parts = np.frombuffer(raw, dtype.component.numpy)
    parts = parts.copy() if sys.byteorder == "little" else parts.byteswap()
    return parts.view(dtype.numpy).reshape(entry["shape"])


def _file(name: str, where: str, folder: Path | None) -> bytes:
    """The bytes of a file in a receipt's own folder: a receipt of a stranger reads nothing else."""
    if folder is None:
        raise FileError(f"{where}: {name!r} lies beside a file, and this receipt was not read from one")
    if Path(name).name != name:
        raise FileError(f"{where}: expected the name of a file in the receipt's folder, got {name!r}")
    try:
        return (folder / name).read_bytes()
    except (OSError, ValueError) as error:
        raise FileError(f"{where}: {name!r} cannot be read: {error}") from None
