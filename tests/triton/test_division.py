"""Quotients of float32 on GPUs of which one reciprocal depends on the silicon."""

from __future__ import annotations

import numpy as np
import pytest

import accel
from accel import registry
from accel.backends import triton_division
from accel.backends.triton_host import EmulatedDevice
from accel.conversion import to_numpy
from accel.ieee import fma32
from accel.testing.compare import place

BELOW = np.float32(1 - 2.0**-24)
SHORT = triton_division.QUOTIENTS.replace(
    "tl.div_rn(x, y))",
    """q)""",
).replace(
    "    tl.store(",
    """    r = tl.fma(tl.fma(-y, 1.0, 1.0), 1.0, 1.0)
    q = tl.fma(tl.fma(-y, x * r, x), r, x * r)
    q = tl.fma(tl.fma(-y, q, x), r, q)
    tl.store(""",
)
"""AMD's sequence from a reciprocal of 1, for divisors next to 1."""


def sequence(a, b, reciprocal):
    """What LLVM makes of a division on AMD, but for the scaling of very large and small operands."""
    r = fma32(fma32(-b, reciprocal, np.float32(1)), reciprocal, reciprocal)
    q = a * r
    q = fma32(fma32(-b, q, a), r, q)
    return fma32(fma32(-b, q, a), r, q)


def test_which_quotients_depend_on_it():
    """Of all numbers in [1, 2): by the reciprocal that is nearest none is wrong, and by its neighbour 1, which is
    within one unit too, that of 1."""
    a = np.arange(1 << 23, dtype=np.uint32) + np.float32(1).view(np.uint32)
    a = a.view(np.float32)
    b = np.full_like(a, BELOW)
    want = (a.astype(np.float64) / b).astype(np.float32)
    right, wrong = (sequence(a, b, np.full_like(a, r)) != want for r in (1 + 2.0**-23, 1))
    assert not right.any()
    assert np.flatnonzero(wrong).tolist() == [0]


@pytest.fixture
def device():
    return EmulatedDevice("triton", "triton:emulated-sm_80", "emulated", "", selection="named")


def test_it_is_asked(device, monkeypatch):
    """An emulated GPU divides correctly. The control is one that does what AMD's would with the other reciprocal."""
    assert triton_division.correct(device)
    monkeypatch.setattr(triton_division, "QUOTIENTS", SHORT)
    monkeypatch.setattr(triton_division, "_correct", {})
    assert not triton_division.correct(device)


def test_a_file_that_divides_nothing_stands_for_itself(tmp_path, device, monkeypatch):
    """And so does any on a GPU of NVIDIA, which is not asked."""
    path = tmp_path / "plain.py"
    path.write_text("x = 1", encoding="utf-8")
    monkeypatch.setattr(triton_division, "correct", lambda device: False)
    assert triton_division.form(device, str(path)) == str(path)
    other = tmp_path / "divides.py"
    other.write_text("import triton\nimport triton.language as tl\n# tl.div_rn(x, y)", encoding="utf-8")
    assert triton_division.form(device, str(other)) == str(other)
    monkeypatch.setattr(triton_division, "ASKED", ("cuda",))
    changed = triton_division.form(device, str(other))
    assert changed != str(other) and triton_division.form(device, str(path)) == str(path)


@pytest.mark.gpu
def test_a_real_gpu_divides_by_the_number_below_one():
    """All numbers in [1, 2), and those that its own sequence is asked about."""
    for device in (x for x in registry.backend("triton").devices() if x.kind == "gpu"):
        a = (np.arange(1 << 23, dtype=np.uint32) + np.float32(1).view(np.uint32)).view(np.float32)
        b = np.full_like(a, BELOW)
        got = to_numpy(accel.divide(place(a, device), place(b, device)))
        assert got.tobytes() == (a.astype(np.float64) / b).astype(np.float32).tobytes()
        print(f"{device}: tl.div_rn is {'right' if triton_division.correct(device) else 'not right'}")
