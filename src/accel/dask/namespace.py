"""accel's functions on chunked arrays, by the names of accel's own."""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from typing import Any

from .collection import lifted

LEFT_OUT = {
    *("asarray", "empty", "empty_like", "from_dlpack", "full", "full_like", "ones", "ones_like", "zeros", "zeros_like"),
    *("arange", "eye", "linspace", "tri", "meshgrid", "load", "save", "savez", "savez_compressed"),
    *("can_cast", "finfo", "iinfo", "isdtype", "result_type", "broadcast_shapes", "einsum_path"),
    *("checkpoint", "fuse", "grad", "jvp", "value_and_grad", "vjp", "stop_gradient"),
    *("default_device", "device", "devices", "synchronize", "explain"),
}
"""Functions that take no arrays, make them, or are about functions or devices."""


@cache
def functions(module: str) -> dict[str, Any]:
    """The functions of a module of accel's, each of which takes chunked arrays."""
    source = sys.modules.get(module) or import_module(module)
    found = {}
    for name in source.__all__:
        value = getattr(source, name)
        if name.startswith("_") or name in LEFT_OUT or isinstance(value, type) or not callable(value):
            continue
        found[name] = lifted(value)
    return found


class Namespace:
    """`accel.nn`, `accel.special` or `accel.linalg` on chunked arrays."""

    def __init__(self, name: str) -> None:
        self._name = f"accel.{name}"

    def __getattr__(self, name: str) -> Any:
        found = None if name.startswith("_") else functions(self._name).get(name)
        if found is None:
            raise AttributeError(f"accel.dask's {self._name[6:]!r} has no attribute {name!r}")
        return found

    def __dir__(self) -> list[str]:
        return sorted(functions(self._name))

    def __repr__(self) -> str:
        return f"<{self._name} on chunked arrays>"
