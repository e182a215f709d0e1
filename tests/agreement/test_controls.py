"""The agreement suite can see what it looks for: each change of the bit contract's algorithms is caught on ordinary
data."""

from __future__ import annotations

import numpy as np
import pytest

import accel
from accel.conversion import from_numpy
from accel.dtypes import FLOAT32, FLOAT64
from accel.numerics import BLOCK, KC, LANES
from accel.ops import canonical
from accel.scalar import ProgramBuilder
from accel.scalar.evaluate import evaluate
from accel.testing import compare, conform

RNG = np.random.default_rng(7)
LONG = RNG.standard_normal(2 * BLOCK + 37)
A, B = RNG.standard_normal((5, 2 * KC + 9)), RNG.standard_normal((2 * KC + 9, 6))


def differs(got: np.ndarray, want: np.ndarray) -> bool:
    return bool(compare.differing(np.asarray(got), np.asarray(want)).any())


@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT64], ids=str)
class TestVariants:
    """The device gives the canonical bits; each variant of the canonical algorithm does not."""

    def test_sum(self, target, dtype):
        x = LONG.astype(dtype.numpy)
        with target.in_force() as device:
            got = np.asarray(accel.sum(from_numpy(x, device, copy=True)))
        assert not differs(got, canonical.reduce("sum", x, (0,), dtype))
        for variant in ({"lanes": LANES // 2}, {"lanes": 2 * LANES}, {"block": BLOCK // 2}, {"block": 2 * BLOCK}):
            assert differs(got, canonical.reduce("sum", x, (0,), dtype, **variant)), f"{variant} was not seen"

    def test_matmul(self, target, dtype):
        a, b = A.astype(dtype.numpy), B.astype(dtype.numpy)
        with target.in_force() as device:
            got = np.asarray(accel.matmul(*(from_numpy(x, device, copy=True) for x in (a, b))))
        assert not differs(got, canonical.matmul(a, b))
        for variant in ({"fused": False}, {"kc": KC // 2}, {"kc": 2 * KC}, {"kc": KC - 1}):
            assert differs(got, canonical.matmul(a, b, **variant)), f"{variant} was not seen"

    def test_contraction(self, target, dtype):
        """x * x + x stays two roundings on every device, and one rounding would be seen."""
        x = RNG.standard_normal(4000).astype(dtype.numpy)
        build = ProgramBuilder(dtype.name)
        program = build.finish(build.apply("add", build.apply("multiply", 0, 0), 0))
        with target.in_force() as device:
            got = np.asarray(accel.ops.primitive.pointwise.apply(program, from_numpy(x, device, copy=True)))
        assert not differs(got, evaluate(program, x))
        fma = accel.ieee.fma32 if dtype is FLOAT32 else accel.ieee.fma64
        assert differs(got, fma(x, x, x))


def test_a_changed_bit_is_a_disagreement(monkeypatch):
    """One element, one unit in the last place."""
    spec = accel.registry.OPS["add"]
    x = RNG.standard_normal((3, 4)).astype(np.float32)
    compare.check(spec, accel.device("cpu"), (x, x))
    original = spec.canonical

    def shifted(*operands):
        result = original(*operands).copy()
        result[1, 2] = np.nextafter(result[1, 2], np.float32(np.inf))
        return result

    object.__setattr__(spec, "canonical", shifted)
    try:
        with pytest.raises(compare.Disagreement, match="1 of 12 elements"):
            compare.check(spec, accel.device("cpu"), (x, x))
    finally:
        object.__setattr__(spec, "canonical", original)


def test_kept_answers_see_the_next_devices_bits():
    """What is computed once for several devices is what each is held against, bits and bounds."""
    from dataclasses import replace

    spec, device = accel.registry.OPS["exp"], accel.device("cpu")
    x = (RNG.standard_normal(40).astype(np.float32),)
    answers = compare.Answers(spec, x)
    assert 0 < compare.check(spec, device, x, answers=answers) <= 1
    off = replace(spec, function=lambda x: spec.function(x) * (1 + 2**-23), bits=lambda dtype, numerics: "bound")
    with pytest.raises(compare.Disagreement, match="differ in bits"):
        compare.check(replace(off, bits=spec.bits), device, x, answers=answers)
    far = replace(off, function=lambda x: spec.function(x) * 1.01)
    with pytest.raises(compare.Disagreement, match="exceeds the bound"):
        compare.check(far, device, x, answers=answers)


def test_a_second_device_computes_no_answer_anew():
    spec, told, seen = accel.registry.OPS["exp"], {}, []
    for _ in range(2):
        assert conform.one(spec, FLOAT32, accel.device("cpu"), 2, most=64, told=told).status == "pass"
        seen.append({number: (id(its.canonical[0]), id(its.exact)) for number, (_, its) in told.items()})
    assert seen[0] == seen[1] and len(seen[0]) > 2


@pytest.mark.parametrize("op", ["poisson_nll_loss", "softmax", "add"])
def test_small_examples_are_among_the_drawn_ones(op):
    samples = accel.registry.OPS[op].samples(FLOAT32)
    first = len(samples.edges)
    assert conform._drawn(samples, 3, None) == [first, first + 1, first + 2]
    assert max(samples.example(number).size for number in conform._drawn(samples, 20, None)) > 300
    chosen = conform._drawn(samples, 3, 300)
    assert len(set(chosen)) == 3 and all(samples.example(number).size <= 300 for number in chosen)
    assert len(conform._drawn(samples, 3, -1)) == 3, "as many where none is small"


def test_a_changed_operand_is_a_disagreement():
    """A kernel that writes to its input is caught."""
    from dataclasses import replace

    spec = accel.registry.OPS["negative"]

    def vandal(x):
        result = spec.function(x)
        x[...] = 0
        return result

    with pytest.raises(compare.Disagreement, match="operand 0, or memory beside it, was changed"):
        compare.check(replace(spec, function=vandal), accel.device("cpu"), (np.ones(3, np.float32),))


def test_a_bound_can_be_exceeded():
    """The exact answer moved by more than the bound is seen."""
    from dataclasses import replace

    spec = accel.registry.OPS["sum"]
    x = RNG.standard_normal(1000).astype(np.float32)
    off = replace(spec, reference=lambda x, **k: spec.reference(x, **k) + 0.01)
    with pytest.raises(compare.Disagreement, match="exceeds the bound"):
        compare.check(off, accel.device("cpu"), (x,))
