"""No result depends on the caller's floating-point environment: operations, constants, ranges, scalars and literals."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import computed
import pytest
from environments import FOREIGN, foreign

import accel
from accel import dispatch
from accel.ops import compose
from accel.ops.spec import OpSpec
from accel.registry import OPS
from accel.scalar import evaluate
from accel.testing.compare import differing

SLOW_DEVICES = ("opencl:intel", "opencl:pocl", "triton:interpreter", "triton:emulated-sm_80")

UNMOVED = {"abs", "copysign", "negative", "positive", "round", "trunc", "where"}
"""Operations of class `bits` that no environment changes."""


@cache
def usual(*devices: str) -> dict[str, str]:
    """Digests of what is computed in the default environment."""
    return computed.results(list(devices))


def changed(found: dict[str, str], want: dict[str, str]) -> list[str]:
    return [name for name in found.keys() | want.keys() if found.get(name) != want.get(name)]


def child(environment: str, folder: Path, *devices: str) -> dict[str, str]:
    """What a process computes that imported accel, and started threads and drivers, in a foreign environment."""
    script = [sys.executable, computed.__file__, environment, str(folder), *devices]
    run = subprocess.run(script, capture_output=True, encoding="utf-8", timeout=300)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize(
    "environment", [pytest.param(each, marks=[pytest.mark.slow] * (each == "towards zero")) for each in FOREIGN]
)
def test_a_process_that_began_in_it(environment, tmp_path):
    """Towards zero is downward for positive numbers and upward for negative ones, which the others see."""
    found = child(environment, tmp_path, "cpu")
    assert found.pop("control") != computed.control_of_numpy().tobytes().hex(), "NumPy does not see the environment"
    assert found.pop("literals") == computed.literals()
    assert changed(found, usual("cpu")) == []


def test_literals_would_be_changed():
    """So that modules compiled in another environment would hold other coefficients."""
    with foreign("upward"):
        assert float("0.3").hex() != (0.3).hex()


def test_opencl_started_in_it(tmp_path):
    devices = [name for name in ("opencl:intel", "opencl:pocl") if _there(name)]
    if not devices:
        pytest.skip("there is no OpenCL CPU device here")
    found = child("upward", tmp_path, *devices)
    assert found.pop("control") and found.pop("literals")
    assert changed(found, usual(*devices)) == []


def _there(name: str) -> bool:
    with contextlib.suppress(accel.AccelError):
        return accel.device(name) is not None
    return False


@pytest.mark.parametrize("environment", ["flush", "upward"])
@pytest.mark.parametrize("device", SLOW_DEVICES)
def test_devices(device, environment):
    if not _there(device):
        pytest.skip(f"there is no {device} here")
    want = usual(device)
    dispatch.forget()
    with foreign(environment):
        found = computed.results([device])
        control = computed.control_of_numpy()
    assert changed(found, want) == []
    assert control.tobytes() != computed.control_of_numpy().tobytes()


def test_the_canonical_form(monkeypatch):
    """Of every operation in float32. Without its guards, the operands show the environment in each that rounds."""
    seen = set()
    for spec, environment in itertools.product(_float32(), ("flush", "upward")):
        every, (keywords, *_) = computed.operands(spec, "float32")
        operands, rest = computed.by_name(spec, every)
        keywords = keywords | rest
        want = computed.several(spec.canonical(*operands, **keywords))
        with foreign(environment):
            got = computed.several(spec.canonical(*operands, **keywords))
        assert not any(differing(*pair).any() for pair in zip(got, want, strict=True)), f"{spec.name}, {environment}"
        with monkeypatch.context() as patch, foreign(environment):
            patch.setattr(evaluate, "FloatEnvironment", contextlib.nullcontext)
            unguarded = computed.several(spec.canonical.__wrapped__(*operands, **keywords))
        if any(differing(*pair).any() for pair in zip(unguarded, want, strict=True)):
            seen.add(spec.name)
    assert {spec.name for spec in _float32() if _of_its_own(spec)} - seen <= UNMOVED


def _of_its_own(spec: OpSpec) -> bool:
    """Whether an op of class `bits` has a canonical form of its own; that of a body is its primitives', each called
    behind the dispatcher's guard."""
    form = getattr(spec.canonical.__wrapped__, "func", None)
    return spec.bits(accel.float32, "reproducible") == "bits" and form is not compose.canonical_of


def _float32() -> list[OpSpec]:
    return [spec for spec in OPS.values() if spec.namespace != "internal" and accel.float32 in spec.dtypes]


def test_torch_tensors():
    """torch's own switch, and large tensors, whose parts several threads compute."""
    torch = pytest.importorskip("torch", reason="torch's switch is tested")
    x, y = torch.full((1 << 22,), 1e-38), torch.full((1 << 22,), 0.01)
    want = accel.multiply(x, y)
    assert int((want == 0).sum()) == 0
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormal numbers")
    try:
        product, equal, logarithm = accel.multiply(x, y), accel.equal(x[:9], 0), accel.log(x[:9])
        assert (x[:9] * y[:9] == 0).all()
    finally:
        torch.set_flush_denormal(False)
    assert (product == want).all()
    assert not equal.any()
    assert (logarithm == accel.log(x[:9])).all()
    assert torch.isfinite(logarithm).all()
