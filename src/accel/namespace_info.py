"""The array API standard's inspection of a namespace (2025.12): ``accel.__array_namespace_info__()``."""

from __future__ import annotations

import numpy as np

from .backends.base import Device
from .data_types import is_kind
from .devices import default_device
from .devices import device as device_named
from .devices import devices as all_devices
from .dtypes import FLOAT32, INT64, TABLE, DType
from .layout import MAX_AXES

CANONICAL = tuple(name for name in TABLE if name not in ("float16", "bfloat16"))
"""Names of the dtypes that accel shares with the standard."""

MAX_DIMENSIONS = MAX_AXES if int(np.__version__.partition(".")[0]) >= 2 else 32
"""Axes that an array may have; before version 2, NumPy's had 32."""


class NamespaceInfo:
    """What accel offers, as the standard's functions ask for it."""

    def capabilities(self) -> dict[str, bool | int | None]:
        """No boolean-mask indexing and no function whose result's shape depends on elements; axes as NumPy has them."""
        return {"boolean indexing": False, "data-dependent shapes": False, "max dimensions": MAX_DIMENSIONS}

    def default_device(self) -> Device:
        """The device of host arrays, and of creation functions without one."""
        return default_device()

    def devices(self) -> tuple[Device, ...]:
        """Every device that computes; the null backend's, which does not, is left out."""
        return tuple(device for device in all_devices() if device.kind != "null")

    def default_dtypes(self, *, device: str | Device | None = None) -> dict[str, DType | None]:
        """What Python scalars and creation functions without a dtype give on any device. None: no dtype is complex."""
        _device(device)
        return {"real floating": FLOAT32, "complex floating": None, "integral": INT64, "indexing": INT64}

    def dtypes(
        self, *, device: str | Device | None = None, kind: str | tuple[str, ...] | None = None
    ) -> dict[str, DType]:
        """The standard's dtypes that a device computes in, all or those of a kind (or of one of several kinds).

        float16 and bfloat16 are not the standard's and so never among them. Raises ArgumentError, DeviceError.
        """
        where = _device(device)
        kinds = kind if isinstance(kind, tuple) or kind is None else (kind,)
        return {
            name: TABLE[name]
            for name in CANONICAL
            if where.missing(name) is None and (kinds is None or name in _of_kinds(kinds))
        }


def _of_kinds(kinds: tuple[str, ...]) -> set[str]:
    return {name for kind in kinds for name, row in TABLE.items() if is_kind(row, kind, "dtypes: kind")}


def _device(device: str | Device | None) -> Device:
    return default_device() if device is None else device_named(device)


def __array_namespace_info__() -> NamespaceInfo:
    """The standard's inspection functions: capabilities, default_device, default_dtypes, devices, dtypes."""
    return NamespaceInfo()
