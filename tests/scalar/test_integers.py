"""Functions of integers and booleans against Python's integers: all pairs of 8 bits, special and random wide ones."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scalar_samples import NUMPY, random, special

from accel.scalar import FUNCTIONS, program_for
from accel.scalar.evaluate import evaluate
from accel.scalar.expr import INTEGERS, SIGNED, WIDTH


def wrap(value: int, dtype: str) -> int:
    width = WIDTH[dtype]
    value %= 2**width
    return value - 2**width if dtype in SIGNED and value >= 2 ** (width - 1) else value


def shift_left(a: int, b: int, dtype: str) -> int:
    return a << b if 0 <= b < WIDTH[dtype] else 0


def shift_right(a: int, b: int, dtype: str) -> int:
    return a >> (b if 0 <= b < WIDTH[dtype] else WIDTH[dtype])


def power(a: int, b: int, dtype: str) -> int:
    if b >= 0:
        return pow(a, b, 2 ** WIDTH[dtype])
    return {1: 1, -1: -1 if b % 2 else 1}.get(a, 0)


REFERENCE: dict[str, Callable[[int, int, str], int]] = {
    "add": lambda a, b, d: a + b,
    "subtract": lambda a, b, d: a - b,
    "multiply": lambda a, b, d: a * b,
    "floor_divide": lambda a, b, d: a // b if b else 0,
    "remainder": lambda a, b, d: a % b if b else 0,
    "pow": power,
    "fmod": lambda a, b, d: (abs(a) % abs(b)) * (1 if a > 0 else -1) if b else 0,
    "gcd": lambda a, b, d: math.gcd(a, b),
    "bit_count": lambda a, b, d: a.bit_count(),
    "negative": lambda a, b, d: -a,
    "positive": lambda a, b, d: a,
    "abs": lambda a, b, d: abs(a),
    "sign": lambda a, b, d: (a > 0) - (a < 0),
    "square": lambda a, b, d: a * a,
    "bitwise_and": lambda a, b, d: a & b,
    "bitwise_or": lambda a, b, d: a | b,
    "bitwise_xor": lambda a, b, d: a ^ b,
    "bitwise_invert": lambda a, b, d: ~a,
    "bitwise_left_shift": shift_left,
    "bitwise_right_shift": shift_right,
    "equal": lambda a, b, d: a == b,
    "not_equal": lambda a, b, d: a != b,
    "less": lambda a, b, d: a < b,
    "less_equal": lambda a, b, d: a <= b,
    "greater": lambda a, b, d: a > b,
    "greater_equal": lambda a, b, d: a >= b,
    "isnan": lambda a, b, d: False,
    "isinf": lambda a, b, d: False,
    "isfinite": lambda a, b, d: True,
    "minimum": lambda a, b, d: min(a, b),
    "maximum": lambda a, b, d: max(a, b),
    "floor": lambda a, b, d: a,
    "ceil": lambda a, b, d: a,
    "trunc": lambda a, b, d: a,
    "round": lambda a, b, d: a,
    "relu": lambda a, b, d: max(a, 0),
}


def pairs(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    if WIDTH[dtype] == 8:
        every = np.arange(256, dtype=np.uint8).view(dtype)
        return np.repeat(every, 256), np.tile(every, 256)
    values = special(dtype)
    a, b = np.repeat(values, len(values)), np.tile(values, len(values))
    return np.concatenate([a, random(dtype, 3000, "a")]), np.concatenate([b, random(dtype, 3000, "b")])


@pytest.mark.parametrize("name", REFERENCE)
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers(name: str, dtype: str) -> None:
    row = FUNCTIONS[name]
    a, b = pairs(dtype)
    got = evaluate(program_for(name, (dtype,) * row.arity), *(a, b)[: row.arity])
    expected = [REFERENCE[name](x, y, dtype) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    if row.result == "same":
        expected = [wrap(v, dtype) for v in expected]
    assert got.dtype == NUMPY[row.result_dtype(dtype)]
    wrong = [(x, y, g, e) for x, y, g, e in zip(a.tolist(), b.tolist(), got.tolist(), expected, strict=True) if g != e]
    assert not wrong, wrong[:10]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_clip_and_where(dtype: str) -> None:
    a, b = pairs(dtype)
    low, high = np.minimum(a[::-1], b[::-1]), np.maximum(a[::-1], b[::-1])
    assert np.array_equal(evaluate(program_for("clip", (dtype,) * 3), a, low, high), np.clip(a, low, high))
    assert np.array_equal(evaluate(program_for("where", ("bool", dtype, dtype)), a > b, a, b), np.where(a > b, a, b))


BOOLEAN = {
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
    "logical_not": np.logical_not,
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
    "bitwise_invert": np.invert,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "where": np.where,
}


@pytest.mark.parametrize("name", BOOLEAN)
def test_booleans(name: str) -> None:
    arity = FUNCTIONS[name].arity
    every = [np.array([bool(i >> k & 1) for i in range(2**arity)]) for k in range(arity)]
    assert np.array_equal(evaluate(program_for(name, ("bool",) * arity), *every), BOOLEAN[name](*every))


def test_every_integer_function_is_covered() -> None:
    listed = {*REFERENCE, "clip", "where"}
    assert {n for n, row in FUNCTIONS.items() if "int" in row.kinds} == listed
    assert {n for n, row in FUNCTIONS.items() if "bool" in row.kinds} == set(BOOLEAN)


def test_a_wrong_sign_convention_would_be_seen() -> None:
    """The control: C's truncated division differs from floor division on these pairs."""
    a, b = pairs("int8")
    got = evaluate(program_for("floor_divide", ("int8", "int8")), a, b)
    truncated = [wrap(math.trunc(x / y), "int8") if y else 0 for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    assert np.count_nonzero(got != np.array(truncated)) > 10_000
