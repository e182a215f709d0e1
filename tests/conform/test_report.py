"""What is said of a failure: the example, the kernel, the first element in values, bits and ULP, and a line that runs
it again."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

import numpy as np
import pytest

import accel
from accel.cli import run
from accel.dtypes import FLOAT32
from accel.testing import compare, conform

pytestmark = pytest.mark.usefixtures("wrong_backend")


def told(op: str, dtype: str, fault: str, **settings) -> list[str]:
    with accel.config(**settings):
        (row,) = conform.run(f"wrong:{fault}", [op], dtypes=[dtype]).rows
    assert row.status == "fail"
    return row.detail.splitlines()


def test_a_failure_says_all():
    count, what, x1, x2, kernel, again = told("add", "float32", "last-of-63")
    assert re.fullmatch(r"\d+ of \d+ examples fail", count)
    assert re.fullmatch(
        r"add of float32 on wrong:last-of-63, example 4: 1 of 63 elements differ in bits, the first at \(62,\): "
        r"got \S+ \(0x[0-9a-f]{8}\), canonical \S+ \(0x[0-9a-f]{8}\), 1 ULP apart",
        what,
    )
    assert x1 == "x1: float32, shape (63,), strides (1,)"
    assert x2 == "x2: float32, shape (63,), strides (1,)"
    assert kernel == "kernel: wrong.pointwise"
    assert again == "again: accel conform --device wrong:last-of-63 --op add --dtype float32 --example 4"


def test_the_smallest_failing_example_is_told():
    """The fault is in every one that has elements."""
    _, what, *_ = told("add", "float32", "nothing-written")
    assert "1 of 1 elements differ" in what


def test_a_bound():
    lines = told("matmul", "bfloat16", "halves-in-halves", numerics="fast")
    assert "outside their bound, the first at" in lines[1]
    assert re.search(
        r"got \S+ \(0x([0-9a-f]{4}){1,2}\), exact \S+ \(0x([0-9a-f]{4}){1,2} when rounded\), \d+ ULP", lines[1]
    )


@pytest.mark.parametrize(
    ("op", "dtype", "fault", "settings"),
    [
        ("add", "float32", "above-2^20", {}),
        ("sum", "bfloat16", "block-8192", {}),
        ("matmul", "bfloat16", "halves-chunk-512", {}),
        ("exp", "float16", "nothing-written", {"num_threads": 1, "cpu_isa": "baseline"}),
    ],
)
def test_the_line_runs_it_again(op, dtype, fault, settings, capsys, monkeypatch):
    *_, again = told(op, dtype, fault, **settings)
    words = shlex.split(again.removeprefix("again: "))
    variables = [word for word in words if word.startswith("ACCEL_")]
    assert len(variables) == len(settings) + (fault == "halves-chunk-512")
    for variable in variables:
        monkeypatch.setenv(*variable.split("="))
    accel.config.reload()
    try:
        assert run(words[words.index("accel") + 1 :]) == 1
    finally:
        monkeypatch.undo()
        accel.config.reload()
    out = capsys.readouterr().out
    assert "1 of 1 examples fail" in out
    assert again.removeprefix("again: ") in out
    assert run(["conform", "--device", "wrong:nothing", *words[words.index("--op") :]]) == 0


def test_an_exception_says_where():
    spec = replace(accel.registry.OPS["negative"], function=lambda x: [][1])
    row = conform.one(spec, FLOAT32, accel.device("cpu"), 1)
    assert "IndexError: list index out of range (test_report.py:" in row.detail
    assert "x: float32, shape (1,), strides (1,)\nkernel: none was reached\nagain: accel conform" in row.detail


class TestSubnormals:
    """A device whose kernels flush: what is wrong is the result, never an operand."""

    def test_operands_are_compared_as_bytes(self):
        for op in ("copy", "add", "negative"):
            lines = told(op, "float32", "flush-operands")
            assert "elements differ in bits" in lines[1]
            assert not any("was changed" in line for line in lines)

    def test_strided_operands_too(self):
        """Reading such an operand back by a kernel of the device would flush it."""
        x = np.full((4, 6), 1e-40, np.float32)[::2, ::-1]
        with pytest.raises(compare.Disagreement, match="differ in bits"):
            compare.check(accel.registry.OPS["copy"], accel.device("wrong:flush-operands"), (x,))


@pytest.mark.parametrize(
    ("a", "b", "apart"), [(1.0, 1.0, 0), (0.0, -0.0, 1), (1.0, np.nextafter(1.0, 2), 1), (-1e-40, 1e-40, 142725)]
)
def test_ulps(a, b, apart):
    dtype = np.float64 if apart == 1 else np.float32
    assert compare.ulps(dtype(a), dtype(b)) == apart == compare.ulps(dtype(b), dtype(a))
