"""Shared by the tests of the core."""

from __future__ import annotations

import pytest

import accel
from accel import dispatch


@pytest.fixture
def null() -> accel.Device:
    """The null device, with no launches recorded and no plans made."""
    device = accel.device("null:0")
    device.launches.clear()
    dispatch.forget()
    return device
