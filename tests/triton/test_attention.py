"""Attention whose chunks of keys are shared out over program instances."""

from __future__ import annotations

import pytest
from attention_chunks import CASES, chunked, otherwise

from accel.kernels.triton import attention


@pytest.mark.parametrize("case", CASES)
def test_chunks_are_joined_in_order(device, case, monkeypatch):
    chunked(device, case, attention, monkeypatch)


@pytest.mark.parametrize("case", [case for case in CASES if case != "cache"])
def test_other_chunks_would_be_seen(case):
    """The control; where results are rounded to 16 bits it may not be."""
    assert otherwise(case)
