"""Operands: the bits that are promised, values in their ranges, distinct streams, memory layouts."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.bench.cases import inputs
from accel.bench.cases.case import Operand
from accel.bench.cases.inputs import BLOCK, CHUNK, array, arrays
from accel.bench.cases.workload import SUITES, select
from accel.dtypes import TABLE
from accel.errors import ArgumentError

PINNED = {
    Operand((1000,), "float32"): "58d4c797517cf94c",
    Operand((1000,), "float64"): "b391dda10df8ee6c",
    Operand((1000,), "float16"): "cf17e1c228a8fc5a",
    Operand((1000,), "bfloat16"): "f481e804774ebe05",
    Operand((1000,), "int8"): "b57634c7b566ebc2",
    Operand((1000,), "uint64"): "08a7f1d249a16b9a",
    Operand((1000,), "bool"): "70487834f251d55a",
    Operand((30, 40), "float32", "transposed", "unit"): "d2e69828318b8d87",
    Operand((1000,), "int64", values="below-37"): "3e380141cd6d841d",
    Operand((5_000_000,), "float32", values="positive"): "32e294b21e65d1e6",
}
"""First digits of the SHA-256 of the bytes, drawn with seed 7 for the second operand. A change of one is a change of
every suite: results can no longer be compared with older ones, and every suite needs a new version."""


@pytest.mark.parametrize("operand", PINNED, ids=str)
def test_bits_are_pinned(operand: Operand):
    made = array(operand, 7, 1)
    little = made.view(f"u{made.dtype.itemsize}").astype(f"<u{made.dtype.itemsize}")
    assert hashlib.sha256(little.tobytes()).hexdigest()[:16] == PINNED[operand]


def mixed(x: int) -> int:
    """SplitMix64's finaliser, in Python's integers."""
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
    return x ^ x >> 31


def bits(seed: int, stream: int, i: int) -> int:
    gamma = 0x9E3779B97F4A7C15
    origin = mixed((seed + (stream + 1) * gamma) % 2**64)
    return mixed((origin + (i + 1) * gamma) % 2**64)


@given(st.integers(0, 2**64 - 1), st.integers(0, 3), st.integers(0, CHUNK + 5))
def test_elements_are_what_the_formulas_say(seed: int, stream: int, i: int):
    drawn = bits(seed, stream, i)
    total = sum(drawn >> 16 * lane & 0xFFFF for lane in range(4))
    normal = Fraction(2 * total - 4 * 0xFFFF + 1, 2**16)

    def element(dtype: str, values: str = "normal"):
        return array(Operand((i + 1,), dtype, values=values), seed, stream)[i]

    assert Fraction(float(element("float32"))) == normal
    assert Fraction(float(element("float32", "positive"))) == abs(normal) + Fraction(1, 8)
    assert element("float16") == np.float16(float(normal))
    assert element("bfloat16") == ml_dtypes.bfloat16(float(normal))
    further = Fraction(mixed((drawn + 0x9E3779B97F4A7C15) % 2**64) >> 38, 2**50)
    assert Fraction(float(element("float64"))) == normal + further
    assert int(element("int32")) == drawn % 201 - 100
    assert int(element("uint8")) == drawn % 101
    assert int(element("int64", "below-12")) == drawn % 12
    assert bool(element("bool")) == bool(drawn >> 63)


def test_splitmix_is_the_published_one():
    """The first outputs for seed 1234567, as implementations in other languages publish them."""
    gamma = np.uint64(0x9E3779B97F4A7C15)
    counters = np.uint64(1234567) + np.arange(1, 6, dtype=np.uint64) * gamma
    assert inputs._mixed(counters).tolist() == [
        6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821,
    ]  # fmt: skip


RANGES = {
    "normal": (-4, 4), "positive": (0.125, 4.125), "unit": (-0.9375, 0.9375), "above-one": (1, 5.01),
    "near-one": (0.998, 1.002), "small-integers": (-4, 4), "lower": (-0.5, -0.5), "upper": (0.5, 0.5),
}  # fmt: skip


@pytest.mark.parametrize("values", RANGES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_floats_are_in_their_ranges(dtype: str, values: str):
    made = array(Operand((20_000,), dtype, values=values), 0, 0).astype(np.float64)
    low, high = RANGES[values]
    slack = 2.0**-7 if dtype == "bfloat16" else 0
    assert low - slack * abs(low) <= made.min() and made.max() <= high + slack * abs(high)
    if values == "normal":
        assert abs(made.mean()) < 0.02 and abs(made.std() - 2 / np.sqrt(3)) < 0.02
        assert np.count_nonzero(made) == made.size, "may be a divisor"
    if values not in ("lower", "upper", "near-one", "small-integers"):
        assert np.unique(made).size > 100


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_integers_are_in_their_ranges(dtype: str):
    signed = dtype[0] == "i"
    expected = {
        "normal": (-100 if signed else 0, 100), "positive": (1, 100), "shift": (0, 7),
        "small-integers": (-4 if signed else 0, 4 if signed else 8), "below-90": (0, 89),
        "lower": (-50 if signed else 0,) * 2, "upper": (50, 50),
    }  # fmt: skip
    for values, (low, high) in expected.items():
        made = array(Operand((20_000,), dtype, values=values), 0, 0)
        assert made.dtype == dtype and (made.min(), made.max()) == (low, high), values


def test_booleans():
    half, rare, last, others = (
        array(Operand((100_000,), "bool", values=v), 0, 0) for v in ("normal", "sparse", "only-last", "but-last")
    )
    assert 0.49 < half.mean() < 0.51 and 0 < rare.sum() < 60
    assert last.tolist() == [False] * 99_999 + [True]
    assert (others != last).all()


def test_streams_and_seeds_differ():
    operand = Operand((1000,), "float32")
    made = [array(operand, seed, stream) for seed in (0, 1, 2) for stream in (0, 1, 2)]
    assert len({x.tobytes() for x in made}) == 9
    assert len(np.unique(np.concatenate(made))) > 8000, "not the same elements in another order"
    assert array(operand, 1, 2).tobytes() == array(operand, 1, 2).tobytes()


def test_large_operands_repeat_with_an_odd_period():
    made = array(Operand((BLOCK + 1000,), "int8"), 3, 0)
    assert BLOCK % 2 == 1
    assert np.array_equal(made[BLOCK:], made[:1000])
    assert np.array_equal(made[: CHUNK + 10], array(Operand((CHUNK + 10,), "int8"), 3, 0)), "size does not matter"
    rows = array(Operand((8200, 1024), "int8"), 3, 0)  # twice as many elements as a block
    assert not (rows[0] == rows[4096]).all()


def test_transposed_operands_are_views_of_row_major_memory():
    plain, turned = (array(Operand((2, 3, 5), "float32", lie), 0, 0) for lie in ("row-major", "transposed"))
    assert plain.flags.c_contiguous and plain.shape == turned.shape == (2, 3, 5)
    assert turned.strides == (60, 4, 12)
    assert turned.swapaxes(1, 2).flags.c_contiguous


@pytest.mark.parametrize(
    ("dtype", "values"), [("float32", "nonsense"), ("bool", "unit"), ("float32", "below-3"), ("int8", "below-0")]
)
def test_values_that_there_are_none_of(dtype: str, values: str):
    with pytest.raises(ArgumentError, match=f"operand: values: no '{values}' of {dtype}; there are normal"):
        array(Operand((3,), dtype, values=values), 0, 0)


def test_every_operand_of_every_suite_can_be_drawn():
    """In a smaller shape of as many axes."""
    operands = {x for name in SUITES for case in select(name) for x in case.operands}
    small = {Operand(tuple(min(n, 3) for n in x.shape), x.dtype, x.layout, x.values) for x in operands}
    for operand in small:
        made = array(operand, 0, 0)
        assert (made.shape, made.dtype) == (operand.shape, TABLE[operand.dtype].numpy)
    case = next(c for c in select("quick") if c.op == "where")
    assert [x.dtype.name for x in arrays(case, 0)] == ["bool", "float32", "float32"]
