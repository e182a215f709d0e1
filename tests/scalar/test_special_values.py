"""Special values of the array API standard (2025.12), and those that the rows add, for every floating dtype.

A rule is ``arguments -> result``. p stands for a finite number greater than 0, n for one less than 0, i for an odd and
j for an even integer greater than 0, h for a number between 0 and 1, x for any number, and y for any number but NaN. A
result =k is the k-th argument.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scalar_samples import NUMPY, canonical_bits

from accel.scalar import FUNCTIONS, program_for
from accel.scalar.evaluate import evaluate

PI = math.pi
DTYPES = ("float16", "bfloat16", "float32", "float64")
POSITIVE = (0.0625, 0.75, 1.0, 3.0, 100.0)
LETTERS = {
    "p": POSITIVE,
    "n": tuple(-v for v in POSITIVE),
    "i": (1.0, 3.0, 7.0),
    "j": (2.0, 4.0, 16.0),
    "h": (0.0625, 0.75),
    "x": (math.nan, math.inf, -math.inf, 0.0, -0.0, *POSITIVE, *(-v for v in POSITIVE)),
    "y": (math.inf, -math.inf, 0.0, -0.0, *POSITIVE, *(-v for v in POSITIVE)),
}
UNARY_ODD = "nan -> nan; 0 -> 0; -0 -> -0"
LOG = "nan -> nan; n -> nan; -inf -> nan; 0 -> -inf; -0 -> -inf; 1 -> 0; inf -> inf"
ROUNDING = f"{UNARY_ODD}; inf -> inf; -inf -> -inf; 1 -> 1; -3 -> -3"
GATE = f"{UNARY_ODD}; inf -> inf; -inf -> -0"
COMPARISON = "nan x -> 0; x nan -> 0; 0 -0 -> {0}; inf inf -> {0}; -inf -inf -> {0}; "

RULES = {
    "add": "nan x -> nan; x nan -> nan; inf -inf -> nan; -inf inf -> nan; inf inf -> inf; -inf -inf -> -inf; "
    "inf p -> inf; inf n -> inf; -inf p -> -inf; p inf -> inf; p -inf -> -inf; n -inf -> -inf; -0 -0 -> -0; "
    "-0 0 -> 0; 0 -0 -> 0; 0 0 -> 0; 0 p -> =2; -0 n -> =2; 3 -3 -> 0",
    "subtract": "nan x -> nan; x nan -> nan; inf inf -> nan; -inf -inf -> nan; inf -inf -> inf; -inf inf -> -inf; "
    "inf p -> inf; p inf -> -inf; 0 0 -> 0; -0 0 -> -0; 0 -0 -> 0; -0 -0 -> 0; 3 3 -> 0",
    "multiply": "nan x -> nan; x nan -> nan; inf 0 -> nan; -inf 0 -> nan; 0 inf -> nan; -0 -inf -> nan; "
    "inf inf -> inf; inf -inf -> -inf; -inf -inf -> inf; inf p -> inf; inf n -> -inf; -inf n -> inf; p 0 -> 0; "
    "p -0 -> -0; n 0 -> -0",
    "divide": "nan x -> nan; x nan -> nan; inf inf -> nan; inf -inf -> nan; 0 0 -> nan; -0 0 -> nan; 0 p -> 0; "
    "-0 p -> -0; 0 n -> -0; -0 n -> 0; p 0 -> inf; p -0 -> -inf; n 0 -> -inf; n -0 -> inf; inf p -> inf; "
    "inf n -> -inf; -inf p -> -inf; -inf n -> inf; p inf -> 0; p -inf -> -0; n inf -> -0; n -inf -> 0",
    "floor_divide": "nan x -> nan; x nan -> nan; inf inf -> nan; inf -inf -> nan; -inf inf -> nan; 0 0 -> nan; "
    "0 -0 -> nan; -0 0 -> nan; 0 p -> 0; -0 p -> -0; 0 n -> -0; -0 n -> 0; p 0 -> inf; p -0 -> -inf; n 0 -> -inf; "
    "n -0 -> inf; inf p -> inf; inf n -> -inf; -inf p -> -inf; -inf n -> inf; p inf -> 0; p -inf -> -1; "
    "n inf -> -1; n -inf -> 0",
    "remainder": "nan x -> nan; x nan -> nan; inf x -> nan; -inf x -> nan; y 0 -> nan; y -0 -> nan; 0 p -> 0; "
    "-0 p -> 0; 0 n -> -0; -0 n -> -0; p inf -> =1; p -inf -> -inf; n inf -> inf; n -inf -> =1; 0 inf -> 0; "
    "-0 -inf -> -0",
    "pow": "x 0 -> 1; x -0 -> 1; 1 x -> 1; -1 nan -> nan; 3 nan -> nan; 0.75 nan -> nan; nan p -> nan; "
    "nan n -> nan; 3 inf -> inf; 3 -inf -> 0; -3 inf -> inf; -3 -inf -> 0; -1 inf -> 1; -1 -inf -> 1; h inf -> 0; "
    "h -inf -> inf; -0.75 inf -> 0; -0.75 -inf -> inf; inf p -> inf; inf n -> 0; -inf i -> -inf; -inf j -> inf; "
    "-inf h -> inf; -inf -3 -> -0; -inf -2 -> 0; -inf -0.5 -> 0; -inf inf -> inf; -inf -inf -> 0; 0 p -> 0; "
    "0 n -> inf; -0 i -> -0; -0 j -> 0; -0 h -> 0; -0 -3 -> -inf; -0 -2 -> inf; -0 -0.5 -> inf; -0 inf -> 0; "
    "-0 -inf -> inf; 0 inf -> 0; n h -> nan; n -0.5 -> nan; -3 1.5 -> nan; -2 3 -> -8; -2 2 -> 4; -2 -1 -> -0.5",
    "negative": "nan -> nan; 0 -> -0; -0 -> 0; inf -> -inf; -inf -> inf",
    "positive": f"{UNARY_ODD}; inf -> inf; -inf -> -inf",
    "abs": "nan -> nan; -0 -> 0; 0 -> 0; inf -> inf; -inf -> inf; -3 -> 3",
    "sign": "nan -> nan; 0 -> 0; -0 -> 0; p -> 1; n -> -1; inf -> 1; -inf -> -1",
    "square": "nan -> nan; 0 -> 0; -0 -> 0; inf -> inf; -inf -> inf; -3 -> 9",
    "reciprocal": "nan -> nan; 0 -> inf; -0 -> -inf; inf -> 0; -inf -> -0; 4 -> 0.25",
    "sqrt": "nan -> nan; n -> nan; -inf -> nan; 0 -> 0; -0 -> -0; inf -> inf; 4 -> 2",
    "rsqrt": "nan -> nan; n -> nan; -inf -> nan; 0 -> inf; -0 -> -inf; inf -> 0; 4 -> 0.5",
    "signbit": "0 -> 0; -0 -> 1; p -> 0; n -> 1; inf -> 0; -inf -> 1",
    "copysign": "p 0 -> =1; -3 0 -> 3; n -0 -> =1; 0 -inf -> -0; -0 inf -> 0; inf -0 -> -inf; nan p -> nan; "
    "nan n -> nan; -inf p -> inf",
    "equal": COMPARISON.format(1) + "3 3 -> 1; 3 4 -> 0; inf -inf -> 0",
    "not_equal": "nan x -> 1; x nan -> 1; 0 -0 -> 0; inf inf -> 0; 3 4 -> 1",
    "less": COMPARISON.format(0) + "n p -> 1; p n -> 0; -inf p -> 1; p inf -> 1",
    "less_equal": COMPARISON.format(1) + "n p -> 1; p n -> 0; -inf p -> 1",
    "greater": COMPARISON.format(0) + "n p -> 0; p n -> 1; inf p -> 1",
    "greater_equal": COMPARISON.format(1) + "n p -> 0; p n -> 1",
    "isnan": "nan -> 1; y -> 0",
    "isinf": "inf -> 1; -inf -> 1; nan -> 0; p -> 0; 0 -> 0",
    "isfinite": "inf -> 0; -inf -> 0; nan -> 0; p -> 1; n -> 1; -0 -> 1",
    "minimum": "nan x -> nan; x nan -> nan; 0 -0 -> -0; -0 0 -> -0; -0 -0 -> -0; 0 0 -> 0; inf p -> =2; "
    "-inf p -> -inf; n p -> =1",
    "maximum": "nan x -> nan; x nan -> nan; 0 -0 -> 0; -0 0 -> 0; -0 -0 -> -0; inf p -> inf; -inf p -> =2; n p -> =2",
    "logaddexp": "nan x -> nan; x nan -> nan; inf p -> inf; -inf p -> =2; n -inf -> =1; inf -inf -> inf; "
    "-inf -inf -> -inf; inf inf -> inf; -0 -inf -> -0; -inf -0 -> -0; 0 0 -> 0.6931471805599453; 1000 0 -> 1000",
    "clip": "nan n p -> nan; x nan p -> nan; x n nan -> nan; inf n p -> =3; -inf n p -> =2; 0 n p -> 0; "
    "-0 n p -> -0; -0 0 p -> 0",
    "floor": ROUNDING + "; 0.75 -> 0; -0.75 -> -1; 2.5 -> 2; -2.5 -> -3",
    "ceil": ROUNDING + "; 0.75 -> 1; -0.75 -> -0; 2.5 -> 3; -2.5 -> -2",
    "trunc": ROUNDING + "; 0.75 -> 0; -0.75 -> -0; 2.5 -> 2; -2.5 -> -2",
    "round": ROUNDING + "; 0.5 -> 0; -0.5 -> -0; 1.5 -> 2; 2.5 -> 2; -2.5 -> -2; 0.75 -> 1",
    "nextafter": "nan x -> nan; x nan -> nan; 0 -0 -> -0; -0 0 -> 0; inf inf -> inf; -inf -inf -> -inf; 3 3 -> 3",
    "cbrt": f"{UNARY_ODD}; inf -> inf; -inf -> -inf; 8 -> 2; -0.125 -> -0.5; 1 -> 1",
    "hypot": "inf x -> inf; -inf x -> inf; x inf -> inf; x -inf -> inf; 3 4 -> 5; 0 p -> =2; -0 p -> =2; "
    "p 0 -> =1; p -0 -> =1; 0 0 -> 0; -0 -0 -> 0; nan 0 -> nan; 3 nan -> nan; nan nan -> nan",
    "sin": f"{UNARY_ODD}; inf -> nan; -inf -> nan",
    "cos": "nan -> nan; 0 -> 1; -0 -> 1; inf -> nan; -inf -> nan",
    "tan": f"{UNARY_ODD}; inf -> nan; -inf -> nan",
    "asin": f"{UNARY_ODD}; 3 -> nan; -3 -> nan; inf -> nan; -inf -> nan; 1 -> {PI / 2}; -1 -> {-PI / 2}",
    "acos": f"nan -> nan; 1 -> 0; 3 -> nan; -3 -> nan; inf -> nan; -inf -> nan; 0 -> {PI / 2}; -1 -> {PI}",
    "atan": f"{UNARY_ODD}; inf -> {PI / 2}; -inf -> {-PI / 2}; 1 -> {PI / 4}; -1 -> {-PI / 4}",
    "atan2": f"nan x -> nan; x nan -> nan; p 0 -> {PI / 2}; p -0 -> {PI / 2}; 0 p -> 0; 0 0 -> 0; 0 -0 -> {PI}; "
    f"0 n -> {PI}; -0 p -> -0; -0 0 -> -0; -0 -0 -> {-PI}; -0 n -> {-PI}; n 0 -> {-PI / 2}; n -0 -> {-PI / 2}; "
    f"p inf -> 0; p -inf -> {PI}; n inf -> -0; n -inf -> {-PI}; inf p -> {PI / 2}; inf n -> {PI / 2}; "
    f"-inf p -> {-PI / 2}; -inf n -> {-PI / 2}; inf inf -> {PI / 4}; inf -inf -> {3 * PI / 4}; "
    f"-inf inf -> {-PI / 4}; -inf -inf -> {-3 * PI / 4}; 0 inf -> 0; -0 -inf -> {-PI}; inf 0 -> {PI / 2}",
    "sinh": f"{UNARY_ODD}; inf -> inf; -inf -> -inf",
    "cosh": "nan -> nan; 0 -> 1; -0 -> 1; inf -> inf; -inf -> inf",
    "asinh": f"{UNARY_ODD}; inf -> inf; -inf -> -inf",
    "acosh": "nan -> nan; 0.75 -> nan; 0 -> nan; n -> nan; -inf -> nan; 1 -> 0; inf -> inf",
    "atanh": f"{UNARY_ODD}; 3 -> nan; -3 -> nan; inf -> nan; -inf -> nan; 1 -> inf; -1 -> -inf",
    "fmod": "nan x -> nan; x nan -> nan; inf x -> nan; -inf x -> nan; y 0 -> nan; y -0 -> nan; 0 p -> 0; -0 p -> -0; "
    "0 n -> 0; -0 n -> -0; p inf -> =1; p -inf -> =1; n inf -> =1; n -inf -> =1; 7 3 -> 1; -7 3 -> -1; 7 -3 -> 1",
    "frac": "nan -> nan; inf -> nan; -inf -> nan; 0 -> 0; -0 -> 0; 3 -> 0; -3 -> 0; 2.5 -> 0.5; -2.5 -> -0.5",
    "ldexp": "nan x -> nan; x nan -> nan; 0 y -> 0; -0 y -> -0; inf y -> inf; -inf y -> -inf; 3 2 -> 12; 3 -1 -> 1.5; "
    "p 0 -> =1; p -0 -> =1; p inf -> inf; n inf -> -inf; p -inf -> 0; n -inf -> -0; p 100000 -> inf; p -100000 -> 0",
    "deg2rad": f"{UNARY_ODD}; inf -> inf; -inf -> -inf; 180 -> {PI}",
    "rad2deg": f"{UNARY_ODD}; inf -> inf; -inf -> -inf",
    "sinc": "nan -> nan; 0 -> 1; -0 -> 1; inf -> 0; -inf -> 0; 100000 -> 0; 0.5 -> 0.6366197723675814",
    "xlogy": "nan x -> nan; x nan -> nan; 0 y -> 0; -0 y -> 0; p 0 -> -inf; n 0 -> inf; p n -> nan; n n -> nan; "
    "p 1 -> 0; p inf -> inf; n inf -> -inf; inf 0 -> -inf; -inf 0 -> inf; inf 3 -> inf; p -inf -> nan",
    "xlog1py": "nan x -> nan; x nan -> nan; 0 y -> 0; -0 y -> 0; p -1 -> -inf; n -1 -> inf; p -3 -> nan; p 0 -> 0; "
    "p -0 -> -0; n 0 -> -0; p inf -> inf; n inf -> -inf; p -inf -> nan",
    "entr": "nan -> nan; 0 -> 0; -0 -> 0; n -> -inf; -inf -> -inf; inf -> -inf",
    "logit": "nan -> nan; 0 -> -inf; -0 -> -inf; 1 -> inf; 3 -> nan; n -> nan; inf -> nan; -inf -> nan",
    "erfc": "nan -> nan; 0 -> 1; -0 -> 1; inf -> 0; -inf -> 2",
    "erfcx": "nan -> nan; 0 -> 1; -0 -> 1; inf -> 0; -inf -> inf; -1000 -> inf",
    "ndtr": "nan -> nan; 0 -> 0.5; -0 -> 0.5; inf -> 1; -inf -> 0",
    "log_ndtr": "nan -> nan; inf -> 0; -inf -> -inf; 100 -> 0",
    "erfinv": f"{UNARY_ODD}; 1 -> inf; -1 -> -inf; 3 -> nan; -3 -> nan; inf -> nan; -inf -> nan",
    "ndtri": "nan -> nan; 0 -> -inf; -0 -> -inf; 1 -> inf; 0.5 -> 0; 3 -> nan; n -> nan; inf -> nan; -inf -> nan",
    "gamma": "nan -> nan; 0 -> inf; -0 -> -inf; 1 -> 1; 2 -> 1; 3 -> 2; 4 -> 6; inf -> inf; -inf -> nan; -1 -> nan; "
    "-3 -> nan; -100 -> nan; 1000 -> inf",
    "lgamma": "nan -> nan; 0 -> inf; -0 -> inf; 1 -> 0; 2 -> 0; inf -> inf; -inf -> inf; -1 -> inf; -3 -> inf; "
    "-100 -> inf",
    "digamma": "nan -> nan; 0 -> -inf; -0 -> inf; inf -> inf; -inf -> nan; -1 -> nan; -3 -> nan; -100 -> nan",
    "trigamma": "nan -> nan; 0 -> inf; -0 -> inf; inf -> 0; -inf -> nan; -1 -> inf; -3 -> inf; -100 -> inf",
    "i0": "nan -> nan; 0 -> 1; -0 -> 1; inf -> inf; -inf -> inf; 1000 -> inf; -1000 -> inf",
    "i0e": "nan -> nan; 0 -> 1; -0 -> 1; inf -> 0; -inf -> 0",
    "i1": f"{UNARY_ODD}; inf -> inf; -inf -> -inf; 1000 -> inf; -1000 -> -inf",
    "i1e": f"{UNARY_ODD}; inf -> 0; -inf -> -0",
    "frexp_exponent": "nan -> 0; inf -> 0; -inf -> 0; 0 -> 0; -0 -> 0; 1 -> 1; -3 -> 2; 0.25 -> -1",
    "frexp_fraction": f"{UNARY_ODD}; inf -> inf; -inf -> -inf; 1 -> 0.5; -3 -> -0.75; 0.25 -> 0.5",
    "exp10": "nan -> nan; 0 -> 1; -0 -> 1; inf -> inf; -inf -> 0; 2 -> 100; 1 -> 10; 4 -> 10000",
    "exp": "nan -> nan; 0 -> 1; -0 -> 1; inf -> inf; -inf -> 0",
    "exp2": "nan -> nan; 0 -> 1; -0 -> 1; inf -> inf; -inf -> 0; 3 -> 8; -2 -> 0.25",
    "expm1": f"{UNARY_ODD}; inf -> inf; -inf -> -1",
    "log": LOG,
    "log2": LOG + "; 8 -> 3; 0.25 -> -2",
    "log10": LOG + "; 100 -> 2",
    "log1p": f"{UNARY_ODD}; -3 -> nan; -inf -> nan; -1 -> -inf; inf -> inf",
    "tanh": f"{UNARY_ODD}; inf -> 1; -inf -> -1",
    "sigmoid": "nan -> nan; 0 -> 0.5; -0 -> 0.5; inf -> 1; -inf -> 0",
    "erf": f"{UNARY_ODD}; inf -> 1; -inf -> -1",
    "gelu": GATE,
    "gelu_tanh": GATE,
    "silu": GATE,
    "logsigmoid": "nan -> nan; inf -> 0; -inf -> -inf; 1000 -> 0; -1000 -> -1000",
    "mish": GATE,
    "selu": f"{UNARY_ODD}; inf -> inf; -inf -> -1.7580993408473768; -1000 -> -1.7580993408473768",
    "softsign": f"{UNARY_ODD}; inf -> 1; -inf -> -1; 1 -> 0.5; -3 -> -0.75",
    "tanhshrink": f"{UNARY_ODD}; inf -> inf; -inf -> -inf",
    "hardsigmoid": "nan -> nan; inf -> 1; -inf -> 0; 3 -> 1; -3 -> 0; -100 -> 0; 0 -> 0.5; -0 -> 0.5; 1.5 -> 0.75",
    "hardswish": f"{GATE}; 3 -> 3; 100 -> 100; -3 -> -0; -100 -> -0; 1 -> 0.6666666666666666; -1.5 -> -0.375",
    "relu": "nan -> nan; n -> 0; -inf -> 0; -0 -> 0; 0 -> 0; inf -> inf; 3 -> 3",
}


def expanded(rule: str) -> list[tuple[tuple[float, ...], float]]:
    """(arguments, result) of a rule; a result =k is argument k."""
    left, right = rule.split("->")
    choices = [LETTERS[word] if word in LETTERS else (float(word),) for word in left.split()]
    right = right.strip()
    cases = itertools.product(*choices)
    return [(x, x[int(right[1:]) - 1] if right[0] == "=" else float(right)) for x in cases]


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_special_values(name: str, dtype: str) -> None:
    row = FUNCTIONS[name]
    program = program_for(name, (dtype,) * row.arity)
    wrong = []
    for rule in RULES[name].split(";"):
        for x, expected in expanded(rule):
            (got,) = evaluate(program, *(np.array([v], NUMPY[dtype]) for v in x))
            want = np.array([expected]).astype(NUMPY[program.output])
            if canonical_bits(np.array([got])) != canonical_bits(want):
                wrong.append(f"{name}{x} is {got}, not {want[0]} ({rule.strip()})")
    assert not wrong, "\n".join(wrong)


def test_every_float_function_has_rules() -> None:
    missing = [name for name, row in FUNCTIONS.items() if "float" in row.kinds and name not in RULES]
    assert missing == ["where"]
    got = evaluate(
        program_for("where", ("bool", "float32", "float32")),
        np.array([True, False]),
        np.float32([1, 1]),
        np.float32([2, 2]),
    )
    assert got.tolist() == [1, 2]


def test_a_rule_can_fail() -> None:
    """The control: a wrong rule is not met."""
    (x, expected), *_ = expanded("0 -0 -> -0")
    (got,) = evaluate(program_for("maximum", ("float32", "float32")), *(np.float32([v]) for v in x))
    assert canonical_bits(np.array([got])) != canonical_bits(np.float32([expected]))
