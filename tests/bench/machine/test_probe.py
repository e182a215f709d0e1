"""The native probes: every kind gives a rate on every instruction set, and bad arguments are refused."""

from __future__ import annotations

import pytest

from accel import _cpu

ARITHMETIC = ("fma_float32", "fma_float64")
MEMORY = ("read", "copy", "triad")
OPTIONAL = ("vnni_int8", "bfloat16_dot")


@pytest.mark.parametrize("isa", _cpu.isas())
@pytest.mark.parametrize("threads", [1, 3])
def test_every_kind_gives_a_rate(isa: str, threads: int):
    for kind in ARITHMETIC:
        assert _cpu.probe(isa, kind, threads, 0.5) > 0.01
    for kind in MEMORY:
        assert _cpu.probe(isa, kind, threads, 0.5, 1 << 16) > 0.01
    for kind in OPTIONAL:
        rate = _cpu.probe(isa, kind, threads, 0.5)
        assert rate is None or rate > 0.01


def test_small_working_sets_have_a_page_for_each_array_and_thread():
    assert _cpu.probe(_cpu.isas()[0], "triad", 4, 0.5, 1) > 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense", "fma_float32"),
        ("baseline", "nonsense"),
        ("baseline", "fma_float32", 0),
        ("baseline", "fma_float32", 1, 0.0),
        ("baseline", "fma_float32", 1, float("nan")),
        ("baseline", "fma_float32", 1, 1e9),
        ("baseline", "read", 1, 1.0),
        ("baseline", "read", 1, 1.0, -1),
        ("baseline", "read", 1, 1.0, 1 << 60),
    ],
)
def test_bad_arguments(arguments):
    with pytest.raises(ValueError):
        _cpu.probe(*arguments)
