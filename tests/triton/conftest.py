"""The devices that Triton's kernels are tested on: its interpreter, emulated GPUs, a real GPU where there is one."""

from __future__ import annotations

import copy
import re
import warnings
from importlib.util import find_spec

import pytest

import accel

if find_spec("triton") is None:
    collect_ignore_glob = ["test_*.py"]
    warnings.warn("tests/triton is left out: triton is not installed", stacklevel=1)

SLOW = re.compile(
    r"\[(attention|convolution|quantized)[^]]*-(sm_80|sm_100|gfx90a|gfx950|gfx1100|gfx1201)\]"
    r"|\[(?!attention(, one query)?-sm_90|attention float16, fast-sm_90|convolution, fast-|convolution-"
    r"|quantized 4 bfloat16)"
    r"(attention|convolution|quantized)[^]]*-(sm_90|gfx942)\]"
    r"|test_fast.*emulated-sm_90(?!-int8-float32|-conv2d\])"
    r"|test_fast.*emulated-sm_80-(plain-float32|causal|window|conv2d, of|conv_transpose|mxfp4|Q)"
    r"|test_figures.*-(sm_80|sm_100|gfx90a|gfx950|gfx1100|gfx1201)\]"
    r"|test_(attention_of_every_operand|attention_of_chunks_\w+|other_bits).*emulated"
    r"|grouped.py::test_(dtypes.*emulated.*(64|16)\]|\w+\[triton:emulated-sm_90)"
    r"|test_an_epilogue\[triton:interpreter|shared_out\[triton:interpreter-float16"
)
"""Tests that take long to compile, or to emulate, and that others nearly cover."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if "/triton/" in item.nodeid and SLOW.search(item.nodeid):
            item.add_marker(pytest.mark.slow)


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
