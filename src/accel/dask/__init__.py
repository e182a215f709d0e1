"""accel on Dask: arrays in chunks, computed by its schedulers on any number of workers, with the bits of accel on one
array in one process.

    import accel.dask as ad

    x = ad.from_npy("x.npy", chunks=(1000, -1))
    y = ad.nn.softmax((x - ad.mean(x, axis=0)) / ad.std(x, axis=0), axis=-1)
    y.compute()

Every function of accel that takes arrays is here by its name, also those of `nn`, `special` and `linalg`; what they do
is what accel's own do. docs/scale.md says which are shared out between chunks, and what the order costs. Needs the
extra ``dask``.
"""

from __future__ import annotations

import sys
from typing import Any

try:
    from dask import array as _array, task_spec as _task_spec  # noqa: F401, I001  # of a Dask that is new enough
except ImportError as error:
    from ..packages import remedy

    raise ImportError(f"accel.dask needs Dask ({error}): {remedy('dask')}") from error

from . import product, random, reduction, writing  # noqa: F401  # and the rules of primitives
from .cluster import check, register
from .collection import Array
from .namespace import Namespace, functions
from .sources import asarray, from_array, from_delayed, from_npy, from_zarr, full, ones, to_npy, zeros

register()

fft, linalg, nn, special = (Namespace(name) for name in ("fft", "linalg", "nn", "special"))

__all__ = [
    "Array",
    "asarray",
    "check",
    "fft",
    "from_array",
    "from_delayed",
    "from_npy",
    "from_zarr",
    "full",
    "linalg",
    "nn",
    "ones",
    "random",
    "special",
    "to_npy",
    "zeros",
]


def __getattr__(name: str) -> Any:
    """accel's functions on chunked arrays."""
    found = functions("accel").get(name)
    if found is None:
        raise AttributeError(f"module 'accel.dask' has no attribute {name!r}")
    setattr(sys.modules[__name__], name, found)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *functions("accel")})
