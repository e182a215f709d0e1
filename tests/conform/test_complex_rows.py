"""The kit's rows of complex numbers: every rule has one, and a wrong rule is seen in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import accel
from accel import fft, registry
from accel.cli import run
from accel.dtypes import COMPLEX64, COMPLEX128
from accel.testing import conform
from accel.testing.unlisted_family import unlisted

WRONG = {
    "concat": lambda *arrays, axis=0: accel.concat(arrays[::-1], axis=axis),
    "stack": lambda *arrays, axis=0: accel.flip(accel.stack(arrays, axis=axis), axis=axis),
    "conj": accel.positive,
    "fft": fft.ifft,
    "ifft": fft.fft,
    "irfft": lambda x, **keywords: fft.irfft(accel.conj(x), **keywords),
    "hfft": fft.irfft,
    "fftn": lambda x, **keywords: accel.conj(fft.fftn(x, **keywords)),
    "ifftn": fft.fftn,
    "irfftn": lambda x, **keywords: accel.negative(fft.irfftn(x, **keywords)),
}


def test_every_rule_has_a_row():
    rows = {(spec.name, dtype) for spec, dtype in conform.cases()}
    for spec in registry.COMPLEX:
        parts = [dtype for dtype in (COMPLEX64, COMPLEX128) if dtype.component in spec.dtypes]
        assert parts, spec.name
        assert {(spec.name, dtype) for dtype in parts} <= rows
    assert set(WRONG) == set(unlisted())


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_rule_is_seen(name):
    """And with it the right one: it is what the wrong one is seen beside."""
    ((spec, dtype),) = conform.cases([name], ["complex64"])
    device = accel.device("cpu")
    number = next(i for i, each in enumerate(spec.samples(dtype).edges) if each.size >= 7)
    assert conform.one(spec, dtype, device, 0, example=number).status in ("pass", "compiled", "decomposition")
    row = conform.one(replace(spec, function=WRONG[name]), dtype, device, 0, example=number)
    assert row.status == "fail"
    assert "differ in bits" in row.detail or "expected float32" in row.detail


def test_examples_have_imaginary_parts():
    for name in WRONG:
        ((spec, dtype),) = conform.cases([name], ["complex64"])
        samples = spec.samples(dtype)
        numbers = range(len(samples.edges) + 2)
        operands = [x for i in numbers for x in samples.example(i).operands if x.dtype.kind == "c"]
        assert any((x.imag != 0).any() for x in operands), name
        assert all(isinstance(x, np.ndarray) for x in operands)


def test_a_row_runs_alone(capsys):
    assert run(["conform", "--device", "cpu", "--op", "stack", "--dtype", "complex64", "--example", "1"]) == 0
    assert "cpu conforms to bit contract" in capsys.readouterr().out
