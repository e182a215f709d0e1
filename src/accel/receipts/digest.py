"""SHA-256 of arrays: over the dtype, the shape, and the elements in row-major order and little-endian bytes.

Every NaN counts as one and the same, as payloads and signs of NaNs are outside the bit contract.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping

import numpy as np

from ..dtypes import as_dtype


def content(x: np.ndarray) -> bytes:
    """The elements' bytes, with NaN as the quiet one that is positive and has no payload."""
    dtype = as_dtype(x.dtype)
    x = np.ascontiguousarray(x)
    parts = x.reshape(-1).view(dtype.component.numpy)
    if dtype.component.kind == "f" and (missing := np.isnan(parts)).any():
        parts = parts.copy()
        parts[missing] = np.abs(np.array(np.nan, parts.dtype))
    return parts.tobytes() if sys.byteorder == "little" else parts.byteswap().tobytes()


def sha256(x: np.ndarray) -> str:
    """Of one array."""
    shape = ",".join(map(str, x.shape))
    return hashlib.sha256(f"{as_dtype(x.dtype).name}[{shape}];".encode() + content(x)).hexdigest()


def total(digests: Mapping[str, str]) -> str:
    """Of several arrays, by their names: lines of name and digest in ascending order of the names."""
    lines = "".join(f"{name} {digests[name]}\n" for name in sorted(digests))
    return hashlib.sha256(lines.encode()).hexdigest()
