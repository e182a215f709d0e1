"""The devices that Triton's kernels run on in tests: its interpreter, emulated GPUs, and a real GPU where there is one."""

from __future__ import annotations

import copy

import pytest

import accel

pytest.importorskip("triton")

NAMES = (
    "triton:interpreter",
    "triton:emulated-sm_80",
    "triton:emulated-sm_90",
    pytest.param("triton:0", marks=pytest.mark.gpu),
)


@pytest.fixture(params=NAMES)
def any_device(request):
    """A device; what it counts is the test's affair."""
    return accel.device(request.param)


@pytest.fixture
def device(any_device):
    """A device on which the test may run no instruction whose bits are open: approximate, unordered or contractible."""
    before = copy.deepcopy(getattr(any_device, "counts", None))
    yield any_device
    assert getattr(any_device, "counts", None) == before
