"""The devices that Triton's kernels are tested on: its interpreter, emulated GPUs, a real GPU where there is one."""

from __future__ import annotations

import copy
import warnings
from importlib.util import find_spec

import pytest

import accel

if find_spec("triton") is None:
    collect_ignore_glob = ["test_*.py"]
    warnings.warn("tests/triton is left out: triton is not installed", stacklevel=1)

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
