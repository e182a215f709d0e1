"""Attention whose chunks of keys are shared out over work-items, in both geometries."""

from __future__ import annotations

import pytest
from attention_chunks import CASES, chunked

import accel
from accel.kernels.opencl import attention


@pytest.mark.parametrize("case", CASES)
def test_chunks_are_joined_in_order(variant: accel.Device, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "FULL", {"lanes": 256, "loops": 256})
    chunked(variant, case, attention)
