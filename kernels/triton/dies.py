"""GPUs of several dies, each with a cache of its own, to which the hardware deals program instances in turn."""

from __future__ import annotations

from typing import Any

UNITS = {"gfx942": 38, "gfx950": 32}
"""Compute units in use of a die (XCD): MI300X and MI325X have 8 such dies, MI300A 6, MI350X and MI355X 8."""


def dies(device: Any) -> int:
    """How many a GPU has; fewer where it is partitioned, and 1 where their number is not known. What program instances
    of neighbouring numbers share, a kernel lets one die have (`device/index.py`)."""
    each = UNITS.get(device.architecture)
    if each is None:
        return 1
    units = device.details.get("multiprocessors", 8 * each)
    return units // each if units % each == 0 else 1
